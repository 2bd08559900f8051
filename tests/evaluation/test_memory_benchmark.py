"""The benchmark from end to end: a file of questions, a video, a result; cut and gone on with."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from cli_support import run
from omnilive.errors import UsageError
from omnilive.evaluation.memory_benchmark import RESULTS, Asked, Told, run_benchmark
from omnilive.evaluation.memory_questions import MemoryQuestion, write_questions
from omnilive.evaluation.memory_report import report
from omnilive.evaluation.memory_subjects import StoreSubject, WorldSubject, video_subjects
from omnilive.evaluation.memory_worlds import MOMENTS, DailyStream, daily_questions
from omnilive.evaluation.scoring_memory import Cited, MemoryAnswer
from omnilive.media.synthetic.daily.world import QUESTION_KINDS, DailyWorld
from omnilive.presets import embedded
from world_support import SECONDS, video, watched, world


def questions(name: str = "world") -> tuple[MemoryQuestion, ...]:
    """Two of what was said, and one of what was not."""
    said = [one for segment in world().segments for one in segment.said][:2]
    return (
        *(
            MemoryQuestion(
                id=f"said-{number}",
                video=name,
                text=f'When did somebody say "{one.text}"?',
                ask_time_s=SECONDS,
                accepted=(one.text,),
                evidence=((one.start_s, one.end_s),),
                kind="said",
            )
            for number, one in enumerate(said)
        ),
        MemoryQuestion(
            id="zebra",
            video=name,
            text="When did somebody mention the zebra?",
            ask_time_s=SECONDS / 2,
            kind="not_seen",
            known=False,
        ),
    )


def subject(store: Path | None = None) -> StoreSubject:
    return StoreSubject(name="world", questions=questions(), store=store or watched())


def lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / RESULTS).read_text().splitlines()]


def test_a_video_with_questions_from_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    media, file, out = tmp_path / "media", tmp_path / "questions.jsonl", tmp_path / "out"
    media.mkdir()
    shutil.copy(video(), media / "one.mp4")
    write_questions(file, questions("one.mp4"))
    arguments = ("eval", "memory", "--questions", file, "--media", media, "--out", out)
    chosen = ("--conditions", "memory,blind,shuffled,oracle")
    ran = run(capsys, *arguments, *chosen, "--json")
    assert ran.code == 0, ran.err
    (result,) = ran.of("result")
    assert result["schema"] == "omnilive-memory-benchmark/1"
    memory, blind = result["conditions"]["memory"], result["conditions"]["blind"]
    assert memory["past"]["right"]["mean"] == 1.0
    assert memory["all"]["cited_hit"]["mean"] == 1.0
    assert memory["all"]["false_seen"] == {
        "mean": 0.0,
        "low": 0.0,
        "high": 0.0,
        "num": 1,
        "streams": 1,
    }
    assert blind["by_kind"]["said"]["right"]["mean"] == 0.0
    assert blind["by_kind"]["not_seen"]["right"]["mean"] == 1.0
    assert sum(result["conditions"]["shuffled"]["not_possible"].values()) == 3
    assert sum(result["conditions"]["oracle"]["not_possible"].values()) == 1
    (difference,) = (one["difference"] for one in result["differences"] if one["second"] == "blind")
    assert difference["mean"] == pytest.approx(2 / 3, abs=1e-4)
    assert json.loads((out / "result.json").read_text())["conditions"] == result["conditions"]
    for chart in ("right-by-kind.svg", "right-by-age.svg", "cited-by-kind.svg"):
        ElementTree.parse(out / chart)

    before = (out / RESULTS).read_bytes()
    again = run(capsys, *arguments, *chosen)
    assert again.code == 0
    assert (out / RESULTS).read_bytes() == before  # nothing was watched or asked again
    assert "shuffled: not asked 3 times" in again.out
    write_questions(file, questions("one.mp4")[:1])
    other = run(capsys, *arguments)
    assert other.code == 2
    assert "another run" in other.err


def test_a_run_that_was_killed_goes_on(tmp_path: Path) -> None:
    many = [
        MemoryQuestion(
            id=f"q{number}",
            video="world",
            text=f"When did somebody mention the zebra {number}?",
            ask_time_s=number % 50 + 5.0,
            known=False,
        )
        for number in range(300)
    ]
    file, out = tmp_path / "questions.jsonl", tmp_path / "out"
    write_questions(file, many)
    arguments = ["eval", "memory", "--questions", file, "--store", watched(), "--out", out]
    command = [sys.executable, "-m", "omnilive", *map(str, arguments), "--conditions"]
    running = subprocess.Popen([*command, "memory,newest"], stdout=subprocess.DEVNULL)
    results = out / RESULTS
    while not (results.exists() and results.read_bytes().count(b"\n") > 5):
        assert running.poll() is None, "it ended before it was killed"
        time.sleep(0.01)  # not asserted on: a kill at any instant is as good
    running.send_signal(signal.SIGKILL)
    running.wait()
    with results.open("ab") as opened:
        opened.write(b'{"subject": "world", "question": "q2')  # as a kill inside a line leaves it
    whole = results.read_bytes().rpartition(b"\n")[0]
    assert subprocess.run([*command, "memory,newest"], stdout=subprocess.DEVNULL).returncode == 0
    assert results.read_bytes().startswith(whole)
    asked = Counter((one["question"], one["condition"]) for one in lines(out)[1:])
    assert len(asked) == 600
    assert set(asked.values()) == {1}


def test_what_failed_is_asked_again_and_counts_as_wrong(tmp_path: Path) -> None:
    run_benchmark([subject()], embedded(), tmp_path, conditions=["memory"])
    file = tmp_path / RESULTS
    header, first, *rest = file.read_text().splitlines()
    failed = json.loads(first)
    del failed["answer"]
    file.write_text("\n".join([header, json.dumps(failed | {"error": "No."}), *rest]) + "\n")
    told: list[Asked] = []
    asked = run_benchmark(
        [subject()], embedded(), tmp_path, conditions=["memory"], told=Told(asked=told.append)
    )
    assert asked == told
    assert not any(one.error for one in asked)
    assert len(lines(tmp_path)) == 5

    broken = [asked[0]._replace(answer=None, error="No."), *asked[1:]]
    result = report(broken, ["memory"], {})
    assert result["conditions"]["memory"]["failed"] == {"No.": 1}
    assert result["conditions"]["memory"]["past"]["right"]["mean"] == pytest.approx(2 / 3, abs=1e-4)


@pytest.mark.parametrize("text", ['{"other": 1}\n' * 20, "no json at all " * 20])
def test_a_folder_with_other_things_is_left_alone(tmp_path: Path, text: str) -> None:
    (tmp_path / RESULTS).write_text(text)
    with pytest.raises(UsageError, match="another --out"):
        run_benchmark([subject()], embedded(), tmp_path, conditions=["memory"])
    assert (tmp_path / RESULTS).read_text() == text


def test_a_watch_that_was_stopped_goes_on(tmp_path: Path) -> None:
    subjects = video_subjects(questions("one.mp4"), {"one.mp4": video()}, tmp_path)

    def stop(_: str, share: float) -> None:
        if share > 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_benchmark(
            subjects, embedded(), tmp_path, conditions=["memory"], told=Told(watching=stop)
        )
    asked = run_benchmark(subjects, embedded(), tmp_path, conditions=["memory"])
    result = report(asked, ["memory"], {})
    assert result["conditions"]["memory"]["past"]["right"]["mean"] == 1.0


def test_questions_after_the_end_of_the_video_are_refused(tmp_path: Path) -> None:
    late = MemoryQuestion(id="q", video="a", text="?", ask_time_s=SECONDS + 5, known=False)
    with pytest.raises(UsageError, match="its video ends at"):
        video_subjects([late], {"a": video()}, tmp_path)


def test_worlds_are_watched_and_another_one_stands_in(tmp_path: Path) -> None:
    config = embedded()
    subjects = []
    for seed in (0, 1):
        made = DailyWorld(seed, 20.0, split="test")
        name = f"world-{seed}"
        asked = daily_questions(made, name, 24)
        assert {one.kind for one in asked} <= set(QUESTION_KINDS)
        assert {one.needs for one in asked} == {"past", "present"}
        assert len({one.ask_time_s for one in asked}) == MOMENTS
        stream = DailyStream(made, config)
        subjects.append(WorldSubject(name, seed, stream, asked[::6], tmp_path / "m" / name))
    results = run_benchmark(subjects, config, tmp_path, conditions=["memory", "newest", "shuffled"])
    assert not any(one.error or one.not_possible for one in results)
    assert {one.subject for one in results} == {"world-0", "world-1"}
    shuffled = [one.answer for one in results if one.condition == "shuffled"]
    # What another stream showed is cited, and never counts as evidence of this one.
    assert all(one is not None and len(one.cited) <= one.num_cited for one in shuffled)
    told = report(results, ["memory", "newest", "shuffled"], {})
    assert set(told["conditions"]["memory"]["by_seed"]) == {"0", "1"}
    assert subjects[0].newest(20.0, config).startswith(b"\xff\xd8")
    assert subjects[0].newest(20.0, config) != subjects[0].newest(1.0, config)


def test_a_store_is_only_read(tmp_path: Path) -> None:
    before = {file: os.stat(file).st_size for file in watched().rglob("*.db")}
    run_benchmark([subject()], embedded(), tmp_path, conditions=["memory", "oracle"])
    assert {file: os.stat(file).st_size for file in watched().rglob("*.db")} == before


def test_figures_of_a_report_by_hand() -> None:
    def made(name: str, condition: Any, text: str, seed: int) -> Asked:
        question = MemoryQuestion(
            id=name,
            video="v",
            text="?",
            ask_time_s=700.0,
            accepted=("red",),
            evidence=((10.0, 20.0),),
            kind="attribute",
        )
        cited = (Cited(12.0, 13.0),) if condition == "memory" else ()
        given = MemoryAnswer(text=text, known=True, cited=cited, num_cited=len(cited), took_ms=7)
        return Asked(f"world-{seed}", seed, question, condition, given)

    asked = [
        *(made(f"q{n}", "memory", "red" if n < 3 else "blue", n % 2) for n in range(4)),
        *(made(f"q{n}", "newest", "red" if n < 1 else "blue", n % 2) for n in range(4)),
    ]
    result = report(asked, ["memory", "newest"], {"preset": "x"})
    memory = result["conditions"]["memory"]
    assert memory["past"]["right"]["mean"] == 0.75
    assert list(memory["by_age"]) == ["1 h"]
    assert memory["by_seed"]["0"]["past"]["right"]["mean"] == 1.0
    assert memory["by_seed"]["1"]["past"]["right"]["mean"] == 0.5
    assert memory["all"]["cited_hit"]["mean"] == 1.0
    assert memory["took_ms"] == {"median": 7, "p95": 7}
    (difference,) = result["differences"]
    assert difference["difference"]["mean"] == 0.5
    assert difference["difference"]["num"] == 4
    assert result["questions"] == 4
    assert report(asked, ["memory", "newest"], {"preset": "x"}) == result
