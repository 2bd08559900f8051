"""The memory network benchmark on random tiny networks: its pieces, and a whole run."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

torch = pytest.importorskip("torch", reason="needs the extra nn")
pytest.importorskip("safetensors", reason="needs the extra nn")
pytest.importorskip("sentencepiece", reason="needs the extra nn")
pytest.importorskip("tokenizers", reason="needs the extra nn")

from omnilive.errors import OmniLiveError, UsageError  # noqa: E402
from omnilive.evaluation.forgetting_loop import Interest, Loop, frontier, num_later  # noqa: E402
from omnilive.evaluation.memory_adaptation import Descent, reader_of  # noqa: E402
from omnilive.evaluation.memory_forms import (  # noqa: E402
    budget,
    centroids,
    form_of,
    frame_means,
    grid_means,
)
from omnilive.evaluation.memory_network_benchmark import MemoryNetworkBenchmark  # noqa: E402
from omnilive.evaluation.network_ablations import with_tokens  # noqa: E402
from omnilive.evaluation.network_answers import NOTHING, Answers, Given  # noqa: E402
from omnilive.evaluation.network_captions import captions  # noqa: E402
from omnilive.evaluation.network_report import report, write_report  # noqa: E402
from omnilive.evaluation.network_retrieval import THRESHOLDS, threshold_table  # noqa: E402
from omnilive.evaluation.network_rows import Row, margin_of, mean_of, merged  # noqa: E402
from omnilive.evaluation.network_settings import BenchmarkSettings  # noqa: E402
from omnilive.evaluation.network_subject import Subject, watched  # noqa: E402
from omnilive.nn.generation import GenerationSettings, generate  # noqa: E402
from omnilive.nn.memory_integration import BlockState  # noqa: E402
from omnilive.nn.prompts import assemble, release_memory_prompt  # noqa: E402
from omnilive.training.clip_pool import ClipPool, moved  # noqa: E402
from omnilive.training.prompt_rows import PromptRows  # noqa: E402
from omnilive.training.streams import placed  # noqa: E402
from tiny_support import tiny_tree  # noqa: E402

CLIPS = 72
SETTINGS = BenchmarkSettings(
    seeds=(0,),
    test_clips=CLIPS,
    train_clips=12,
    streams=1,
    questions=5,
    few=8,
    many=40,
    many_streams=1,
    many_questions=5,
    lengths=(40,),
    targets=1,
    distinct=32,
    adapt_steps=1,
    forms=("compressor", "kmeans", "text"),
    tokens=(1,),
    cut_s=24,
)


def _silent(text: str) -> None:
    del text


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("networks")


@pytest.fixture(scope="module")
def subject(work: Path) -> Subject:
    # Below every cosine: something is always selected.
    return Subject.load(tiny_tree(work / "weights"), min_cosine=-1.0, most_selected=2)


@pytest.fixture(scope="module")
def pool(subject: Subject, work: Path) -> ClipPool:
    return subject.pool(work / "run", "test", CLIPS, _silent)


def test_an_answer_is_right_when_greedy_decoding_gives_its_words(subject: Subject) -> None:
    network = reader_of(subject.reasoning, 0)
    generator = torch.Generator().manual_seed(1)
    first, second = (Given(torch.randn(8, 128, generator=generator)) for _ in range(2))
    taught = [
        (first, "What colour was the cup?", "small"),
        (second, "What colour was the cup?", "striped cup"),
        (NOTHING, "What was heard?", "a bell"),
    ]
    rows = PromptRows(network, subject.tokenizer)
    prompts = [given.shared([(question, answer)]) for given, question, answer in taught]
    network.requires_grad_(True)
    descend = Descent(list(network.parameters()), 60, 3e-3)
    for step in range(60):
        loss, right, _ = rows.loss(prompts)
        descend(step, loss)
    assert bool(right.all())
    answers = Answers(network.requires_grad_(False), subject.tokenizer)
    asked = [
        (given, question, answer)
        for given in (first, second, NOTHING)
        for question in ("What colour was the cup?", "What was heard?")
        for answer in ("small", "striped cup", "a bell", "striped", "small cup")
    ]
    said = [_said(subject, network, given, question) for given, question, _ in asked]
    assert answers.right(asked) == [
        text == answer for text, (_, _, answer) in zip(said, asked, strict=True)
    ]
    assert [said[place] for place in (0, 10)] == ["small", "striped cup"]


def _said(subject: Subject, network: object, given: Given, question: str) -> str:
    segments = release_memory_prompt(
        f"Question: {question}",
        related=given.related is not None,
        overview=False,
        num_pictures=0,
        lead="",
    )
    prompt = assemble(network, subject.tokenizer, segments, related=given.related)
    stop = frozenset({subject.tokenizer.end, subject.tokenizer.id_of("[UNUSED_TOKEN_145]")})
    ids = list(generate(network, prompt, GenerationSettings(max_new_tokens=12, stop=stop)))
    return subject.tokenizer.decode(ids).strip()


@pytest.mark.parametrize(("slot", "later"), [(0, 1), (5, 2), (5, 30), (2, 71), (7, 150)])
def test_the_frontier_behind_a_loop_is_that_of_the_whole_stream(
    subject: Subject, pool: ClipPool, slot: int, later: int
) -> None:
    loop = Loop.make(subject, pool, Random(0), 8, fan_out=4)
    assert len(loop) == 16
    number = next(each for each in range(CLIPS) if each not in loop.numbers)
    scene = moved(pool.scene(number), loop.scenes[slot].start_ns)
    (clip,) = subject.encoded(pool, [number], [scene])
    one = Interest(slot, number, scene, clip, ())
    start = slot // 4 * 4
    order = [*range(start, slot), -1, *(range(slot + 1, slot + 1 + later))]
    clips = [clip if place < 0 else loop.clips[place % 16] for place in order]
    whole = BlockState(fan_out=4).with_clips(subject.memory, clips).long_term(subject.memory)
    torch.testing.assert_close(frontier(subject, loop, one, later), whole, rtol=1e-4, atol=1e-4)


def test_as_many_clips_follow_as_the_time_takes(subject: Subject, pool: ClipPool) -> None:
    loop = Loop.make(subject, pool, Random(0), 8, fan_out=4)
    whole_s = sum(scene.end_ns - scene.start_ns for scene in loop.scenes) / 1e9
    assert num_later(loop, 3, whole_s) == 16
    assert num_later(loop, 3, 5 * whole_s + 1) == 80
    next_s = (loop.scenes[4].end_ns - loop.scenes[4].start_ns) / 1e9
    assert num_later(loop, 3, whole_s + next_s) == 17
    assert num_later(loop, 3, 0) == 1  # the question never comes within its own clip


def test_every_form_keeps_to_the_bytes_of_the_compressor(subject: Subject, pool: ClipPool) -> None:
    numbers = list(range(6))
    scenes = placed("test", numbers, 40)
    room = [budget(subject, len(pool.clip(number))) for number in numbers]
    taken = {}
    for name in ("compressor", "mean_grid", "mean_frames", "kmeans", "frames", "text"):
        held = form_of(name, subject).held(pool, numbers, scenes)
        assert len(held) == len(numbers)
        taken[name] = [each.num_bytes for each in held]
        assert all(size <= most for size, most in zip(taken[name], room, strict=True)), name
        assert all(each.vectors is not None or each.pictures or each.words.strip() for each in held)
    assert taken["compressor"] == room
    # What can be cut to size is, but for less than one vector.
    assert all(most - size < 2 * 384 for size, most in zip(taken["kmeans"], room, strict=True))
    assert min(taken["frames"]) > 0.4 * min(room)


def test_pooling() -> None:
    frames = torch.zeros(4, 16, 8)
    frames[:, :, 0] = torch.arange(4.0)[:, None]
    frames[:, :2, 1] = 1.0  # the two left patches of the upper row
    grid = grid_means(frames, 9)
    assert grid.shape == (8, 8)
    assert grid[:, 0].tolist() == [0.5] * 4 + [2.5] * 4
    assert grid[:4, 1].tolist() == [0.5, 0.0, 0.0, 0.0]
    assert frame_means(frames, 9)[:, 0].tolist() == [0, 1, 2, 3]
    assert frame_means(frames, 2)[:, 0].tolist() == [0.5, 2.5]
    assert centroids(frames[:, 2:], 4)[:, 0].tolist() == [0, 1, 2, 3]


def test_captions_of_several_clips_are_those_of_each(subject: Subject, pool: ClipPool) -> None:
    numbers = list(range(5))
    clips = subject.encoded(pool, numbers, placed("test", numbers, 7))
    memories = [clip.short_term for clip in clips]
    assert len({len(each) for each in memories}) > 1
    assert captions(subject, memories) == [captions(subject, [each])[0] for each in memories]


def test_more_tokens_a_frame(subject: Subject, pool: ClipPool) -> None:
    for num_tokens in (1, 16):
        other = with_tokens(subject, pool, num_tokens, steps=1, seed=0, say=_silent)
        (clip,) = other.encoded(pool, [0], placed("test", [0], 0))
        assert len(clip.short_term) == num_tokens * len(pool.clip(0))
        assert not any(each.requires_grad for each in other.memory.parameters())


def test_thresholds_are_told_from_low_to_high(subject: Subject, pool: ClipPool) -> None:
    table = threshold_table(subject, pool, seeds=(0,), num_streams=2, num_clips=6, num_questions=12)
    lines = [line.strip("| ").split(" | ") for line in table.splitlines()[2:]]
    assert [float(line[0]) for line in lines] == list(THRESHOLDS)
    for column, rises in ((2, False), (3, True)):  # cited falls, missed rises
        values = [float(line[column]) for line in lines]
        assert values == sorted(values, reverse=not rises)


def test_streams_are_the_same_again(subject: Subject, pool: ClipPool) -> None:
    once, again = (list(watched(subject, pool, "x", (0, 1), 1, 6, 4)) for _ in range(2))
    assert [one.stream for one in once] == [one.stream for one in again]
    assert once[0].stream != once[1].stream
    for one in once:
        for asked in one.stream.questions:
            assert len(one.shown(asked)) == len(asked.evidence)


def test_rows_of_one_question_are_paired() -> None:
    rows = [
        Row("t", f"s{stream}", number, "g", "count", True, {name: float(value)})
        for name, values in (("a", (1, 1, 1, 0)), ("b", (0, 1, 0, 0)))
        for (stream, number), value in zip(((0, 0), (0, 1), (1, 0), (1, 1)), values, strict=True)
    ]
    paired = merged(rows)
    assert len(paired) == 4
    assert rows[0].values == {"a": 1.0}  # what was measured stays as it was
    found = margin_of(paired, "a", "b")
    assert found is not None
    assert found.mean == 0.5
    assert margin_of(paired, "a", "c") is None
    assert mean_of(paired, "a") is not None


def test_a_whole_run_goes_on_where_it_was_stopped(
    subject: Subject, pool: ClipPool, work: Path
) -> None:
    del pool  # made before, in the same folder
    said: list[str] = []
    benchmark = MemoryNetworkBenchmark(subject, work / "run", SETTINGS, said.append)
    names = list(benchmark.parts())
    first = benchmark.run(["retrieval", "answers"])
    assert [result.name for result in first] == ["retrieval-8", "retrieval-40", "answers"]
    results = benchmark.run()
    assert [result.name for result in results] == names
    assert "retrieval-8: made before" in said
    assert all(result.rows for result in results)
    assert results[0] == first[0]
    again = MemoryNetworkBenchmark(subject, work / "run", SETTINGS, _silent)
    assert again.run() == results

    told = report(results, again.about())
    files = write_report(work / "report", told)
    assert {file.name for file in files} >= {"result.json", "tables.md", "answers.svg", "ages.svg"}
    held = json.loads(files[0].read_text(encoding="utf-8"))
    tables = held["tables"]
    assert set(tables) >= {"retrieval", "answers", "answers_present", "ages", "blocks", "forms",
                           "forms_by_age", "tokens", "parts", "cuts"}  # fmt: skip
    ages = tables["ages"]["rows"]
    assert list(ages)[:5] == ["1 min", "10 min", "1 h", "6 h", "24 h"]
    assert len({ages[age]["oracle"]["num"] for age in list(ages)[:5]}) == 1
    assert "compressor - kmeans" in tables["forms"]["margins"]
    assert set(tables["forms"]["mean_bytes"]) == {"compressor", "kmeans", "text"}
    assert any(one["promise"].startswith("Past") for one in held["promises"])
    assert "### Answers about the past" in files[1].read_text(encoding="utf-8")


def test_other_settings_are_another_run(subject: Subject, work: Path) -> None:
    folders = {
        MemoryNetworkBenchmark(each, work / "run", settings, _silent).folder
        for each in (subject, replace(subject, min_cosine=0.5))
        for settings in (SETTINGS, replace(SETTINGS, streams=2))
    }
    assert len(folders) == 4
    # Of an adaptation the part's name tells how long it was; the other parts stay.
    longer = MemoryNetworkBenchmark(
        subject, work / "run", replace(SETTINGS, adapt_steps=2), _silent
    )
    assert longer.folder in folders
    assert "forms-kmeans-0x2" in longer.parts()


def test_bad_input(subject: Subject, work: Path) -> None:
    benchmark = MemoryNetworkBenchmark(subject, work / "other", SETTINGS, _silent)
    with pytest.raises(UsageError, match="There is no part"):
        benchmark.run(["forgetting"])
    benchmark.folder.mkdir(parents=True)
    (benchmark.folder / "answers.json").write_text('{"rows": [', encoding="utf-8")
    with pytest.raises(OmniLiveError, match="damaged"):
        benchmark.part("answers")
