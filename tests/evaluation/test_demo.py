"""The demo from end to end, and what score and report do with bad answers."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from omnilive.errors import UsageError
from omnilive.evaluation.demo import run_demo
from omnilive.evaluation.report import Shown, to_html
from omnilive.evaluation.scoring import score
from omnilive.events import NS_PER_S, AnswerEnded, Moment
from omnilive.media.synthetic import TruthSpan, WorldQuestion

QUESTION = WorldQuestion(
    id="q",
    kind="said_about",
    text="Where are the keys?",
    must_contain=(("drawer", "box"),),
    truth=(TruthSpan(10.0, 12.0),),
    known=True,
)


def moment(start_s: float, end_s: float, text: str = "In the drawer.") -> Moment:
    return Moment(
        id="u1-1",
        clip="c1-0",
        stream=1,
        stream_name="s",
        kind="speech",
        start_ns=round(start_s * NS_PER_S),
        end_ns=round(end_s * NS_PER_S),
        at="2026-01-01T00:00:00.000+00:00",
        text=text,
        playable=False,
    )


def answer(text: str, *citations: Moment, known: bool = True) -> AnswerEnded:
    return AnswerEnded(
        turn_id="q",
        question=QUESTION.text,
        text=text,
        outcome="completed",
        known=known,
        citations=citations,
    )


def test_an_answer_is_right_only_with_words_honesty_and_citation() -> None:
    assert score(QUESTION, answer("In the drawer.", moment(11, 13)), 5).right
    assert not score(QUESTION, answer("In the shed.", moment(11, 13)), 5).words
    assert not score(QUESTION, answer("In the drawer.", moment(20, 21)), 5).cited
    assert not score(QUESTION, answer("In the drawer."), 5).cited
    assert not score(QUESTION, answer("In the drawer.", moment(11, 13), known=False), 5).honest
    unknown = replace(QUESTION, known=False, must_contain=(), truth=())
    assert score(unknown, answer("I have not seen that.", known=False), 5).right
    assert not score(unknown, answer("It is red.", known=True), 5).right


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.outside: list[str] = []
        self.scripts = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        for name, value in attrs:
            if name in ("src", "href") and value and not value.startswith(("#", "data:")):
                self.outside.append(value)


def test_the_report_escapes_what_was_heard_and_asks_nothing_of_any_host() -> None:
    hostile = '</article><script>alert(1)</script><img src="http://x.example/a.png">'
    scored = score(QUESTION, answer(hostile, moment(11, 13, hostile)), 5)
    page = _Page()
    page.feed(
        to_html(
            Shown(
                title=hostile,
                facts=[("a", hostile)],
                clips=[moment(0, 5, hostile)],
                moments=[moment(11, 13, hostile)],
                scored=[scored],
            )
        )
    )
    assert page.outside == []
    assert page.scripts == 1


@pytest.mark.slow
def test_the_demo_answers_and_writes_its_report(tmp_path: Path) -> None:
    steps: set[str] = set()
    out = tmp_path / "demo"
    result = run_demo(out, seed=7, seconds=60, progress=lambda step, share: steps.add(step))
    assert steps == {"Rendering", "Watching", "Asking"}
    assert result.video.stat().st_size > 10_000
    assert "<article" in result.report.read_text()
    assert len(result.scored) >= 5
    assert sum(each.right for each in result.scored) / len(result.scored) >= 0.8
    assert all(each.right for each in result.scored if not each.question.known)
    assert len(run_demo(out, seed=7, seconds=60).scored) == len(result.scored)


def test_the_demo_does_not_write_into_a_folder_of_the_user(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(UsageError, match="holds other files"):
        run_demo(tmp_path, seed=1, seconds=60)
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]
