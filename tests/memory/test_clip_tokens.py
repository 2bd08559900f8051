"""Tokens in the store: deletion reaches them, checks find damage, the budget takes H first."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="needs the extra nn")
pytest.importorskip("safetensors", reason="needs the extra nn")
pytest.importorskip("tokenizers", reason="needs the extra nn")

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
from memory_support import S, embedder, raw_bytes
from token_world import TokenWorld, network, tokens

from omnilive.errors import StoreError
from omnilive.events import Forget, Notice
from omnilive.memory import totals, vector_cache, vector_files
from omnilive.memory.budget import BudgetConfig, LevelBudget
from omnilive.memory.clip_tokens import GLOBALS
from omnilive.memory.forget_request import ForgetRequest, StreamSpan
from omnilive.memory.late_tokens import LateTokens
from omnilive.memory.stage import Memory, MemoryConfig
from omnilive.memory.store import Store
from omnilive.memory.vector_files import quantised
from omnilive.memory.vectors import unit_rows


def bytes_of(number: int) -> list[bytes]:
    """What of a clip's tokens might lie in a file: H, H-hat, H-hat of the search."""
    made = tokens(number, 0.0)
    unit = unit_rows(made.global_memory[np.newaxis])
    return [
        made.short_term.tobytes(),
        made.global_memory.astype(np.float16).tobytes(),
        quantised(unit).tobytes(),
    ]


@pytest.fixture
def small_zones(monkeypatch: pytest.MonkeyPatch) -> None:
    """Vectors go into cache files at once."""
    for module in (vector_cache, vector_files):
        monkeypatch.setattr(module, "ZONE", 1)


@pytest.mark.usefixtures("small_zones")
@pytest.mark.parametrize("what", ["clip", "span", "stream"])
def test_what_is_forgotten_is_gone_from_every_byte(tmp_path: Path, what: str) -> None:
    world = TokenWorld(tmp_path, fan_out=3, integration="blocks")
    for number in range(10):
        world.remember(number)
    world.ask("what was on the table?")
    before = raw_bytes(tmp_path)
    assert all(part in before for part in bytes_of(4))
    block = world.store.database.value(
        "SELECT t.data FROM clip_token t JOIN node n ON n.id = t.node "
        "WHERE n.level = 1 AND n.start_ns = ?",
        (30 * S,),
    )
    assert block in before
    if what == "clip":
        world.push(Forget(moment="c1-40000"))
    elif what == "span":
        world.store.forget(ForgetRequest(spans=(StreamSpan(1, 40 * S, 50 * S),)))
    else:
        world.store.forget(ForgetRequest(streams=(1,)))
    for _ in range(2):
        after = raw_bytes(tmp_path)
        assert not any(part in after for part in bytes_of(4))
        assert block not in after
        assert (bytes_of(5)[0] in after) == (what != "stream")
        world.ask("what was on the table?")  # what is integrated again does not bring it back
    assert world.store.verify().is_clean
    world.close()
    assert not any(part in raw_bytes(tmp_path) for part in bytes_of(4))


def test_a_text_on_the_screen_takes_the_picture_s_tokens(tmp_path: Path) -> None:
    world = TokenWorld(tmp_path)
    world.show(1, "SECRET")
    world.remember(0)
    world.push(Forget(moment="t1-1000"))
    assert world.store.stats().clips == 1
    assert world.count("clip_token") == world.count("global_memory") == 0
    assert not any(part in raw_bytes(tmp_path) for part in bytes_of(0))
    world.close()


def test_words_said_leave_the_picture_s_tokens(tmp_path: Path) -> None:
    world = TokenWorld(tmp_path)
    world.remember(0)
    world.push(Forget(moment="u1-1000"))
    assert world.count("clip_token") == 1
    world.close()


@pytest.mark.parametrize("wanted", ["c1-0", "t1-1000", "span"])
@pytest.mark.parametrize("pending", [True, False], ids=["pending", "remembered"])
def test_tokens_that_come_after_their_clip_was_forgotten_stay_away(
    tmp_path: Path, wanted: str, pending: bool
) -> None:
    world = TokenWorld(tmp_path)
    world.show(1, "SECRET")
    world.clip(0, heard=not pending)
    if wanted == "span":
        world.store.forget(ForgetRequest(spans=(StreamSpan(1, 0, 5 * S),)))
    else:
        world.push(Forget(moment=wanted))
    world.push(tokens(0, 0.0))
    world.clip(10)
    world.push(tokens(1, 10.0))
    assert not any(part in raw_bytes(tmp_path) for part in bytes_of(0))
    assert world.count("clip_token") == 1
    world.close()


def test_pending_tokens_go_with_their_clip(tmp_path: Path) -> None:
    world = TokenWorld(tmp_path)
    world.push(tokens(0, 0.0))
    world.clip(0, heard=False)
    world.push(Forget(moment="c1-0"))
    world.clip(10)
    assert world.count("clip_token") == 0
    world.close()


def test_tokens_of_a_clip_that_is_gone_or_was_never_are_dropped(tmp_path: Path) -> None:
    world = TokenWorld(tmp_path)
    world.remember(0)
    world.remember(1)
    world.push(tokens(7, 3.0))
    world.push(tokens(8, 0.0))  # it has some
    world.push(tokens(9, 500.0))  # never came
    world.end(30)
    assert world.count("clip_token") == 2
    assert bytes_of(8)[0] not in raw_bytes(tmp_path)
    world.close()


def test_a_store_that_cannot_be_written_keeps_late_tokens_waiting(tmp_path: Path) -> None:
    world = TokenWorld(tmp_path)
    world.clip(0)
    world.clip(10)
    late = LateTokens(world.store)
    late.take(tokens(0, 0.0))
    database = world.store.database
    database.run("PRAGMA query_only = ON")
    with pytest.raises(StoreError):
        late.store()
    for _ in range(64):
        late.take(tokens(1, 10.0))
    assert len(late.notices()) == 1
    database.run("PRAGMA query_only = OFF")
    late.store()
    assert world.count("clip_token") == 1
    assert late.take_streams() == [1]
    assert late.take_streams() == []
    assert late.notices() == []
    world.close()


# --- checks -----------------------------------------------------------------------------


def _shorten(world: TokenWorld) -> None:
    world.store.database.run(
        "UPDATE clip_token SET data = substr(data, 1, 33), bytes = 33 WHERE id = 2"
    )


def _no_numbers(world: TokenWorld) -> None:
    data = np.full((8, 16), np.nan, dtype="<f2").tobytes()
    world.store.database.run("UPDATE clip_token SET data = ? WHERE id = 2", (data,))


def _wrong_size(world: TokenWorld) -> None:
    world.store.database.run("UPDATE clip_token SET bytes = 1 WHERE id = 2")
    world.store.database.run("UPDATE global_memory SET bytes = 1")


def _other_model(world: TokenWorld) -> None:
    world.store.database.run("PRAGMA foreign_keys = OFF")
    world.store.database.run("UPDATE clip_token SET model = 99 WHERE id = 2")


def _no_global(world: TokenWorld) -> None:
    world.store.database.run(
        "DELETE FROM global_memory WHERE node = (SELECT node FROM clip_token WHERE id = 2)"
    )


def _bad_global(world: TokenWorld) -> None:
    world.store.database.run("UPDATE global_memory SET data = zeroblob(32)")


def _of_others(world: TokenWorld) -> None:
    world.store.database.run(
        "UPDATE clip_token SET inputs = ? WHERE node IN (SELECT id FROM node WHERE level = 1)",
        (np.array([9999], dtype="<i8").tobytes(),),
    )


@pytest.mark.parametrize(
    "damage",
    [_shorten, _no_numbers, _wrong_size, _other_model, _no_global, _bad_global, _of_others],
    ids=lambda each: each.__name__.strip("_"),
)
def test_what_is_wrong_is_found_and_mended(
    tmp_path: Path, damage: Callable[[TokenWorld], None]
) -> None:
    world = TokenWorld(tmp_path, fan_out=3, integration="blocks")
    for number in range(8):
        world.remember(number)
    assert world.store.verify().is_clean
    damage(world)
    found = world.store.verify().findings
    assert found
    assert {each.kind for each in found} <= {"tokens", "size", "totals", "pointer"}
    repaired = world.store.repair(embedder())
    assert repaired.left.is_clean
    # Whoever has the network goes on with what is left.
    answer = world.ask("what was on the table?").tokens
    assert answer is not None
    assert answer.problem == ""
    assert world.store.verify().is_clean
    world.close()


# --- the budget -------------------------------------------------------------------------


def budget(**changes: object) -> dict[str, object]:
    free = {"headroom_gb": 0.0, "headroom_share": 0.0}
    return {"budget": BudgetConfig(**free | changes)}  # type: ignore[arg-type]


def test_h_goes_before_pictures_and_vectors(tmp_path: Path) -> None:
    # Some forty clips of 256 bytes of H, with what a row costs.
    limit = LevelBudget(gb=40 * 320 / 1e9)
    world = TokenWorld(
        tmp_path, fan_out=4, integration="blocks", memory=budget(tokens=limit), most_selected=200
    )
    for number in range(120):
        world.remember(number)
    assert 4 <= world.count("clip_token") <= 60
    assert world.count("global_memory") == world.count("thumbnail") == 120
    newest = world.store.database.rows(
        "SELECT n.start_ns FROM clip_token t JOIN node n ON n.id = t.node WHERE n.level = 0 "
        "ORDER BY n.start_ns"
    )
    assert newest[-1][0] == 1190 * S
    assert len(newest) == 1 + (newest[-1][0] - newest[0][0]) // (10 * S)  # the oldest went
    answer = world.ask("what was on the table?").tokens
    assert answer is not None
    assert answer.problem == ""
    assert {each.moment.start_ns for each in answer.selected} <= {row[0] for row in newest}
    assert world.store.verify().is_clean
    assert totals.read(world.store.database) == totals.recount(world.store.database)
    world.close()


def test_with_no_budget_at_all_only_what_is_open_stays(tmp_path: Path) -> None:
    world = TokenWorld(
        tmp_path, fan_out=4, integration="blocks", memory=budget(tokens=LevelBudget(gb=0.0))
    )
    for number in range(40):
        world.remember(number)
    assert 1 <= world.count("clip_token") <= 4
    assert world.count("clip_token", level=1) <= 5
    assert world.count("thumbnail") == 40
    reopened = world.integration.long_term(1)
    assert reopened.problem == ""
    assert sum(len(each) for each in reopened.parts) >= 1
    world.close()


def test_tokens_grow_old(tmp_path: Path) -> None:
    world = TokenWorld(
        tmp_path,
        fan_out=4,
        memory=budget(tokens=LevelBudget(gb=math.inf, days=200 / 86_400)),
    )
    for number in range(60):
        world.remember(number)
    oldest = world.store.database.value(
        "SELECT min(n.start_ns) FROM clip_token t JOIN node n ON n.id = t.node WHERE n.level = 0"
    )
    assert 340 * S <= oldest <= 420 * S
    world.close()


def test_pinned_clips_keep_their_tokens(tmp_path: Path) -> None:
    world = TokenWorld(tmp_path, fan_out=4, memory=budget(tokens=LevelBudget(gb=0.0)))
    world.remember(0)
    world.store.pin("c1-0")
    for number in range(1, 20):
        world.remember(number)
    kept = world.store.database.rows(
        "SELECT n.start_ns FROM clip_token t JOIN node n ON n.id = t.node WHERE n.level = 0"
    )
    assert (0,) in kept
    assert len(kept) <= 5
    world.close()


# --- without the network ----------------------------------------------------------------


def test_a_memory_without_the_network_keeps_tokens_and_answers(tmp_path: Path) -> None:
    world = TokenWorld(tmp_path)
    world.memory = Memory(world.store, MemoryConfig(), embedder())
    world.push(world.started)
    assert not [each for each in world.push(tokens(0, 0.0)) if isinstance(each, Notice)]
    world.say(1, "the kettle boils")
    world.clip(0)
    assert world.count("clip_token") == 1
    found = world.ask("what boils?")
    assert found.tokens is None
    assert found.hits
    world.close()


@pytest.mark.usefixtures("small_zones")
def test_the_search_of_h_hat_goes_on_from_its_files(tmp_path: Path) -> None:
    world = TokenWorld(tmp_path, most_selected=50)
    for number in range(20):
        world.remember(number)
    first = world.ask("what was on the table?").tokens
    world.close()
    assert list((tmp_path / "cache").glob("ixc-memory*.numbers"))
    with Store.open(tmp_path, write=False) as store:
        cache = vector_cache.VectorCache(store.database, network().model, 16, GLOBALS)
        with store.snapshot():
            cache.refresh()
        assert cache.count == 20
        assert cache.mapped_bytes == 20 * 16
    again = TokenWorld(tmp_path, most_selected=50)
    second = again.ask("what was on the table?").tokens
    assert first is not None
    assert second is not None
    assert len(first.selected) == 20
    assert [each.clip for each in first.selected] == [each.clip for each in second.selected]
    again.close()
