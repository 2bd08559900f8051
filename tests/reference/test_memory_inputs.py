"""What the memory module is given: pixels of frames and token ids, against the official ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra nn")
pytest.importorskip("tokenizers", reason="needs the extra nn")

import torch
from numpy.typing import NDArray

from memory_reference import MARKER
from omnilive.nn.clip_pixels import PixelPath, tower_pixels
from omnilive.nn.clip_text import TimeOrigin, clip_text
from omnilive.nn.tokenizer_qwen2 import Qwen2Tokenizer, byte_symbols
from reference_support import CaseLog, reference_root, skipped

_PATHS = {
    "offline_resize_shortest_edge_then_centre_crop": PixelPath.OFFLINE_CROP,
    "live_nearest_336_then_processor": PixelPath.LIVE_SQUASH,
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "inputs" not in metafunc.fixturenames:
        return
    root = reference_root(metafunc.config)
    found = [
        pytest.param(path, id=str(path.relative_to(root)))
        for path in (sorted(root.rglob("inputs.json")) if root else [])
        if "clip_processor" in json.loads(path.read_text())
    ]
    metafunc.parametrize("inputs", found or [skipped(metafunc.config, "inputs of the memory")])


def _frame(seed: int, height: int, width: int) -> NDArray[np.uint8]:
    # The formula of inputs.json, in integers.
    y, x, k = np.ogrid[:height, :width, :3]
    v = (x * (3 + k) + y * (5 + 2 * k) + (x * y) // (7 + k + seed) + seed * 37 + k * 61) // (2 + k)
    return np.minimum(255, np.abs(v % 512 - 256)).astype(np.uint8)


def test_pixels(inputs: Path, case_log: CaseLog) -> None:
    for each in json.loads(inputs.read_text())["clip_processor"]:
        frame = _frame(each["formula_seed"], each["height"], each["width"])
        for name, path in _PATHS.items():
            said = each[name]
            size = said["shape"][-1]
            (pixels,) = tower_pixels([frame], path, size=size)
            case = f"{inputs.parent.name}/pixels {each['height']}x{each['width']} {path.value}"
            case_log.exact(case, "shape", list(pixels.shape), said["shape"])
            step = size // 4
            grid = pixels.view(3, 4, step, 4, step).mean(dim=(2, 4)).permute(1, 2, 0)
            wanted = torch.tensor(said["mean_grid_4x4"])
            if wanted.shape[0] == 3:
                wanted = wanted.permute(1, 2, 0)
            # Stated with four digits; the samples below with five.
            case_log.check(case, "grid", grid, wanted, 6e-5)
            for row, column, colours in said["samples"]:
                got = pixels[:, row, column]
                case_log.check(case, "sample", got, torch.tensor(colours), 6e-6)


def test_clip_texts(inputs: Path, case_log: CaseLog) -> None:
    case = f"{inputs.parent.name}/clip texts"
    by_piece: dict[str, int] = {}
    tokenizer = Qwen2Tokenizer(dict(zip(byte_symbols(), range(256), strict=True)), [])
    said = json.loads(inputs.read_text())["tokenizer"]
    for prompt in said["clip_prompts"]:
        start_ns, end_ns = (round(prompt[each] * 1e9) for each in ("start", "end"))
        pieces = tokenizer.pieces(clip_text(start_ns, end_ns, TimeOrigin("stream", 0)))
        *ids, marker = prompt["ids"]
        case_log.exact(case, "marker", marker, MARKER)
        # One id a piece here; equal pieces have equal ids, and a single byte has its own.
        case_log.exact(case, "number of pieces", len(pieces), len(ids))
        _check_pieces(case, case_log, pieces, ids, by_piece)


def test_questions(inputs: Path, case_log: CaseLog) -> None:
    case = f"{inputs.parent.name}/questions"
    by_piece: dict[str, int] = {}
    tokenizer = Qwen2Tokenizer(dict(zip(byte_symbols(), range(256), strict=True)), [])
    for question in json.loads(inputs.read_text())["tokenizer"]["questions"]:
        pieces, ids = tokenizer.pieces(question["text"]), question["ids"]
        case_log.exact(case, "no fewer ids than pieces", len(pieces) <= len(ids), True)
        if len(pieces) == len(ids):
            _check_pieces(case, case_log, pieces, ids, by_piece)


def test_ids_of_the_whole_tokenizer(inputs: Path, case_log: CaseLog) -> None:
    holders = [path.parent for path in sorted(inputs.parent.parent.rglob("merges.txt"))]
    if not holders:
        pytest.skip("no merges.txt lies with the reference vectors")
    tokenizer = Qwen2Tokenizer.load(holders[0])
    case, said = f"{inputs.parent.name}/token ids", json.loads(inputs.read_text())["tokenizer"]
    case_log.exact(case, "entries", len(tokenizer), said["vocab_entries"])
    for text, ids in said["check"].items():
        case_log.exact(case, "check", tokenizer.encode(text), ids)
    for prompt in said["clip_prompts"]:
        start_ns, end_ns = (round(prompt[each] * 1e9) for each in ("start", "end"))
        text = clip_text(start_ns, end_ns, TimeOrigin("stream", 0))
        case_log.exact(case, "clip text", [*tokenizer.encode(text), MARKER], prompt["ids"])
    for question in said["questions"]:
        case_log.exact(case, "question", tokenizer.encode(question["text"]), question["ids"])


def _check_pieces(
    case: str, case_log: CaseLog, pieces: list[str], ids: list[int], by_piece: dict[str, Any]
) -> None:
    for piece, number in zip(pieces, ids, strict=True):
        wanted = byte_symbols().index(piece) if len(piece) == 1 else by_piece.get(piece, number)
        case_log.exact(case, f"id of {piece!r}", number, wanted)
        by_piece[piece] = number
