"""The language model at work: cut within a token, shared by sessions, never beyond its window."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs the extra nn")
pytest.importorskip("safetensors", reason="needs the extra nn")
pytest.importorskip("sentencepiece", reason="needs the extra nn")

import numpy as np
import torch

from ixc_support import WIDTH, official_tree
from omnilive.cancel import Cancel
from omnilive.errors import BackendError, Cancelled, CheckpointError, ConfigError
from omnilive.nn.ixc_config import GenerationConfig, IxcConfig, PlaceConfig
from omnilive.nn.reasoner import Reasoner
from omnilive.nn.reasoning_request import ReasoningRequest

GREEDY = GenerationConfig(max_new_tokens=24, temperature=0.0)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return official_tree(tmp_path_factory.mktemp("ixc") / "weights")


def settings(tree: Path, **changes: Any) -> IxcConfig:
    place = PlaceConfig(device="cpu", dtype="float32")
    given = {"weights": str(tree), "place": place, "generation": GREEDY} | changes
    return IxcConfig(**given)


def reasoner(tree: Path, **changes: Any) -> Reasoner:
    return Reasoner.load(settings(tree, **changes))


def frame(seed: int) -> Any:
    return np.random.default_rng(seed).integers(0, 256, (36, 64, 3), dtype=np.uint8)


def rows(count: int, seed: int) -> Any:
    return np.random.default_rng(seed).standard_normal((count, WIDTH)).astype(np.float32)


REQUEST = ReasoningRequest(
    question="what is on the table?",
    history=(("who is there?", "somebody with a cup of tea"),),
    records=('2026-05-04 09:30:12 speech: "the red box"',),
    clip_frames=(frame(1), frame(2)),
    newest_frames=(frame(3),),
    overview=rows(5, 4),
    related=(rows(12, 5), rows(8, 6)),
)


class Counted:
    """Counts how often the decoder reads, and can cut the turn after so many."""

    def __init__(self, held: Reasoner, cancel: Cancel | None = None, after: int = 0) -> None:
        self.num = 0
        self._cancel, self._after = cancel, after
        held.network.model.register_forward_hook(self._note)

    def _note(self, *_: object) -> None:
        self.num += 1
        if self._cancel is not None and self.num == self._after:
            self._cancel.set()


@pytest.mark.parametrize("eight_bit", [False, True], ids=["float32", "8 bits"])
@pytest.mark.parametrize("wording", ["release", "paper"])
def test_an_answer_comes_and_the_turn_is_cut_away(
    tree: Path, wording: str, eight_bit: bool
) -> None:
    held = reasoner(tree, prompt=wording, eight_bit=eight_bit)
    pieces = list(held.answer("a", REQUEST, Cancel()))
    assert len(pieces) > 1
    text = "".join(pieces)
    assert text
    kept = held.kept_bytes("a")
    # Words only: far less than the pictures, which alone are over 400 rows.
    layer = held.network.config.decoder
    row = 2 * 4 * layer.num_hidden_layers * layer.num_key_value_heads * layer.head_width
    assert 0 < kept <= 256 * row
    assert "".join(held.answer("b", REQUEST, Cancel())) == text
    held.forget("a")
    assert held.kept_bytes("a") == 0


def test_memory_pictures_and_words_each_change_the_answer(tree: Path) -> None:
    held = reasoner(tree)
    whole = _first_scores(held, REQUEST)
    for name, other in (
        ("overview", rows(5, 40)),
        ("related", (rows(12, 50),)),
        ("clip_frames", (frame(10),)),
        ("newest_frames", (frame(30),)),
        ("records", ("another",)),
        ("history", ()),
        ("question", "somebody puts a cup beside the window"),
    ):
        changed = _first_scores(held, replace(REQUEST, **{name: other}))  # type: ignore[arg-type]
        assert not torch.allclose(whole, changed, atol=1e-5), name


def _first_scores(held: Reasoner, request: ReasoningRequest) -> torch.Tensor:
    seen: list[torch.Tensor] = []
    hook = held.network.output.register_forward_hook(lambda _m, _i, out: seen.append(out[0]))
    for _ in held.answer("scores", request, Cancel()):
        break
    hook.remove()
    held.forget("scores")
    # The prefix is read first; the turn's own scores come last before the first word.
    return seen[-1] if len(seen) < 3 else seen[1]


@pytest.mark.parametrize("after", [1, 2, 5, 9])
def test_a_cut_returns_within_a_token_and_the_next_answer_is_right(tree: Path, after: int) -> None:
    held = reasoner(tree)
    right = "".join(reasoner(tree).answer("a", REQUEST, Cancel()))
    first = "".join(held.answer("a", replace(REQUEST, history=()), Cancel()))
    assert first
    kept = held.kept_bytes("a")
    cancel = Cancel()
    counted = Counted(held, cancel, after)
    with pytest.raises(Cancelled):
        list(held.answer("a", REQUEST, cancel))
    assert counted.num == after  # nothing was read once the flag was up
    assert held.kept_bytes("a") <= kept + 256 * 1024
    assert "".join(held.answer("a", REQUEST, Cancel())) == right


def test_a_listener_that_goes_away_frees_the_turn(tree: Path) -> None:
    held = reasoner(tree)
    pieces = held.answer("a", REQUEST, Cancel())
    next(pieces)
    growing = held.kept_bytes("a")
    pieces.close()  # type: ignore[attr-defined]
    assert held.kept_bytes("a") < growing / 2
    assert "".join(held.answer("a", REQUEST, Cancel())) == "".join(
        reasoner(tree).answer("a", REQUEST, Cancel())
    )


def test_two_sessions_grow_side_by_side_and_get_their_own_answers(tree: Path) -> None:
    held = reasoner(tree)
    other = replace(REQUEST, question="somebody puts a cup", clip_frames=())
    alone = [
        "".join(reasoner(tree).answer(name, request, Cancel()))
        for name, request in (("a", REQUEST), ("b", other))
    ]
    said: dict[str, str] = {}

    def ask(name: str, request: ReasoningRequest) -> None:
        said[name] = "".join(held.answer(name, request, Cancel()))

    threads = [threading.Thread(target=ask, args=each) for each in (("a", REQUEST), ("b", other))]
    for each in threads:
        each.start()
    for each in threads:
        each.join(120)
    assert [said["a"], said["b"]] == alone


def test_who_waits_for_the_network_can_be_cut(tree: Path) -> None:
    held = reasoner(tree)
    cancel = Cancel()
    pieces = held.answer("a", REQUEST, Cancel())
    next(pieces)
    with held._having(Cancel()):
        waiting = threading.Thread(target=lambda: _swallow(held, cancel))
        waiting.start()
        cancel.set()
        waiting.join(30)
        assert not waiting.is_alive()
    assert "".join(pieces)


def _swallow(held: Reasoner, cancel: Cancel) -> None:
    with pytest.raises(Cancelled):
        held.instruction("somebody puts a cup", cancel)


def test_instruction_is_a_probability_and_can_be_cut(tree: Path) -> None:
    held = reasoner(tree)
    probability = held.instruction("what is on the table?", Cancel())
    assert 0 <= probability <= 1
    assert held.instruction("  ", Cancel()) == 0
    cancel = Cancel()
    cancel.set()
    with pytest.raises(Cancelled):
        held.instruction("what is on the table?", cancel)


def test_old_turns_go_first_where_there_is_no_room(tree: Path) -> None:
    held = reasoner(tree)
    short = replace(REQUEST, clip_frames=(), newest_frames=())
    many = tuple((f"question {n} " * 8, "the red box " * 20) for n in range(12))
    held.network.window = 900
    text = "".join(held.answer("a", replace(short, history=many), Cancel()))
    assert text
    held.network.window = 200
    with pytest.raises(BackendError, match="in fewer words"):
        list(held.answer("b", replace(short, question="where is the box " * 60), Cancel()))
    held.network.window = 60
    with pytest.raises(BackendError, match="the window holds"):
        list(held.answer("c", REQUEST, Cancel()))


def test_memory_of_another_network_is_refused(tree: Path) -> None:
    held = reasoner(tree)
    wide = np.zeros((3, WIDTH + 1), np.float32)
    with pytest.raises(BackendError, match="another memory module"):
        list(held.answer("a", replace(REQUEST, overview=wide, related=()), Cancel()))
    broken = np.full((3, WIDTH), np.nan, np.float32)
    with pytest.raises(BackendError, match="no numbers"):
        list(held.answer("a", replace(REQUEST, overview=broken, related=()), Cancel()))
    assert "".join(held.answer("a", REQUEST, Cancel()))


def test_loading_says_what_is_missing(tree: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--weights"):
        Reasoner.load(IxcConfig())
    with pytest.raises(CheckpointError, match="no folder"):
        Reasoner.load(settings(tmp_path / "nowhere"))
    with pytest.raises(CheckpointError, match="lacks base/"):
        Reasoner.load(settings(tmp_path))
    told: list[str] = []
    Reasoner.load(settings(tree, eight_bit=True), told.append)
    assert told == ["Loading the language model (float32, 8-bit weights, cpu)"]
    with pytest.raises(ConfigError, match="such devices"):
        Reasoner.load(settings(tree, place=PlaceConfig(device="cuda:99")))
