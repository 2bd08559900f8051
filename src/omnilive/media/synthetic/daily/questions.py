"""Questions about a stretch of the daily world, with the answer and the scenes that show it.

A question names things by as few traits as make its answer certain: whatever else fits the words
gives the same answer. Evidence is every scene that fits. A not-seen question names a combination
of things that exist, none of which was there.

    Asking(scenes).draw(rng, kind)  ->  DailyQuestion, or None if that kind cannot be asked here
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import NamedTuple, TypeAlias

from omnilive.events import NS_PER_S
from omnilive.media.synthetic.daily.catalogue import (
    COLOURS,
    KIND_NAMES,
    NUMBERS,
    PLACES,
    SOUNDS,
    TEXTURES,
)
from omnilive.media.synthetic.daily.records import (
    DailyQuestion,
    DailyQuestionKind,
    DailyScene,
    Group,
    Pose,
)
from omnilive.media.synthetic.daily.wording import (
    TRAITS,
    USES,
    Trait,
    described,
    in_place,
    is_plural,
)
from omnilive.media.synthetic.records import Span

SEEN_KINDS: tuple[DailyQuestionKind, ...] = (
    "attribute",
    "count",
    "order",
    "when",
    "where",
    "written",
    "happened",
    "semantics_implicit",
    "not_seen",
)
"""Kinds of the past whose answer is in the pictures."""
_COLOUR: tuple[Trait, ...] = ("colour",)
NOT_SEEN = "i have not seen that"
_PAST = {
    "moves left": "moved left",
    "moves right": "moved right",
    "rises": "rose",
    "falls": "fell",
    "grows": "grew",
    "shrinks": "shrank",
}


class Sighting(NamedTuple):
    """A group in its scene."""

    scene: DailyScene
    group: Group


Answer: TypeAlias = Callable[[Sighting], str]


class _Name(NamedTuple):
    """Words for a thing, and all sightings that they fit."""

    traits: tuple[Trait, ...]
    has_place: bool
    fits: tuple[Sighting, ...]


class Asking:
    """Asks about scenes that are over (or, of the present, about the newest one).

    Args:
        scenes: in order of time, all of them before the question.
        facts: of talk in these scenes: question, answer, scene.
    """

    def __init__(
        self,
        scenes: Sequence[DailyScene],
        facts: Sequence[tuple[str, str, DailyScene]] = (),
        asked_ns: int | None = None,
    ) -> None:
        self.scenes = scenes
        self.asked_ns = scenes[-1].end_ns if asked_ns is None else asked_ns
        self._facts = facts
        self._by_kind: dict[str, list[Sighting]] = {}
        for scene in scenes:
            for group in scene.groups:
                self._by_kind.setdefault(group.kind, []).append(Sighting(scene, group))
        self._sounds: dict[str, list[DailyScene]] = {}
        for scene in scenes:
            for noise in scene.noises:
                self._sounds.setdefault(noise.label, []).append(scene)

    def draw(
        self, rng: Random, kind: DailyQuestionKind, scene: DailyScene | None = None
    ) -> DailyQuestion | None:
        """Return a question of a kind, about `scene` if one is named; None if there is none.

        Raises:
            KeyError: the kind is unknown.
        """
        return getattr(self, f"_{kind}")(rng, scene or rng.choice(self.scenes))

    # --- things -------------------------------------------------------------------------

    def _attribute(self, rng: Random, scene: DailyScene) -> DailyQuestion | None:
        group = self._some(rng, scene)
        if group is None:
            return None
        what = rng.choice(("colour", "colour", "texture", "size", "action"))
        if what == "action" and len(group.actions) != 1:
            what = "colour"
        asked = tuple(trait for trait in TRAITS if trait == what)
        name = self._name(rng, Sighting(scene, group), asked, lambda one: _value(one.group, what))
        if name is None:
            return None
        thing = self._words(Sighting(scene, group), name)
        be = "were" if is_plural(group) else "was"
        text = {
            "colour": f"What colour {be} {thing}?",
            "texture": f"What pattern did {thing} have?",
            "size": f"How big {be} {thing}?",
            "action": f"What did {thing} do?",
        }[what]
        return self._made("attribute", text, _value(group, what), name.fits)

    def _count(self, rng: Random, scene: DailyScene) -> DailyQuestion | None:
        group = self._some(rng, scene)
        if group is None or group.kind == "glasses":
            return None
        name = self._name(rng, Sighting(scene, group), (), lambda one: str(one.group.count))
        if name is None:
            return None
        words = described(group, name.traits, plural=True)
        where = f" {in_place(scene.place)}" if name.has_place else ""
        text = f"How many {words} were there{where}?"
        return self._made("count", text, NUMBERS[group.count - 1], name.fits)

    def _order(self, rng: Random, scene: DailyScene) -> DailyQuestion | None:
        group = self._some(rng, scene)
        if group is None:
            return None
        here = Sighting(scene, group)
        if len(group.actions) == 2:
            last = rng.random() < 0.5
            name = self._name(rng, here, (), lambda one: _value(one.group, "actions"))
            if name is None:
                return None
            text = f"What did {self._words(here, name)} do {'last' if last else 'first'}?"
            return self._made("order", text, _PAST[group.actions[-last].name], name.fits)
        other_scene = rng.choice(self.scenes)
        other = self._some(rng, other_scene)
        if other is None or other_scene is scene or other.kind == group.kind:
            return None
        there = Sighting(other_scene, other)
        this = self._name(rng, here, (), lambda one: str(one.scene.start_ns))
        that = self._name(rng, there, (), lambda one: str(one.scene.start_ns))
        if this is None or that is None:
            return None
        first, second = self._words(here, this), self._words(there, that)
        if rng.random() < 0.5:
            first, second = second, first
        is_earlier = scene.start_ns < other_scene.start_ns
        answer = described(group, this.traits) if is_earlier else described(other, that.traits)
        answer = f"the {answer}"
        return self._made("order", f"Which came first, {first} or {second}?", answer, (here, there))

    def _when(self, rng: Random, scene: DailyScene) -> DailyQuestion | None:
        group = self._some(rng, scene)
        if group is None:
            return None
        here = Sighting(scene, group)
        name = self._name(rng, here, (), lambda one: str(one.scene.start_ns))
        if name is None:
            return None
        be = "were" if is_plural(group) else "was"
        seconds = round(scene.start_ns / NS_PER_S)
        text = f"When {be} {self._words(here, name)} there?"
        return self._made("when", text, f"at {seconds} seconds", name.fits)

    def _where(self, rng: Random, scene: DailyScene) -> DailyQuestion | None:
        group = self._some(rng, scene)
        if group is None:
            return None
        here = Sighting(scene, group)
        name = self._name(rng, here, (), lambda one: one.scene.place, may_place=False)
        if name is None:
            return None
        be = "were" if is_plural(group) else "was"
        text = f"Where {be} {self._words(here, name)}?"
        return self._made("where", text, in_place(scene.place), name.fits)

    def _written(self, rng: Random, scene: DailyScene) -> DailyQuestion | None:
        group = self._some(rng, scene)
        if group is None or scene.sign is None:
            return None
        here = Sighting(scene, group)
        name = self._name(rng, here, (), lambda one: one.scene.sign.word if one.scene.sign else "")
        if name is None:
            return None
        be = "were" if is_plural(group) else "was"
        text = f"What did the sign say when {self._words(here, name)} {be} there?"
        return self._made("written", text, scene.sign.word.lower(), name.fits)

    def _happened(self, rng: Random, scene: DailyScene) -> DailyQuestion | None:
        absent = self._absent(rng) if rng.random() < 0.5 else None
        group = absent.group if absent is not None else self._some(rng, scene)
        if group is None:
            return None
        place = absent.scene.place if absent is not None else scene.place
        words = described(group, _COLOUR, plural=False)
        a = "a pair of" if group.kind == "glasses" else _article(words)
        text = f"Was there {a} {words} {in_place(place)}?"
        fits = [
            one
            for one in self._by_kind.get(group.kind, ())
            if one.group.colour == group.colour and one.scene.place == place
        ]
        return self._made("happened", text, "yes" if fits else "no", tuple(fits))

    def _semantics_implicit(self, rng: Random, scene: DailyScene) -> DailyQuestion | None:
        group = self._some(rng, scene)
        if group is None:
            return None
        here, use = Sighting(scene, group), USES[group.kind]
        if rng.random() < 0.5:
            name = self._name(
                rng, here, ("colour",), lambda one: one.group.colour, always_place=True
            )
            text = f"What colour was the thing to {use}{{}} {in_place(scene.place)}?"
            answer = group.colour
        else:
            name = self._name(rng, here, (), lambda one: one.scene.place, may_place=False)
            text = f"Where could one {use}{{}}?"
            answer = in_place(scene.place)
        if name is None:
            return None
        words = " ".join(getattr(group, trait) for trait in name.traits)
        text = text.format(f" with something {words}" if words else "")
        return self._made("semantics_implicit", text, answer, name.fits)

    def _not_seen(self, rng: Random, scene: DailyScene) -> DailyQuestion | None:
        absent = self._absent(rng)
        if absent is None:
            return None
        words = described(absent.group, _COLOUR, plural=False)
        thing = f"the {words} {in_place(absent.scene.place)}"
        be = "were" if absent.group.kind == "glasses" else "was"
        text = rng.choice(
            (
                f"When {be} {thing} there?",
                f"What did {thing} do?",
                f"What pattern did {thing} have?",
                f"How big {be} {thing}?",
            )
        )
        return self._made("not_seen", text, NOT_SEEN, ())

    # --- the present --------------------------------------------------------------------

    def _reference_implicit(self, rng: Random, scene: DailyScene) -> DailyQuestion | None:
        newest = self.scenes[-1]
        at_ns = min(self.asked_ns, newest.end_ns) - NS_PER_S // 2
        visible = [one for one in newest.groups if one.start_ns <= at_ns < one.end_ns]
        fits = (Sighting(newest, newest.groups[0]),) if newest.groups else ()
        if len(visible) != 1 or rng.random() < 0.25:
            text, answer = "Where is this?", in_place(newest.place)
            return self._made("reference_implicit", text, answer, fits, about="present")
        group = visible[0]
        text, answer = rng.choice(
            (
                ("What is this?", f"{NUMBERS[group.count - 1]} {described(group, _COLOUR)}"),
                ("What colour is this?", group.colour),
                ("What pattern is this?", group.texture),
                ("How many are there?", NUMBERS[group.count - 1]),
            )
        )
        return self._made("reference_implicit", text, answer, fits, about="present")

    # --- sound and talk -----------------------------------------------------------------

    def _heard(self, rng: Random, scene: DailyScene) -> DailyQuestion | None:
        label = rng.choice(SOUNDS)
        if rng.random() < 0.5 and self._sounds:
            label = rng.choice(sorted(self._sounds))
        scenes = self._sounds.get(label, [])
        text = f"Was {_heard_as(label)} heard?"
        return DailyQuestion(
            kind="heard",
            text=text,
            answer="yes" if scenes else "no",
            evidence=tuple(Span(start_ns=one.start_ns, end_ns=one.end_ns) for one in scenes),
            asked_ns=self.asked_ns,
        )

    def _said(self, rng: Random, scene: DailyScene) -> DailyQuestion | None:
        facts = [fact for fact in self._facts if fact[2] is scene] or list(self._facts)
        if not facts:
            return None
        text, answer, where = rng.choice(facts)
        if len({one[1] for one in self._facts if one[0] == text}) > 1:
            return None
        return DailyQuestion(
            kind="said",
            text=text,
            answer=answer,
            evidence=(Span(start_ns=where.start_ns, end_ns=where.end_ns),),
            asked_ns=self.asked_ns,
        )

    # --- names --------------------------------------------------------------------------

    def _some(self, rng: Random, scene: DailyScene) -> Group | None:
        return rng.choice(scene.groups) if scene.groups else None

    def _name(
        self,
        rng: Random,
        sighting: Sighting,
        without: tuple[Trait, ...],
        answer: Answer,
        *,
        may_place: bool = True,
        always_place: bool = False,
    ) -> _Name | None:
        """Return the fewest words that make the answer certain; None if none do.

        Args:
            rng: chooses among words that are as good.
            sighting: what is meant.
            without: traits that may not be named.
            answer: of a sighting.
            may_place: whether the place may be named.
            always_place: whether it is named in any case.
        """
        group, wanted = sighting.group, answer(sighting)
        free = [trait for trait in TRAITS if trait not in without]
        rng.shuffle(free)
        if may_place and not always_place and rng.random() < 0.3:
            always_place = True
        places = (True,) if always_place else (False, True) if may_place else (False,)
        same = self._by_kind.get(group.kind, [])
        for number in range(len(free) + 1):
            traits = tuple(free[:number])
            for has_place in places:
                fits = tuple(
                    one
                    for one in same
                    if (not has_place or one.scene.place == sighting.scene.place)
                    and all(getattr(one.group, trait) == getattr(group, trait) for trait in traits)
                )
                if all(answer(one) == wanted for one in fits):
                    return _Name(traits, has_place, fits)
        return None

    def _words(self, sighting: Sighting, name: _Name) -> str:
        where = f" {in_place(sighting.scene.place)}" if name.has_place else ""
        return f"the {described(sighting.group, name.traits)}{where}"

    def _absent(self, rng: Random) -> Sighting | None:
        """Return a thing in a place of which nothing fits kind, colour and place."""
        for _ in range(8):
            known = self._by_kind.get(rng.choice(KIND_NAMES))
            if rng.random() < 0.5 and known:
                # Almost right: only one word differs from what was there.
                scene, group = rng.choice(known)
                colour, place = group.colour, scene.place
                if rng.random() < 0.5:
                    colour = rng.choice(tuple(COLOURS))
                else:
                    place = rng.choice(PLACES)
                kind = group.kind
            else:
                kind, colour = rng.choice(KIND_NAMES), rng.choice(tuple(COLOURS))
                place = rng.choice(PLACES)
            if not any(
                one.group.colour == colour and one.scene.place == place
                for one in self._by_kind.get(kind, ())
            ):
                return _imagined(kind, colour, rng.choice(TEXTURES), place)
        return None

    def _made(
        self,
        kind: DailyQuestionKind,
        text: str,
        answer: str,
        fits: Sequence[Sighting],
        about: str = "past",
    ) -> DailyQuestion:
        spans = {one.scene.start_ns: one.scene for one in fits}
        return DailyQuestion(
            kind=kind,
            text=text,
            answer=answer,
            evidence=tuple(
                Span(start_ns=one.start_ns, end_ns=one.end_ns) for _, one in sorted(spans.items())
            ),
            asked_ns=self.asked_ns,
            about="present" if about == "present" else "past",
            known=kind != "not_seen",
        )


def _value(group: Group, what: str) -> str:
    """Return the answer to a question about a thing."""
    if what == "action":
        return _PAST[group.actions[0].name] if len(group.actions) == 1 else ""
    if what == "actions":
        return " ".join(action.name for action in group.actions)
    return str(getattr(group, what))


def _imagined(kind: str, colour: str, texture: str, place: str) -> Sighting:
    pose = Pose(0.5, 0.5, 1.0)
    group = Group(
        start_ns=0,
        end_ns=0,
        kind=kind,
        colour=colour,
        texture=texture,
        size="small",
        count=1,
        pose=pose,
    )
    return Sighting(DailyScene(start_ns=0, end_ns=0, place=place, seed=0, groups=(group,)), group)


def _article(words: str) -> str:
    return "an" if words[0] in "aeiou" else "a"


def _heard_as(label: str) -> str:
    """Return a sound as a thing that is heard: "a bell", but "rain"."""
    bare = label in ("rain", "knocking", "beeping", "clapping", "barking")
    return label if bare else f"{_article(label)} {label}"
