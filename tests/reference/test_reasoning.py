"""The reasoning module against the official numbers: every case, every tensor.

Limits are those of the README beside the vectors: 5e-5 on logits, hidden states and encoded
pictures, 1e-3 on sums over their rows; ids exactly. Gradient norms: a ten-thousandth.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs the extra nn")
pytest.importorskip("safetensors", reason="needs the extra nn")

import torch
from torch import Tensor

import reasoning_reference
from omnilive.nn.checkpoint import Checkpoint
from omnilive.nn.generation import GenerationSettings, advance, beam_search, generate, read
from omnilive.nn.picture_encoding import rows_of_picture
from omnilive.nn.prompts import (
    EmbeddedPrompt,
    Exchange,
    Memory,
    Picture,
    Text,
    assemble,
    chat_prompt,
    most_tiles,
    release_memory_prompt,
)
from omnilive.nn.reasoning_network import ReasoningNetwork
from omnilive.nn.rotary import Scaling
from omnilive.nn.tiles import normalise, video_to_tiles
from omnilive.nn.tokenizer_internlm2 import TURN_END, TURN_START
from omnilive.nn.training_targets import training_targets
from reasoning_reference import Folder, formula, opened, runs
from reference_support import CaseLog, reference_root, skipped

_STATES = 5e-5
_SUMS = 1e-3
_GRADIENT = 1e-4
_NO_END = frozenset[int]()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    root = reference_root(metafunc.config)
    found = reasoning_reference.folders(root) if root else []
    parameters = [pytest.param(path, id=str(path.relative_to(root))) for path in found if root]
    nothing = [skipped(metafunc.config, "case of the reasoning module")]
    if "path" in metafunc.fixturenames:
        metafunc.parametrize("path", parameters or nothing)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def folder(path: Path) -> Folder:
    return opened(path)


def _name(folder: Folder, case: str) -> str:
    return f"{folder.path.parent.name}/{folder.path.name}/{case}"


def _settings(length: int, penalty: float = 1.0) -> GenerationSettings:
    return GenerationSettings(max_new_tokens=length, repetition_penalty=penalty, stop=_NO_END)


def test_weights_fit_by_their_original_names(folder: Folder, case_log: CaseLog) -> None:
    weights = Checkpoint.open(folder.path / "weights.safetensors")
    ours = folder.network.state_dict()
    assert set(ours) == set(weights.tensors)
    for name, tensor in weights.read():
        case_log.check(_name(folder, "weights"), name, ours[name], tensor, 0.0)


def test_pictures(folder: Folder, case_log: CaseLog) -> None:
    lengths = []
    for image in folder.images:
        made, case = folder.said[image], _name(folder, image)
        picture = folder.picture(image)
        rows = folder.network.encode_picture(picture)
        tall, wide = picture.shape[1] // 560, picture.shape[2] // 560
        case_log.exact(case, "length", len(rows), made["expected_length"])
        case_log.exact(case, "computed length", rows_of_picture(tall, wide), made["length"])
        wanted = folder.tensors[f"{image}.rows"]
        case_log.check(case, "rows", rows[:: made["row_step"]], wanted, _STATES)
        sums = folder.tensors[f"{image}.sum_per_channel"]
        case_log.check(case, "sum_per_channel", rows.sum(dim=0), sums, _SUMS)
        lengths.append(len(rows))
    several = folder.said["several_images_one_call"]["lengths"]
    case_log.exact(_name(folder, "several_images_one_call"), "lengths", lengths, several)


def test_memory_projector(folder: Folder, case_log: CaseLog) -> None:
    got = folder.network.project_memory(folder.tensors["memproj.in"])
    wanted = folder.tensors["memproj.out"]
    case_log.check(_name(folder, "memproj"), "out", got, wanted, _STATES)


def test_text(folder: Folder, case_log: CaseLog) -> None:
    network = folder.fresh(Scaling.PER_TEXT)
    got = network.logits(network.model(network.embed(folder.tensors["text.input_ids"])))
    case_log.check(_name(folder, "text"), "logits", got, folder.tensors["text.logits"], _STATES)


def test_mixed(folder: Folder, case_log: CaseLog) -> None:
    network, case = folder.fresh(Scaling.PER_TEXT), _name(folder, "mixed")
    prompt = folder.mixed()
    tensors = folder.tensors
    before, after = (network.embed(tensors[f"mixed.ids_{end}"])[0] for end in ("before", "after"))
    layout = folder.said["mixed"]["layout"]
    first = network.encode_picture(folder.picture(folder.images[0]))[: layout[1][1]]
    rows = torch.cat((before, first, network.project_memory(tensors["memproj.in"]), after))
    case_log.check(case, "inputs_embeds", rows[None], prompt.embeddings, _STATES)

    def logits(mask: Tensor | None) -> Tensor:
        return network.logits(network.model(prompt.embeddings, mask))

    states: dict[int, Tensor] = {}
    final = network.model(prompt.embeddings, prompt.picture_mask, watch=states.__setitem__)
    wanted = tensors["mixed.hidden_after_layer0"]
    case_log.check(case, "hidden_after_layer0", states[0], wanted, _STATES)
    case_log.check(
        case, "hidden_final_normed", final, tensors["mixed.hidden_final_normed"], _STATES
    )
    case_log.check(case, "logits", network.logits(final), tensors["mixed.logits"], _STATES)
    wanted = tensors["mixed.logits_all_zero_mask"]
    case_log.check(
        case, "logits_all_zero_mask", logits(prompt.picture_mask & False), wanted, _STATES
    )
    case_log.check(case, "no mask", logits(None), wanted, _STATES)
    unmasked = prompt.picture_mask.clone()
    unmasked[:, sum(part[1] for part in layout[:2]) : sum(part[1] for part in layout[:3])] = False
    wanted = tensors["mixed.logits_memory_unmasked"]
    case_log.check(case, "logits_memory_unmasked", logits(unmasked), wanted, _STATES)


def test_batch_loss_and_gradients(folder: Folder, case_log: CaseLog) -> None:
    network, case = folder.fresh(Scaling.PER_TEXT), _name(folder, "batch")
    tensors = folder.tensors
    rows, labels = tensors["batch.inputs_embeds"], tensors["batch.labels"]
    picture, real = tensors["batch.im_mask"] > 0, tensors["batch.attention_mask"] > 0
    network.requires_grad_(True)
    try:
        got = network.logits(network.model(rows, picture, attention_mask=real))
        case_log.check(case, "logits", got, tensors["batch.logits"], _STATES)
        loss = network.loss(rows, picture, labels, real)
        case_log.check(case, "loss", loss[None], tensors["batch.loss"], _STATES)
        loss.backward()
        norms = folder.said["batch"]["grad_norms"]
        assert set(norms) == set(dict(network.named_parameters()))
        for name, parameter in network.named_parameters():
            if norms[name] is None:
                case_log.exact(case, name, parameter.grad is None, True)
            else:
                assert parameter.grad is not None, name
                limit = _GRADIENT * max(1e-3, norms[name])
                case_log.check(
                    case, f"gradient of {name}", parameter.grad.norm(), norms[name], limit
                )
    finally:
        network.zero_grad(set_to_none=True)
        network.requires_grad_(False)


@pytest.mark.parametrize("scaling", Scaling, ids=lambda each: each.name.lower())
def test_generation(folder: Folder, case_log: CaseLog, scaling: Scaling) -> None:
    case = _name(folder, f"generate ({scaling.value})")
    prompt, made = folder.mixed(), folder.said["generate"]
    length = len(made["greedy"])
    if scaling is Scaling.PER_TEXT:
        longest = folder.network.config.decoder.max_position_embeddings
        if prompt.length + length > longest:
            pytest.skip("beyond the plain positions the two ways differ, as documented")
    network = folder.fresh(scaling)
    ids = list(generate(network, prompt, _settings(length)))
    case_log.exact(case, "greedy ids", ids, made["greedy"])
    case_log.exact(case, "greedy_ids", ids, folder.tensors["generate.greedy_ids"].tolist())
    cache = folder.fresh(scaling).model.new_cache(prompt.length + length)
    scores = [read(network, prompt, cache)]
    scores += [advance(network, torch.tensor([index]), cache) for index in ids[:-1]]
    wanted = folder.tensors["generate.greedy_logits"]
    case_log.check(case, "greedy_logits", torch.cat(scores), wanted, _STATES)
    for name, wanted_ids in made.items():
        if found := re.fullmatch(r"repetition_penalty_(\d+)_(\d+)", name):
            settings = _settings(length, float(f"{found[1]}.{found[2]}"))
            got = list(generate(folder.fresh(scaling), prompt, settings))
            case_log.exact(case, name, got, wanted_ids)
        elif found := re.fullmatch(r"beam(\d+)", name):
            beams = int(found[1])
            got = beam_search(folder.fresh(scaling), prompt, _settings(length), num_beams=beams)
            if got == wanted_ids:
                case_log.exact(case, name, got, wanted_ids)
            else:
                # Beams may flip where two answers are worth the same; then ours is worth as much.
                worths = [_worth(folder.fresh(scaling), prompt, ids) for ids in (got, wanted_ids)]
                case_log.check(case, f"{name} (worth)", worths[0], worths[1], 1e-4)


def _worth(network: ReasoningNetwork, prompt: EmbeddedPrompt, ids: list[int]) -> float:
    """Sum of the log-probabilities of an answer."""
    cache = network.model.new_cache(prompt.length + len(ids))
    scores = [read(network, prompt, cache)]
    scores += [advance(network, torch.tensor([index]), cache) for index in ids[:-1]]
    logs = torch.cat(scores).log_softmax(dim=-1)
    return float(logs.gather(1, torch.tensor(ids)[:, None]).sum())


def test_rotary_positions(folder: Folder, case_log: CaseLog) -> None:
    case, tensors = _name(folder, "rope"), folder.tensors
    long, probe = tensors["rope.long_ids"], tensors["rope.probe_ids"]
    assert long.shape[1] == folder.said["rope"]["long_len"]

    def logits(ids: Tensor) -> Tensor:
        return folder.network.logits(folder.network.model(folder.network.embed(ids)))[0]

    for scaling in Scaling:
        folder.fresh(scaling)
        fresh = logits(probe)
        case_log.check(
            case, f"probe ({scaling.value})", fresh, tensors["rope.probe_logits_fresh"], _STATES
        )
        last = logits(long)[-8:]
        case_log.check(
            case, f"long ({scaling.value})", last, tensors["rope.long_logits_last8"], _STATES
        )
        after = logits(probe)
        keeps = tensors["rope.probe_logits_after_long"]
        wanted = keeps if scaling is Scaling.RELEASE else tensors["rope.probe_logits_fresh"]
        case_log.check(case, f"probe after long ({scaling.value})", after, wanted, _STATES)


def test_rotary_positions_while_generating(folder: Folder, case_log: CaseLog) -> None:
    case, ids = _name(folder, "rope.crossing"), folder.tensors["rope.long_ids"]
    made = folder.said["rope"]["crossing"]
    network = folder.fresh(Scaling.RELEASE)
    cache = network.model.new_cache(0)
    start, steps = made["prefill"], made["steps"]
    mask = torch.zeros(1, start, dtype=torch.bool)
    scores = [read(network, EmbeddedPrompt(network.embed(ids[:, :start]), mask), cache)]
    scores += [advance(network, ids[0, at : at + 1], cache) for at in range(start, start + steps)]
    wanted = folder.tensors["rope.cached_crossing_logits"]
    case_log.check(case, "logits (release)", torch.cat(scores), wanted, _STATES)
    # Ours: the same text is the same computation with a cache and without.
    network, whole = folder.fresh(Scaling.PER_TEXT), start + steps
    cache = network.model.new_cache(whole)
    scores = [read(network, EmbeddedPrompt(network.embed(ids[:, :start]), mask), cache)]
    scores += [advance(network, ids[0, at : at + 1], cache) for at in range(start, whole)]
    full = network.logits(network.model(network.embed(ids[:, :whole])))[0]
    case_log.check(
        case, "cached against full (per text)", torch.cat(scores), full[start - 1 :], _STATES
    )


@pytest.mark.parametrize("how", ["8 bits", "bfloat16", "float16", "8 bits and bfloat16"])
def test_narrow_numbers_stay_near(path: Path, how: str, case_log: CaseLog) -> None:
    """Errors as the length of the difference over the length of the logits."""
    network = ReasoningNetwork.load(path)
    if "8 bits" in how:
        network.to_eight_bit()
    if "float" in how:
        network.to(torch.float16 if how == "float16" else torch.bfloat16)
    prompt, wanted = opened(path).mixed(), opened(path).tensors["mixed.logits"]
    rows = prompt.embeddings.to(network.dtype)
    got = network.logits(network.model(rows, prompt.picture_mask))
    error = float((got - wanted).norm() / wanted.norm())
    case = f"{path.parent.name}/{path.name}/mixed in {how}"
    case_log.check(case, "relative length of the error", error, 0.0, 0.05)
    assert error > 0


def test_chat_layout(folder: Folder, case_log: CaseLog) -> None:
    network = folder.fresh(Scaling.PER_TEXT)
    long = {folder.said[name]["length"]: name for name in reversed(folder.images)}
    for made in folder.said["chat_layout"]:
        case, count = _name(folder, f"chat.{made['name']}"), made["images"]
        history = [Exchange(*pair) for pair in made["history"]]
        segments = chat_prompt(
            made["query"], num_pictures=count, history=history, system=made["meta_instruction"]
        )
        wanted = made["segments"]
        case_log.exact(case, "number of segments", len(segments), len(wanted))
        for ours, theirs in zip(segments, wanted, strict=True):
            if isinstance(ours, Text):
                case_log.exact(case, "text", ours.text, theirs["text"])
                case_log.exact(case, "start token", ours.begin, theirs["add_special_tokens"])
            else:
                assert isinstance(ours, Picture)
                case_log.exact(case, "picture", "ab"[ours.index], theirs["image"])
                case_log.exact(case, "most tiles", most_tiles(count), theirs["hd_num"])
        rows = network.encode_picture(folder.picture(long[made["image_len"]]))
        prompt = assemble(network, folder.tokenizer, segments, pictures=[rows] * count)
        case_log.exact(case, "length", prompt.length, made["embeds_len"])
        case_log.exact(case, "total length", prompt.length, made["total_len"])
        case_log.exact(case, "mask", runs(prompt.picture_mask[0]), made["im_mask_runs"])
        last = folder.tensors.get(f"chat.{made['name']}.last_logits")
        if last is not None:
            states = network.model(prompt.embeddings, prompt.picture_mask)
            case_log.check(case, "last_logits", network.logits(states)[0, -1], last, _STATES)


def test_memory_prompt(folder: Folder, case_log: CaseLog) -> None:
    for made in folder.said["memory_prompt"]:
        case = _name(folder, f"memprompt.{made['name']}")
        network = folder.fresh(Scaling.RELEASE)
        overview, related = folder.memory(made)
        size = made["image_formula"]
        pixels = video_to_tiles(formula(size["height"], size["width"], size["seed"]))
        case_log.exact(case, "size", list(pixels.shape[:2]), made["transformed_size_hw"])
        head, end = f"{TURN_START}user\n", f"{TURN_END}\n{TURN_START}assistant\n"
        question, lead = made["text"].removeprefix(head).split(end)
        segments = release_memory_prompt(question, related=related is not None, lead=lead)
        texts = sorted(each.text for each in segments if isinstance(each, Text))
        case_log.exact(case, "texts", texts, sorted(each["text"] for each in made["segments"]))
        assert any(isinstance(each, Memory) for each in segments)
        prompt = assemble(
            network,
            folder.tokenizer,
            segments,
            pictures=[network.encode_picture(normalise(pixels))],
            overview=overview,
            related=related,
        )
        case_log.exact(case, "length", prompt.length, made["embeds_len"])
        case_log.exact(case, "mask", runs(prompt.picture_mask[0]), made["im_mask_runs"])
        states = network.model(prompt.embeddings, prompt.picture_mask)
        wanted = folder.tensors[f"memprompt.{made['name']}.last_logits"]
        case_log.check(case, "last_logits", network.logits(states)[0, -1], wanted, _STATES)
        length = made["generate_args"]["max_new_tokens"]
        got = list(generate(folder.fresh(Scaling.RELEASE), prompt, _settings(length)))
        case_log.exact(case, "greedy ids", got, made[f"greedy{length}"])


def test_training_targets(folder: Folder, case_log: CaseLog) -> None:
    for number, pair in enumerate(folder.said["training_targets"]):
        case = _name(folder, f"training_targets.{number}")
        case_log.exact(case, "targets", training_targets(pair["ids"]), pair["targets"])
