"""What the paper's language model is told under each condition (tiny networks of chance)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

pytest.importorskip("torch", reason="needs the extra nn")
pytest.importorskip("tokenizers", reason="needs the extra nn")

import torch

from ixc_support import official_tree
from omnilive import presets
from omnilive.cancel import Cancel
from omnilive.evaluation.conditions import CONDITIONS, Condition
from omnilive.evaluation.memory_benchmark import Asked, run_benchmark
from omnilive.evaluation.memory_questions import MemoryQuestion
from omnilive.evaluation.memory_subjects import WorldSubject
from omnilive.evaluation.memory_worlds import DailyStream
from omnilive.media.synthetic.daily.world import DailyConfig, DailyWorld
from omnilive.nn.reasoner import Reasoner
from omnilive.nn.reasoning_request import ReasoningRequest
from omnilive.system import Config

SECONDS = 24.0
EVIDENCE = (0.0, 2.0)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    torch.set_num_threads(1)
    tree = official_tree(tmp_path_factory.mktemp("ixc") / "weights")
    made = presets.configure(
        preset="ixc",
        weights=tree,
        overrides=(
            "ixc.generation.max_new_tokens=4",
            "ixc.generation.temperature=0",
            "memory.compressor.min_cosine=-1.0",
            "memory.compressor.most_selected=1",
        ),
    )
    # What was heard is not asked about, and recognition takes longer than all the rest.
    return replace(made, hearing=replace(made.hearing, enabled=False))


@pytest.fixture(scope="module")
def told(
    config: Config, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[Condition, ReasoningRequest], list[Asked]]:
    """Return what the model was asked under each condition, by the same question."""
    folder = tmp_path_factory.mktemp("eval")
    question = MemoryQuestion(
        id="q",
        video="daily",
        text="What was on the table?",
        ask_time_s=SECONDS - 2,
        choices=("cup", "hat"),
        accepted=("cup",),
        evidence=(EVIDENCE,),
    )
    subjects = []
    for seed in (0, 1):
        world = DailyWorld(seed, SECONDS, split="test", config=DailyConfig(talk=False))
        name = f"world-{seed}"
        asked = (question,) if seed == 0 else ()
        stream = DailyStream(world, config)
        subjects.append(WorldSubject(name, seed, stream, asked, folder / "m" / name))
    requests: list[ReasoningRequest] = []
    answer = Reasoner.answer

    def recorded(
        self: Reasoner, dialogue: str, request: ReasoningRequest, cancel: Cancel
    ) -> Iterator[str]:
        requests.append(request)
        return answer(self, dialogue, request, cancel)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Reasoner, "answer", recorded)
        results = run_benchmark(subjects, config, folder)
    assert not [one for one in results if one.error or one.not_possible]
    assert len(requests) == len(CONDITIONS)
    return dict(zip(CONDITIONS, requests, strict=True)), results


Told = tuple[dict[Condition, ReasoningRequest], list[Asked]]


def test_every_condition_tells_the_choices_and_asks_without_a_past_dialogue(told: Told) -> None:
    for request in told[0].values():
        assert request.question.startswith("What was on the table?\n(A) cup\n(B) hat\n")
        assert request.history == ()


def test_blind_is_the_question_alone(told: Told) -> None:
    blind = told[0]["blind"]
    assert (blind.overview, blind.related, blind.records) == (None, (), ())
    assert (blind.clip_frames, blind.newest_frames) == ((), ())


def test_newest_has_pictures_and_no_memory(told: Told) -> None:
    newest = told[0]["newest"]
    assert newest.newest_frames
    assert (newest.overview, newest.related, newest.clip_frames) == (None, (), ())


def test_context_has_every_finished_clip_and_memory_the_chosen_ones(told: Told) -> None:
    memory, context = told[0]["memory"], told[0]["context"]
    assert memory.overview is not None
    assert context.overview is not None
    assert len(memory.related) == 1
    assert len(context.related) == len(context.overview) > 1
    assert any((memory.related[0] == one).all() for one in context.related)


def test_the_oracle_has_the_clips_of_the_evidence(told: Told) -> None:
    oracle, context = told[0]["oracle"], told[0]["context"]
    assert len(oracle.related) == 1
    assert (oracle.related[0] == context.related[0]).all()
    answered = next(one for one in told[1] if one.condition == "oracle").answer
    assert answered is not None
    assert answered.cited
    assert all(one.start_s < EVIDENCE[1] for one in answered.cited)


def test_shuffled_has_the_memory_of_the_other_stream(told: Told) -> None:
    shuffled, context = told[0]["shuffled"], told[0]["context"]
    assert len(shuffled.related) == 1
    assert not any(
        one.shape == shuffled.related[0].shape and (one == shuffled.related[0]).all()
        for one in context.related
    )
    answered = next(one for one in told[1] if one.condition == "shuffled").answer
    assert answered is not None
    assert answered.num_cited > 0
    assert answered.cited == ()
