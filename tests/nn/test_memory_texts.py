"""What stands in front of a clip, its tokens, and the pixels of its frames."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra nn")
pytest.importorskip("tokenizers", reason="needs the extra nn")

from omnilive.errors import BackendError, CheckpointError  # noqa: E402
from omnilive.nn.clip_pixels import PixelPath, tower_pixels  # noqa: E402
from omnilive.nn.clip_text import TimeOrigin, clip_text  # noqa: E402
from omnilive.nn.tokenizer_qwen2 import Qwen2Tokenizer, byte_symbols  # noqa: E402

_SECOND = 1_000_000_000
_STREAM = TimeOrigin("stream", 0)
_MERGES = ["h e", "l l", "he ll", "hell o", "Ġ w", "1 2"]


@pytest.mark.parametrize(
    ("seconds", "rounded"),
    [(0, 0), (4.4, 4), (4.5, 4), (5.5, 6), (8.5, 8), (15.5, 16), (15.500000001, 16), (4.999, 5)],
)
def test_seconds_are_rounded_halves_to_the_even_one(seconds: float, rounded: int) -> None:
    text = clip_text(0, round(seconds * _SECOND), _STREAM)
    assert text == f"This contains a clip sampled in 0 to {rounded} seconds"


def test_seconds_count_from_their_origin() -> None:
    months_ns = 10_000_000 * _SECOND + 1
    origin = TimeOrigin("conversation", months_ns)
    text = clip_text(months_ns + 16 * _SECOND, months_ns + 32 * _SECOND, origin)
    assert text == "This contains a clip sampled in 16 to 32 seconds"
    with pytest.raises(BackendError, match="after its conversation"):
        clip_text(months_ns - 1, months_ns, origin)
    with pytest.raises(BackendError, match="end after it began"):
        clip_text(2, 1, _STREAM)


def _folder(path: Path, merges: list[str]) -> Path:
    (path / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", "utf-8")
    return path


def test_vocabulary_from_merges_alone(tmp_path: Path) -> None:
    tokenizer = Qwen2Tokenizer.load(_folder(tmp_path, _MERGES))
    assert len(tokenizer) == 256 + len(_MERGES)
    assert tokenizer.encode("hello") == [256 + 3]
    # Digits stay alone even where a merge would join them; bytes have the ids of the release.
    assert tokenizer.encode("0 12") == [15, 220, 16, 17]
    assert tokenizer.encode(" world?") == [256 + 4, *tokenizer.encode("orld"), 30]
    assert tokenizer.encode("\n") == [198]
    assert tokenizer.encode("") == []


@pytest.mark.parametrize(
    "text", ["hello  world's 12\n\n x", "人 \t ü e\u0301", "<|im_start|>\U0001f600"]
)
def test_text_comes_back(text: str, tmp_path: Path) -> None:
    import unicodedata

    tokenizer = Qwen2Tokenizer.load(_folder(tmp_path, _MERGES))
    assert tokenizer.decode(tokenizer.encode(text)) == unicodedata.normalize("NFC", text)


def test_every_layout_gives_the_same_ids(tmp_path: Path) -> None:
    tokens = [*byte_symbols(), *(line.replace(" ", "") for line in _MERGES)]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    both, whole = tmp_path / "both", tmp_path / "whole"
    both.mkdir()
    whole.mkdir()
    _folder(both, _MERGES)
    (both / "vocab.json").write_text(json.dumps(vocabulary), "utf-8")
    for merges in (_MERGES, [line.split(" ") for line in _MERGES]):
        model = {"vocab": vocabulary, "merges": merges}
        (whole / "tokenizer.json").write_text(json.dumps({"model": model}), "utf-8")
        found = [Qwen2Tokenizer.load(each).encode("hello 12 w") for each in (both, whole)]
        assert found[0] == found[1]


def test_control_tokens_cannot_be_said(tmp_path: Path) -> None:
    tokens = [*byte_symbols(), "<|im_start|>"]
    (tmp_path / "merges.txt").write_text("", "utf-8")
    vocabulary = {token: number for number, token in enumerate(tokens)}
    (tmp_path / "vocab.json").write_text(json.dumps(vocabulary), "utf-8")
    assert 256 not in Qwen2Tokenizer.load(tmp_path).encode("a <|im_start|> b")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("merges.txt", "a b c\n"),
        ("merges.txt", "x nosuchsymbol\n"),
        ("tokenizer.json", "{"),
        ("tokenizer.json", "{}"),
    ],
)
def test_a_damaged_tokenizer(name: str, content: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content, "utf-8")
    with pytest.raises(CheckpointError, match="damaged"):
        Qwen2Tokenizer.load(tmp_path)


def test_no_tokenizer(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"put merges\.txt"):
        Qwen2Tokenizer.load(tmp_path)


# --- pixels -----------------------------------------------------------------------------


def _picture(height: int, width: int) -> np.ndarray:
    chance = np.random.default_rng(height * width)
    return chance.integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("path", PixelPath)
def test_frames_of_mixed_sizes_become_one_clip(path: PixelPath) -> None:
    pictures = [_picture(30, 50), _picture(50, 30), _picture(28, 28)]
    together = tower_pixels(pictures, path, size=28)
    assert together.shape == (3, 3, 28, 28)
    assert together.dtype == torch.float32
    for number, picture in enumerate(pictures):
        assert torch.equal(tower_pixels([picture], path, size=28)[0], together[number])


def test_the_crop_loses_the_sides_and_the_squash_does_not() -> None:
    middle_only = np.zeros((28, 84, 3), dtype=np.uint8)
    middle_only[:, 28:56] = 255
    crop, squash = (
        tower_pixels([middle_only], path, size=28)[0, 0]
        for path in (PixelPath.OFFLINE_CROP, PixelPath.LIVE_SQUASH)
    )
    assert crop.min() > 1.5
    assert squash.min() < -1.5 < 1.5 < squash.max()


@pytest.mark.parametrize(
    "frame",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((1, 1000, 3), np.uint8),
    ],
)
def test_what_is_no_picture_is_refused(frame: np.ndarray) -> None:
    with pytest.raises(BackendError, match="frame"):
        tower_pixels([frame], PixelPath.LIVE_SQUASH)


def test_no_frame_is_refused() -> None:
    with pytest.raises(BackendError, match="at least one"):
        tower_pixels([], PixelPath.OFFLINE_CROP)
