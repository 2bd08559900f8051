"""A talk in a terminal: devices to the conversation and back, with files and a fake for devices."""

from __future__ import annotations

import json
import threading
import wave
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from cli_support import run
from live_support import LiveServer
from media_files import tone, write_sound, write_video
from omnilive.cli.talk import run_talk
from omnilive.clock import RealClock
from omnilive.errors import MediaError
from omnilive.events import NS_PER_S, SAMPLE_RATE, AudioChunk, MediaPacket, VideoFrame
from omnilive.media.contract import MediaEvent, MediaReader, ReadOptions
from omnilive.media.sound_device import OUT_RATE, Heard, Wanted
from omnilive.media.source import parse_source
from omnilive.presets import embedded
from omnilive.serving.client import Client
from omnilive.serving.local_camera import LocalCamera
from omnilive.serving.playout import Playout, Taken
from omnilive.serving.sound_file import FileLoudspeaker, FileMicrophone, read_sound
from omnilive.serving.terminal import Terminal
from talk_support import FastClock, spoken

Json = dict[str, Any]
CONFIG = embedded()


class FakeConversation:
    """What a terminal uses of a conversation: takes everything, says nothing by itself."""

    def __init__(self) -> None:
        self.playout = Playout()
        self.received: list[Json] = []
        self.taken_pieces: list[Taken] = []
        self.taken_by: set[int] = set()
        self.media: list[MediaEvent] = []
        self.client: Client | None = None
        self.changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def attach(self, client: Client, reader: MediaReader) -> None:
        self.client = client

        def read() -> None:
            for event in reader.events(stream=1, at_ns=0, wall_ns=0):
                with self.changed:
                    self.media.append(event)
                    self.changed.notify_all()

        self._thread = threading.Thread(target=read, daemon=True)
        self._thread.start()

    def receive(self, client: Client, message: Json) -> None:
        with self.changed:
            self.received.append(message)
            self.changed.notify_all()

    def taken(self, piece: Taken) -> None:
        with self.changed:
            self.taken_pieces.append(piece)
            self.taken_by.add(threading.get_ident())
            self.changed.notify_all()

    def wait_for(self, so: Any) -> None:
        with self.changed:
            assert self.changed.wait_for(so, 60)

    def join(self) -> None:
        assert self._thread is not None
        self._thread.join(60)
        assert not self._thread.is_alive()

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.media if isinstance(event, kind)]


class HandMicrophone:
    """A microphone that hears what a test gives it."""

    name = "by hand"
    is_over = False
    heard: Heard | None = None
    is_closed = False

    def start(self, heard: Heard) -> None:
        self.heard = heard

    def close(self) -> None:
        self.is_closed = True


class HandLoudspeaker:
    """A loudspeaker that plays when a test says so."""

    name = "by hand"
    output_ms = 12.0
    wanted: Wanted | None = None
    is_closed = False

    def start(self, wanted: Wanted) -> None:
        self.wanted = wanted

    def close(self) -> None:
        self.is_closed = True


def terminal_of(conversation: FakeConversation, clock: Any = None, **devices: Any) -> Terminal:
    return Terminal(conversation, CONFIG, clock or FastClock(), **devices)  # type: ignore[arg-type]


def test_sound_goes_in_when_it_was_heard_and_is_recorded() -> None:
    clock = FastClock(1.0)
    conversation, microphone = FakeConversation(), HandMicrophone()
    terminal = terminal_of(conversation, clock, microphone=microphone)
    terminal.start()
    start_ns = clock.monotonic_ns()
    sound = tone(2.0, SAMPLE_RATE)
    assert microphone.heard is not None
    for first in range(0, sound.size, 320):
        at_ns = start_ns + first * NS_PER_S // SAMPLE_RATE
        microphone.heard(at_ns, sound[first : first + 320])
    terminal.finish()
    terminal.finish()
    conversation.join()
    assert microphone.is_closed
    heard = np.concatenate([chunk.samples for chunk in conversation.of(AudioChunk)])
    np.testing.assert_array_equal(heard[-sound.size :], sound)
    packets = conversation.of(MediaPacket)
    assert {packet.codec for packet in packets} == {"aac"}
    span_ns = max(p.at_ns + p.duration_ns for p in packets) - min(p.at_ns for p in packets)
    assert span_ns == pytest.approx(2 * NS_PER_S, abs=0.15 * NS_PER_S)
    assert terminal.counts.samples == heard.size


def test_without_a_recording_there_are_no_packets() -> None:
    config = replace(CONFIG, live=replace(CONFIG.live, record=False))
    conversation, microphone = FakeConversation(), HandMicrophone()
    terminal = Terminal(conversation, config, FastClock(), microphone=microphone)  # type: ignore[arg-type]
    terminal.start()
    assert microphone.heard is not None
    microphone.heard(0, tone(1.0, SAMPLE_RATE))
    terminal.finish()
    conversation.join()
    assert conversation.of(MediaPacket) == []


def test_what_is_played_is_told_but_not_in_the_devices_thread() -> None:
    conversation, loudspeaker = FakeConversation(), HandLoudspeaker()
    terminal = terminal_of(conversation, loudspeaker=loudspeaker)
    terminal.start()
    assert loudspeaker.wanted is not None
    for _ in range(10):
        assert loudspeaker.wanted(960).shape == (960,)
    conversation.wait_for(lambda: len(conversation.taken_pieces) == 10)
    assert [piece.index for piece in conversation.taken_pieces] == list(range(0, 9600, 960))
    assert threading.get_ident() not in conversation.taken_by
    terminal.finish()
    assert loudspeaker.is_closed


def test_the_conversation_is_told_of_the_devices() -> None:
    conversation = FakeConversation()
    terminal = terminal_of(
        conversation, FastClock(50), microphone=HandMicrophone(), loudspeaker=HandLoudspeaker()
    )
    terminal.start()

    def last(command: str) -> Json:
        return next((m for m in reversed(conversation.received) if m["command"] == command), {})

    conversation.wait_for(lambda: last("capture").get("microphone") == "lost")
    assert last("capture")["camera"] == "off"
    assert last("playback") == {
        "command": "playback",
        "buffered_ms": 0.0,
        "output_ms": 12.0,
        "muted": False,
    }
    # A microphone that hears nothing at all, not even silence, has stopped: that is said.
    message = terminal.next_message(60)
    assert message is not None
    assert message["event"] == "notice"
    assert "microphone" in str(message["text"])
    terminal.finish()


def test_questions_and_cuts_are_commands() -> None:
    conversation = FakeConversation()
    terminal = terminal_of(conversation)
    terminal.start()
    terminal.ask("what was said?")
    terminal.cut()
    asked = [m for m in conversation.received if m["command"] in ("ask", "stop")]
    assert asked == [{"command": "ask", "text": "what was said?"}, {"command": "stop"}]
    terminal.finish()


def test_it_ends_when_the_input_is_over_and_nothing_follows() -> None:
    clock = FastClock(20)
    conversation = FakeConversation()
    terminal = terminal_of(conversation, clock)
    terminal.start()
    never = threading.Event()
    clock.wait(never, 4)
    assert not terminal.is_over
    terminal.end_typing()
    terminal.send({"event": "floor", "state": "thinking", "turn": "q1"})
    assert not terminal.is_over
    clock.wait(never, 4)
    assert not terminal.is_over  # the answer is still to come
    terminal.send({"event": "floor", "state": "listening", "turn": ""})
    assert not terminal.is_over
    clock.wait(never, 4)
    assert terminal.is_over
    terminal.finish()


def test_it_ends_when_the_conversation_ends_it() -> None:
    terminal = terminal_of(FakeConversation())
    terminal.start()
    assert not terminal.is_over
    terminal.close("The conversation was ended.")
    assert terminal.is_over
    terminal.finish()


def test_messages_nobody_reads_are_bounded() -> None:
    terminal = terminal_of(FakeConversation())
    for _ in range(20_000):
        terminal.send({"event": "level", "rms_db": -20.0})
    terminal.send({"event": "notice", "stage": "", "text": "this one matters"})
    messages = []
    while (message := terminal.next_message(0)) is not None:
        messages.append(message)
    assert len(messages) == 10_001
    assert messages[-1]["event"] == "notice"


# --- files for devices ------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.wav", "a.mp3", "a.m4a"])
def test_a_file_is_heard_at_the_pace_of_the_world(tmp_path: Path, name: str) -> None:
    codec = {"a.wav": "pcm_s16le", "a.mp3": "libmp3lame", "a.m4a": "aac"}[name]
    path = write_sound(tmp_path / name, tone(1.5), codec=codec)
    clock = FastClock()
    microphone = FileMicrophone(path, clock)
    pieces: list[tuple[int, np.ndarray]] = []
    over = threading.Event()

    def heard(at_ns: int, samples: np.ndarray) -> None:
        assert at_ns + 20_000_000 <= clock.monotonic_ns() + 1  # never before it has sounded
        pieces.append((at_ns, samples))
        if microphone.is_over:
            over.set()

    microphone.start(heard)
    assert over.wait(60)
    microphone.close()
    times = [at for at, _ in pieces]
    assert np.diff(times).tolist() == [20_000_000] * (len(times) - 1)
    sound = np.concatenate([samples for _, samples in pieces])
    assert sound.size / SAMPLE_RATE == pytest.approx(1.5, abs=0.15)
    middle = sound[SAMPLE_RATE // 2 : SAMPLE_RATE]
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(0.3 / np.sqrt(2), abs=0.02)


def test_what_is_played_is_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "out.wav"
    loudspeaker = FileLoudspeaker(path, FastClock())
    counts = iter(range(10_000))
    enough = threading.Event()

    def wanted(size: int) -> np.ndarray:
        number = next(counts)
        if number == 20:
            enough.set()
        return np.full(size, number, np.int16)

    loudspeaker.start(wanted)
    assert enough.wait(60)
    loudspeaker.close()
    loudspeaker.close()
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (OUT_RATE, 1, 2)
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    assert samples.size >= 20 * 960
    np.testing.assert_array_equal(samples, np.repeat(np.arange(samples.size // 960), 960))


def test_files_that_cannot_be_heard_say_why(tmp_path: Path) -> None:
    silent = write_video(tmp_path / "silent.mp4", seconds=1)
    text = tmp_path / "text.wav"
    text.write_text("this is no sound")
    for path, why in (
        (silent, "holds no sound"),
        (text, "text.wav"),
        (tmp_path / "nothing.wav", "no file"),
        (tmp_path, None),
    ):
        with pytest.raises(MediaError, match=why):
            read_sound(path)


def test_holes_in_a_file_are_silence(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", seconds=2, audio="aac")
    sound = read_sound(path)
    assert sound.size / SAMPLE_RATE == pytest.approx(2.0, abs=0.1)


# --- the camera -------------------------------------------------------------------------


def camera_stream(tmp_path: Path) -> bytes:
    return write_video(tmp_path / "camera.ts", seconds=8, fps=10, gop=10).read_bytes()


def test_pictures_of_a_camera_go_in_and_its_loss_is_told(tmp_path: Path) -> None:
    server = LiveServer(camera_stream(tmp_path), 8)
    clock = RealClock()
    options = ReadOptions(frame_interval_ns=NS_PER_S // 5, stall_timeout_s=3)
    camera = LocalCamera(parse_source(server.address), options, clock)
    conversation = FakeConversation()
    terminal = terminal_of(conversation, clock, camera=camera)
    try:
        terminal.start()
        conversation.wait_for(lambda: len(conversation.of(VideoFrame)) >= 2)
    finally:
        server.kill()
    while True:
        message = terminal.next_message(60)
        assert message is not None
        if message["event"] == "notice":
            break
    assert message["stage"] == "camera"
    assert "the camera is tried again" in str(message["text"])
    assert camera.state == "lost"
    terminal.finish()
    conversation.join()
    assert camera.state == "off"
    frames = conversation.of(VideoFrame)
    times = [frame.at_ns for frame in frames]
    # Perception gets a picture a second, the recording five.
    assert all(b - a > NS_PER_S / 2 for a, b in zip(times, times[1:], strict=False))
    packets = conversation.of(MediaPacket)
    assert {packet.codec for packet in packets} == {"h264"}
    assert len(packets) > len(frames)


def test_what_is_no_camera_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="not a camera"):
        LocalCamera(parse_source(str(tmp_path / "a.mp4")), ReadOptions(), FastClock())
    with pytest.raises(MediaError, match="/dev/video97"):
        LocalCamera(parse_source("/dev/video97"), ReadOptions(), FastClock())


# --- the whole talk ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def talked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A talk by files: a fact, then a question about it."""
    folder = tmp_path_factory.mktemp("talk")
    pause = np.zeros(3 * SAMPLE_RATE, np.float32)
    said = [pause[:8000], spoken("The hotel is next to the railway station."), pause]
    said += [spoken("Where is the hotel?"), pause]
    sound = np.concatenate(said)
    sound += 0.001 * np.random.default_rng(3).standard_normal(sound.size).astype(np.float32)
    write_sound(folder / "talk.wav", sound, sample_rate=SAMPLE_RATE, codec="pcm_s16le")
    return folder


def test_a_talk_by_files_is_heard_answered_aloud_and_remembered(
    talked: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = talked / "memory"
    run_talk(
        embedded(),
        store,
        stream="kitchen",
        input_device=f"file:{talked / 'talk.wav'}",
        output_device=f"file:{talked / 'out.wav'}",
        camera="none",
        voice="en-gb",
        speak=True,
        as_json=True,
        clock=FastClock(2.0),
    )
    messages = [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    def of(event: str) -> list[Json]:
        return [message for message in messages if message["event"] == event]

    assert messages[0]["event"] == "hello"
    assert messages[0]["settings"]["voice"] == "en-gb"
    assert any("railway station" in each["text"] for each in of("utterance"))
    (answer,) = of("answer")
    assert answer["known"]
    assert "station" in answer["answer"]
    assert answer["citations"]
    (heard,) = of("heard")
    assert heard["complete"]
    assert [m["state"] for m in of("floor")][-3:] == ["thinking", "answering", "listening"]
    assert messages[-1]["event"] == "summary"
    assert messages[-1]["answers"] == 1
    assert messages[-1]["lost_s"] == 0
    with wave.open(str(talked / "out.wav")) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    loud_s = np.abs(samples.reshape(-1, 960)).max(1).astype(bool).sum() * 0.02
    assert loud_s == pytest.approx(heard["played_ms"] / 1000, abs=1.5)
    # It is remembered, and its recording plays.
    listed = run(capsys, "memory", "list", "--store", store, "--json").of("moment")
    speech = [each for each in listed if each["kind"] == "speech"]
    assert len(speech) == 2
    assert all(each["playable"] for each in speech)
    assert all(each["stream"] == "kitchen" for each in speech)
    out = talked / "clip.mp4"
    assert run(capsys, "memory", "export", speech[0]["id"], "--store", store, "-o", out).code == 0
    with av.open(str(out)) as container:
        (track,) = container.streams
        assert track.codec_context.name == "aac"
        decoded = np.concatenate(
            [frame.to_ndarray().reshape(-1) for frame in container.decode(audio=0)]
        )
    assert np.abs(decoded).max() > 0.05


def test_questions_from_a_pipe_are_answered_in_writing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = run(
        capsys,
        *("talk", "--store", tmp_path / "m", "--input-device", "none", "--no-speak"),
        *("--camera", "none"),
        typed="what was said?\n",
    )
    assert ran.code == 0
    lines = ran.out.splitlines()
    assert lines[0] == "note  In writing only."
    assert "?  what was said?" in lines
    assert any(line.startswith(">  ") for line in lines)
    assert lines[-1] == ("done  0.0 s heard, 1 answer; everything perceived is remembered.")


def test_devices_that_are_not_there_are_named_before_anything_is_loaded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "m"
    for arguments, code, why in (
        (("--input-device", "file:nothing.wav"), 3, "nothing.wav"),
        (("--input-device", "none", "--output-device", f"file:{tmp_path}/x/y.wav"), 3, "y.wav"),
        (("--input-device", "none", "--output-device", "none"), 2, "--no-speak"),
        (("--input-device", "none", "--no-speak", "--camera", "/dev/video97"), 3, "video97"),
        (("--input-device", "none", "--no-speak", "--camera", "a.mp4"), 3, "not a camera"),
    ):
        ran = run(capsys, "talk", "--store", store, *arguments)
        assert (ran.code, why in ran.err) == (code, True), ran.err
        assert "Traceback" not in ran.err
    assert not store.exists()
