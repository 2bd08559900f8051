"""Memory's and reasoning's tasks on a pool of a few clips: they learn; packing changes nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from omnilive.errors import CheckpointError, ConfigError  # noqa: E402
from omnilive.nn.prompts import assemble, chat_prompt, release_memory_prompt  # noqa: E402
from omnilive.training.clip_pool import ClipPool  # noqa: E402
from omnilive.training.networks import Networks, make_tokenizers  # noqa: E402
from omnilive.training.prompt_rows import Branch, PromptRows, Shared  # noqa: E402
from omnilive.training.recipe import TaskSettings  # noqa: E402
from omnilive.training.tasks.build import build  # noqa: E402


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return make_tokenizers(tmp_path_factory.mktemp("tokenizers"))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def networks(tokenizers: Any) -> Networks:
    return Networks(tokenizers, seed=1)


def settings(cache: Path, batch_size: int = 4, **options: Any) -> TaskSettings:
    return TaskSettings(batch_size, "cpu", cache, 10**9, {"smoke": True, **options})


@pytest.mark.parametrize(
    ("name", "steps"),
    [("clip_compression", 12), ("integration", 8), ("retrieval", 20), ("reasoning", 4)],
)
def test_a_task_learns_its_batch(networks: Networks, cache: Path, name: str, steps: int) -> None:
    task = build(name, networks, settings(cache, 2))
    parameters = [parameter for _, parameter in task.trained()]
    optimizer = torch.optim.AdamW(parameters, lr=2e-3)
    batch = task.source.draw(0, 0)
    first = last = 0.0
    for _ in range(steps):
        losses = task.loss(batch)
        optimizer.zero_grad()
        losses.total.backward()
        optimizer.step()
        last = float(losses.total.detach())
        first = first or last
    assert last < 0.9 * first
    assert task.validate() == task.validate()


def test_instruction_prediction_learns(networks: Networks, cache: Path) -> None:
    task = build("instruction_prediction", networks, settings(cache, 12))
    optimizer = torch.optim.AdamW([each for _, each in task.trained()], lr=2e-3)
    batch = task.source.draw(0, 0)
    assert {meant for _, meant in batch} == {True, False}
    for _ in range(8):
        losses = task.loss(batch)
        optimizer.zero_grad()
        losses.total.backward()
        optimizer.step()
    assert float(task.loss(batch).total.detach()) < 1.0


def test_turns_take_every_task(networks: Networks, cache: Path) -> None:
    task = build("memory", networks, settings(cache, 2))
    names = {task.source.draw(0, step)[0] for step in range(6)}
    assert names == {0, 1, 2}
    assert len(dict(task.trained())) == len(list(task.trained()))
    kinds = {name.split(".")[0] for name in task.validate()}
    assert kinds == {"clip_compression", "integration", "retrieval"}


def test_packed_prompts_are_the_released_ones(networks: Networks) -> None:
    """The loss of several questions behind one prefix is that of each prompt by itself."""
    network, tokenizer = networks.reasoning.eval(), networks.tokenizers.reasoning
    generator = torch.Generator().manual_seed(5)
    overview, related = (torch.randn(n, 128, generator=generator) for n in (5, 12))
    maps = torch.randn(2, 16, 384, generator=generator)
    branches = (
        Branch("What colour was the cup?", "red"),
        Branch("Where was it?", "in the kitchen", 'told: "x"\n'),
    )
    rows = PromptRows(network, tokenizer)
    prompt = Shared(branches, overview, related, (maps,))
    loss, right, at = rows.loss([prompt, Shared((Branch("Is it?", "Yes"),), bare=True)])
    assert (len(right), at.tolist()) == (3, [0, 0, 1])

    side = round(maps.shape[1] ** 0.5)
    from omnilive.nn.picture_encoding import in_line

    line = in_line(maps.view(2, side, side, -1), 1, 1, network.plora_sub_GN, network.plora_glb_GN)
    picture = network.vision_proj(line)
    total, count = 0.0, 0
    for branch in branches:
        begin = network.embed(torch.tensor([[tokenizer.begin]]))
        segments = release_memory_prompt(
            f"Question: {branch.question}",
            related=True,
            num_pictures=1,
            lead="",
            begin=False,
            records=branch.records,
        )
        own = assemble(
            network, tokenizer, segments, pictures=[picture], overview=overview, related=related
        )
        told = _loss(network, tokenizer, begin, own, branch.answer)
        total, count = total + told[0], count + told[1]
    own = assemble(network, tokenizer, chat_prompt("Is it?"))
    told = _loss(network, tokenizer, torch.empty(1, 0, 192), own, "Yes")
    total, count = total + told[0], count + told[1]
    assert float(loss.detach()) == pytest.approx(total / count, rel=1e-4)


def _loss(network: Any, tokenizer: Any, begin: Any, prompt: Any, answer: str) -> tuple[float, int]:
    ids = [*tokenizer.encode(f" {answer}"), tokenizer.id_of("[UNUSED_TOKEN_145]")]
    rows = torch.cat([begin, prompt.embeddings, network.embed(torch.tensor([ids]))], dim=1)
    mask = torch.zeros(1, rows.shape[1], dtype=torch.bool)
    start = begin.shape[1]
    mask[:, start : start + prompt.length] = prompt.picture_mask
    labels = torch.full((1, rows.shape[1]), -100)
    labels[0, -len(ids) :] = torch.tensor(ids)
    return float(network.loss(rows, mask, labels).detach()) * len(ids), len(ids)


def test_a_cache_without_room_is_refused(networks: Networks, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--cache-gb"):
        build("retrieval", networks, TaskSettings(2, "cpu", tmp_path, 10**6, {}))
    with pytest.raises(ConfigError, match="no task"):
        build("nothing", networks, settings(tmp_path))


def test_damaged_clips_are_refused(networks: Networks, cache: Path, tmp_path: Path) -> None:
    build("retrieval", networks, settings(cache))
    folder = next(cache.glob("clips-*-train-*"))
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in folder.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    told = json.loads((copy / "pool.json").read_text())
    told["starts"][-1] += 1
    (copy / "pool.json").write_text(json.dumps(told))
    with pytest.raises(CheckpointError, match="delete"):
        ClipPool.open(copy)
    (copy / "pool.json").write_text("{")
    with pytest.raises(CheckpointError, match="delete"):
        ClipPool.open(copy)
