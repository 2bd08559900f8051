"""Live sources and files watched by the whole program: questions meanwhile, several at once."""

from __future__ import annotations

import itertools
import threading
from pathlib import Path

import pytest

import omnilive
from live_support import SetClock, Watching, command, lines, live_server, world_file
from media_servers import fake_server, web_server
from omnilive.clock import VirtualClock
from omnilive.events import (
    NS_PER_S,
    AnswerEnded,
    ClipMemory,
    Event,
    StageFailed,
    StreamEnded,
    StreamStarted,
    VideoFrame,
)

pytestmark = pytest.mark.slow


def test_questions_are_answered_while_a_live_source_is_watched(tmp_path: Path) -> None:
    store = tmp_path / "memory"
    with live_server() as server:
        arguments = (server.address, "--store", store, "--stream", "live", "--no-record")
        with Watching(*arguments, "--ask", "what happened?") as watch:
            first = watch.wait_for("answer")[0]
            assert first["question"] == "what happened?"
            assert watch.of("clip"), "--ask is answered once something is remembered"
            said = watch.wait_for("utterance")[0]
            watch.type("what was said?")
            watch.type("")
            second = watch.wait_for("answer", 2)[1]
            assert second["question"] == "what was said?"
            assert second["known"]
            assert any(c["kind"] == "speech" for c in second["citations"])
            assert any(c["text"] == said["text"] for c in second["citations"])
            assert not watch.of("stream_end"), "it was answered while the source went on"
            assert watch.stop() == 0
    assert watch.objects[-1]["event"] == "summary"
    assert not watch.objects[-1]["failures"]
    # Nothing was recorded, so nothing can be played, and it says so.
    assert not [each for each in (store / "segments").rglob("*") if each.is_file()]
    assert not any(clip["playable"] for clip in watch.of("clip"))
    with omnilive.open(store) as memory:
        kept = memory.newest(limit=100)
        assert kept
        assert not any(moment.playable for moment in kept)
    refused = command("memory", "export", watch.of("clip")[0]["id"], "--store", store)
    assert refused.returncode != 0
    assert "cannot be played" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_several_sources_share_a_store_and_fail_apart(tmp_path: Path) -> None:
    store = tmp_path / "memory"
    with live_server() as server:
        sources = (world_file(), server.address, tmp_path / "missing.mp4")
        with Watching(*sources, "--store", store) as watch:
            failure = watch.wait_for("failure")[0]
            assert "missing.mp4" in failure["error"]
            file, live = "world30", "127.0.0.1-live"
            watch.wait_for("stream_end", stream=file)
            names = {each["stream"] for each in watch.wait_for("stream", 2)}
            live = next(iter(names - {file}))
            watch.wait_for("clip", stream=live)
            watch.wait_for("clip", stream=file)
            watch.wait_for("utterance", stream=live)
            assert not watch.of("stream_end", stream=live)
            code = watch.stop()
    assert code == 3
    assert "missing.mp4" in watch.err
    assert watch.objects[-1]["event"] == "summary"
    for scope in (file, live):
        asked = command("ask", "what was said?", "--stream", scope, "--store", store, "--json")
        answer = lines(asked.stdout)[0]
        assert {c["stream"] for c in answer["citations"]} == {scope}
    with omnilive.open(store) as memory:
        both = memory.ask("what was said?")
        assert both.known
        assert {c.stream for c in both.citations} <= {1, 2}
        assert {c.stream_name for c in memory.clips(limit=100)} == {file, live}


def test_two_files_at_once_lose_nothing(tmp_path: Path) -> None:
    store = tmp_path / "memory"
    alone = list(omnilive.watch(world_file(16.0), store=tmp_path / "alone"))
    with omnilive.watch([world_file(16.0), world_file(8.0)], store=store) as watch:
        events = list(watch)
    assert watch.summary().dropped == {}
    assert watch.summary().failures == {}
    wanted = [(e.start_ns, e.end_ns) for e in alone if isinstance(e, ClipMemory)]
    got: dict[str, list[tuple[int, int]]] = {}
    for event in events:
        if isinstance(event, ClipMemory):
            got.setdefault(event.stream_name, []).append((event.start_ns, event.end_ns))
    assert got["world16"] == wanted
    assert set(got) == {"world16", "world8"}


@pytest.mark.real_time
def test_a_wall_clock_that_is_set_opens_a_new_epoch_and_stream_time_goes_on(
    tmp_path: Path,
) -> None:
    clock, clips = SetClock(), 0
    started: list[StreamStarted] = []
    ended: list[StreamEnded] = []
    with (
        live_server() as server,
        omnilive.watch(server.address, store=tmp_path, stream="live", clock=clock) as watch,
    ):
        for event in watch:
            if isinstance(event, StreamStarted):
                started.append(event)
                clock.ahead_ns = -3600 * NS_PER_S  # an hour back: summer time ended badly
            elif isinstance(event, StreamEnded):
                ended.append(event)
            elif isinstance(event, ClipMemory):
                clips += 1
                if len(started) == 2 and event.start_ns >= started[1].at_ns:
                    watch.stop()
    first, second = started
    assert second.epoch > first.epoch
    assert second.stream == first.stream
    assert second.at_ns == ended[0].at_ns
    passed_ns = second.at_ns - first.at_ns
    assert second.wall_ns - first.wall_ns == pytest.approx(
        passed_ns - 3600 * NS_PER_S, abs=NS_PER_S // 2
    )
    with omnilive.open(tmp_path) as memory:
        kept = sorted(memory.clips(limit=100), key=lambda clip: clip.start_ns)
    assert len(kept) == clips
    assert all(before.end_ns <= after.start_ns for before, after in itertools.pairwise(kept))
    assert kept[-1].at < kept[0].at  # the wall clock did go back


@pytest.mark.real_time
def test_a_server_that_returns_is_watched_again(tmp_path: Path) -> None:
    started: list[StreamStarted] = []
    ended: list[StreamEnded] = []
    failures: list[StageFailed] = []
    clips: list[ClipMemory] = []
    servers = [live_server()]
    watch = omnilive.watch(servers[0].address, store=tmp_path, stream="live")
    try:
        with watch:
            for event in watch:
                match event:
                    case StreamStarted():
                        started.append(event)
                    case StreamEnded():
                        ended.append(event)
                    case StageFailed():
                        failures.append(event)
                        if len(failures) == 2:  # it is gone and did not answer
                            servers.append(live_server(servers[0].port))
                    case ClipMemory():
                        clips.append(event)
                        if len(clips) == 1:
                            servers[0].kill()
                        elif len(started) == 2 and event.start_ns >= started[1].at_ns:
                            watch.stop()
                    case _:
                        pass
    finally:
        for server in servers:
            server.kill()
    assert [each.stage for each in failures[:2]] == ["source live"] * 2
    assert "closed the connection" in failures[0].error
    assert "Nothing answers" in failures[1].error
    gap_ns = started[1].wall_ns - started[0].wall_ns
    assert started[1].at_ns - started[0].at_ns == pytest.approx(gap_ns, abs=NS_PER_S // 100)
    assert started[1].at_ns > ended[0].at_ns + NS_PER_S  # the backoff
    before = [clip for clip in clips if clip.end_ns <= ended[0].at_ns]
    assert before[-1].end_ns == ended[0].at_ns  # nothing of before was lost
    assert watch.summary().dropped == {}


def test_a_file_at_its_own_pace_with_a_clock_that_is_moved_by_waiting(tmp_path: Path) -> None:
    """The virtual clock passes at once: nothing is late, everything is there, it waited exactly."""
    clock = VirtualClock()
    watch = omnilive.watch(world_file(), store=tmp_path, realtime=True, clock=clock)
    with watch:
        events = list(watch)
    assert clock.monotonic_ns() == pytest.approx(30 * NS_PER_S, abs=NS_PER_S)
    assert "late frames" not in watch.summary().dropped
    assert [e for e in events if isinstance(e, ClipMemory)]


class LateClock(VirtualClock):
    """Time runs away: each look at it costs half a second."""

    def monotonic_ns(self) -> int:
        self.advance(0.5)
        return super().monotonic_ns()


def test_frames_that_come_too_late_are_dropped_and_counted(tmp_path: Path) -> None:
    watch = omnilive.watch(world_file(), store=tmp_path, realtime=True, clock=LateClock())
    with watch:
        list(watch)
    summary = watch.summary()
    assert summary.dropped["late frames"] > 0
    assert summary.stream_s == pytest.approx(30, abs=0.5)
    assert summary.utterances > 0  # sound is never dropped


def test_a_file_at_its_own_pace_takes_its_time(tmp_path: Path) -> None:
    with omnilive.watch(world_file(), store=tmp_path, realtime=True) as watch:
        for event in watch:
            if isinstance(event, ClipMemory):
                watch.stop()
    summary = watch.summary()
    assert 2 < summary.stream_s < 25
    assert summary.wall_s > summary.stream_s - 1.5


def test_a_file_over_the_network_loses_nothing_and_is_asked_at_its_end(tmp_path: Path) -> None:
    path = world_file(16.0)
    local = list(omnilive.watch(path, store=tmp_path / "local"))
    with web_server(path.parent) as port:
        address = f"http://127.0.0.1:{port}/{path.name}"
        watch = omnilive.watch(address, store=tmp_path / "remote", ask=["what was said?"])
        with watch:
            remote = list(watch)
    assert watch.summary().dropped == {}

    def clips(events: list[Event]) -> list[tuple[int, int]]:
        return [(e.start_ns, e.end_ns) for e in events if isinstance(e, ClipMemory)]

    assert clips(remote) == clips(local)
    kinds = [type(event) for event in remote]
    assert kinds.index(AnswerEnded) > kinds.index(StreamEnded)


def test_stopping_while_a_source_opens_does_not_wait_for_it(tmp_path: Path) -> None:
    arrived, leave = threading.Event(), threading.Event()

    def answer(connection: object) -> None:
        arrived.set()
        leave.wait(60)

    with fake_server(answer) as port:
        watch = omnilive.watch(f"http://127.0.0.1:{port}/live.ts", store=tmp_path)
        assert arrived.wait(60)
        watch.stop()
        events: list[Event] = list(watch)
        leave.set()
    watch.close()
    assert not [e for e in events if isinstance(e, StreamStarted | VideoFrame | AnswerEnded)]
    assert not watch.errors
