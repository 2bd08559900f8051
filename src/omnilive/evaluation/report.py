"""The demo's report: one HTML file that holds everything it shows and asks nothing of any host."""

from __future__ import annotations

import base64
import html
import importlib.resources
import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from omnilive.evaluation.scoring import Scored
from omnilive.events import NS_PER_S, Moment
from omnilive.serving.wire import position


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What the report is about.

    Attributes:
        title: of the page.
        facts: pairs of name and value for the head of the page.
        clips: remembered clips in order of time, each with its picture.
        moments: everything said, read, heard and seen, in order of time.
        scored: questions with their answers, truth and verdict.
    """

    title: str
    facts: Sequence[tuple[str, str]]
    clips: Sequence[Moment]
    moments: Sequence[Moment]
    scored: Sequence[Scored]


def to_html(shown: Shown) -> str:
    """Return the report as one self-contained HTML document."""
    template = string.Template(
        importlib.resources.files("omnilive.evaluation").joinpath("report.html").read_text("utf-8")
    )
    right = sum(each.right for each in shown.scored)
    return template.substitute(
        title=_text(shown.title),
        right=right,
        total=len(shown.scored),
        cited=sum(each.cited for each in shown.scored if each.question.truth),
        citable=sum(bool(each.question.truth) for each in shown.scored),
        facts="".join(f"<div><dt>{_text(k)}</dt><dd>{_text(v)}</dd></div>" for k, v in shown.facts),
        clips="".join(_clips(shown.clips)),
        answers="".join(_answer(each) for each in shown.scored),
        moments="".join(_moment(moment) for moment in shown.moments),
    )


def _clips(clips: Sequence[Moment]) -> Iterator[str]:
    """Yield each clip; one in which nothing was new shows the picture before it, pale."""
    last = ""
    for clip in clips:
        last = base64.b64encode(clip.picture).decode() or last
        pale = "" if clip.picture else ' class="pale"'
        alt = f"Clip at {position(clip.start_ns)}"
        picture = f'<img alt="{alt}"{pale} src="data:image/jpeg;base64,{last}">' if last else ""
        length = max(1.0, (clip.end_ns - clip.start_ns) / NS_PER_S)
        yield (
            f'<a class="clip" id="{_text(clip.id)}" href="#t-{_text(clip.id)}" '
            f'style="--length:{length:.1f}">{picture}<time>{position(clip.start_ns)}</time></a>'
        )


def _answer(scored: Scored) -> str:
    verdict = "right" if scored.right else "wrong"
    cites = "".join(
        f'<a href="#{_text(each.clip)}" class="cite"><b>{position(each.start_ns)}</b> '
        f"{_text(each.kind)}: {_text(each.text)}</a>"
        for each in scored.answer.citations
    )
    return (
        f'<article class="{verdict}"><header><span class="mark">{"✓" if scored.right else "✗"}'
        f"</span><h3>{_text(scored.question.text)}</h3>"
        f'<span class="kind">{_text(scored.question.kind)}</span>'
        f"</header><p>{_text(scored.answer.text)}</p>"
        f'<p class="truth">Truth: {_text(scored.truth)}</p>'
        f'<div class="cites">{cites}</div></article>'
    )


def _moment(moment: Moment) -> str:
    return (
        f'<li class="{_text(moment.kind)}"><a href="#{_text(moment.clip)}" '
        f'id="t-{_text(moment.id)}"><time>{position(moment.start_ns)}</time></a>'
        f"<span>{_text(moment.text)}</span></li>"
    )


def _text(value: str) -> str:
    return html.escape(value, quote=True)
