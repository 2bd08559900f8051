from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import pytest
from memory_support import WALL_NS, S, embedder

from omnilive.errors import StoreError
from omnilive.events import ClipMemory
from omnilive.memory.clips import NewClip
from omnilive.memory.store import Store


@dataclass(frozen=True)
class Piece:
    data: bytes
    start_ns: int
    end_ns: int
    starts_with_key: bool = True
    key_ns: int | None = 0


def begin(directory: Path) -> Store:
    store = Store.open(directory, write=True)
    store.begin_epoch(
        "door",
        wall_ns=WALL_NS,
        zone="UTC",
        origin="live",
        voice="ambient",
        has_video=True,
        has_audio=False,
        live=True,
        source="x",
        at_ns=0,
    )
    return store


def commit(store: Store, index: int, *, key: bool = True) -> ClipMemory:
    start_ns, end_ns = 10 * index * S, 10 * (index + 1) * S
    clip = NewClip(
        id=f"c1-{10_000 * index}",
        stream=1,
        epoch=1,
        start_ns=start_ns,
        end_ns=end_ns,
        changed=True,
    )
    piece = Piece(f"piece {index};".encode(), start_ns, end_ns, key, start_ns if key else None)
    return store.commit_clip(clip, piece, embedder=embedder())


def files(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (directory / "segments").iterdir()}


def test_a_segment_holds_at_most_a_minute(tmp_path: Path) -> None:
    with begin(tmp_path) as store:
        for index in range(13):
            commit(store, index)
    assert [content.count(b";") for _, content in sorted(files(tmp_path).items())] == [6, 6, 1]


def test_fragments_are_found_again_with_their_checksums(tmp_path: Path) -> None:
    with begin(tmp_path) as store:
        for index in range(3):
            commit(store, index)
        (part,) = store.play_parts("c1-10000").fragments
        data = part.path.read_bytes()[part.offset : part.offset + part.num_bytes]
        assert data == b"piece 1;"
        assert part.sha256 == hashlib.sha256(data).digest()


def test_playing_starts_at_the_key_frame_before(tmp_path: Path) -> None:
    with begin(tmp_path) as store:
        for index in range(5):
            commit(store, index, key=index in (0, 2))
        parts = store.play_parts("c1-40000").fragments
        assert [part.start_ns // (10 * S) for part in parts] == [2, 3, 4]
        assert len(store.play_parts("c1-20000").fragments) == 1


def test_recovery_cuts_off_and_deletes_what_nothing_references(tmp_path: Path) -> None:
    with begin(tmp_path) as store:
        commit(store, 0)
        (name,) = files(tmp_path)
    segments = tmp_path / "segments"
    with (segments / name).open("ab") as file:
        file.write(b"half a fragm")
    (segments / "1-99.mkv").write_bytes(b"nobody knows me")
    Store.open(tmp_path, write=True).close()
    assert files(tmp_path) == {name: b"piece 0;"}


def test_a_segment_without_a_clip_is_forgotten_at_the_next_opening(tmp_path: Path) -> None:
    with begin(tmp_path) as store:
        number = store.database.insert(
            "INSERT INTO segment(stream, start_ns, file) VALUES(1, 0, '1-1.mkv')"
        )
        assert number
    with Store.open(tmp_path, write=True) as store:
        assert store.database.value("SELECT count(*) FROM segment") == 0


def test_a_failed_commit_leaves_no_hole_in_the_segment(tmp_path: Path) -> None:
    with begin(tmp_path) as store:
        commit(store, 0)
        store.database.run(
            "CREATE TEMP TRIGGER refuse BEFORE INSERT ON fragment "
            "BEGIN SELECT raise(ABORT, 'no'); END"
        )
        with pytest.raises(StoreError):
            commit(store, 1)
        assert store.stats().clips == 1
        store.database.run("DROP TRIGGER refuse")
        commit(store, 1)
    (content,) = files(tmp_path).values()
    assert content == b"piece 0;piece 1;"


def test_an_unwritable_recording_is_one_sentence(tmp_path: Path) -> None:
    with begin(tmp_path) as store:
        commit(store, 0)
        for path in (tmp_path / "segments").iterdir():
            path.unlink()
        with pytest.raises(StoreError, match="recording"):
            commit(store, 1)
        assert store.stats().clips == 1
