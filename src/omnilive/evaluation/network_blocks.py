"""Blocks of 32 with levels above, held against exact integration while that fits, and beyond.

    exact_recall, exact_right      H-bar of all clips by one pass: the release's numbers
    blocks_recall, blocks_right    the frontier of `BlockState`

Recall is that of the nearest clip; right are answers from the clips that each way selects. Beside
them stand the question alone (`blind`), another stream's memory (`shuffled`), H of all clips
(`context`, while it fits the language model) and the true clips (`oracle`, behind the frontier).
Where exact integration does not fit the memory's window only blocks are measured.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from omnilive.evaluation.network_answers import NOTHING, Answers, Given
from omnilive.evaluation.network_conditions import answered, of_clips, recalled, true_clips
from omnilive.evaluation.network_rows import Row
from omnilive.evaluation.network_subject import Subject, Watched, watched
from omnilive.nn.memory_integration import ExactState
from omnilive.training.clip_pool import ClipPool

_ROOM = 400  # rows that the language model needs beside H of all clips


def block_rows(
    subject: Subject,
    pool: ClipPool,
    *,
    seeds: Sequence[int],
    num_streams: int,
    num_clips: int,
    num_questions: int,
) -> Iterator[Row]:
    """Yield rows of the table `blocks`, for streams of one length."""
    answers = Answers(subject.reasoning, subject.tokenizer)
    streams = list(
        watched(subject, pool, f"blocks{num_clips}", seeds, num_streams, num_clips, num_questions)
    )
    for place, one in enumerate(streams):
        other = streams[place - 1] if len(streams) > 1 else None
        yield from _compared(subject, answers, one, other, f"{num_clips} clips")


def exact(subject: Subject, one: Watched) -> Watched | None:
    """Return the stream with exact integration; None where that does not fit the window."""
    rows = sum(len(clip.short_term) + 1 for clip in one.clips)
    if rows > subject.memory.config.window:
        return None
    state = ExactState().with_clips(subject.memory, one.clips)
    return replace(one, frontier=state.long_term(subject.memory))


def _compared(
    subject: Subject, answers: Answers, one: Watched, other: Watched | None, group: str
) -> Iterator[Row]:
    questions = one.stream.questions
    if not questions:
        return
    texts = [asked.text for asked in questions]
    ways = {"blocks": one, "exact": exact(subject, one)}
    given: dict[str, list[Given]] = {
        "blind": [NOTHING] * len(texts),
        "oracle": [true_clips(one, asked) for asked in questions],
    }
    if other is not None:
        given["shuffled"] = recalled(other, other.found(subject, texts), subject)
    num_rows = sum(len(clip.short_term) for clip in one.clips) + len(one.frontier)
    if num_rows + _ROOM <= subject.reasoning.config.decoder.max_position_embeddings:
        given["context"] = [of_clips(one, range(len(one.clips)))] * len(texts)
    recall: dict[str, list[bool]] = {}
    for name, way in ways.items():
        if way is not None:
            found = way.found(subject, texts)
            given[f"{name}_right"] = recalled(way, found, subject)
            best = found.argmax(dim=1).tolist()
            recall[f"{name}_recall"] = [
                place in one.shown(asked) for place, asked in zip(best, questions, strict=True)
            ]
    right = answered(answers, given, questions)
    for number, asked in enumerate(questions):
        shown = bool(one.shown(asked))
        values = {name: own[number] for name, own in right.items()}
        if shown:
            values.update({name: float(own[number]) for name, own in recall.items()})
        yield Row("blocks", one.name, number, group, asked.kind, shown, values)
