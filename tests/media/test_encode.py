"""A live client's recording: what was seen and heard plays back at the time it was."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Iterable
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from browser_support import browser
from omnilive.events import NS_PER_S, SAMPLE_RATE, MediaPacket
from omnilive.media.encode import (
    SOUND_TRACK,
    VIDEO_TRACK,
    Canvas,
    LiveEncoder,
    PictureEncoder,
    SoundEncoder,
)
from omnilive.media.export import export_clip
from omnilive.media.recording import Fragment, FragmentWriter
from omnilive.media.stills import still_at

MS = 1_000_000
BASE_NS = 500 * NS_PER_S


def shade(at_ns: int, size: tuple[int, int] = (640, 360)) -> np.ndarray:
    """Return a picture whose brightness tells its second: 40 + 20 a second."""
    width, height = size
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:] = 40 + 20 * (at_ns // NS_PER_S % 10)
    pixels[::8, :, 0] = 255
    return pixels


def beeps(seconds: float) -> np.ndarray:
    """Return sound that beeps for 50 ms at the start of every second."""
    at = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    sound = 0.5 * np.sin(2 * np.pi * 1000 * at) * (at % 1.0 < 0.05)
    return sound.astype(np.float32)


def recorded(seconds: float, *, fps: float = 25.0, first_ns: int = 0) -> list[MediaPacket]:
    """Return the packets of a client that sends pictures and beeps."""
    encoder = LiveEncoder()
    sound = beeps(seconds)
    packets = []
    shown = itertools.count()
    next_ns = 0
    for start in range(0, sound.size, 320):
        at_ns = start * NS_PER_S // SAMPLE_RATE
        packets += encoder.sound(first_ns + at_ns, sound[start : start + 320])
        if at_ns >= next_ns:
            packets += encoder.picture(first_ns + next_ns, shade(next_ns))
            next_ns = round((next(shown) + 1) * NS_PER_S / fps)
    assert encoder.num_failed == 0
    return packets + encoder.finish()


def fragments_of(packets: Iterable[MediaPacket], cuts_s: list[float]) -> list[Fragment]:
    writer = FragmentWriter()
    for packet in packets:
        writer.add(packet)
    assert writer.left_out == ()
    cut = [writer.cut(round(at * NS_PER_S)) for at in [*cuts_s, 1e6]]
    return [fragment for fragment in cut if fragment is not None]


def pictures_of(path: Path) -> list[tuple[float, float]]:
    """Return time and mean brightness (of green) of every picture."""
    with av.open(str(path)) as container:
        return [
            (float(frame.time or 0), float(frame.to_ndarray(format="rgb24")[:, :, 1].mean()))
            for frame in container.decode(video=0)
        ]


def beep_times(path: Path) -> list[float]:
    """Return where in the file beeps begin."""
    with av.open(str(path)) as container:
        frames = list(container.decode(audio=0))
    rate = frames[0].sample_rate
    sound = np.zeros(round(float(frames[-1].time or 0) * rate) + 4096)
    for frame in frames:
        at = round(float(frame.time or 0) * rate)
        if at >= 0:
            sound[at : at + frame.samples] = frame.to_ndarray().reshape(-1)
    loud = np.abs(sound) > 0.1
    starts = [n for n in np.flatnonzero(loud) if not loud[max(0, n - rate // 4) : n].any()]
    return [n / rate for n in starts]


def test_a_clip_of_the_recording_shows_what_was_seen_and_heard_when_it_was(tmp_path: Path) -> None:
    packets = recorded(9.0, first_ns=BASE_NS)
    fragments = fragments_of(packets, [503.5, 506.1])
    assert all(fragment.key_ns is not None for fragment in fragments)
    parts = [fragment.data for fragment in fragments]
    clip = export_clip(parts, BASE_NS + 2_400 * MS, BASE_NS + 7 * NS_PER_S, tmp_path / "clip.mp4")
    assert clip.path.suffix == ".mp4"
    assert BASE_NS + 1_400 * MS <= clip.start_ns <= BASE_NS + 2_400 * MS
    assert clip.end_ns >= BASE_NS + 7 * NS_PER_S
    start_s = (clip.start_ns - BASE_NS) / NS_PER_S
    pictures = pictures_of(clip.path)
    assert [round(at + start_s, 2) for at, _ in pictures] == pytest.approx(
        np.arange(start_s, 6.99, 0.2), abs=0.01
    )
    for at, brightness in pictures:
        second = int(at + start_s + 0.005)
        assert brightness == pytest.approx(40 + 20 * second, abs=4)
    # A clip begins with a packet of sound that lies whole in it: not with the beep at its start.
    heard = [at + start_s for at in beep_times(clip.path) if at > 0.1 and at + start_s < 6.9]
    assert heard == pytest.approx([n for n in range(2, 7) if n > start_s + 0.1], abs=0.012)
    assert len(heard) >= 4


def test_the_packets_are_as_the_recording_wants_them() -> None:
    packets = recorded(3.0)
    video = [packet for packet in packets if packet.kind == "video"]
    sound = [packet for packet in packets if packet.kind == "audio"]
    assert {packet.track for packet in video} == {VIDEO_TRACK}
    assert {packet.track for packet in sound} == {SOUND_TRACK}
    assert (video[0].codec, sound[0].codec) == ("h264", "aac")
    # avcC and AudioSpecificConfig: a player needs nothing that came before.
    assert len({packet.extradata for packet in video}) == 1
    assert video[0].extradata[0] == 1
    assert sound[0].extradata[:2] == bytes([0x14, 0x08])  # AAC-LC, 16 kHz, mono
    assert (video[0].width, video[0].height) == (854, 480)
    assert [packet.at_ns // (200 * MS) for packet in video] == list(range(15))
    assert [packet.at_ns for packet in video if packet.is_key] == [0, NS_PER_S, 2 * NS_PER_S]
    assert all(packet.decode_ns == packet.at_ns for packet in packets)
    assert all(packet.at_ns >= 0 for packet in packets)
    assert max(p.at_ns for p in sound) < 3 * NS_PER_S <= max(p.at_ns + p.duration_ns for p in sound)
    size = sum(len(packet.data) for packet in packets)
    assert size * 8 / 3 < 300_000  # bits a second, of a simple picture


def test_nothing_waits_in_the_encoder_for_the_next_picture() -> None:
    encoder = PictureEncoder()
    for n in range(12):
        (packet,) = encoder.encode(n * 250 * MS, shade(n))
        assert packet.at_ns == n * 250 * MS
    assert encoder.finish() == []


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(1, 4_000), min_size=1, max_size=20))
def test_it_does_not_matter_how_sound_is_cut(cuts: list[int]) -> None:
    sound = beeps(1.5)
    whole, cut = SoundEncoder(), SoundEncoder()
    once = [*whole.encode(0, sound), *whole.finish()]
    pieces: list[MediaPacket] = []
    done = turn = 0
    while done < sound.size:
        part = sound[done : done + cuts[turn % len(cuts)]]
        pieces += cut.encode(done * NS_PER_S // SAMPLE_RATE, part)
        done += part.size
        turn += 1
    assert once == [*pieces, *cut.finish()]


def test_sound_that_pauses_is_placed_where_it_goes_on(tmp_path: Path) -> None:
    encoder = SoundEncoder()
    second = beeps(1.0)
    packets = []
    for start_ms in (0, 1_000, 2_100, 6_000, 6_900):  # 100 ms missing; 2.9 s; 100 ms twice
        packets += encoder.encode(start_ms * MS, second)
    packets += encoder.finish()
    times = [packet.at_ns for packet in packets]
    assert times == sorted(times)
    parts = [fragment.data for fragment in fragments_of(packets, [])]
    clip = export_clip(parts, 0, 8 * NS_PER_S, tmp_path / "clip.mp4")
    # The last beep lay in the 100 ms that came twice.
    assert beep_times(clip.path)[1:] == pytest.approx([1.0, 2.1, 6.0], abs=0.012)


def test_pictures_alone_and_sound_alone(tmp_path: Path) -> None:
    both = recorded(3.0)
    for kind in ("video", "audio"):
        parts = [f.data for f in fragments_of((p for p in both if p.kind == kind), [])]
        clip = export_clip(parts, 0, 3 * NS_PER_S, tmp_path / f"{kind}.mp4")
        with av.open(str(clip.path)) as container:
            assert [stream.type for stream in container.streams] == [kind]
            assert float(container.duration or 0) / 1e6 == pytest.approx(3.0, abs=0.15)


def test_a_camera_that_starts_late_and_pauses(tmp_path: Path) -> None:
    encoder = LiveEncoder()
    packets = encoder.sound(0, beeps(10.0))
    for at_ms in (2_000, 2_200, 2_400, 8_000, 8_200):
        packets += encoder.picture(at_ms * MS, shade(at_ms * MS))
    packets += encoder.finish()
    packets.sort(key=lambda packet: packet.decode_ns)
    assert [p.at_ns // MS for p in packets if p.kind == "video" and p.is_key] == [2_000, 8_000]
    parts = [fragment.data for fragment in fragments_of(packets, [5.0])]
    clip = export_clip(parts, 0, 10 * NS_PER_S, tmp_path / "clip.mp4")
    start_s = clip.start_ns / NS_PER_S
    assert [round(at + start_s, 2) for at, _ in pictures_of(clip.path)] == pytest.approx(
        [2.0, 2.2, 2.4, 8.0, 8.2], abs=0.01
    )
    heard = [at + start_s for at in beep_times(clip.path)]
    # The very first 64 ms fade in: what an AAC decoder needs before them has no time.
    assert heard[0] == pytest.approx(0, abs=0.04)
    assert heard[1:] == pytest.approx(range(1, 10), abs=0.012)


def test_a_picture_that_grows_as_the_network_allows_stays_on_one_track() -> None:
    encoder = PictureEncoder()
    packets = []
    for n, size in enumerate([(320, 180), (640, 360), (960, 540), (1280, 720), (1920, 1080)]):
        packets += encoder.encode(n * 200 * MS, shade(0, size))
    assert {(packet.width, packet.height, packet.extradata) for packet in packets} == {
        (854, 480, packets[0].extradata)
    }


def test_a_turned_telephone_goes_on_in_the_middle_of_the_picture(tmp_path: Path) -> None:
    encoder = PictureEncoder()
    packets = encoder.encode(0, shade(0, (640, 360)))
    packets += encoder.encode(200 * MS, shade(5 * NS_PER_S, (360, 640)))
    packets += encoder.finish()
    assert [(packet.width, packet.height) for packet in packets] == [(854, 480)] * 2
    parts = [fragment.data for fragment in fragments_of(packets, [])]
    clip = export_clip(parts, 0, NS_PER_S, tmp_path / "clip.mp4")
    with av.open(str(clip.path)) as container:
        _, turned = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert turned[:, :200, 1].max() < 20
    assert turned[:, -200:, 1].max() < 20
    assert turned[:, 300:550, 1].mean() == pytest.approx(140, abs=4)


def test_a_shape_that_would_be_too_small_begins_a_new_track(tmp_path: Path) -> None:
    encoder = PictureEncoder()
    packets = []
    for n in range(10):
        packets += encoder.encode(n * 200 * MS, shade(0, (360, 640)))
    for n in range(10, 30):
        packets += encoder.encode(n * 200 * MS, shade(5 * NS_PER_S, (640, 360)))
    assert [(packet.width, packet.height) for packet in packets[8:12]] == (
        [(270, 480)] * 2 + [(854, 480)] * 2
    )
    assert packets[10].is_key
    fragments = fragments_of(packets, [4.0])
    parts = [fragment.data for fragment in fragments]
    # Across the change a clip plays up to it; behind it everything plays.
    across = export_clip(parts, 0, 6 * NS_PER_S, tmp_path / "across.mp4")
    assert len(pictures_of(across.path)) == 10
    behind = export_clip(parts[1:], 4 * NS_PER_S, 6 * NS_PER_S, tmp_path / "behind.mp4")
    assert len(pictures_of(behind.path)) == 10
    assert still_at(parts[1:], 5 * NS_PER_S).shape == (480, 854, 3)


@pytest.mark.parametrize("size", [(2, 2), (3, 1000), (1000, 3), (1, 1), (5000, 40)])
def test_pictures_of_any_shape_are_recorded(size: tuple[int, int]) -> None:
    encoder = PictureEncoder()
    (packet,) = encoder.encode(0, shade(0, size))
    assert packet.height <= 480
    assert packet.width <= 4 * 480
    assert encoder.num_failed == 0


@settings(deadline=None)
@example((1, 1431), (1, 1), 1080)
@given(
    st.tuples(st.integers(1, 4000), st.integers(1, 4000)),
    st.tuples(st.integers(1, 4000), st.integers(1, 4000)),
    st.sampled_from([64, 240, 480, 1080]),
)
def test_what_is_put_on_a_canvas_fits_it(
    first: tuple[int, int], second: tuple[int, int], height: int
) -> None:
    canvas = Canvas.of(np.empty((*first, 0), np.uint8), height)
    assert canvas.height <= height
    assert canvas.width % 2 == canvas.height % 2 == 0
    assert canvas.suits(np.empty((*first, 0), np.uint8), height)
    width, lines = canvas.inner(np.empty((*second, 0), np.uint8))
    assert 0 < width <= canvas.width
    assert 0 < lines <= canvas.height


@pytest.mark.parametrize("encoder", ["libvpx-vp9", "mpeg4"])
def test_without_x264_the_next_best_encoder_is_taken(tmp_path: Path, encoder: str) -> None:
    if encoder not in av.codecs_available:
        pytest.skip(f"this FFmpeg has no {encoder}")
    pictures = PictureEncoder(encoder=encoder)
    packets = []
    for n in range(15):
        packets += pictures.encode(n * 200 * MS, shade(n * 200 * MS))
    packets += pictures.finish()
    assert len(packets) == 15
    assert [packet.at_ns for packet in packets if packet.is_key] == [0, NS_PER_S, 2 * NS_PER_S]
    parts = [fragment.data for fragment in fragments_of(packets, [])]
    clip = export_clip(parts, 1_500 * MS, 3 * NS_PER_S, tmp_path / "clip.mp4")
    assert clip.path.suffix == ".mp4"
    assert clip.start_ns == NS_PER_S
    assert len(pictures_of(clip.path)) == 10


@pytest.mark.browser
def test_a_browser_plays_a_clip_of_the_recording(tmp_path: Path) -> None:
    fragments = fragments_of(recorded(6.0), [3.0])
    clip = export_clip([f.data for f in fragments], 0, 6 * NS_PER_S, tmp_path / "clip.mp4")
    data = base64.b64encode(clip.path.read_bytes()).decode()
    with browser() as chromium:
        page = chromium.new_page()
        page.set_content(f'<video muted preload="auto" src="data:video/mp4;base64,{data}"></video>')
        seen = page.evaluate(
            """async () => {
              const video = document.querySelector("video");
              await new Promise((done, failed) => {
                if (video.readyState >= 2) done();
                video.onloadeddata = done;
                video.onerror = () => failed(new Error(video.error.message));
              });
              const canvas = document.createElement("canvas");
              canvas.width = canvas.height = 8;
              const context = canvas.getContext("2d");
              const shades = [];
              for (let second = 0; second < 6; second++) {
                video.currentTime = second + 0.5;
                await new Promise((done) => (video.onseeked = done));
                context.drawImage(video, 0, 0, 8, 8);
                shades.push(context.getImageData(4, 4, 1, 1).data[1]);
              }
              const bytes = await (await fetch(video.src)).arrayBuffer();
              const offline = new OfflineAudioContext(1, 16000, 16000);
              const sound = await offline.decodeAudioData(bytes);
              const samples = sound.getChannelData(0);
              const starts = [];
              let quiet = 16000;
              samples.forEach((sample, n) => {
                if (Math.abs(sample) > 0.1) {
                  if (quiet > 4000) starts.push(n / 16000);
                  quiet = 0;
                } else quiet++;
              });
              return {
                duration: video.duration, width: video.videoWidth, shades, starts,
              };
            }"""
        )
    assert seen["duration"] == pytest.approx(6.0, abs=0.15)
    assert seen["width"] == 854
    assert seen["shades"] == pytest.approx([40 + 20 * n for n in range(6)], abs=4)
    assert seen["starts"] == pytest.approx(range(6), abs=0.08)
