from __future__ import annotations

import itertools

import pytest

from omnilive.errors import ConfigError, UsageError
from omnilive.events import NS_PER_S
from omnilive.media.synthetic import (
    Said,
    Scene,
    Silence,
    Sound,
    Text,
    Thing,
    World,
    WorldConfig,
    WorldQuestion,
    talk,
)
from omnilive.media.synthetic.vocabulary import FACTS, REFRAINS, UNKNOWABLE

WORLDS = [(1, 8.0), (2, 20.5), (3, 61.234), (4, 89.0), (7, 180.0), (8, 600.0)]


def of(world: World, kind: type) -> list:
    return [record for record in world.log if type(record) is kind]


def asked(world: World, kind: str) -> list[WorldQuestion]:
    return [question for question in world.questions if question.kind == kind]


def test_equal_seeds_give_equal_worlds_and_others_differ():
    one, same, other = World(5, 120), World(5, 120), World(6, 120)
    assert list(one.log) == list(same.log)
    assert one.questions == same.questions
    assert list(one.log) != list(other.log)


def test_a_segment_does_not_depend_on_what_was_planned_before():
    world = World(5, 600)
    straight = [world.segment(index) for index in range(10)]
    fresh = World(5, 600)
    assert [fresh.segment(index) for index in reversed(range(10))] == straight[::-1]


@pytest.mark.parametrize(("seed", "duration_s"), WORLDS)
def test_scenes_tile_the_world_and_hold_their_things(seed: int, duration_s: float):
    world = World(seed, duration_s)
    scenes = of(world, Scene)
    assert scenes[0].start_ns == 0
    assert scenes[-1].end_ns == round(duration_s * 1000) * 1_000_000
    for before, after in itertools.pairwise(scenes):
        assert before.end_ns == after.start_ns
        assert (before.background, before.things, before.text) != (
            after.background,
            after.things,
            after.text,
        )
    for scene in scenes:
        assert 8.0 <= scene.end_s - scene.start_s <= 60.0
        for thing in scene.things:
            if thing.moving is not None:
                assert scene.start_ns < thing.moving[0] < thing.moving[1] < scene.end_ns


@pytest.mark.parametrize(("seed", "duration_s"), WORLDS)
def test_sounds_and_silences_do_not_overlap_and_leave_no_long_gap_unlogged(
    seed: int, duration_s: float
):
    world = World(seed, duration_s)
    spans = [one for one in world.log if isinstance(one, Said | Sound | Silence)]
    assert any(isinstance(one, Said) for one in spans)
    edges = [0, *(edge for one in spans for edge in (one.start_ns, one.end_ns)), world.duration_ns]
    assert edges == sorted(edges)
    gaps = [edges[index + 1] - edges[index] for index in range(0, len(edges), 2)]
    assert max(gaps) < 5 * NS_PER_S


@pytest.mark.parametrize(("seed", "duration_s"), WORLDS)
def test_words_lie_within_their_utterance(seed: int, duration_s: float):
    for said in of(World(seed, duration_s), Said):
        assert " ".join(word.text for word in said.words) == said.text
        for word in said.words:
            assert said.start_ns <= word.start_ns <= word.end_ns <= said.end_ns + 1_000_000


@pytest.mark.parametrize("seed", range(6))
def test_every_kind_of_question_is_asked_in_three_minutes(seed: int):
    questions = World(seed, 180).questions
    assert 14 <= len(questions) <= 18
    assert len({question.id for question in questions}) == len(questions)
    assert {question.kind for question in questions} == {
        "said_about",
        "when_said",
        "after_before",
        "how_often",
        "screen_text",
        "when_moved",
        "when_heard",
        "what_happened",
        "what_now",
        "not_seen",
        "unknowable",
    }
    for question in questions:
        assert question.known == (question.kind not in ("not_seen", "unknowable"))
        assert question.known == bool(question.truth)


@pytest.mark.parametrize("seed", range(6))
def test_what_was_said_is_the_truth_of_the_questions_about_it(seed: int):
    world = World(seed, 180)
    said = of(world, Said)
    for question in asked(world, "said_about") + asked(world, "after_before"):
        (truth,) = question.truth
        (utterance,) = [one for one in said if one.start_s == truth.start_s]
        assert question.accepts(utterance.text)
    for question in asked(world, "said_about"):
        assert sum(question.accepts(one.text) for one in said) >= 1
    (after,) = asked(world, "after_before")
    topic = after.text.removeprefix("What was said right after somebody mentioned ")[:-1]
    (anchor,) = [fact for fact in FACTS if fact.topic == topic]
    names = anchor.line.sentence.split("{")[0]
    (index,) = [place for place, one in enumerate(said) if one.text.startswith(names)]
    assert said[index + 1].start_s == after.truth[0].start_s


@pytest.mark.parametrize("seed", range(6))
def test_repetitions_are_counted(seed: int):
    world = World(seed, 180)
    (question,) = asked(world, "how_often")
    (refrain,) = [one for one in REFRAINS if one.topic in question.text]
    times = [one for one in of(world, Said) if one.text == refrain.line.sentence]
    assert [span.start_s for span in question.truth] == [one.start_s for one in times]
    assert question.accepts(f"It was mentioned {len(times)} times.")
    assert not question.accepts(f"It was mentioned {len(times) + 1} times.")


@pytest.mark.parametrize("seed", range(6))
def test_what_was_shown_and_moved_is_the_truth(seed: int):
    world = World(seed, 180)
    texts = {one.start_s: one for one in of(world, Text)}
    for question in (*asked(world, "screen_text"), *asked(world, "what_now")):
        (span,) = question.truth
        assert question.accepts(". ".join(texts[span.start_s].all_lines))
    assert asked(world, "what_now")[0].truth[0].end_s == 180.0
    moving = [one.moving for one in of(world, Thing) if one.moving is not None]
    (moved,) = asked(world, "when_moved")
    assert len(moved.truth) == len(moving) > 0


@pytest.mark.parametrize("seed", range(6))
def test_absent_topics_are_absent(seed: int):
    world = World(seed, 600)
    everything = " ".join(one.text for one in of(world, Said)).lower()
    everything += " ".join(" ".join(one.all_lines) for one in of(world, Text)).lower()
    common = {"when", "did", "somebody", "mention", "the", "what", "was", "said", "about"}
    common |= {"where", "is", "screen", "say", "who"}
    for question in asked(world, "not_seen"):
        words = {word for word in question.text.lower().strip("?").split() if word not in common}
        assert words
        assert not [word for word in words if word in everything]
    for question in asked(world, "unknowable"):
        assert question.text in UNKNOWABLE


def test_facts_are_said_once():
    said = [one.text for one in of(World(9, 1800), Said)]
    fixed = [fact.line.sentence for fact in FACTS if "{" not in fact.line.sentence]
    assert all(said.count(sentence) == 1 for sentence in fixed)


def test_answers_are_compared_by_whole_words():
    question = WorldQuestion(
        id="q", kind="said_about", text="?", must_contain=(("4", "four"),), truth=(), known=True
    )
    assert question.accepts("At four.")
    assert question.accepts("At 4, I think")
    assert not question.accepts("At 14 or forty-two")


def test_a_citation_must_touch_the_truth():
    (question,) = asked(World(1, 180), "how_often")
    start_s, end_s = question.truth[0]
    assert question.touches(start_s - 1, start_s)
    assert question.touches(end_s, end_s + 1)
    assert not question.touches(start_s - 2, start_s - 1)


def test_a_month_is_planned_as_it_is_read():
    world = World(3, 30 * 86400.0)
    assert len(list(itertools.islice(world.log, 50))) == 50
    assert world._planned.cache_info().misses < 10
    assert len(world.questions) > 20
    assert world._planned.cache_info().currsize <= 8


def test_a_talk_is_speech_throughout():
    world = talk(2, 300)
    said = of(world, Said)
    spoken_s = sum(one.end_s - one.start_s for one in said)
    assert spoken_s > 0.7 * 300
    assert max(b.start_s - a.end_s for a, b in itertools.pairwise(said)) < 6.0
    assert all(20.0 <= scene.end_s - scene.start_s <= 60.0 for scene in of(world, Scene))
    assert all(scene.text is not None for scene in of(world, Scene))
    assert world.questions == ()


@pytest.mark.parametrize("duration_s", [0, -5, 7.9, float("nan")])
def test_too_short_a_world_is_refused(duration_s: float):
    with pytest.raises(UsageError, match="at least 8 s"):
        World(1, duration_s)


@pytest.mark.parametrize("wrong", [{"kind": "war"}, {"grain": 99}, {"segment_s": 1}])
def test_an_impossible_configuration_is_refused(wrong: dict):
    with pytest.raises(ConfigError):
        WorldConfig(**wrong)
