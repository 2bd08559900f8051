"""The preset ixc from end to end, on a tiny checkpoint in the release's layout (CPU)."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs the extra nn")
pytest.importorskip("safetensors", reason="needs the extra nn")
pytest.importorskip("sentencepiece", reason="needs the extra nn")
pytest.importorskip("tokenizers", reason="needs the extra nn")

import torch

from cli_support import run
from ixc_support import WIDTH, official_tree
from omnilive import presets
from omnilive.cancel import Cancel
from omnilive.errors import BackendError, ConfigError, UsageError
from omnilive.nn import places, weights_check
from omnilive.nn.ixc_loading import is_loaded
from omnilive.nn.reasoner import Reasoner
from omnilive.nn.reasoning_request import ReasoningRequest
from omnilive.system import System
from world_support import video

SHORT = ("--set", "ixc.generation.max_new_tokens=12", "--set", "ixc.generation.temperature=0")
EVERY = ("--set", "memory.compressor.min_cosine=-1.0")
PRECISION = {
    "float32": ("--set", "ixc.place.dtype=float32"),
    "8 bits": ("--set", "ixc.eight_bit=true"),
}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return official_tree(tmp_path_factory.mktemp("ixc") / "weights")


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[ReasoningRequest]:
    """What the language model is asked; it answers all the same."""
    seen: list[ReasoningRequest] = []
    answer = Reasoner.answer

    def recorded(
        self: Reasoner, dialogue: str, request: ReasoningRequest, cancel: Cancel
    ) -> Iterator[str]:
        seen.append(request)
        return answer(self, dialogue, request, cancel)

    monkeypatch.setattr(Reasoner, "answer", recorded)
    return seen


def test_watch_remembers_tokens_and_ask_answers_from_them(
    tree: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    requests: list[ReasoningRequest],
) -> None:
    store = tmp_path / "memory"
    common = ("--store", store, "--json", "--preset", "ixc", "--weights", tree, *SHORT, *EVERY)
    ran = run(capsys, "watch", video(), *common, "--ask", "what was on the table?")
    assert ran.code == 0
    assert "Loading the language model" in ran.err
    assert "Traceback" not in ran.err
    (answer,) = ran.of("answer")
    assert answer["outcome"] == "completed"
    assert answer["citations"]
    assert ran.objects[-1]["failures"] == {}
    assert len(requests) == 1
    said = {}
    for name, options in PRECISION.items():
        ran = run(capsys, "ask", "what was on the table?", *common, *options)
        assert ran.code == 0, ran.err
        (answer,) = ran.of("answer")
        said[name] = answer["answer"]
        assert answer["citations"]
    assert all(said.values())
    for request in requests:
        # Memory is live: H-bar, and H of the chosen clips with their pictures.
        assert request.overview is not None
        assert request.overview.shape[1] == WIDTH
        assert len(request.overview) > 1
        assert request.related
        assert all(each.shape[1] == WIDTH for each in request.related)
        assert request.clip_frames
    assert requests[1].question == requests[2].question == "what was on the table?"


def test_the_preset_says_what_it_needs(
    tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = run(capsys, "ask", "what?", "--preset", "ixc", "--store", tmp_path / "m")
    assert ran.code == 2
    assert "--weights DIR" in ran.err
    ran = run(capsys, "ask", "what?", "--weights", tmp_path / "none", "--store", tmp_path / "m")
    assert ran.code == 5
    assert "no folder" in ran.err
    ran = run(capsys, "ask", "what?", "--preset", "server", "--weights", tree)
    assert ran.code == 2
    missing = {"torch", "sentencepiece"}
    monkeypatch.setattr(places, "find_spec", lambda name: None if name in missing else sys)
    ran = run(capsys, "ask", "what?", "--weights", tree, "--store", tmp_path / "m")
    assert ran.code == 5
    assert "needs torch, sentencepiece" in ran.err
    assert "pip install" in ran.err
    assert not (tmp_path / "m").exists()


def test_too_little_memory_is_told_before_anything_is_loaded(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = presets.configure(weights=tree, overrides=["ixc.place.device=cpu"]).with_networks()
    config.check_networks()
    monkeypatch.setattr(weights_check, "free_bytes", lambda device: 5_000_000)
    with pytest.raises(BackendError, match=r"of memory on cpu and 0\.0 GB are free"):
        System(config, tmp_path / "memory", write=True)
    assert not (tmp_path / "memory").exists()
    monkeypatch.setattr(weights_check, "free_bytes", lambda device: None)  # nobody says
    config.check_networks()


def test_one_network_serves_all_sessions(tree: Path, tmp_path: Path) -> None:
    system = System(presets.ixc(str(tree)), tmp_path / "memory", write=True)
    try:
        first = system.stages_for_session(system.memory, caption=True, speak=False)
        second = system.stages_for_session(system.memory, caption=True, speak=False)
        backends = [each["answerer"]._backend for each in (first, second)]  # type: ignore[attr-defined]
        assert backends[0] is not backends[1]
        assert backends[0]._model is backends[1]._model is system.reasoner
        assert backends[0]._dialogue != backends[1]._dialogue
        # Every question over HTTP opens the memory anew: nothing is loaded for it.
        reader = System(presets.ixc(str(tree)), tmp_path / "memory", write=False)
        assert reader.reasoner is system.reasoner
        assert reader.learned is system.learned
        reader.close()
        assert is_loaded(system.config.ixc)
    finally:
        system.close()
    of = system.config.ixc
    del system, reader, first, second, backends
    gc.collect()
    assert not is_loaded(of)


def test_settings_reach_every_part(tree: Path) -> None:
    config = presets.configure(
        weights=tree, overrides=["ixc.prompt=paper", "ixc.place.device=cpu"]
    ).with_networks()
    assert config.preset == "ixc"
    assert config.ixc.prompt == "paper"
    assert config.hearing.recognition.backend == "ixc"
    assert Path(config.hearing.recognition.weights) == tree / "audio"
    assert Path(config.memory.compressor.weights) == tree / "memory"
    assert config.seeing.clips.cuts == "adaptive"  # no siglip/ beside them
    own = presets.configure(weights=tree, overrides=["memory.compressor.weights=elsewhere"])
    assert own.with_networks().memory.compressor.weights == "elsewhere"
    assert presets.embedded().with_networks() == presets.embedded()
    for wrong in ("ixc.place.device=gpu", "ixc.prompt=mine", "ixc.generation.top_p=0"):
        with pytest.raises(ConfigError):
            presets.configure(weights=tree, overrides=[wrong])
    with pytest.raises(UsageError, match="--weights belongs"):
        presets.configure(weights=tree, preset="embedded")
