"""Scenes, questions about them, and streams put together from a pool of clips."""

from __future__ import annotations

from random import Random

import pytest

from omnilive.events import NS_PER_S
from omnilive.media.synthetic.daily.captions import caption, short_caption
from omnilive.media.synthetic.daily.catalogue import KINDS, PLACES, SPLITS, split_of
from omnilive.media.synthetic.daily.planning import plan_stretch
from omnilive.media.synthetic.daily.questions import NOT_SEEN, SEEN_KINDS, Asking
from omnilive.training.clip_pool import frame_times, pool_scene
from omnilive.training.contexts import MOST_SELECTED, ContextSource
from omnilive.training.streams import StreamSource


def scenes_of(seed: str, split: str = "test"):
    return list(plan_stretch(seed, split, 0, 200 * NS_PER_S))


def test_a_stretch_is_filled_without_gaps_and_repeats_itself() -> None:
    scenes = scenes_of("a")
    assert scenes == scenes_of("a") != scenes_of("b")
    assert scenes[0].start_ns == 0
    assert scenes[-1].end_ns == 200 * NS_PER_S
    for before, after in zip(scenes, scenes[1:], strict=False):
        assert before.end_ns == after.start_ns
        assert before.place != after.place
    for scene in scenes:
        assert 5 * NS_PER_S <= scene.end_ns - scene.start_ns <= 13 * NS_PER_S
        assert 1 <= len(scene.groups) <= 3
        for group in scene.groups:
            assert scene.start_ns <= group.start_ns < group.end_ns <= scene.end_ns
            ends = [group.start_ns, *(one.end_ns for one in group.actions)]
            assert all(a.start_ns >= e for a, e in zip(group.actions, ends, strict=False))
            assert all(one.end_ns <= group.end_ns for one in group.actions)


@pytest.mark.parametrize("split", SPLITS)
def test_things_belong_to_one_split(split: str) -> None:
    groups = [group for scene in scenes_of("c", split) for group in scene.groups]
    assert {split_of(group.kind, group.colour, group.texture) for group in groups} == {split}


def test_every_answer_is_certain_and_every_evidence_shows_it() -> None:
    scenes = scenes_of("d")
    asking, rng = Asking(scenes), Random(1)
    by_start = {scene.start_ns: scene for scene in scenes}
    drawn: dict[str, int] = {}
    for kind in SEEN_KINDS * 60:
        asked = asking.draw(rng, kind)
        if asked is None:
            continue
        drawn[kind] = drawn.get(kind, 0) + 1
        shown = [by_start[span.start_ns] for span in asked.evidence]
        if kind == "not_seen":
            assert (asked.answer, asked.known, shown) == (NOT_SEEN, False, [])
            continue
        assert asked.known
        if kind == "happened":
            assert (asked.answer == "yes") == bool(shown)
            continue
        assert shown
        if kind == "where":
            assert all(asked.answer.endswith(scene.place) for scene in shown)
        elif kind == "written":
            assert {scene.sign.word.lower() for scene in shown if scene.sign} == {asked.answer}
        elif kind == "count":
            words = ["one", "two", "three", "four"]
            kinds = {name for name in KINDS if name.plural in asked.text.split()}
            counts = {
                words[group.count - 1]
                for scene in shown
                for group in scene.groups
                if any(group.kind == name.name for name in kinds)
            }
            assert asked.answer in counts
        elif kind == "when":
            assert asked.answer == f"at {shown[0].start_ns // NS_PER_S} seconds"
            assert len(shown) == 1
    assert set(drawn) == set(SEEN_KINDS)


def test_half_of_what_may_have_happened_did_not() -> None:
    asking, rng = Asking(scenes_of("e")), Random(2)
    answers = [one.answer for one in (asking.draw(rng, "happened") for _ in range(300)) if one]
    assert 0.35 < answers.count("no") / len(answers) < 0.65


def test_the_present_asks_about_the_newest_scene() -> None:
    scenes = scenes_of("f")
    asking, rng = Asking(scenes), Random(3)
    for _ in range(50):
        asked = asking.draw(rng, "reference_implicit")
        assert asked is not None
        assert asked.about == "present"
        assert asked.evidence[0].start_ns == scenes[-1].start_ns
        if asked.text == "Where is this?":
            assert asked.answer.endswith(scenes[-1].place)


def test_captions_tell_what_is_there() -> None:
    for scene in scenes_of("g")[:10]:
        told = caption(scene, start_s=12)
        assert scene.place in told
        assert told.endswith("from 12.")
        for group in scene.groups:
            assert f"{group.kind} {group.colour} {group.texture} {group.size}" in told
            assert group.kind in short_caption(scene)


def test_streams_have_their_targets() -> None:
    source = StreamSource("train", 300)
    for seed in range(5):
        stream = source.stream(Random(seed))
        assert stream == source.stream(Random(seed))
        assert len(set(stream.numbers)) == len(stream.numbers) == 32
        targets = stream.targets()
        for row, asked in zip(targets, stream.questions, strict=True):
            assert float(row.sum()) == pytest.approx(1.0 if asked.evidence else 0.0)
            spans = {span.start_ns for span in asked.evidence}
            meant = {stream.scenes[int(at)].start_ns for at in row.nonzero()}
            assert meant == spans


def test_hard_streams_share_things() -> None:
    def likeness(hard: float) -> float:
        source = StreamSource("train", 2000, hard=hard, num_questions=0)
        shares = []
        for seed in range(20):
            stream = source.stream(Random(seed))
            places = [scene.place for scene in stream.scenes]
            shares.append(max(places.count(place) for place in PLACES) / len(places))
        return sum(shares) / len(shares)

    assert likeness(1.0) > 1.5 * likeness(0.0)


def test_contexts_answer_from_what_is_given() -> None:
    num_clips = 200
    pictured = tuple(frame_times(pool_scene("train", number))[1] for number in range(num_clips))
    streams = StreamSource("train", num_clips, 4, 12, num_questions=0)
    source = ContextSource(streams, pictured, 3)
    kinds = set()
    for step in range(30):
        draw = source.draw(0, step)
        assert draw == source.draw(0, step)
        for stream, contexts in zip(draw.streams, draw.contexts, strict=True):
            for context in contexts:
                kinds.add(context.what)
                assert len(context.related) <= MOST_SELECTED
                assert all(0 <= number < len(stream.scenes) for number in context.related)
                assert len(context.branches) == len(context.kinds)
                for branch, kind in zip(context.branches, context.kinds, strict=True):
                    assert branch.answer
                    if context.what in ("wrong", "newest") and kind not in ("happened", "not_seen"):
                        assert branch.answer == NOT_SEEN
                if context.what in ("present", "newest"):
                    assert context.picture >= 0
    assert kinds == {"past", "wrong", "present", "newest", "words"}
