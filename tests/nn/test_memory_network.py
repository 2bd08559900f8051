"""Clip pass, question pass, retrieval, loss: chunks, batches and padding change nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="needs the extra nn")

from nn_support import MEMORY, clip_input, encoded_clips, frames, memory_network  # noqa: E402
from omnilive.errors import BackendError, CheckpointError  # noqa: E402
from omnilive.nn.memory_config import MemoryConfig  # noqa: E402
from omnilive.nn.memory_network import EncodedClip, MemoryNetwork  # noqa: E402
from omnilive.nn.memory_retrieval import cosines  # noqa: E402
from omnilive.nn.memory_rows import ClipInput, batches  # noqa: E402
from omnilive.nn.memory_training import training_pass  # noqa: E402
from omnilive.nn.open_clip import OpenClip  # noqa: E402
from omnilive.nn.pool_projector import PoolProjector  # noqa: E402

_CLOSE = 2e-5
_COUNTS = (1, 16, 3, 7, 16, 2, 12, 5)


def _near(left: torch.Tensor, right: torch.Tensor) -> bool:
    return left.shape == right.shape and bool((left - right).abs().max() <= _CLOSE)


def _same(left: EncodedClip, right: EncodedClip) -> bool:
    return _near(left.short_term, right.short_term) and _near(
        left.global_memory, right.global_memory
    )


@pytest.mark.parametrize("slots", [1, 4, 9])
def test_shapes(slots: int) -> None:
    tower = replace(MEMORY.tower, image_size=24)
    network = memory_network(replace(MEMORY, tower=tower, num_merged=36, num_slots=slots))
    with torch.no_grad():
        features = network.see(torch.randn(5, 3, 24, 24))
    assert features.patches.shape == (5, 36, 16)
    assert features.slots.shape == (5, slots, 16)
    encoded = network.compress_clip(ClipInput((1, 2, 3), features))
    assert encoded.short_term.shape == (5 * slots, 16)
    assert encoded.global_memory.shape == (16,)


@pytest.mark.parametrize("slots", [1, 4, 9])
@torch.no_grad()
def test_slots_are_means_over_windows_and_the_whole_clip_one_over_all(slots: int) -> None:
    projector = PoolProjector(merged_width=8, width=6, num_merged=36, num_slots=slots)
    merged = torch.randn(3, 36, 8)
    features = projector(merged)
    maps = merged.view(3, 6, 6, 8).permute(0, 3, 1, 2)
    pooled = torch.nn.functional.avg_pool2d(maps, 6 // round(slots**0.5)).flatten(2).mT
    assert _near(features.slots, projector.mlp(pooled))
    assert _near(features.patches, projector.mlp(merged))
    assert _near(projector.whole_clip(features), projector.mlp(merged.mean(dim=(0, 1))[None]))


@pytest.mark.parametrize("chunks", [[1] * 7, [3, 4], [6, 1], [7]])
def test_frames_one_by_one_give_the_clip_that_all_at_once_give(chunks: list[int]) -> None:
    network, seen, text = memory_network(), frames(7), [4, 5, 6]
    clip = OpenClip(network)
    for part in seen.split(chunks):
        clip.add(part)
    assert clip.num_frames == 7
    with torch.no_grad():
        whole = network.compress_clip(ClipInput(tuple(text), network.see(seen)))
    assert _same(clip.compressed(text), whole)


def test_clips_alone_and_in_any_batch_are_the_same() -> None:
    network = memory_network()
    inputs = [clip_input(network, count, seed) for seed, count in enumerate(_COUNTS)]
    together = network.compress_clips(inputs)
    backwards = network.compress_clips(inputs[::-1])[::-1]
    for each, one, other in zip(inputs, together, backwards, strict=True):
        alone = network.compress_clip(each)
        assert _same(alone, one)
        assert _same(alone, other)
    assert len(together[1].short_term) == 16 * 4


def test_questions_alone_and_in_any_batch_are_the_same() -> None:
    network = memory_network()
    memories = [torch.randn(count, 16) for count in (1, 9, 0, 4)]
    questions = [[1], [2, 3, 4, 5, 6, 7], [8, 9], [10]]
    together = network.question_vectors(memories, questions)
    for number, (memory, question) in enumerate(zip(memories, questions, strict=True)):
        assert _near(network.question_vectors([memory], [question])[0], together[number])
    assert network.question_vectors([], []).shape == (0, 16)


def test_streams_integrate_alone_and_together_alike() -> None:
    network = memory_network()
    streams = [encoded_clips(count, rows=4 * count, seed=count) for count in (1, 5, 2)]
    for alone, together in zip(streams, network.integrate(streams), strict=True):
        assert _near(network.integrate([alone])[0], together)


def test_batches_hold_every_row_once_and_are_not_too_large() -> None:
    lengths = [5, 90, 5, 40, 41, 200, 7]
    found = list(batches(lengths, 100))
    assert sorted(number for each in found for number in each) == list(range(7))
    for each in found:
        assert len(each) == 1 or len(each) * max(lengths[number] for number in each) <= 100
    assert list(batches([], 100)) == []


def test_cosines_do_not_see_lengths() -> None:
    questions, held = torch.randn(3, 16), torch.randn(5, 16)
    found = cosines(questions, held)
    assert found.shape == (3, 5)
    assert _near(cosines(questions * 9, held / 7), found)
    assert _near(cosines(held, held).diagonal(), torch.ones(5))


def test_one_still_and_a_clip_of_one_frame_are_read_alike() -> None:
    network = memory_network()
    clip = clip_input(network, 1)
    still = replace(clip, is_still=True)
    assert _same(network.compress_clip(clip), network.compress_clip(still))


def test_gradients_reach_projector_decoder_and_words_but_not_the_tower() -> None:
    network = memory_network()
    clips = [ClipInput((1, 2), network.see(frames(3, seed))) for seed in range(2)]
    result = training_pass(network, clips, [[3, 4], [5]], torch.tensor([[1.0, 0.0], [0.5, 0.5]]))
    assert not result.long_term.requires_grad
    result.loss.backward()
    for name, parameter in network.named_parameters():
        if "vision_tower" in name:
            assert parameter.grad is None, name
        else:
            assert parameter.grad is not None, name
            assert parameter.grad.any(), name


def test_the_loss_falls_when_it_is_followed() -> None:
    network, targets = memory_network(), torch.eye(3)
    learned = [each for name, each in network.named_parameters() if "vision_tower" not in name]
    optimiser = torch.optim.AdamW(learned, lr=3e-3)
    losses = []
    for _ in range(25):
        clips = [ClipInput((1, 2), network.see(frames(2, seed))) for seed in range(3)]
        loss = training_pass(network, clips, [[3, 4], [5], [6, 7, 8]], targets).loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]


def test_targets_of_another_shape_are_refused() -> None:
    network = memory_network()
    with pytest.raises(BackendError, match=r"\(1, 3\)"):
        training_pass(network, [clip_input(network, 2)], [[1]], torch.ones(1, 3))


def test_half_precision_is_near() -> None:
    whole = memory_network()
    half = memory_network().to(torch.bfloat16)
    encoded = [each.compress_clip(clip_input(each, 4)) for each in (whole, half)]
    assert encoded[1].global_memory.dtype == torch.bfloat16
    assert cosines(encoded[0].global_memory[None], encoded[1].global_memory[None]).item() > 0.98


# --- saving and loading -----------------------------------------------------------------


@pytest.mark.parametrize("tied", [True, False])
def test_saved_and_loaded_it_gives_the_same(tied: bool, tmp_path: Path) -> None:
    decoder = replace(MEMORY.decoder, tie_embeddings=tied)
    network = memory_network(replace(MEMORY, decoder=decoder))
    network.save(tmp_path / "weights")
    loaded = MemoryNetwork.load(tmp_path / "weights")
    assert loaded.config == network.config
    assert ("lm_head.weight" in loaded.state_dict()) is not tied
    first, second = (each.compress_clip(clip_input(each, 4)) for each in (network, loaded))
    assert torch.equal(first.short_term, second.short_term)
    assert MemoryNetwork.load(tmp_path / "weights", dtype=torch.bfloat16).model.dtype == (
        torch.bfloat16
    )


def test_the_configuration_survives_its_own_words() -> None:
    assert MemoryConfig.from_dict(MEMORY.to_dict()) == MEMORY
    release = MemoryConfig()
    said = release.to_dict()
    del said["vision_config"]
    said["mm_vision_tower"] = "openai/clip-vit-large-patch14"
    assert MemoryConfig.from_dict(said) == release


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mm_projector_type": "mlp2x_gelu"}, "not 'pool'"),
        ({"hidden_size": None}, "no usable"),
        ({"resolution": 9}, "says 9"),
        ({"num_attention_heads": 3}, "heads"),
        ({"vision_config": None, "mm_vision_tower": "somewhere/else"}, "vision_config"),
        ({"mm_vision_select_feature": "cls_patch"}, "patches"),
        ({"use_sliding_window": True}, "sliding window"),
    ],
)
def test_a_configuration_of_another_network_is_refused(
    change: dict[str, object], message: str
) -> None:
    with pytest.raises(CheckpointError, match=message):
        MemoryConfig.from_dict({**MEMORY.to_dict(), **change})


def test_slots_that_do_not_divide_the_map_are_refused() -> None:
    with pytest.raises(CheckpointError, match="equal windows"):
        MemoryNetwork(replace(MEMORY, num_merged=4, num_slots=9))


# --- bad input --------------------------------------------------------------------------


def test_a_clip_without_frames_is_refused() -> None:
    network = memory_network()
    with pytest.raises(BackendError, match="at least one frame"):
        network.see(frames(0))
    with pytest.raises(BackendError, match="at least one frame"):
        OpenClip(network).compressed([1])
    with pytest.raises(BackendError, match="at least one frame"):
        network.compress_clip(ClipInput((1,), clip_input(network, 3).features.frames(0, 0)))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_pixels_that_are_no_numbers_are_refused_and_the_clip_stays(value: float) -> None:
    network, seen = memory_network(), frames(3)
    clip = OpenClip(network)
    clip.add(seen)
    before = clip.compressed([1])
    broken = frames(4)
    broken[2, 0, 0, 0] = value
    with pytest.raises(BackendError, match="Frame 2 of the clip"):
        clip.add(broken)
    assert _same(clip.compressed([1]), before)


def test_frames_of_another_size_are_refused() -> None:
    network = memory_network()
    with pytest.raises(BackendError, match="bring them to its size"):
        network.see(torch.randn(2, 3, 9, 8))


def test_text_beyond_the_window_is_refused() -> None:
    network = memory_network(replace(MEMORY, window=60))
    long_text = replace(clip_input(network, 3), text_ids=tuple([1] * 60))
    with pytest.raises(BackendError, match="window has 60"):
        network.compress_clip(long_text)
    with pytest.raises(BackendError, match="window has 60"):
        network.question_vectors([torch.zeros(2, 16)], [[1] * 59])


def test_words_that_are_none_are_refused() -> None:
    network = memory_network()
    with pytest.raises(BackendError, match="no words"):
        network.question_vectors([torch.zeros(2, 16)], [[]])
    for bad in (50, -200):
        with pytest.raises(BackendError, match="vocabulary lacks"):
            network.question_vectors([torch.zeros(2, 16)], [[1, bad]])
    with pytest.raises(BackendError, match="nothing to integrate"):
        network.integrate([[]])
