"""What a question gets of the paper's memory: candidates, thresholds, H of what is selected."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="needs the extra nn")
pytest.importorskip("safetensors", reason="needs the extra nn")
pytest.importorskip("tokenizers", reason="needs the extra nn")

from pathlib import Path

import numpy as np
from memory_support import S, embedder
from token_world import TokenWorld, network

from compressor_support import WIDTH, settings
from omnilive.events import Forget, MemoryTokens, UpTo
from omnilive.memory.recall import Recall
from omnilive.memory.store import Store
from omnilive.memory.token_recall import TokenRecall

QUESTION = "what was on the table?"


def asked(world: TokenWorld, text: str = QUESTION, **changes: object) -> MemoryTokens:
    found = world.ask(text, **changes)  # type: ignore[arg-type]
    assert found.tokens is not None
    return found.tokens


def cosines(world: TokenWorld, text: str = QUESTION) -> dict[str, float]:
    """The cosine of a question with H-hat of every clip, by the network alone."""
    (vector,) = network().question([world.integration.long_term(1).parts], text)
    return {
        made.clip: float(vector @ made.global_memory / np.linalg.norm(made.global_memory))
        for made in world.made
    }


def filled(directory: Path, count: int = 12, **changes: object) -> TokenWorld:
    world = TokenWorld(directory, **changes)  # type: ignore[arg-type]
    for number in range(count):
        world.remember(number)
    return world


def test_the_best_clips_come_with_their_tokens_in_order_of_time(tmp_path: Path) -> None:
    world = filled(tmp_path, most_selected=3)
    found = asked(world)
    best = sorted(cosines(world).items(), key=lambda each: -each[1])[:3]
    assert {each.clip for each in found.selected} == {clip for clip, _ in best}
    scores = dict(best)
    starts = []
    for each in found.selected:
        number = round(each.moment.start_ns / (10 * S))
        starts.append(each.moment.start_ns)
        assert np.array_equal(each.short_term, world.made[number].short_term)
        assert each.score == pytest.approx(scores[each.clip], abs=2e-3)
        assert each.moment.id == each.clip
        assert each.moment.picture[:2] == b"\xff\xd8"
    assert starts == sorted(starts)
    assert found.long_term.shape == (12, WIDTH)
    assert found.model == network().model
    world.close()


def test_a_threshold_selects_among_the_candidates_only(tmp_path: Path) -> None:
    world = filled(tmp_path)
    ordered = sorted(cosines(world).values())
    world.close()
    for passing in (0, 1, 3):
        least = (ordered[-passing - 1] + ordered[-passing]) / 2 if passing else ordered[-1] + 0.01
        stricter = TokenWorld(tmp_path, min_cosine=float(least))
        assert len(asked(stricter).selected) == passing
        stricter.close()
    # Few candidates, all below: nothing is fetched from the rest of history.
    one = TokenWorld(tmp_path, num_candidates=1, most_selected=10)
    assert len(asked(one).selected) == 1
    one.close()


def test_what_words_found_is_a_candidate_too(tmp_path: Path) -> None:
    world = TokenWorld(tmp_path, num_candidates=1, most_selected=10)
    for number in range(10):
        world.remember(number)
    world.say(100.5, "the zebra is in the garden")
    world.remember(10)
    text = "where is the zebra?"
    found = world.ask(text)
    assert found.hits[0].clip == "c1-100000"
    assert found.tokens is not None
    near = max(cosines(world, text).items(), key=lambda each: each[1])[0]
    assert {each.clip for each in found.tokens.selected} == {near, "c1-100000"}
    world.close()


def test_probabilities_are_those_of_the_release_among_the_candidates(tmp_path: Path) -> None:
    world = filled(tmp_path, select="probability", min_probability=0.2)
    values = np.array(list(cosines(world).values()))
    powers = np.exp(values / 0.1)
    expected = [value for value in sorted(powers / powers.sum()) if value > 0.2]
    found = asked(world)
    assert sorted(each.score for each in found.selected) == pytest.approx(expected, abs=2e-3)
    world.close()


def test_a_question_sees_nothing_beyond_its_bounds(tmp_path: Path) -> None:
    world = filled(tmp_path, most_selected=20)
    bounded = asked(world, up_to=(UpTo(1, 45 * S),))
    assert bounded.long_term.shape == (5, WIDTH)
    assert {each.moment.start_ns // S for each in bounded.selected} == {0, 10, 20, 30, 40}
    assert asked(world, scope="another").selected == ()
    assert len(asked(world, scope="another").long_term) == 0
    early = asked(world, text="what was on the table in the first half minute?")
    assert {each.moment.start_ns // S for each in early.selected} <= {0, 10, 20, 30}
    world.close()


def test_the_present_alone_needs_no_memory(tmp_path: Path) -> None:
    world = filled(tmp_path, count=2)
    assert world.ask("what is this?", needs="present").tokens is None
    world.close()


def test_without_clips_and_without_words(tmp_path: Path) -> None:
    world = TokenWorld(tmp_path)
    assert asked(world).selected == ()
    assert asked(world).long_term.shape == (0, WIDTH)
    world.remember(0)
    nothing = asked(world, text=" ")
    assert nothing.selected == ()
    assert nothing.problem == ""
    assert nothing.long_term.shape == (1, WIDTH)
    long = asked(world, text="word " * 5000)
    assert long.problem == ""
    world.close()


def test_streams_are_asked_each_behind_its_own_memory(tmp_path: Path) -> None:
    world = filled(tmp_path, count=3, most_selected=20)
    other = world.start("garden", live=False, wall_ns=1_700_000_000 * S)
    from token_world import tokens

    made = tokens(50, 0.0, stream=other.stream)
    world.push(made)
    world.clip(0, stream=other.stream)
    both = asked(world)
    assert both.long_term.shape == (4, WIDTH)
    assert len(both.selected) == 4
    alone = asked(world, scope="garden")
    assert alone.long_term.shape == (1, WIDTH)
    (one,) = alone.selected
    assert np.array_equal(one.short_term, made.short_term)
    world.close()


def test_h_that_the_budget_took_is_not_selected(tmp_path: Path) -> None:
    world = filled(tmp_path, most_selected=20)
    with world.store.database.transaction():
        world.store.database.run(
            "DELETE FROM clip_token WHERE node IN (SELECT id FROM node WHERE start_ns < ?)",
            (50 * S,),
        )
    assert {each.moment.start_ns // S for each in asked(world).selected} == set(range(50, 120, 10))
    world.close()


def test_what_is_forgotten_is_not_selected(tmp_path: Path) -> None:
    world = filled(tmp_path, most_selected=20)
    asked(world)
    world.push(Forget(moment="c1-30000"))
    found = asked(world)
    assert "c1-30000" not in {each.clip for each in found.selected}
    assert len(found.selected) == 11
    assert found.long_term.shape == (11, WIDTH)
    world.close()


def test_another_process_answers_the_same(tmp_path: Path) -> None:
    world = filled(tmp_path, most_selected=3)
    here = asked(world)
    with Store.open(tmp_path, write=False) as store:
        recall = Recall(
            store,
            embedder(),
            tokens=TokenRecall(store, network(), settings(tmp_path, most_selected=3)),
        )
        there = recall.retrieve(world.ask(QUESTION).question).tokens
    assert there is not None
    assert [each.clip for each in there.selected] == [each.clip for each in here.selected]
    assert np.abs(there.long_term - here.long_term).max() < 1e-4
    world.close()
