"""What goes wrong while watching: killed processes, full disks, servers that hang, fail or lie."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import wave
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import omnilive
from live_support import (
    Watching,
    command,
    lines,
    live_server,
    wall_minus_stream_s,
    world_file,
)
from omnilive import presets
from omnilive.events import (
    AnswerEnded,
    AnswerText,
    Caption,
    ClipMemory,
    Event,
    StageFailed,
    Utterance,
)
from omnilive.system import Config
from vlm_server import VlmServer

pytestmark = pytest.mark.slow


def files_of(store: Path) -> set[str]:
    return {each.name for each in (store / "segments").rglob("*") if each.is_file()}


def recorded_in(store: Path) -> set[str]:
    """Return the recording files that the database knows."""
    with contextlib.closing(sqlite3.connect(store / "memory.db")) as database:
        columns = {row[1] for row in database.execute("PRAGMA table_info(segment)")}
        name = "path" if "path" in columns else "file" if "file" in columns else "name"
        return {Path(row[0]).name for row in database.execute(f"SELECT {name} FROM segment")}


# --- killed ------------------------------------------------------------------------------


def test_a_watch_of_a_file_that_is_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    store = tmp_path / "memory"
    with Watching(world_file(45.0), "--store", store) as watch:
        watch.wait_for("clip", 2)
        watch.process.kill()
    printed = [each["id"] for each in watch.of("clip")]
    assert not watch.of("summary")
    rest = command("watch", world_file(45.0), "--store", store, "--json")
    assert rest.returncode == 0, rest.stderr
    later = [each for each in lines(rest.stdout) if each["event"] == "clip"]
    assert later
    with omnilive.open(store) as memory:
        ids = [each.id for each in memory.clips(limit=1000)]
        kept = [(each.start_ns, each.end_ns) for each in memory.clips(limit=1000)]
    assert len(ids) == len(set(ids))
    assert set(printed) <= set(ids)
    # No instant is missing and none is there twice.
    assert kept[0][0] == 0
    assert all(end == start for (_, end), (start, _) in zip(kept, kept[1:], strict=False))
    assert kept[-1][1] / 1e9 == pytest.approx(45, abs=0.5)


def test_a_watch_of_a_live_source_that_is_killed_leaves_what_it_printed(tmp_path: Path) -> None:
    store = tmp_path / "memory"
    with live_server() as server:
        arguments = (server.address, "--store", store, "--stream", "live")
        with Watching(*arguments) as watch:
            watch.wait_for("clip")
            children = watch.children()
            watch.process.kill()
        printed = [each["id"] for each in watch.of("clip")]
        first = watch.of("stream")[0]
        with Watching(*arguments) as watch:
            second = watch.wait_for("clip")[0]
            assert watch.stop() == 0
    assert second["id"] not in printed
    # Stream time goes on by the true gap.
    again = watch.of("stream")[0]
    assert again["epoch"] > first["epoch"]
    assert wall_minus_stream_s(again) == pytest.approx(wall_minus_stream_s(first), abs=0.002)
    with omnilive.open(store) as memory:
        kept = memory.clips(limit=1000)
        ids = [each.id for each in kept]
        assert sorted(set(ids)) == sorted(ids)
        assert set(printed) <= set(ids)
        assert all(each.playable for each in kept)
        for number, moment in enumerate(kept):
            assert memory.export(moment.id, tmp_path / f"{number}.mp4").stat().st_size > 1000
    assert files_of(store) == recorded_in(store)
    for child in children:  # who reads for a parent that is gone leaves too
        status = Path(f"/proc/{child}/status")
        for _ in range(600):
            if not status.exists() or "State:\tZ" in status.read_text():
                break
            threading.Event().wait(0.1)
        else:
            pytest.fail("a reading process outlived its parent")


# --- a full disk -------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0 or sys.platform != "linux" or not shutil.which("mount"):
        pytest.skip("only root can mount a small disk")
    disk = tmp_path / "disk"
    disk.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk)],
        capture_output=True,
        check=False,
    )
    if made.returncode:
        pytest.skip("mounting a small disk is not allowed here")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_full_disk_is_told_and_nothing_acknowledged_is_lost(
    tmp_path: Path, small_disk: Path
) -> None:
    store = small_disk / "memory"
    with live_server() as server:
        with Watching(server.address, "--store", store, "--stream", "live") as watch:
            watch.wait_for("clip")
            filler = small_disk / "filler"
            with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
                while True:
                    file.write(bytes(4096))
            failure = watch.wait_for("failure")[0]
            assert "full" in failure["error"] or "space" in failure["error"]
            heard = len(watch.of("utterance"))
            watch.wait_for("utterance", heard + 1)  # perception goes on
            before = [each["id"] for each in watch.of("clip")]
            asked = command("ask", "what was said?", "--store", store, "--json")
            assert asked.returncode == 0, asked.stderr
            filler.unlink()
            watch.wait_for("clip", len(before) + 1)
            assert watch.stop() == 0, watch.err
        assert "Traceback" not in watch.err
        told = len(watch.of("failure"))
        assert told < 10, "an error that goes on is told now and then"
        ended = watch.of("stream_end")[-1]
        with omnilive.open(store) as memory:
            kept = memory.clips(limit=1000)
        assert [each.id for each in kept] == [each["id"] for each in watch.of("clip")]
        # The clips of the time when the disk was full were remembered afterwards.
        assert all(a.end_ns == b.start_ns for a, b in zip(kept, kept[1:], strict=False))
        assert kept[-1].end_ns / 1e9 == pytest.approx(ended["end_s"], abs=0.002)


# --- a vision-language server ------------------------------------------------------------


def with_server(server: VlmServer, *settings: str) -> Config:
    return presets.configure(
        vlm=server.url,
        vlm_model="test",
        overrides=("vlm.backoff_s=0.01", "vlm.max_wait_s=0.05", *settings),
    )


def test_captions_are_stored_and_answers_cite_what_was_given(tmp_path: Path) -> None:
    words = "A red square slides past a sign [m9-999999] [c1-0]."
    with VlmServer("good", text=words) as server:
        config = with_server(server)
        with omnilive.watch(
            world_file(), store=tmp_path, config=config, ask=["what slides past the sign?"]
        ) as watch:
            events = list(watch)
        captions = [each for each in events if isinstance(each, Caption)]
        changed = {e.id for e in events if isinstance(e, ClipMemory) and e.changed}
        assert {each.clip for each in captions} == changed
        answer = next(each for each in events if isinstance(each, AnswerEnded))
        assert answer.outcome == "completed"
        assert {each.id for each in answer.citations} <= {"c1-0"}  # the other one was a lie
        assert "[" not in answer.text
        with omnilive.open(tmp_path, config=config) as memory:
            pictures = [m for m in memory.newest(limit=1000) if m.kind == "picture"]
            assert changed <= {m.id for m in pictures if "red square" in m.text}
            later = memory.ask("what slides past the sign?")
        assert "red square" in later.text
        assert server.pictures >= 1
    # Without a server the captions answer too.
    listed = command("memory", "list", "--store", tmp_path, "--json", "--limit", 1000)
    assert any(
        each["kind"] == "picture" and "red square" in each["text"] for each in lines(listed.stdout)
    )


@pytest.mark.real_time
def test_a_server_that_hangs_holds_nothing_up(tmp_path: Path) -> None:
    with VlmServer("slow") as server, live_server() as source:
        config = with_server(server)
        watch = omnilive.watch(source.address, store=tmp_path, stream="live", config=config)
        clips, requests = 0, 0
        with watch:
            for event in watch:
                if isinstance(event, ClipMemory):
                    clips += 1
                    if clips == 2:
                        requests = len(server.requests)
                        watch.stop()
        assert clips >= 2
        assert requests == 1  # the first one is still waiting for its answer
        assert not server.release.is_set()
    assert not [e for e in watch.errors if e]
    assert "frames" not in watch.summary().dropped


def test_a_server_that_fails_is_told_and_answers_fall_back(tmp_path: Path) -> None:
    with VlmServer("failing") as server:
        config = with_server(server, "vlm.max_retries=1")
        watch = omnilive.watch(
            world_file(16.0), store=tmp_path, config=config, ask=["what was said?"]
        )
        with watch:
            events = list(watch)
        answers = [each for each in events if isinstance(each, AnswerEnded)]
        with omnilive.open(tmp_path, config=config) as memory:
            for server.mode in ("limited", "html", "nothing", "garbage", "unauthorized"):
                answers.append(memory.ask("what was said?"))
    failures = [each for each in events if isinstance(each, StageFailed)]
    assert failures
    assert {each.stage for each in failures} == {"captioner"}
    assert sum(isinstance(each, ClipMemory) for each in events) >= 1
    said = {each.text for each in events if isinstance(each, Utterance) and not each.typed}
    assert len(answers) == 6
    for answer in answers:
        assert "server" in answer.text  # it says who did not answer
        assert answer.known
        assert {each.text for each in answer.citations} & said


class Button:
    """Asks a question in a live watch and cuts the answer; notes what came of it."""

    def __init__(self, watch: omnilive.Watch, server: VlmServer | None) -> None:
        self.watch, self.server = watch, server
        self.mode = server.mode if server is not None else "embedded"
        if server is not None:
            server.arrived.clear()
        self.ended: AnswerEnded | None = None
        self.after: list[Event] = []
        self.took_s = 0.0
        self._pressed: float | None = None
        self.turn = watch.ask("what was said?")
        if self.mode in ("slow", "embedded"):  # cut before the first word
            assert server is None or server.arrived.wait(60)
            self._press()

    def _press(self) -> None:
        self._pressed = time.monotonic()
        self.watch.interrupt(self.turn)

    def take(self, event: Event) -> None:
        if getattr(event, "turn_id", "") != self.turn:
            return
        if isinstance(event, AnswerText) and self._pressed is None:
            self._press()
        elif isinstance(event, AnswerEnded):
            self.ended, self.took_s = event, time.monotonic() - (self._pressed or 0.0)
        elif self.ended is not None:
            self.after.append(event)


@pytest.mark.parametrize("modes", [("stall", "slow", "endless"), ("embedded", "embedded")])
def test_an_answer_is_cut_when_a_button_is_pressed(
    tmp_path: Path, modes: tuple[str, ...], record_property: Callable[[str, object], None]
) -> None:
    presses: list[Button] = []
    with VlmServer() as server, live_server() as source:
        embedded = modes[0] == "embedded"
        config = presets.embedded() if embedded else with_server(server, "captions.enabled=false")
        watch = omnilive.watch(source.address, store=tmp_path, stream="live", config=config)
        left = list(modes)
        with watch:
            for event in watch:
                for press in presses:
                    press.take(event)
                done = not presses or presses[-1].ended is not None
                if isinstance(event, ClipMemory | AnswerEnded) and done:
                    if left:
                        server.mode = left.pop(0)
                        presses.append(Button(watch, None if embedded else server))
                    else:
                        watch.stop()
    assert [press.mode for press in presses] == list(modes)
    for press in presses:
        assert press.ended is not None
        assert press.ended.outcome == "interrupted"
        assert not press.after
        record_property(f"{press.mode} cut after ms", round(press.took_s * 1000, 1))
    assert not watch.summary().failures


def test_stopping_twice_cuts_an_answer_that_does_not_come(tmp_path: Path) -> None:
    with VlmServer("slow") as server, live_server() as source:
        arguments = ("--vlm", server.url, "--vlm-model", "test", "--store", tmp_path)
        options = ("--set", "captions.enabled=false")
        with Watching(source.address, *arguments, *options) as watch:
            watch.wait_for("clip")
            watch.type("what was said?")
            assert server.arrived.wait(60)
            watch.process.send_signal(signal.SIGINT)
            watch.wait_for("stream_end")
            assert not server.release.is_set()
            assert watch.stop() == 0
        answer = watch.of("answer")[0]
        assert answer["outcome"] == "interrupted"
        assert watch.objects[-1]["event"] == "summary"


# --- spoken answers ----------------------------------------------------------------------


def test_answers_are_spoken_into_a_file(tmp_path: Path) -> None:
    target = tmp_path / "answer.wav"
    ran = command(
        *("watch", world_file(16.0), "--store", tmp_path / "m", "--ask", "what was said?"),
        *("--speak-to", target, "--json"),
    )
    assert ran.returncode == 0, ran.stderr
    answer = next(each for each in lines(ran.stdout) if each["event"] == "answer")
    with wave.open(str(target)) as spoken:
        seconds = spoken.getnframes() / spoken.getframerate()
        loudest = max(abs(value) for value in memoryview(spoken.readframes(1 << 22)).cast("h"))
    assert seconds > len(answer["answer"]) / 40
    assert loudest > 1000


def test_speaking_without_a_sound_device_says_so(tmp_path: Path) -> None:
    with contextlib.suppress(ImportError, OSError):
        import sounddevice

        if any(each["max_output_channels"] for each in sounddevice.query_devices()):
            pytest.skip("this machine has a sound device")
    ran = command("watch", world_file(8.0), "--store", tmp_path / "m", "--ask", "what?", "--speak")
    assert ran.returncode not in (0, 1)
    assert ran.stderr.count("\n") == 1
    assert "--speak-to" in ran.stderr or "sound" in ran.stderr
    assert "Traceback" not in ran.stderr
