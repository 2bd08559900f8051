"""The demo: render a few minutes of the synthetic world, watch them, ask, score, report."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from omnilive import api
from omnilive.errors import UsageError
from omnilive.evaluation.demo_worlds import DailyDemoWorld, DemoWorld, ScriptedWorld
from omnilive.evaluation.report import Shown, to_html
from omnilive.evaluation.scoring import Scored, score
from omnilive.events import AnswerEnded, Event
from omnilive.system import Config

_MARK = ".omnilive-demo"


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoResult:
    """What the demo came to.

    Attributes:
        video, report: the files written.
        scored: every question with its verdict.
        summary: of the watch.
    """

    video: Path
    report: Path
    store: Path
    scored: tuple[Scored, ...]
    summary: api.Summary


def run_demo(
    out: Path,
    *,
    seed: int,
    seconds: float,
    config: Config | None = None,
    progress: Callable[[str, float], None] = lambda _step, _share: None,
    show: Callable[[Event], None] = lambda _event: None,
) -> DemoResult:
    """Run the demo in the directory `out`.

    Args:
        out: made if missing; refused if it holds anything that is not an earlier demo.
        seed: of the world.
        seconds: of the world.
        config: what watches and answers; the `embedded` preset if None. The preset `tiny` gets the
            world that it was trained on, in things and voices that it was not.
        progress: told the step and its share done, 0..1.
        show: given every event of the watch.

    Raises:
        UsageError: `out` holds other files.
    """
    _prepare(out)
    is_daily = config is not None and config.preset == "tiny"
    world: DemoWorld = (DailyDemoWorld if is_daily else ScriptedWorld)(seed=seed, seconds=seconds)
    video, store = out / "world.mp4", out / "memory"
    world.render(video, lambda done_s: progress("Rendering", done_s / seconds))
    with api.watch(video, store=store, stream="world", config=config) as running:
        for event in running:
            show(event)
            done = running.progress()[0][1] / seconds
            progress("Watching", min(1.0, done))
        summary = running.summary()
    scored = []
    with api.open_store(store, config=config) as memory:
        for number, question in enumerate(world.questions):
            progress("Asking", number / len(world.questions))
            answer = memory.ask(question.text, stream="world")
            ended = AnswerEnded(
                turn_id=question.id,
                question=answer.question,
                text=answer.text,
                outcome="completed",
                known=answer.known,
                citations=answer.citations,
            )
            scored.append(score(question, ended, answer.took_ms))
        report = out / "report.html"
        report.write_text(_report(memory, scored, summary, seed), encoding="utf-8")
    progress("Asking", 1.0)
    return DemoResult(
        video=video, report=report, store=store, scored=tuple(scored), summary=summary
    )


def _report(memory: api.OpenedMemory, scored: list[Scored], summary: api.Summary, seed: int) -> str:
    speed = summary.stream_s / max(summary.wall_s, 1e-9)
    return to_html(
        Shown(
            title="OmniLive demo",
            facts=(
                ("world", f"seed {seed}, {summary.stream_s:.0f} s"),
                ("watched in", f"{summary.wall_s:.0f} s ({speed:.1f} times real time)"),
                ("remembered", f"{summary.clips} clips, {summary.utterances} utterances"),
                ("dropped", ", ".join(f"{v} {k}" for k, v in summary.dropped.items()) or "nothing"),
                ("median answer", f"{_median([each.took_ms for each in scored])} ms"),
            ),
            clips=memory.clips(limit=100_000),
            moments=memory.newest(limit=100_000),
            scored=scored,
        )
    )


def _median(values: list[int]) -> int:
    return sorted(values)[len(values) // 2] if values else 0


def _prepare(out: Path) -> None:
    """Make `out`, or empty it if it holds an earlier demo and nothing else of the user's."""
    if out.exists() and any(out.iterdir()):
        if not (out / _MARK).exists():
            raise UsageError(f"{out} holds other files; give a new directory with --out.")
        for name in ("world.mp4", "report.html"):
            (out / name).unlink(missing_ok=True)
        shutil.rmtree(out / "memory", ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)
    (out / _MARK).touch()
