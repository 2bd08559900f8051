from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import apsw
import numpy as np
import pytest
from memory_support import WALL_NS, S, World, embedder

import omnilive
from omnilive.errors import StoreBusy, StoreError, StoreTooNew, UnknownMoment
from omnilive.events import Forget, Pin, Question
from omnilive.memory import commands, schema, totals
from omnilive.memory.clips import NewClip, NewMoment
from omnilive.memory.conversation import NewTurn
from omnilive.memory.moments import MomentQuery
from omnilive.memory.performing import perform
from omnilive.memory.recall import Recall
from omnilive.memory.store import Store
from omnilive.memory.streams import SourceFile
from omnilive.memory.vectors import pack_vector, unpack_vectors


def filled(directory: Path) -> None:
    world = World(directory)
    world.say(2, "Anna put the keys on the kitchen table")
    world.clip(0)
    world.say(12, "The bridge is closed until June")
    world.clip(10)
    world.end(20)
    world.close()


def test_a_new_store_is_private_and_set_up_as_promised(tmp_path: Path) -> None:
    directory = tmp_path / "store"
    with Store.open(directory, write=True) as store:
        pragma = store.database.value
        assert pragma("PRAGMA journal_mode") == "wal"
        assert pragma("PRAGMA synchronous") == 2
        assert pragma("PRAGMA auto_vacuum") == 2
        assert pragma("PRAGMA secure_delete") == 1
        assert pragma("PRAGMA foreign_keys") == 1
        assert pragma("PRAGMA application_id") == schema.APPLICATION_ID
        assert pragma("SELECT v FROM moment_terms_config WHERE k = 'secure-delete'") == 1
    if os.name != "nt":
        assert directory.stat().st_mode & 0o777 == 0o700
        assert (directory / "memory.db").stat().st_mode & 0o777 == 0o600


def test_save_then_load_gives_the_same_retrieval(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.say(2, "Anna put the keys on the kitchen table")
    world.clip(0)
    world.say(12, "The bridge is closed until June")
    world.clip(10)
    before = world.ask("where are the keys?")
    world.close()
    with Store.open(tmp_path, write=False) as store:
        after = Recall(store, embedder()).retrieve(before.question)
    assert after == before
    assert after.hits[0].text.startswith("Anna")


def test_the_second_writer_is_refused_and_told_who_is_first(tmp_path: Path) -> None:
    with Store.open(tmp_path, write=True, doing="omnilive watch door", now_wall_ns=WALL_NS):
        with pytest.raises(StoreBusy, match="omnilive watch door") as refusal:
            Store.open(tmp_path, write=True)
        assert str(os.getpid()) in str(refusal.value)
        assert "since" in str(refusal.value)
    Store.open(tmp_path, write=True).close()


def test_a_store_of_the_version_before_is_brought_up_to_date(tmp_path: Path) -> None:
    filled(tmp_path)
    connection = apsw.Connection(str(tmp_path / "memory.db"))
    for (name,) in list(connection.execute("SELECT name FROM sqlite_schema WHERE type='trigger'")):
        connection.execute(f"DROP TRIGGER {name}")
    connection.execute("DROP TABLE total; DROP TABLE horizon; DROP INDEX node_pinned")
    connection.execute("DROP TABLE clip_token; DROP TABLE global_memory")
    connection.execute("DROP TABLE vector_erasure; DROP INDEX moment_hidden")
    connection.execute("ALTER TABLE node DROP COLUMN faded")
    for column in ("heard", "heard_ms", "heard_complete"):
        connection.execute(f"ALTER TABLE turn DROP COLUMN {column}")
    connection.execute("ALTER TABLE moment DROP COLUMN asked")
    connection.execute("DELETE FROM meta WHERE key = 'erased'")
    connection.execute("UPDATE meta SET value = 1 WHERE key = 'schema_version'")
    connection.execute("PRAGMA user_version = 1")
    connection.close()
    with pytest.raises(StoreError, match="older format"):
        Store.open(tmp_path, write=False)
    with Store.open(tmp_path, write=True) as store:
        assert store.database.value("PRAGMA user_version") == schema.SCHEMA_VERSION
        found = Recall(store, embedder()).retrieve(
            Question(turn_id="q", text="where are the keys?", needs="past")
        )
        assert found.hits[0].text.startswith("Anna")
        assert totals.read(store.database) == totals.recount(store.database)


def test_a_store_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    filled(tmp_path)
    connection = apsw.Connection(str(tmp_path / "memory.db"))
    connection.execute(f"PRAGMA user_version = {schema.SCHEMA_VERSION + 1}")
    connection.close()
    for write in (False, True):
        with pytest.raises(StoreTooNew, match="newer version"):
            Store.open(tmp_path, write=write)


def test_what_is_no_store_is_said(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no store"):
        Store.open(tmp_path / "missing", write=False)
    with pytest.raises(StoreError, match="no store"):
        Store.open(tmp_path / "missing", write=True, create=False)
    assert not (tmp_path / "missing").exists()
    file = tmp_path / "file"
    file.write_text("x")
    for write in (False, True):
        with pytest.raises(StoreError, match="is a file"):
            Store.open(file, write=write)
    other = tmp_path / "other"
    other.mkdir()
    (other / "holiday.jpg").write_text("x")
    with pytest.raises(StoreError, match="holds other files"):
        Store.open(other, write=True)


@pytest.mark.parametrize("content", [b"this is no database" * 500, b"\0" * 8192])
def test_a_file_that_is_no_database_is_refused_and_kept(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "memory.db").write_bytes(content)
    for write in (False, True):
        with pytest.raises(StoreError):
            Store.open(tmp_path, write=write)
    assert (tmp_path / "memory.db").read_bytes() == content


def test_a_foreign_database_is_refused(tmp_path: Path) -> None:
    connection = apsw.Connection(str(tmp_path / "memory.db"))
    connection.execute("CREATE TABLE mine(x)")
    connection.close()
    for write in (False, True):
        with pytest.raises(StoreError, match="not an OmniLive store"):
            Store.open(tmp_path, write=write)


def test_a_damaged_page_is_one_sentence(tmp_path: Path) -> None:
    filled(tmp_path)
    path = tmp_path / "memory.db"
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    path.write_bytes(data)
    with pytest.raises(StoreError), Store.open(tmp_path, write=False) as store:
        store.moments()


def test_where_nothing_may_be_written_a_store_is_still_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(tmp_path)
    before = {path.name for path in tmp_path.iterdir()}
    monkeypatch.setattr(os, "access", lambda *_: False)
    with Store.open(tmp_path, write=False) as store:
        assert len(store.moments()) == 4
        assert {path.name for path in tmp_path.iterdir()} == before
    with pytest.raises(StoreError, match="read-only"):
        Store.open(tmp_path, write=True)


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX users")
def test_a_read_only_store_can_be_read_and_refuses_to_be_written(tmp_path: Path) -> None:
    directory = tmp_path / "store"
    filled(directory)
    code = (
        "import sys\n"
        "from omnilive.errors import StoreError\n"
        "from omnilive.memory.store import Store\n"
        "print(len(Store.open(sys.argv[1], write=False).moments()))\n"
        "try: Store.open(sys.argv[1], write=True)\n"
        "except StoreError as error: print(error)\n"
    )
    for path in directory.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o444)
    directory.chmod(0o555)
    for parent in directory.parents:
        if parent != Path("/") and parent.owner() == "root":
            parent.chmod(parent.stat().st_mode | 0o055)
    options = {"user": 65534} if os.geteuid() == 0 else {}
    try:
        done = subprocess.run(
            [sys.executable, "-c", code, str(directory)],
            capture_output=True,
            text=True,
            check=False,
            env={"PYTHONPATH": str(Path(omnilive.__file__).parents[1]), "PATH": "/usr/bin"},
            **options,  # type: ignore[call-overload]
        )
    except PermissionError:
        pytest.skip("this user may not run a process as another one")
    finally:
        directory.chmod(0o755)
    if "Permission" in done.stderr or "ModuleNotFound" in done.stderr:
        pytest.skip("an unprivileged user cannot see this Python or this checkout")
    assert done.stdout.splitlines()[0] == "4", done.stderr
    assert "read-only" in done.stdout


def test_stream_time_of_a_live_source_goes_on_by_the_true_gap(tmp_path: Path) -> None:
    world = World(tmp_path, live=True)
    world.clip(0)
    world.end(10, error="the camera went away")
    again = world.start("talk", live=True, wall_ns=WALL_NS + 3600 * S)
    assert again.stream == world.started.stream
    assert again.at_ns == 3600 * S
    world.clip(3600)
    assert world.remembered[-1].at == "2023-11-15T00:13:20.000+01:00"
    (line,) = world.store.timelines().values()
    assert line.watched() == [(0, 10 * S), (3600 * S, 3610 * S)]
    world.close()


def test_stream_time_never_runs_backwards_when_the_clock_does(tmp_path: Path) -> None:
    world = World(tmp_path, live=True)
    world.clip(0)
    world.end(10, error="x")
    again = world.start("talk", live=True, wall_ns=WALL_NS - 7200 * S)
    assert again.at_ns >= 10 * S
    world.close()


def test_a_file_is_resumed_behind_its_last_acknowledged_clip(tmp_path: Path) -> None:
    film = SourceFile(path=str(tmp_path / "film.mp4"), size=3, mtime_ns=1, fingerprint="abc")
    world = World(tmp_path / "store", name="other")
    store = world.store
    assert store.resume_point("film", "abc") == ("none", 0)

    def begin(file_start_ns: int) -> int:
        started = store.begin_epoch(
            "film",
            wall_ns=WALL_NS + file_start_ns,
            zone="UTC",
            origin="creation",
            voice="ambient",
            has_video=True,
            has_audio=False,
            live=False,
            source="film.mp4",
            file=film,
            file_start_ns=file_start_ns,
        )
        world.push(started)
        return started.at_ns

    assert begin(0) == 0
    world.clip(0, stream=2)
    world.clip(10, stream=2, heard=False)
    world.memory.close()  # as if the process had died here
    assert store.resume_point("film", "abc") == ("part", 20 * S)
    assert begin(20 * S) == 20 * S
    world.clip(20, stream=2)
    world.end(30, stream=2)
    assert store.resume_point("film", "abc") == ("complete", 30 * S)
    assert store.resume_point("film", "changed") == ("none", 0)
    assert begin(0) == 30 * S  # once more, on purpose
    world.close()


def test_play_parts_of_a_users_file_are_in_its_own_time(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(b"film")
    status = path.stat()
    film = SourceFile(
        path=str(path), size=status.st_size, mtime_ns=status.st_mtime_ns, fingerprint="f"
    )
    with Store.open(tmp_path / "store", write=True) as store:
        started = store.begin_epoch(
            "film",
            wall_ns=WALL_NS,
            zone="UTC",
            origin="creation",
            voice="ambient",
            has_video=True,
            has_audio=False,
            live=False,
            source="film.mp4",
            file=film,
            file_start_ns=0,
            at_ns=100 * S,
        )
        clip = NewClip(
            id="c1-110000",
            stream=started.stream,
            epoch=started.epoch,
            start_ns=110 * S,
            end_ns=120 * S,
            changed=True,
        )
        remembered = store.commit_clip(clip, None, embedder=embedder())
        assert remembered.playable
        parts = store.play_parts(remembered.id)
        assert (parts.file, parts.file_start_ns, parts.file_end_ns) == (path, 10 * S, 20 * S)
        path.write_bytes(b"another film")
        assert store.play_parts(remembered.id).file is None
        assert not store.get(remembered.id).playable


def test_generation_rises_with_every_commit(tmp_path: Path) -> None:
    world = World(tmp_path)
    generations = [world.store.database.generation]
    for index in range(3):
        world.clip(10 * index)
        generations.append(world.store.database.generation)
    assert generations == sorted(set(generations))
    assert [each.generation for each in world.remembered] == generations[1:]
    world.close()


def test_a_clip_that_is_committed_twice_is_there_once(tmp_path: Path) -> None:
    world = World(tmp_path)
    said = NewMoment(id="u1-2000", kind="speech", start_ns=2 * S, end_ns=3 * S, text="hello")
    clip = NewClip(id="c1-0", stream=1, epoch=1, start_ns=0, end_ns=10 * S, moments=(said,))
    first = world.store.commit_clip(clip, None, embedder=embedder())
    again = world.store.commit_clip(clip, None, embedder=embedder())
    assert first.id == again.id
    assert len(world.store.moments()) == 1
    world.close()


def test_ids_that_are_not_made_from_time_are_kept(tmp_path: Path) -> None:
    world = World(tmp_path)
    said = NewMoment(id="my own id", kind="speech", start_ns=2 * S, end_ns=3 * S, text="hello")
    clip = NewClip(id="c1-0", stream=1, epoch=1, start_ns=0, end_ns=10 * S, moments=(said,))
    world.store.commit_clip(clip, None, embedder=embedder())
    assert world.store.get("my own id").text == "hello"
    world.close()


@pytest.mark.parametrize("wanted", ["u1-99", "u9-2000", "nonsense", "", "x" * 5000, "c1-0'; --"])
def test_an_unknown_id_is_said(tmp_path: Path, wanted: str) -> None:
    world = World(tmp_path)
    world.clip(0)
    for call in (world.store.get, world.store.pin, world.store.forget, world.store.play_parts):
        with pytest.raises(UnknownMoment):
            call(wanted)
    world.close()


def test_another_process_sees_what_was_acknowledged_and_asks_the_writer(tmp_path: Path) -> None:
    world = World(tmp_path)
    public_id = world.say(2, "Anna put the keys on the kitchen table")
    world.clip(0)
    code = (
        "import sys, json\n"
        "from omnilive.events import Pin\n"
        "from omnilive.memory.performing import perform\n"
        "from omnilive.memory.store import Store\n"
        "store = Store.open(sys.argv[1], write=False)\n"
        "print(json.dumps([[m.id for m in store.moments()], store.database.generation]))\n"
        "print(perform(sys.argv[1], Pin(moment=sys.argv[2])))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), public_id],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(Path(omnilive.__file__).parents[1])},
    )
    seen, number = done.stdout.splitlines()
    ids, generation = json.loads(seen)
    assert set(ids) == {public_id, "c1-0"}
    assert generation == world.remembered[-1].generation
    assert world.store.outcome(int(number)) is None
    world.store.carry_out_commands()
    assert world.store.outcome(int(number)) == ""
    assert world.store.stats().pinned == 1
    world.close()


def test_commands_are_carried_out_wiped_and_their_failures_told(tmp_path: Path) -> None:
    world = World(tmp_path)
    wrong = commands.send(tmp_path, Forget(moment="u1-77"))
    turn = commands.send(
        tmp_path,
        NewTurn(turn_id="q1", question="zebra?", answer="none", outcome="completed", known=False),
    )
    world.store.carry_out_commands()
    assert "u1-77" in (world.store.outcome(wrong) or "")
    assert world.store.outcome(turn) == ""
    assert [each.question for each in world.store.turns()] == ["zebra?"]
    assert world.store.database.rows("SELECT DISTINCT argument FROM command") == [("",)]
    world.close()


def test_a_command_is_done_at_once_when_nobody_writes(tmp_path: Path) -> None:
    filled(tmp_path)
    assert perform(tmp_path, Pin(moment="u1-2000")) is None
    with Store.open(tmp_path, write=False) as store:
        assert store.stats().pinned == 1
    assert perform(tmp_path, Pin(moment="u1-2000", keep=False)) is None
    with Store.open(tmp_path, write=False) as store:
        assert store.stats().pinned == 0


def test_listing_by_kind_time_and_order(tmp_path: Path) -> None:
    world = World(tmp_path)
    for index in range(4):
        world.say(10 * index + 2, f"sentence {index}")
        world.clip(10 * index)
    speech = MomentQuery(kinds=("speech",), limit=2, newest_first=True)
    assert [m.text for m in world.store.moments(speech)] == ["sentence 3", "sentence 2"]
    window = MomentQuery(kinds=("speech",), stream=1, start_ns=10 * S, end_ns=30 * S)
    assert [m.text for m in world.store.moments(window)] == ["sentence 1", "sentence 2"]
    world.close()


def test_statistics_count_what_is_there(tmp_path: Path) -> None:
    filled(tmp_path)
    with Store.open(tmp_path, write=False) as store:
        stats = store.stats()
    assert (stats.clips, stats.blocks, stats.moments["speech"]) == (2, 1, 2)
    assert stats.streams[0].watched_ns == 20 * S
    assert stats.vector_bytes > 2 * 256
    assert stats.database_bytes > 4096


def test_packed_vectors_keep_their_direction() -> None:
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(50, 256)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    back = unpack_vectors([pack_vector(row) for row in rows], 256)
    assert float(np.einsum("nd,nd->n", rows, back).min()) > 0.999
    assert not unpack_vectors([pack_vector(np.zeros(256, np.float32))], 256).any()
