"""What goes into the reasoning module, against the official results: pixels, ids, adapter."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs the extra nn")
pytest.importorskip("safetensors", reason="needs the extra nn")

import numpy as np
import torch
from safetensors.torch import load_file

import reasoning_reference
from omnilive.events import Pixels
from omnilive.nn.adapter import Adapter
from omnilive.nn.composites import LONG_SIDE, STRIP, composite
from omnilive.nn.frame_sampling import clips_of, middle_frames, one_a_second, spread
from omnilive.nn.picture_encoding import rows_of_picture
from omnilive.nn.reasoning_network import ReasoningNetwork
from omnilive.nn.tiles import normalise, picture_to_tiles, thumbnail, video_to_tiles
from omnilive.nn.tokenizer_internlm2 import InternLM2Tokenizer, StreamingText
from reasoning_reference import formula, said
from reference_support import CaseLog, reference_root, skipped

_STATES = 5e-5
_FILES = {
    "preprocess": ("preprocess.json", "formula"),
    "tokenizer": ("tokenizer.json", "strings"),
    "sampling": ("frame_sampling.json", "videos"),
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    root = reference_root(metafunc.config)
    for fixture, (name, key) in _FILES.items():
        if fixture in metafunc.fixturenames:
            found = [p for p in sorted(root.rglob(name)) if key in said(p)] if root else []
            _parametrize(metafunc, fixture, found, name)
    if "lora" in metafunc.fixturenames:
        _parametrize(
            metafunc, "lora", reasoning_reference.adapters(root) if root else [], "adapter"
        )


def _parametrize(metafunc: pytest.Metafunc, fixture: str, found: list[Path], what: str) -> None:
    root = reference_root(metafunc.config)
    parameters = [pytest.param(path, id=str(path.relative_to(root))) for path in found if root]
    metafunc.parametrize(fixture, parameters or [skipped(metafunc.config, what)])


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def _hash(pixels: Pixels) -> str:
    return hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()


def _same_pixels(case_log: CaseLog, case: str, what: str, got: Pixels, made: Any) -> None:
    height, width = got.shape[:2]
    case_log.exact(case, f"{what}: size", [height, width], [made["height"], made["width"]])
    means = [
        [
            got[height * y // 4 : height * (y + 1) // 4, width * x // 4 : width * (x + 1) // 4]
            .reshape(-1, 3)
            .mean(axis=0)
            .tolist()
            for x in range(4)
        ]
        for y in range(4)
    ]
    case_log.check(case, f"{what}: means", means, made["mean_grid_4x4_rgb"], 0.05)
    corners = [got[y, x].tolist() for y in (0, -1) for x in (0, -1)]
    places = {"upper left": 0, "upper right": 1, "lower left": 2, "lower right": 3}
    for name, number in places.items():
        wanted = made["corners"][number]
        case_log.check(case, f"{what}: {name}", corners[number], wanted, 2)
    for y, x, wanted in made["samples"]:
        case_log.check(case, f"{what}: pixel {y} {x}", got[y, x].tolist(), wanted, 2)
    case_log.exact(case, f"{what}: SHA-256", _hash(got), made["sha256"])


def test_pictures_become_tiles(preprocess: Path, case_log: CaseLog) -> None:
    for made in said(preprocess)["images"]:
        size = made["height"], made["width"]
        case = f"reasoning/preprocess/picture {size[0]}x{size[1]}"
        pixels = formula(*size, made["formula_seed"])
        case_log.exact(case, "the picture itself", _hash(pixels), made["input_sha256"])
        for most, wanted in made["image_transform"].items():
            while "same_as_hd_num" in wanted:
                wanted = made["image_transform"][wanted["same_as_hd_num"]]
            got = picture_to_tiles(pixels, int(most))
            _same_pixels(case_log, case, f"at most {most}", got, wanted)
            tiles = [got.shape[0] // 560, got.shape[1] // 560]
            case_log.exact(case, f"at most {most}: tiles", tiles, wanted["tiles_hw"])
        _same_pixels(case_log, case, "video", video_to_tiles(pixels), made["video_transform"])


def test_thumbnail(preprocess: Path, case_log: CaseLog) -> None:
    for made in said(preprocess)["global_thumbnail"]:
        tall, wide = made["tiles_hw"]
        case = f"reasoning/preprocess/thumbnail {tall}x{wide}-{made['formula_seed']}"
        picture = normalise(formula(560 * tall, 560 * wide, made["formula_seed"]))
        small = thumbnail(picture)
        samples = [small[:, y, x].tolist() for y, x, _ in made["thumbnail_samples"]]
        wanted = [values for _, _, values in made["thumbnail_samples"]]
        # The file rounds to six decimals; the rest is the README's limit for encoded pictures.
        case_log.check(case, "samples", samples, wanted, _STATES)
        case_log.check(case, "mean", small.mean(dim=(1, 2)), made["thumbnail_mean"], _STATES)
        case_log.check(case, "least", small.min(), made["thumbnail_min"], _STATES)
        case_log.check(case, "most", small.max(), made["thumbnail_max"], _STATES)


def test_composites(preprocess: Path, case_log: CaseLog) -> None:
    for number, made in enumerate(said(preprocess)["composites"]):
        case = f"reasoning/preprocess/composite {number}"
        pairs = zip(made["frames_hw"], made["formula_seeds"], strict=True)
        canvas = composite([formula(*size, seed) for size, seed in pairs])
        case_log.exact(case, "size", list(canvas.shape[:2]), made["composite_hw"])
        boxes = made["frame_boxes_y_x_h_w"]
        assert all(max(box[2:]) == LONG_SIDE for box in boxes)
        stacked = made["layout"] == "stacked"
        for start, end in made["separator_pixels"]:
            line = canvas[start : end + 1] if stacked else canvas[:, start : end + 1]
            beside = canvas[start - 1] if stacked else canvas[STRIP:, start - 1]
            case_log.exact(case, f"line at {start}", int(line.max()), 0)
            case_log.exact(case, f"no line at {start - 1}", int(beside.min()), 255)
        blanked = canvas.copy()
        for label in made["labels"]:
            y, x = label["y"], label["x"]
            strip = np.s_[y : y + STRIP, x : x + LONG_SIDE]
            case_log.exact(case, f"ink in {label['text']}", bool((canvas[strip] == 0).any()), True)
            blanked[np.s_[y : y + STRIP] if stacked else np.s_[:STRIP]] = 255
        _same_pixels(case_log, case, "canvas", blanked, made["label_strip_blanked"])
        tiles = video_to_tiles(canvas)
        wanted = made["after_video_transform_hw"]
        case_log.exact(case, "size of the tiles", list(tiles.shape[:2]), wanted)
        rows = rows_of_picture(tiles.shape[0] // 560, tiles.shape[1] // 560)
        case_log.exact(case, "rows", rows, made["visual_tokens"])


def test_tokenizer(tokenizer: Path, case_log: CaseLog, request: pytest.FixtureRequest) -> None:
    pytest.importorskip("sentencepiece", reason="needs the extra nn")
    made = said(tokenizer)
    info, root = made["info"], reference_root(request.config)
    assert root is not None
    models = [
        path
        for path in root.rglob("tokenizer.model")
        if hashlib.sha256(path.read_bytes()).hexdigest() == info["file_sha256"]
    ]
    if not models:
        pytest.skip(
            "the tokenizer's model file (tokenizer.model, named by its SHA-256 in tokenizer.json) "
            "is not under the folder of the reference vectors; put it there to check the ids"
        )
    ours = InternLM2Tokenizer(models[0])
    case = "reasoning/tokenizer"
    case_log.exact(case, "vocabulary", ours.vocab_size, info["vocab_size"])
    case_log.exact(case, "start and end", (ours.begin, ours.end), (info["bos"], info["eos"]))
    for end in ("start", "end"):
        case_log.exact(case, f"turn {end}", ours.id_of(info[f"{end}_token"]), info[f"{end}_id"])
    for each in made["strings"]:
        what, ids = repr(each["text"]), ours.encode(each["text"])
        case_log.exact(case, what, ids, each["ids_without_bos"])
        case_log.exact(case, what, ours.encode(each["text"], begin=True), [info["bos"], *ids])
        case_log.exact(case, what, [ours.piece(index) for index in ids], each["pieces"])
        case_log.exact(case, what, ours.decode(ids), each["decoded"])
        plain = ours.decode(ids, skip_special=True)
        case_log.exact(case, what, plain, each["decoded_skip_special"])
        stream = StreamingText(ours)
        streamed = "".join(stream.push(index) for index in ids) + stream.close()
        case_log.exact(case, what, streamed, each["decoded_skip_special"])


def test_frame_sampling(sampling: Path, case_log: CaseLog) -> None:
    for video in said(sampling)["videos"]:
        total, fps = video["total_frames"], video["fps"]
        case = f"reasoning/frame_sampling {total} at {fps}"
        made, got = video["memory_example"], clips_of(total, fps)
        case_log.exact(case, "clips", len(got.starts), made["num_clips"])
        case_log.exact(case, "frames", list(got.frames), made["frame_index"])
        case_log.check(case, "starts", got.starts, made["clip_start_times"], 1e-9)
        case_log.check(case, "ends", got.ends, made["clip_end_times"], 1e-9)
        kept = list(spread(len(got.frames)))
        case_log.exact(case, "benchmark", kept, video["benchmark_64_of_sampled"])
        mvbench = list(clips_of(total, fps, least=4, most=4).frames)
        case_log.exact(case, "MVBench", mvbench, video["mvbench_frame_index"])
        case_log.exact(case, "middle frames", mvbench, list(middle_frames(total, len(mvbench))))
        chat = list(one_a_second(total, fps))
        case_log.exact(case, "chat", chat, video["chat_api_frame_index"])


@pytest.mark.parametrize("how", ["merged", "attached"])
def test_adapter(lora: Path, how: str, case_log: CaseLog) -> None:
    case, made = f"reasoning/{lora.name} ({how})", said(lora / "cases.json")
    tensors = load_file(lora / "cases.safetensors")
    network = ReasoningNetwork.load((lora / made["base_weights"]).resolve().parent)
    network.window = 10**9
    before = {name: each.clone() for name, each in network.state_dict().items()}
    ids, memory = tensors["input_ids"], tensors["memory_in"]

    def logits() -> torch.Tensor:
        return network.logits(network.model(network.embed(ids)))

    base = tensors["logits_text_base_without_adapter"]
    case_log.check(case, "without adapter", logits(), base, _STATES)
    adapter = Adapter.open(lora)
    if how == "merged":
        adapter.merge_into(network)
        after = network.state_dict()
        changed = sorted(name for name in after if not torch.equal(after[name], before[name]))
        case_log.exact(case, "changed keys", changed, sorted(made["changed_keys"]))
        for name, norm in made["merged_norms"].items():
            case_log.check(case, f"norm of {name}", after[name].norm(), norm, _STATES)
        for name, wanted in tensors.items():
            if name.startswith("merged."):
                case_log.check(case, name, after[name.removeprefix("merged.")], wanted, _STATES)
    else:
        attached = adapter.attach(network)
    case_log.check(case, "logits_text", logits(), tensors["logits_text"], _STATES)
    rows = network.project_memory(memory)
    case_log.check(case, "memory_out", rows, tensors["memory_out"], _STATES)
    embeddings = torch.cat((network.embed(ids), rows[None]), dim=1)
    mask = torch.arange(embeddings.shape[1])[None] >= ids.shape[1]
    got = network.logits(network.model(embeddings, mask))
    wanted = tensors["logits_text_plus_memory"]
    case_log.check(case, "logits_text_plus_memory", got, wanted, _STATES)
    if how == "attached":
        attached.detach()
        case_log.check(case, "taken off", logits(), base, _STATES)
        for name, each in network.state_dict().items():
            case_log.check(case, "weights after", each, before[name], 0.0)
