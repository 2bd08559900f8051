"""The memory module against the official numbers: every case, every tensor.

Limits are those of the README beside the vectors: 2e-5 on memories and question vectors, 5e-6 on
cosines, 2e-5 on softmax and loss, a thousandth on gradients.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs the extra nn")
pytest.importorskip("safetensors", reason="needs the extra nn")

import torch
from torch import Tensor

import memory_reference
from memory_reference import Folder, opened
from omnilive.nn.checkpoint import Checkpoint
from omnilive.nn.memory_integration import FAN_OUT, BlockState, ExactState, IntegrationState
from omnilive.nn.memory_network import EncodedClip
from omnilive.nn.memory_retrieval import cosines, probabilities
from omnilive.nn.memory_rows import QUESTION_END, Role, stacked
from omnilive.nn.memory_training import training_pass
from omnilive.nn.pool_projector import FrameFeatures, merge_patches
from reference_support import CaseLog, reference_root, skipped

_MEMORY = 2e-5
_COSINE = 5e-6
_LOSS = 2e-5
_GRADIENT = 1e-3


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    root = reference_root(metafunc.config)
    found = memory_reference.folders(root) if root else []
    nothing = [skipped(metafunc.config, "case of the memory module")]
    names = {path: str(path.relative_to(root)) for path in found if root}
    if "case" in metafunc.fixturenames:
        cases = [
            pytest.param(path, case, id=f"{names[path]}-{case}")
            for path in found
            for case in json.loads((path / "cases.json").read_text())["cases"]
        ]
        none = pytest.param(None, None, id="none", marks=nothing[0].marks)
        metafunc.parametrize(("path", "case"), cases or [none])
    elif "path" in metafunc.fixturenames:
        metafunc.parametrize(
            "path", [pytest.param(path, id=names[path]) for path in found] or nothing
        )


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def _name(path: Path, case: str) -> str:
    return f"{path.parent.name}/{path.name}/{case}"


def test_weights_fit_by_their_original_names(path: Path, case_log: CaseLog) -> None:
    folder = opened(path)
    weights = Checkpoint.open(path / "weights.safetensors")
    ours = set(folder.network.state_dict())
    theirs = set(weights.tensors)
    # A tied head is stored once more and says the same; nothing else may be left over.
    assert theirs - ours <= {"lm_head.weight"}
    assert ours <= theirs
    for name, tensor in weights.read():
        if name in ours:
            case_log.check(
                _name(path, "weights"), name, folder.network.state_dict()[name], tensor, 0.0
            )
        else:
            embeddings = folder.network.model.embed_tokens.weight
            case_log.check(_name(path, "weights"), name, embeddings, tensor, 0.0)


def test_vision(path: Path, case_log: CaseLog) -> None:
    folder, case = opened(path), _name(path, "vision")
    model = folder.network.model
    pixels_TCHW = folder.tensors["pixels"][0, : len(folder.tensors["vision.clip_patches"])].float()
    with torch.no_grad():
        patches = model.vision_tower.vision_tower(pixels_TCHW, folder.config.tower_layer)
        case_log.check(case, "patches", patches, folder.tensors["vision.clip_patches"], _MEMORY)
        merged = merge_patches(patches)
        case_log.check(case, "merged", merged, folder.tensors["vision.merged"], _MEMORY)
        projected = _projected(folder, model.mm_projector(merged))
    (wanted,) = (t for name, t in folder.tensors.items() if name.startswith("vision.projected"))
    case_log.check(case, "projected", projected[None], wanted, _MEMORY)


def test_decoder(path: Path, case_log: CaseLog) -> None:
    folder, case = opened(path), _name(path, "decoder")
    model = folder.network.model
    real = folder.tensors["lm.attention_mask"].bool()
    with torch.no_grad():
        rows = model.embed_tokens(folder.tensors["lm.input_ids"].long())
        states = model(rows)
        head = folder.network.lm_head
        logits = model.logits(states, None if head is None else head.weight)
    wanted = folder.tensors["lm.last_hidden"], folder.tensors["lm.logits"]
    case_log.check(case, "states", states[real], wanted[0][real], _MEMORY)
    largest = float(wanted[1][real].abs().max())
    case_log.check(case, "logits", logits[real], wanted[1][real], _MEMORY * max(1.0, largest))


def test_case(path: Path, case: str, case_log: CaseLog) -> None:
    folder, name = opened(path), _name(path, case)
    network = folder.network

    def check(what: str, got: Tensor, limit: float) -> None:
        case_log.check(name, what, got, folder.tensor(case, what), limit)

    def exact(what: str, got: Tensor) -> None:
        case_log.check(name, what, got.int(), folder.tensor(case, what).int(), 0.0)

    with torch.no_grad():
        clips = folder.clips(case)
        stack = stacked(network.clip_rows(clips))
    exact("indicators", stack.roles)
    if f"{case}.pass1_inputs_embeds" in folder.tensors:
        check("pass1_inputs_embeds", stack.vectors, _MEMORY)

    encoded = network.compress_clips(clips)
    check("clip_memory", torch.cat([clip.short_term for clip in encoded]), _MEMORY)
    globals_KC = torch.stack([clip.global_memory for clip in encoded])
    check("clip_global", globals_KC, _MEMORY)
    (long_term,) = network.integrate([encoded])
    check("global_memory", long_term, _MEMORY)

    questions = folder.questions(case)
    questions_QC = network.question_vectors([long_term] * len(questions), questions)
    check("question_feature", questions_QC, _MEMORY)
    found = cosines(questions_QC, globals_KC)
    check("similarity_raw", found, _COSINE)
    check("similarity_softmax", probabilities(found), _LOSS)
    said = folder.said["cases"][case]
    case_log.check(
        name, "cases.json similarity_raw", found, torch.tensor(said["similarity_raw"]), _COSINE
    )
    case_log.check(
        name,
        "cases.json similarity_softmax",
        probabilities(found),
        torch.tensor(said["similarity_softmax"]),
        _LOSS,
    )
    assert (said["n_clips"], said["n_questions"]) == tuple(reversed(found.shape))
    assert all(clip.features.num_frames == said["frames"] for clip in clips)


def test_joint_pass_is_not_needed(path: Path, case: str, case_log: CaseLog) -> None:
    # The release stacks clip rows and question rows into one padded batch: the same numbers.
    folder, name = opened(path), _name(path, case)
    network = folder.network
    with torch.no_grad():
        clips = folder.clips(case)
        (long_term,) = network.integrate([network.compress_clips(clips)])
        questions = folder.questions(case)
        rows = network.question_rows([long_term] * len(questions), questions)
        stack = stacked([*network.clip_rows(clips), *rows])
        states = network.model(stack.vectors)
    for what, got in (("joint_indicators", stack.roles), ("joint_mask", stack.mask)):
        case_log.check(name, what, got.int(), folder.tensor(case, what).int(), 0.0)
    assert stack.vectors.shape[1] == folder.said["cases"][case]["joint_len"]
    num_clips = len(clips)
    globals_KC = states[:num_clips][stack.roles[:num_clips] == Role.GLOBAL]
    questions_QC = states[num_clips:][stack.roles[num_clips:] == QUESTION_END]
    wanted = folder.tensor(case, "similarity_raw")
    case_log.check(name, "joint cosines", cosines(questions_QC, globals_KC), wanted, _COSINE)
    case_log.check(
        name, "joint clip_global", globals_KC, folder.tensor(case, "clip_global"), _MEMORY
    )


@pytest.mark.parametrize("kind", ["exact", "blocks"])
def test_clip_by_clip(path: Path, case: str, kind: str, case_log: CaseLog) -> None:
    # A stream that grows: at every clip the numbers of the official full pass over all clips.
    folder, name = opened(path), _name(path, case)
    network = folder.network
    encoded = [network.compress_clip(clip) for clip in folder.clips(case)]
    case_log.check(
        name,
        f"{kind} clip_memory",
        torch.cat([clip.short_term for clip in encoded]),
        folder.tensor(case, "clip_memory"),
        _MEMORY,
    )
    state: IntegrationState = ExactState() if kind == "exact" else BlockState()
    if kind == "blocks" and len(encoded) > FAN_OUT:
        pytest.skip(f"blocks are another memory beyond {FAN_OUT} clips")
    for clip in encoded:
        state = state.with_clip(network, clip)
    wanted = folder.tensor(case, "global_memory")
    case_log.check(name, f"{kind} global_memory", state.long_term(network), wanted, _MEMORY)


def test_variations(path: Path, case_log: CaseLog) -> None:
    # What the README says of batches and prefixes, measured on ours.
    folder = opened(path)
    network, said = folder.network, folder.said
    memories: dict[int, list[EncodedClip]] = {}
    for case in said["cases"]:
        clips = folder.clips(case)
        together = network.compress_clips(clips)
        for clip, one in zip(clips, together, strict=True):
            alone = network.compress_clip(clip)
            case_log.check(_name(path, case), "alone", alone.short_term, one.short_term, _MEMORY)
        (long_term,) = network.integrate([together])
        for question in (questions := folder.questions(case)):
            alone_C = network.question_vectors([long_term], [question])[0]
            batch_QC = network.question_vectors([long_term] * len(questions), questions)
            number = questions.index(question)
            case_log.check(_name(path, case), "question", alone_C, batch_QC[number], _MEMORY)
        if case == f"clips{len(clips)}":
            memories[len(clips)] = together
    for name, wanted in said.get("variations", {}).items():
        found = re.fullmatch(r"integrated_memory_prefix.*_k(\d+)_vs_k(\d+)", name)
        if found is None:
            # The others say that nothing changes, which is checked above.
            assert wanted <= _MEMORY, name
            continue
        few, many = (int(each) for each in found.groups())
        short, long = (network.integrate([memories[count]])[0][0] for count in (few, many))
        got = (short - long).abs().max()
        case_log.check(_name(path, "variations"), name, got, torch.tensor(wanted), 2 * _MEMORY)


def test_loss_and_gradients(path: Path, case: str, case_log: CaseLog) -> None:
    folder, name = opened(path), _name(path, case)
    network, said = folder.network, folder.said["cases"][case]
    network.zero_grad(set_to_none=True)
    result = training_pass(
        network, folder.clips(case), folder.questions(case), folder.tensor(case, "time_labels")
    )
    case_log.check(name, "loss", result.loss.view(1), folder.tensor(case, "loss"), _LOSS)
    case_log.check(name, "cases.json loss", result.loss, torch.tensor(said["loss"]), _LOSS)
    case_log.check(
        name, "training cosines", result.cosines, folder.tensor(case, "similarity_raw"), _COSINE
    )
    norms = said.get("grad_norms")
    if not norms:
        return
    result.loss.backward()
    gradients = {key: each.grad for key, each in network.named_parameters()}
    gradients.setdefault("lm_head.weight", network.model.embed_tokens.weight.grad)
    for key, norm in norms.items():
        gradient = gradients[key]
        if norm is None:
            assert gradient is None or not gradient.any(), f"{name}: {key} has a gradient"
            continue
        assert gradient is not None, f"{name}: {key} has no gradient"
        case_log.check(
            name, f"norm of gradient {key}", gradient.norm(), torch.tensor(norm), _GRADIENT * norm
        )
    for full, wanted in folder.tensors.items():
        if full.startswith(f"{case}.grad."):
            key = full.removeprefix(f"{case}.grad.")
            gradient = gradients[key]
            assert gradient is not None
            limit = _GRADIENT * float(wanted.abs().max())
            case_log.check(name, f"gradient {key}", gradient, wanted, limit)
    network.zero_grad(set_to_none=True)


def test_without_targets_the_loss_is_zero(path: Path) -> None:
    folder = opened(path)
    case = next(iter(folder.said["cases"]))
    result = training_pass(folder.network, folder.clips(case), folder.questions(case), None)
    assert result.loss.item() == 0.0
    assert result.loss.requires_grad


def _projected(folder: Folder, features: FrameFeatures) -> Tensor:
    return torch.cat(
        [
            features.patches.flatten(0, 1),
            features.slots.flatten(0, 1),
            folder.network.model.mm_projector.whole_clip(features),
        ]
    )
