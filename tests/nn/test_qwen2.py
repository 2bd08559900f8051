"""The decoder: the library's numbers, and rows behind a prefix as if they were read at once."""

from __future__ import annotations

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch", reason="needs the extra nn")

from nn_support import MEMORY, memory_network  # noqa: E402
from omnilive.nn.memory_config import MemoryConfig  # noqa: E402
from omnilive.nn.memory_network import MemoryNetwork  # noqa: E402
from omnilive.nn.prefix_cache import Growing, Prefix, Reading  # noqa: E402
from omnilive.nn.qwen2 import Qwen2Config  # noqa: E402


def _rows(count: int, seed: int = 2) -> torch.Tensor:
    return torch.randn(1, count, 16, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_its_numbers_are_those_of_the_library(groups: int) -> None:
    transformers = pytest.importorskip("transformers", reason="compares with transformers")
    decoder = replace(MEMORY.decoder, num_key_value_heads=groups)
    ours = memory_network(replace(MEMORY, decoder=decoder)).model
    theirs = transformers.Qwen2Model(
        transformers.Qwen2Config(
            vocab_size=decoder.vocab_size,
            hidden_size=decoder.width,
            intermediate_size=decoder.ffn_width,
            num_hidden_layers=decoder.num_layers,
            num_attention_heads=decoder.num_heads,
            num_key_value_heads=groups,
            rms_norm_eps=decoder.norm_eps,
            rope_parameters={"rope_type": "default", "rope_theta": decoder.rope_theta},
            bos_token_id=0,
            eos_token_id=0,
        )
    ).eval()
    mine = {name: each for name, each in ours.state_dict().items() if name in theirs.state_dict()}
    theirs.load_state_dict(mine)
    with torch.no_grad():
        wanted = theirs(inputs_embeds=_rows(21)).last_hidden_state
        assert torch.allclose(ours(_rows(21)), wanted, atol=1e-5)


@pytest.mark.parametrize("chunks", [[1] * 30, [7, 1, 22], [29, 1], [30]])
@torch.no_grad()
def test_chunked_equals_whole(chunks: list[int]) -> None:
    model, rows = memory_network().model, _rows(30)
    prefix, states = Prefix(), []
    for part in rows.split(chunks, dim=1):
        growing = Growing(prefix)
        states.append(model(part, growing))
        prefix = growing.grown()
    assert prefix.length == 30
    assert torch.allclose(torch.cat(states, dim=1), model(rows), atol=1e-5)


@torch.no_grad()
def test_reading_leaves_no_trace() -> None:
    model, rows = memory_network().model, _rows(20)
    growing = Growing(Prefix())
    model(rows[:, :12], growing)
    prefix = growing.grown()
    before = [each.clone() for each in prefix.tensors()]
    first = model(rows[:, 12:], Reading(prefix))
    assert torch.allclose(first, model(rows)[:, 12:], atol=1e-5)
    later = Growing(prefix)
    model(_rows(400, seed=9), later)
    assert later.grown().length == 412
    assert torch.equal(model(rows[:, 12:], Reading(prefix)), first)
    assert all(torch.equal(*pair) for pair in zip(before, prefix.tensors(), strict=True))


@torch.no_grad()
def test_a_pass_that_failed_leaves_the_prefix_as_it_was() -> None:
    model, rows = memory_network().model, _rows(20)
    growing = Growing(Prefix())
    model(rows[:, :12], growing)
    prefix = growing.grown()
    half = Growing(prefix)
    half.append(0, torch.full((1, 2, 3, 4), 7.0), torch.full((1, 2, 3, 4), 7.0))
    again = Growing(prefix)
    assert torch.allclose(model(rows[:, 12:], again), model(rows)[:, 12:], atol=1e-5)


def test_the_release_has_its_names_and_its_size() -> None:
    with torch.device("meta"):
        network = MemoryNetwork(MemoryConfig())
        untied = MemoryNetwork(MemoryConfig(decoder=Qwen2Config(tie_embeddings=False)))
    shapes = {name: tuple(each.shape) for name, each in network.state_dict().items()}
    tower = "model.vision_tower.vision_tower.vision_model"
    assert shapes["model.layers.27.self_attn.k_proj.bias"] == (256,)
    assert shapes["model.mm_projector.mlp.0.weight"] == (1536, 4096)
    assert shapes[f"{tower}.embeddings.position_embedding.weight"] == (257, 1024)
    assert f"{tower}.pre_layrnorm.weight" in shapes
    assert f"{tower}.encoder.layers.23.mlp.fc2.bias" in shapes
    # Two bytes a number: the listed file of 4.18 GB holds the head once more.
    sizes = [sum(each.numel() for each in held.parameters()) * 2 for held in (network, untied)]
    assert [round(size / 1e9, 2) for size in sizes] == [3.71, 4.18]
