"""Integration that goes on from what it has: the numbers of a full pass, at a bounded cost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="needs the extra nn")

from nn_support import MEMORY, encoded_clips, memory_network  # noqa: E402
from omnilive.errors import BackendError, CheckpointError  # noqa: E402
from omnilive.nn.memory_integration import (  # noqa: E402
    FAN_OUT,
    BlockState,
    ExactState,
    IntegrationState,
)
from omnilive.nn.memory_network import EncodedClip, MemoryNetwork  # noqa: E402
from omnilive.nn.memory_state_file import load_state, save_state  # noqa: E402

_CLOSE = 2e-5


def _run(
    network: MemoryNetwork, state: IntegrationState, clips: list[EncodedClip]
) -> IntegrationState:
    for clip in clips:
        state = state.with_clip(network, clip)
    return state


def _near(left: torch.Tensor, right: torch.Tensor) -> bool:
    return left.shape == right.shape and bool((left - right).abs().max() <= _CLOSE)


def test_exact_equals_the_full_pass_at_every_clip() -> None:
    network, clips = memory_network(), encoded_clips(40)
    state = ExactState()
    for number, clip in enumerate(clips, start=1):
        state = state.with_clip(network, clip)
        if number in (1, 2, 17, 33, 40):
            (full,) = network.integrate([clips[:number]])
            assert _near(state.long_term(network), full)
    assert state.num_clips == 40


def test_blocks_equal_exact_up_to_a_full_block() -> None:
    network, clips = memory_network(), encoded_clips(FAN_OUT + 1)
    exact: IntegrationState = ExactState()
    blocks: IntegrationState = BlockState()
    for clip in clips[:FAN_OUT]:
        exact, blocks = exact.with_clip(network, clip), blocks.with_clip(network, clip)
        assert _near(exact.long_term(network), blocks.long_term(network))
    exact, blocks = (state.with_clip(network, clips[-1]) for state in (exact, blocks))
    assert len(exact.long_term(network)) == FAN_OUT + 1
    assert len(blocks.long_term(network)) == 2


def test_clips_of_different_lengths_integrate_alike() -> None:
    network = memory_network()
    clips = [encoded_clips(1, rows=4 * n, seed=n)[0] for n in (1, 16, 3, 7)]
    (full,) = network.integrate([clips])
    assert _near(_run(network, ExactState(), clips).long_term(network), full)


def test_a_closed_block_is_one_clip_of_the_next_level() -> None:
    network, clips = memory_network(), encoded_clips(9)
    state = BlockState(fan_out=3)
    (first,) = network.integrate([clips[:3]])
    (second,) = network.integrate([clips[3:6]])
    (third,) = network.integrate([clips[6:9]])
    nodes = [EncodedClip(each, each[-1]) for each in (first, second)]
    (above,) = network.integrate([nodes])
    state = _run(network, state, clips)
    assert state.num_at_level == (3, 2)
    assert _near(state.long_term(network), torch.cat([above, third]))


def test_levels_carry_and_the_frontier_is_bounded() -> None:
    network, fan_out = memory_network(), 3
    state, clips = BlockState(fan_out=fan_out), encoded_clips(120, rows=4)
    for number, clip in enumerate(clips, start=1):
        state = state.with_clip(network, clip)
        zero, *above = state.num_at_level
        assert 1 <= zero <= fan_out
        assert all(count <= fan_out - 1 for count in above)
        assert zero + sum(count * fan_out**level for level, count in enumerate(above, 1)) == number
        assert len(state.long_term(network)) == zero + sum(above)
    assert len(state.num_at_level) == 5


def test_the_open_block_can_close_early() -> None:
    network, clips = memory_network(), encoded_clips(5)
    state = _run(network, BlockState(), clips[:2])
    closed = state.closed(network)
    assert closed.num_at_level == (0, 1)
    (block,) = network.integrate([clips[:2]])
    (node,) = network.integrate([[EncodedClip(block, block[-1])]])
    assert _near(closed.long_term(network), node)
    assert closed.closed(network) is closed
    assert _run(network, closed, clips[2:]).num_at_level == (3, 1)


def test_many_clips_at_once_equal_one_by_one() -> None:
    network, clips = memory_network(), encoded_clips(11)
    for empty in (ExactState(), BlockState(fan_out=4)):
        whole, chunked = empty.with_clips(network, clips), _run(network, empty, clips)
        assert _near(whole.long_term(network), chunked.long_term(network))
        assert whole.num_clips == chunked.num_clips == 11


def test_a_snapshot_stays_what_it_was() -> None:
    network, clips = memory_network(), encoded_clips(30)
    for empty in (ExactState(), BlockState(fan_out=4)):
        snapshot = _run(network, empty, clips[:6])
        # Asked for only after others went on from it: nothing was computed when it was taken.
        kept = empty.with_clips(network, clips[:6]).long_term(network)
        one = _run(network, snapshot, clips[6:20])
        # Going on a second time from the same snapshot does not disturb the first.
        two = _run(network, snapshot, clips[20:])
        assert _near(snapshot.long_term(network), kept)
        assert _near(
            one.long_term(network), empty.with_clips(network, clips[:20]).long_term(network)
        )
        other = empty.with_clips(network, clips[:6] + clips[20:])
        assert _near(two.long_term(network), other.long_term(network))
        again = one.with_clip(network, clips[0])
        whole = empty.with_clips(network, [*clips[:20], clips[0]])
        assert _near(again.long_term(network), whole.long_term(network))


def test_streams_do_not_touch_each_other() -> None:
    network, clips = memory_network(), encoded_clips(8)
    left, right = BlockState(), BlockState()
    for one, two in zip(clips[:4], clips[4:], strict=True):
        left, right = left.with_clip(network, one), right.with_clip(network, two)
    both = network.integrate([clips[:4], clips[4:]])
    assert _near(left.long_term(network), both[0])
    assert _near(right.long_term(network), both[1])


def test_blocks_hold_a_bounded_number_of_bytes() -> None:
    network, state = memory_network(), BlockState(fan_out=4)
    sizes = []
    for clip in encoded_clips(300, rows=4):
        state = state.with_clip(network, clip)
        sizes.append(state.num_bytes)
    # Two more levels came in between; a level's bytes are those of one block at most.
    assert max(sizes[200:]) <= 3 * max(sizes[:20])


def test_beyond_the_window_exact_says_so_and_blocks_go_on() -> None:
    network = memory_network(replace(MEMORY, window=45))
    clips = encoded_clips(9)
    state = _run(network, ExactState(), clips[:5])  # 5 x (8 + 1) positions
    with pytest.raises(BackendError, match="integrate in blocks"):
        state.with_clip(network, clips[5])
    assert state.num_clips == 5
    with pytest.raises(BackendError, match="window has 45"):
        network.integrate([clips[:6]])
    assert _run(network, BlockState(fan_out=4), clips).num_clips == 9


@pytest.mark.parametrize("empty", [ExactState(), BlockState(fan_out=3)], ids=["exact", "blocks"])
def test_saved_and_loaded_it_is_the_same(empty: ExactState | BlockState, tmp_path: Path) -> None:
    network, clips = memory_network(), encoded_clips(14)
    file = tmp_path / "state.safetensors"
    for count in (0, 1, 9, 11):
        state = empty.with_clips(network, clips[:count])
        save_state(file, state)
        loaded = load_state(file, network)
        assert type(loaded) is type(state)
        assert loaded.num_clips == state.num_clips
        assert torch.equal(loaded.long_term(network), state.long_term(network))
        going_on = [_run(network, each, clips[11:]).long_term(network) for each in (state, loaded)]
        assert torch.equal(*going_on)
    assert not list(tmp_path.glob("*.part"))


def test_a_damaged_state_is_refused(tmp_path: Path) -> None:
    network = memory_network()
    file = tmp_path / "state.safetensors"
    with pytest.raises(CheckpointError, match="missing or damaged"):
        load_state(file, network)
    save_state(file, BlockState(fan_out=3).with_clips(network, encoded_clips(5)))
    whole = file.read_bytes()
    file.write_bytes(whole[:-100])
    with pytest.raises(CheckpointError, match="damaged"):
        load_state(file, network)
    file.write_bytes(whole.replace(b'"format\\": 1', b'"format\\": 9'))
    with pytest.raises(CheckpointError, match="of this version"):
        load_state(file, network)
    file.write_bytes(whole)
    wider = replace(MEMORY, decoder=replace(MEMORY.decoder, width=32))
    with pytest.raises(CheckpointError, match="other sizes"):
        load_state(file, memory_network(wider))
    assert load_state(file, network).num_clips == 5
