"""The preset tiny from end to end, on random weights of its sizes, and what it says when spoilt."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs the extra nn")
pytest.importorskip("safetensors", reason="needs the extra nn")
pytest.importorskip("sentencepiece", reason="needs the extra nn")
pytest.importorskip("tokenizers", reason="needs the extra nn")

import torch

from cli_support import run
from omnilive import presets, system
from omnilive.cancel import Cancel
from omnilive.errors import CheckpointError
from omnilive.evaluation.demo import run_demo
from omnilive.evaluation.demo_worlds import DailyAsked
from omnilive.events import NS_PER_S
from omnilive.media.synthetic.daily.questions import NOT_SEEN
from omnilive.media.synthetic.daily.records import DailyQuestion
from omnilive.media.synthetic.records import Span
from omnilive.nn import places, shipped
from omnilive.nn.memory_network import MemoryNetwork
from omnilive.nn.reasoner import Reasoner
from omnilive.nn.reasoning_request import ReasoningRequest
from omnilive.nn.tiny_config import tiny_memory
from tiny_support import tiny_tree
from world_support import video

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return tiny_tree(tmp_path_factory.mktemp("tiny") / "weights")


@pytest.fixture
def installed(tree: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The checkpoint as if it had come with the package."""
    for module in (shipped, system):
        monkeypatch.setattr(module, "tiny_folder", lambda: tree)
    monkeypatch.setattr("omnilive.cli.models.tiny_folder", lambda: tree)
    return tree


def test_it_watches_remembers_and_answers(
    installed: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[ReasoningRequest] = []
    answer = Reasoner.answer

    def recorded(
        self: Reasoner, dialogue: str, request: ReasoningRequest, cancel: Cancel
    ) -> Iterator[str]:
        seen.append(request)
        return answer(self, dialogue, request, cancel)

    monkeypatch.setattr(Reasoner, "answer", recorded)
    common = ("--preset", "tiny", "--store", tmp_path / "m", "--json")
    every = ("--set", "memory.compressor.min_cosine=-1.0")
    asked = ("--ask", "what was on the table?", *every)
    ran = run(capsys, "watch", video(), *common, *asked)
    assert ran.code == 0, ran.err
    (said,) = ran.of("answer")
    assert said["outcome"] == "completed"
    assert ran.objects[-1]["failures"] == {}
    (request,) = seen
    assert request.overview is not None
    assert request.overview.shape[1] == 128
    assert 0 < len(request.related) <= presets.TINY_MOST_SELECTED
    # Four rows a frame, at most eight frames.
    assert all(each.shape[0] % 4 == 0 and each.shape[0] <= 32 for each in request.related)
    assert request.clip_frames == ()
    assert request.history == ()
    ran = run(capsys, "ask", "what is this?", *common, *every)
    assert ran.code == 0, ran.err
    assert len(seen[1].newest_frames) == 1


def test_its_settings_are_those_it_was_trained_with(tree: Path) -> None:
    config = presets.tiny(str(tree)).with_networks()
    assert config.ixc.not_seen == NOT_SEEN
    assert config.ixc.generation.temperature == 0
    assert config.ixc.canvas == "squash"
    assert config.memory.compressor.pixels == "whole"
    assert config.memory.compressor.frames_per_clip == 8
    assert config.seeing.clips.cuts == "adaptive"
    assert config.hearing.recognition.backend == "ixc"
    assert Path(config.hearing.recognition.weights) == tree / "audio"
    assert Path(config.memory.compressor.weights) == tree / "memory"
    for place in (config.ixc.place, config.memory.compressor.place):
        assert (place.device, place.dtype) == ("cpu", "float32")


def test_another_folder_can_be_named(tree: Path) -> None:
    named = presets.configure(preset="tiny", weights=tree)
    assert named.preset == "tiny"
    assert named.with_networks().ixc.weights == str(tree)
    # Without the preset's name, a folder means the paper's own weights, as ever.
    assert presets.configure(weights=tree).preset == "ixc"


def test_without_the_checkpoint_it_says_what_to_do(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipped, "files", lambda _package: tmp_path)
    with pytest.raises(CheckpointError, match="--weights DIR"):
        shipped.tiny_folder()
    ran = run(capsys, "ask", "what?", "--preset", "tiny", "--store", tmp_path / "m")
    assert ran.code == 5
    assert "checkpoint is missing" in ran.err
    assert not (tmp_path / "m").exists()


def test_without_torch_it_says_how_to_install_it(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = tiny_tree(tmp_path / "tiny")  # of its own: what is loaded is not judged again
    monkeypatch.setattr(places, "find_spec", lambda name: None if name == "torch" else sys)
    ran = run(
        capsys, "ask", "what?", "--preset", "tiny", "--weights", tree, "--store", tmp_path / "m"
    )
    assert ran.code == 5
    assert "needs torch" in ran.err
    assert "pip install" in ran.err
    assert not (tmp_path / "m").exists()


def _truncated(tree: Path) -> None:
    file = tree / "audio" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-200])


def _empty(tree: Path) -> None:
    (tree / "reasoning" / "model.safetensors").write_bytes(b"")


def _other_sizes(tree: Path) -> None:
    file = tree / "memory" / "config.json"
    values = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(values | {"num_hidden_layers": 5}), encoding="utf-8")


def _no_configuration(tree: Path) -> None:
    (tree / "reasoning" / "config.json").unlink()


def _foreign(tree: Path) -> None:
    (tree / "memory").rename(tree / "was memory")
    (tree / "audio").rename(tree / "memory")
    (tree / "was memory").rename(tree / "audio")


def _another_width(tree: Path) -> None:
    config = tiny_memory(280)
    MemoryNetwork(replace(config, decoder=replace(config.decoder, width=64))).save(tree / "memory")


DAMAGE: dict[str, tuple[Callable[[Path], None], str]] = {
    "truncated": (_truncated, "cut short"),
    "empty": (_empty, "cut short"),
    "other sizes": (_other_sizes, "lacks"),
    "no configuration": (_no_configuration, "config.json"),
    "foreign": (_foreign, "no configuration of the memory module"),
    "another width": (_another_width, "not of one checkpoint"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_spoilt_checkpoint_is_told_before_anything_is_loaded(
    damage: str, tmp_path: Path, capsys: Capture
) -> None:
    tree = tiny_tree(tmp_path / "tiny")
    spoil, told = DAMAGE[damage]
    spoil(tree)
    ran = run(capsys, "models", "check", tree)
    assert ran.code == 5
    ran = run(
        capsys, "ask", "what?", "--preset", "tiny", "--weights", tree, "--store", tmp_path / "m"
    )
    assert ran.code == 5
    assert "Traceback" not in ran.err
    assert told in ran.err
    assert not (tmp_path / "m").exists()


def test_models_check_and_doctor_judge_what_is_shipped(installed: Path, capsys: Capture) -> None:
    ran = run(capsys, "models", "check", "--preset", "tiny", "--json")
    assert ran.code == 0
    modules = ran.of("module")
    assert {each["state"] for each in modules} == {"whole"}
    assert all(each["stored"] == ["float16"] for each in modules)
    assert sum(each["bytes_on_disk"] for each in modules) <= 20_000_000
    assert run(capsys, "models", "check").code == 2
    assert run(capsys, "models", "check", installed, "--preset", "tiny").code == 2
    assert run(capsys, "models", "check", "--preset", "ixc").code == 2
    ran = run(capsys, "doctor", "--preset", "tiny", "--json")
    (networks,) = [each for each in ran.of("check") if each["name"] == "networks"]
    assert networks["works"], networks


@pytest.mark.slow
def test_the_demo_plays_the_world_it_was_trained_on(installed: Path, tmp_path: Path) -> None:
    steps: set[str] = set()
    result = run_demo(
        tmp_path / "demo",
        seed=5,
        seconds=60,
        config=presets.tiny(str(installed)),
        progress=lambda step, share: steps.add(step),
    )
    assert steps == {"Rendering", "Watching", "Asking"}
    kinds = {each.question.kind for each in result.scored}
    assert {"attribute", "semantics_implicit", "not_seen"} <= kinds
    assert all(each.answer.text for each in result.scored)
    assert any(each.answer.citations for each in result.scored)
    assert "<article" in result.report.read_text()


def test_the_demo_judges_as_the_benchmark_does() -> None:
    known = DailyQuestion(
        kind="when",
        text="When was the red cup there?",
        answer="at 37 seconds",
        evidence=(Span(start_ns=37 * NS_PER_S, end_ns=43 * NS_PER_S),),
        asked_ns=60 * NS_PER_S,
    )
    asked = DailyAsked.of(known, "q1")
    assert asked.accepts("at 37 seconds")
    assert asked.accepts("At 40 seconds.")
    assert not asked.accepts("at 57 seconds")
    assert asked.touches(42, 50)
    assert not asked.touches(44, 50)
    colour = DailyAsked.of(replace(known, kind="attribute", answer="red"), "q2")
    assert colour.accepts("It was red.")
    assert not colour.accepts("blue")
    unseen = replace(known, kind="not_seen", answer=NOT_SEEN, evidence=(), known=False)
    assert DailyAsked.of(unseen, "q3").truth == ()
    assert not DailyAsked.of(unseen, "q3").known
