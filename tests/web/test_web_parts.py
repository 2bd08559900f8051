"""Parts of the server that need no server: ranges, certificates, pages, the shape of a memory."""

from __future__ import annotations

import asyncio
import os
import random
import ssl
import stat
from pathlib import Path

import pytest

from omnilive import api
from omnilive.api.looking import Place, marks, page, streams
from omnilive.api.shape import shape
from omnilive.errors import BackendError, ConfigError, StoreError, UsageError
from omnilive.memory.store import Store
from omnilive.web import ranges
from omnilive.web.memories import Memories
from omnilive.web.metrics import Metrics
from omnilive.web.ranges import ByteRange, NotSatisfiable
from omnilive.web.sse import events
from omnilive.web.tls import given_certificate, own_certificate
from world_support import watched

S = 1_000_000_000


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("bytes=0-9", ByteRange(0, 10)),
        ("BYTES = 0 - 9", ByteRange(0, 10)),
        ("bytes=90-", ByteRange(90, 100)),
        ("bytes=-5", ByteRange(95, 100)),
        ("bytes=-500", ByteRange(0, 100)),
        ("bytes=0-500", ByteRange(0, 100)),
        ("bytes=99-99", ByteRange(99, 100)),
        ("bytes=5-4", None),
        ("bytes=0-1,3-4", None),
        ("bytes=", None),
        ("items=0-1", None),
    ],
)
def test_ranges(header: str | None, expected: ByteRange | None) -> None:
    assert ranges.wanted(header, None, '"e"', 100) == expected


def test_ranges_outside() -> None:
    for header in ("bytes=100-", "bytes=100-200", "bytes=-0"):
        with pytest.raises(NotSatisfiable):
            ranges.wanted(header, None, '"e"', 100)
    with pytest.raises(NotSatisfiable):
        ranges.wanted("bytes=-1", None, '"e"', 0)
    assert ranges.wanted("bytes=500-", '"older"', '"e"', 100) is None


def test_a_certificate_is_made_once_and_kept_private(tmp_path: Path) -> None:
    folder = tmp_path / "tls"
    first = own_certificate(folder, ["localhost", "127.0.0.1", "::1"])
    assert own_certificate(folder, ["127.0.0.1"]) == first
    if os.name == "posix":
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        for file in (first.certificate, first.key):
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
    # Another name, a damaged file or a foreign key: made anew.
    second = own_certificate(folder, ["localhost", "omni.local"])
    assert second.fingerprint != first.fingerprint
    second.certificate.write_text("no certificate")
    third = own_certificate(folder, ["localhost"])
    assert third.fingerprint != second.fingerprint
    other = own_certificate(tmp_path / "other", ["localhost"])
    third.key.write_bytes(other.key.read_bytes())
    assert own_certificate(folder, ["localhost"]).fingerprint != third.fingerprint


def test_a_certificate_that_cannot_be_kept(tmp_path: Path) -> None:
    (tmp_path / "tls").write_text("a file")
    with pytest.raises(ConfigError, match="--tls-cert"):
        own_certificate(tmp_path / "tls", ["localhost"])


def test_certificates_of_the_user_are_checked(tmp_path: Path) -> None:
    one = own_certificate(tmp_path / "one", ["localhost"])
    two = own_certificate(tmp_path / "two", ["localhost"])
    assert given_certificate(one.certificate, one.key) == one
    pem = one.certificate.read_text()
    assert ssl.PEM_cert_to_DER_cert(pem)
    for certificate, key in (
        (one.certificate, two.key),
        (one.key, one.certificate),
        (tmp_path / "nowhere", one.key),
        (one.certificate, tmp_path / "nowhere"),
    ):
        with pytest.raises(UsageError, match="--tls-cert and --tls-key"):
            given_certificate(certificate, key)


# --- pages and shapes ----------------------------------------------------------------------


def _store_of(path: Path, clocks: list[list[tuple[int, int]]], seed: int = 1) -> Store:
    """A store with one stream for each list of epochs, (wall second, clips); clips of 10 s."""
    from memory_builder import add_clip, begin

    store = Store.open(path, write=True)
    dice = random.Random(seed)
    for number, epochs in enumerate(clocks):
        at_ns = 0
        for wall_s, num_clips in epochs:
            epoch = begin(store, f"s{number}", wall_ns=wall_s * S, at_ns=at_ns)
            for _ in range(num_clips):
                add_clip(store, epoch, at_ns, at_ns + 10 * S, num_moments=dice.randint(0, 4))
                at_ns += 10 * S
            store.end_epoch(epoch.epoch, at_ns, complete=True)
            at_ns += 5 * S
    return store


@pytest.mark.parametrize("limit", [1, 3, 7, 64, 500])
def test_pages_leave_nothing_out_whatever_the_clocks_do(tmp_path: Path, limit: int) -> None:
    # Two streams at the same time, an outage, and a clock that was set back an hour.
    start = 1_700_000_000
    clocks = [[(start, 20), (start + 900, 10), (start - 3600, 15)], [(start + 50, 30)]]
    with _store_of(tmp_path / "m", clocks) as store:
        lines = store.timelines()
        held = store.database.value("SELECT count(*) FROM moment")
        listed, before = [], None
        while True:
            found = page(store, before=before, limit=limit)
            listed += found.moments
            if found.following is None:
                break
            assert len(found.moments) == limit
            before = Place.parse(str(found.following))
        assert len(listed) == held
        assert len({(each.id, each.start_ns) for each in listed}) == held
        walls = [lines[each.stream].wall_at(each.start_ns) for each in listed]
        assert walls == sorted(walls, reverse=True)
        speech = [each for each in listed if each.kind == "speech"]
        assert list(page(store, kinds=("speech",), limit=1000).moments) == speech
        after, until = (start + 100) * S, (start + 950) * S
        window = page(store, after_wall_ns=after, before=Place(until), limit=1000).moments
        wanted = [each for each, wall in zip(listed, walls, strict=True) if after <= wall < until]
        assert list(window) == wanted
        first = page(store, stream=1, limit=1000).moments
        assert list(first) == [each for each in listed if each.stream == 1]


def test_the_shape_of_a_long_time_is_read_from_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = 1_700_000_000
    with _store_of(tmp_path / "m", [[(start, 700)]]) as store:
        exact = shape(store, num_bins=20)
        assert exact.exact
        assert exact.clips == ()  # more than 500
        assert sum(each.clips for each in exact.bins) == 700
        monkeypatch.setattr("omnilive.api.shape._MAX_NODES", 100)
        rough = shape(store, num_bins=20)
        assert not rough.exact
        assert rough.bins != exact.bins
        assert sum(each.clips for each in rough.bins) == pytest.approx(700, rel=0.02)
        for one, other in zip(rough.bins, exact.bins, strict=True):
            assert one.clips == pytest.approx(other.clips, abs=3)
        monkeypatch.setattr("omnilive.api.shape._MAX_NODES", 5)
        coarse = shape(store, num_bins=20)
        assert sum(each.clips for each in coarse.bins) == pytest.approx(700, rel=0.6)
        # What the budget has dropped is still told by the blocks above it.
        monkeypatch.setattr("omnilive.api.shape._MAX_NODES", 4096)
        with store.database.transaction():
            for table in ("thumbnail", "moment", "node_vector"):
                store.database.run(
                    f"DELETE FROM {table} WHERE node IN (SELECT id FROM node WHERE level = 0 "
                    "AND start_ns < 3200000000000)"
                )
            store.database.run("DELETE FROM node WHERE level = 0 AND start_ns < 3200000000000")
        left = shape(store, num_bins=20)
        assert not left.exact
        assert sum(each.clips for each in left.bins) == pytest.approx(700, rel=0.05)


def test_an_empty_store_has_an_empty_shape(tmp_path: Path) -> None:
    with Store.open(tmp_path / "m", write=True) as store:
        empty = shape(store, num_bins=5)
        assert [each.clips for each in empty.bins] == [0.0] * 5
        assert page(store).moments == ()
        assert streams(store) == []


def test_marks_know_pins(tmp_path: Path) -> None:
    with Store.open(watched(), write=False) as store:
        listed = page(store, limit=5).moments
        assert [mark.pinned for mark in marks(store, listed)] == [False] * 5
    with _store_of(tmp_path / "m", [[(1_700_000_000, 5)]]) as store:
        listed = page(store, limit=100).moments
        store.pin(listed[0].clip)
        pinned = [
            each.clip
            for each, mark in zip(listed, marks(store, listed), strict=True)
            if mark.pinned
        ]
        assert set(pinned) == {listed[0].clip}


def test_figures_of_a_conversation_reach_the_metrics(tmp_path: Path) -> None:
    live: dict[str, object] = {
        "sessions": 2,
        "opened_total": 5,
        "frames": {"ingested": 10, "dropped": 1},
        "interruptions": {"true": 3, "false": 4},
        "errors": {"hearing": 1},
        "queues": {"memory": 7},
        "sources": {"desk": True},
    }
    metrics = Metrics(lambda: live, lambda: {"moment": (3, 40)}, tmp_path)
    message = {"event": "latency", "turn": "q1", "stages": {"first_text_ms": 40}, "total_ms": 900}
    metrics.observe(message)
    metrics.observe({"event": "utterance", "text": "a secret"})
    metrics.note_request("GET", "/v1/moments/{id}", 200, 0.01)
    metrics.note_request("BREW", "none", 405, 0.01)
    text = metrics.render().decode()
    for line in (
        "omnilive_sessions 2.0",
        "omnilive_sessions_opened_total 5.0",
        'omnilive_frames_total{state="ingested"} 10.0',
        'omnilive_frames_total{state="skipped"} 0.0',
        'omnilive_interruptions_total{kind="true"} 3.0',
        'omnilive_errors_total{stage="hearing"} 1.0',
        'omnilive_queue_depth{queue="memory"} 7.0',
        'omnilive_source_up{stream="desk"} 1.0',
        'omnilive_memory_items{part="moment"} 3.0',
        'omnilive_store_bytes{part="moment"} 40.0',
        'omnilive_turn_latency_seconds_sum{stage="total"} 0.9',
        'omnilive_turn_latency_seconds_sum{stage="first_text"} 0.04',
        'omnilive_http_requests_total{method="other",route="none",status="405"} 1.0',
    ):
        assert f"\n{line}\n" in text, line
    assert "secret" not in text


def test_figures_come_though_the_store_cannot_be_read(tmp_path: Path) -> None:
    def fails() -> dict[str, tuple[int, int]]:
        raise StoreError("It is gone.")

    metrics = Metrics(lambda: {}, fails, tmp_path / "nowhere")
    assert "omnilive_sessions 0.0" in metrics.render().decode()


def test_memories_are_lent_one_thread_at_a_time() -> None:
    memories = Memories(lambda: api.open_store(watched()))
    with memories.looking() as one, memories.looking() as two:
        assert one is not two
    with memories.looking() as again:
        assert again in (one, two)
    with memories.asking() as fresh:
        assert fresh not in (one, two)
    memories.close()
    with memories.looking() as last, pytest.raises(StoreError), memories.looking() as broken:
        raise StoreError("The disk reports an error.")
    assert last is not broken


class SlowTurn:
    """A turn that is silent before it goes on, and then fails."""

    def __init__(self) -> None:
        self.ended = False
        self._coming: list[dict[str, object] | Exception] = [
            TimeoutError(),
            {"event": "answer_text", "turn": "q1", "delta": "one\n\ntwo"},
            TimeoutError(),
            BackendError("The server that answers has gone."),
        ]

    async def next(self, patience_s: float | None = None) -> dict[str, object]:
        assert patience_s is not None
        item = self._coming.pop(0)
        if isinstance(item, Exception):
            raise item
        return item

    def end(self) -> None:
        self.ended = True


def test_a_silent_answer_keeps_its_connection_and_a_failed_one_says_so() -> None:
    turn = SlowTurn()

    async def collect() -> list[str]:
        first: dict[str, object] = {"event": "answer_started", "turn": "q1", "question": "?"}
        return [piece async for piece in events(turn, first)]  # type: ignore[arg-type]

    pieces = asyncio.run(collect())
    assert [piece.split("\n")[0] for piece in pieces] == [
        "event: answer_started",
        ": still working",
        "event: answer_text",
        ": still working",
        "event: error",
    ]
    # What is said cannot end an event: line ends are escaped.
    assert all(piece.count("\n\n") == 1 for piece in pieces)
    assert "has gone" in pieces[-1]
    assert turn.ended
