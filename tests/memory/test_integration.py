"""Long-term memory in step with the store: the network's own numbers, through restarts."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="needs the extra nn")
pytest.importorskip("safetensors", reason="needs the extra nn")
pytest.importorskip("tokenizers", reason="needs the extra nn")

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from memory_support import S
from numpy.typing import NDArray
from token_world import ROWS, TokenWorld, network, tokens

from compressor_support import WIDTH, settings
from omnilive.events import ClipTokens, Forget
from omnilive.memory.integration import END, Integration
from omnilive.memory.store import Store
from omnilive.nn.memory_integration import BlockState, ExactState
from omnilive.nn.memory_network import EncodedClip

CLOSE = 5e-3  # H-bar of a block is kept in 16 bits


def encoded(made: ClipTokens) -> EncodedClip:
    return EncodedClip(
        torch.from_numpy(made.short_term.astype(np.float32)), torch.from_numpy(made.global_memory)
    )


def exact(made: Sequence[ClipTokens]) -> NDArray[np.float32]:
    state = ExactState().with_clips(network().network, [encoded(each) for each in made])
    return state.long_term(network().network).numpy()


def blocks(made: Sequence[ClipTokens], fan_out: int) -> NDArray[np.float32]:
    state = BlockState(fan_out=fan_out)
    for each in made:
        state = state.with_clip(network().network, encoded(each))
    return state.long_term(network().network).numpy()


def long_term(integration: Integration, before_ns: int = END) -> NDArray[np.float32]:
    found = integration.long_term(1, before_ns)
    assert found.problem == ""
    return network().as_array(found.parts)


def fresh(world: TokenWorld, **changes: object) -> Integration:
    """What another start of the program would integrate from the store."""
    return Integration(world.store.database, network(), settings(Path(), **changes))


def kept(world: TokenWorld) -> list[NDArray[np.float32]]:
    """All H and H-bar in the store, in the order in which they were made."""
    rows = world.store.database.rows("SELECT data FROM clip_token ORDER BY id")
    return [np.frombuffer(data, dtype="<f2").astype(np.float32) for (data,) in rows]


def assert_alike(found: NDArray[np.float32], expected: NDArray[np.float32]) -> None:
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < CLOSE


@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("way", ["auto", "exact", "blocks"])
def test_up_to_a_block_every_way_is_the_full_pass(tmp_path: Path, way: str, late: bool) -> None:
    world = TokenWorld(tmp_path, fan_out=8, integration=way)
    assert long_term(world.integration).shape == (0, WIDTH)
    for number in range(8):
        world.remember(number, late=late)
        full = network().network.integrate([[encoded(each) for each in world.made]])[0].numpy()
        assert_alike(long_term(world.integration), full)
    world.close()


def test_blocks_are_those_of_the_network_for_ever(tmp_path: Path) -> None:
    world = TokenWorld(tmp_path, fan_out=3, integration="blocks")
    shapes = []
    for number in range(30):
        world.remember(number)
        found = long_term(world.integration)
        assert_alike(found, blocks(world.made, 3))
        shapes.append(len(found))
        assert_alike(long_term(fresh(world, integration="blocks")), found)
    # 30 clips: blocks of 3, 9 and 27.
    assert max(shapes) <= 3 + 2 * 3
    assert world.count("clip_token", level=1) == 9
    assert world.count("clip_token", level=2) == 3
    assert world.count("clip_token", level=3) == 1
    assert world.store.verify().is_clean
    world.close()


def test_what_is_kept_open_has_a_bound(tmp_path: Path) -> None:
    world = TokenWorld(tmp_path, fan_out=3, integration="blocks")
    held = []
    for number in range(28):
        world.remember(number)
        held.append(world.integration.num_bytes(1))
    assert max(held[9:]) <= 1.5 * max(held[:9])
    world.close()


def test_a_restart_goes_on_with_the_same_numbers(tmp_path: Path) -> None:
    whole = TokenWorld(tmp_path / "whole", fan_out=4, integration="blocks")
    for number in range(11):
        whole.remember(number)
    cut = TokenWorld(tmp_path / "cut", fan_out=4, integration="blocks")
    for number in range(6):
        cut.remember(number)
    cut.close()
    again = TokenWorld(tmp_path / "cut", fan_out=4, integration="blocks")
    start_s = again.started.at_ns / S
    assert start_s >= 60
    for number in range(6, 11):
        again.remember(number, at_s=start_s + 10 * (number - 6))
    made = long_term(again.integration)
    assert np.abs(made - long_term(fresh(again, integration="blocks"))).max() < 1e-5
    for one, other in zip(kept(whole), kept(again), strict=True):
        assert_alike(one, other)
    assert_alike(made, long_term(whole.integration))
    whole.close()
    again.close()


def test_a_question_of_then_sees_what_was_there_then(tmp_path: Path) -> None:
    world = TokenWorld(tmp_path, fan_out=3, integration="blocks")
    then = []
    for number in range(20):
        world.remember(number)
        then.append(long_term(world.integration))
    for number in (0, 1, 2, 3, 8, 9, 10, 17, 18, 19):
        assert_alike(long_term(world.integration, (10 * number + 5) * S), then[number])
        assert_alike(
            long_term(fresh(world, integration="auto"), (10 * number + 5) * S),
            exact(world.made[: number + 1]),
        )
    assert long_term(world.integration, 0).shape == (0, WIDTH)
    # Looking back has changed nothing.
    assert np.array_equal(long_term(world.integration), then[-1])
    world.close()


def test_a_gap_and_midnight_close_a_block(tmp_path: Path) -> None:
    net = network().network
    world = TokenWorld(tmp_path, fan_out=32, integration="blocks")
    for number, at_s in enumerate([0, 10, 20, 1000, 1010]):
        world.remember(number, at_s=at_s)
    state = BlockState().with_clips(net, [encoded(each) for each in world.made[:3]]).closed(net)
    state = state.with_clips(net, [encoded(each) for each in world.made[3:]])
    assert_alike(long_term(world.integration), state.long_term(net).numpy())
    # The world begins at 23:13:20 in Berlin.
    for number, at_s in enumerate([2780, 2790, 2800], start=5):
        world.remember(number, at_s=at_s)
    state = state.closed(net)  # the gap
    state = state.with_clips(net, [encoded(each) for each in world.made[5:7]]).closed(net)
    state = state.with_clips(net, [encoded(each) for each in world.made[7:]])
    assert_alike(long_term(world.integration), state.long_term(net).numpy())
    world.close()


def test_past_the_window_auto_goes_on_in_blocks_and_exact_says_so(tmp_path: Path) -> None:
    room = 5 * (ROWS + 1)
    for way in ("auto", "exact"):
        world = TokenWorld(tmp_path / way, fan_out=4, window=room, integration=way)
        for number in range(5):
            world.remember(number)
        assert_alike(long_term(world.integration), exact(world.made))
        for number in range(5, 9):
            world.remember(number)
        found = world.integration.long_term(1)
        if way == "exact":
            assert "window" in found.problem
            assert found.parts == ()
            answer = world.ask("apples?").tokens
            assert answer is not None
            assert "window" in answer.problem
            assert world.count("clip_token") == 9  # kept all the same
        else:
            assert_alike(long_term(world.integration), blocks(world.made, 4))
        world.close()


def test_clips_without_pictures_are_no_part_of_it(tmp_path: Path) -> None:
    world = TokenWorld(tmp_path, fan_out=2, integration="blocks")
    for number in range(10):
        if number in (2, 3, 7):  # a whole block, and half of one
            world.say(10 * number + 1, "only words")
            world.clip(10 * number)
        else:
            world.remember(number)
    # Blocks 0-1, 4-5 and 6, of which 0 to 3 and 4 to 7 are made, and of those 0 to 7.
    assert [world.count("clip_token", level=level) for level in (1, 2, 3)] == [3, 2, 1]
    found = long_term(world.integration)
    assert_alike(long_term(fresh(world, integration="blocks")), found)
    assert world.store.verify().is_clean
    world.close()


def test_quiet_clips_of_a_row_have_the_tokens_of_its_first(tmp_path: Path) -> None:
    world = TokenWorld(tmp_path)
    for number in range(4):
        world.push(tokens(number, 10.0 * number))
        world.clip(10 * number, changed=False)
    assert world.store.stats().clips == 1
    assert world.count("clip_token") == 1
    world.push(tokens(9, 20.0))
    assert world.count("clip_token") == 1
    assert_alike(long_term(world.integration), exact([tokens(0, 0.0)]))
    world.close()


def test_a_reader_integrates_what_the_writer_has_not(tmp_path: Path) -> None:
    world = TokenWorld(tmp_path, fan_out=3, integration="blocks")
    for number in range(14):
        world.remember(number)
    expected = long_term(world.integration)
    with world.store.database.transaction():
        # As if it had been watched by a program without the network.
        world.store.database.run(
            "DELETE FROM clip_token WHERE node IN (SELECT id FROM node WHERE level > 0)"
        )
    with Store.open(tmp_path, write=False) as store:
        reader = Integration(store.database, network(), settings(Path(), integration="blocks"))
        assert_alike(long_term(reader), expected)
        assert_alike(long_term(reader), expected)
        world.remember(14)
        assert_alike(long_term(reader), long_term(world.integration))
    world.close()


def test_of_another_network_nothing_is_integrated(tmp_path: Path) -> None:
    world = TokenWorld(tmp_path, fan_out=4)
    for number in range(6):
        world.remember(number)
    with world.store.database.transaction():
        world.store.database.run("UPDATE model SET name = 'other' WHERE name LIKE 'ixc%'")
    assert long_term(fresh(world)).shape == (0, WIDTH)
    world.close()


def test_forgetting_takes_h_bar_of_all_that_a_clip_went_into(tmp_path: Path) -> None:
    world = TokenWorld(tmp_path, fan_out=3, integration="blocks")
    for number in range(20):
        world.remember(number)
    database = world.store.database
    before = dict(database.rows("SELECT node, id FROM clip_token"))
    world.push(Forget(moment="c1-40000"))
    gone = set(before) - set(dict(database.rows("SELECT node, id FROM clip_token")))
    levels = {
        level
        for (level,) in database.rows(
            "SELECT level FROM node WHERE id IN ({})".format(",".join(map(str, gone)) or "0")
        )
    }
    assert levels == {1, 2}
    # Made again from what is left, as if the clip had never had tokens.
    found = long_term(world.integration)
    without = TokenWorld(tmp_path / "without", fan_out=3, integration="blocks")
    for number in range(20):
        if number == 4:
            without.say(41, "only words")
            without.clip(40)
        else:
            without.remember(number)
    assert_alike(found, long_term(without.integration))
    assert world.store.verify().is_clean
    assert world.count("clip_token", level=2) == without.count("clip_token", level=2) == 2
    world.close()
    without.close()
