"""Forgetting curve: what is still found after a minute, an hour, a month, among how many others.

    python benchmarks/forgetting_curve.py run --work DIR [--most 1000000]   resumable, size by size
    python benchmarks/forgetting_curve.py report --work DIR --svg FILE   table and plot

A stream of 31 days with planted events at five ages, and distractors spread evenly over it: other
sentences in the same frames ("The {noun} was moved to the {place} by {name}."), so that all words
of a question but one are common. Asked: the planted events, and as many things that never
happened, half of them in words that were all said, but never together. The default budgets are in
force: after loading, eviction runs until it has nothing left to do.

Against, in the same run and on the same sentences: the newest 200 moments (as much as a prompt
holds), flat BM25 (SQLite FTS5) and flat vectors (the same embedder, every vector, in float).
These have no notion of "not seen", so each gets the fixed floor with which it says "seen" to at
most one absent thing in twenty at the smallest size.

Loading goes through `memory.clips.commit_clip`, as the stage does, but many clips a transaction
and without fsync: one commit a clip would take longer than all the rest.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from omnilive.cancel import Cancel
from omnilive.events import NS_PER_S, AnswerEnded, Moment, Question, moment_id
from omnilive.memory import clips
from omnilive.memory.budget import BudgetConfig, LevelBudget
from omnilive.memory.clips import NewClip, NewMoment
from omnilive.memory.embedding import WordLlamaEmbedder
from omnilive.memory.recall import Recall
from omnilive.memory.store import DEFAULT_LIMITS, Store
from omnilive.memory.tokens import content_words, query_words
from omnilive.memory.wordlists import words
from omnilive.reasoning import Answerer, AnswererConfig, ExtractiveBackend

S = NS_PER_S
DAY_S = 86_400
LENGTH_S = 31 * DAY_S
WALL_NS = 1_767_225_600 * S  # 2026-01-01T00:00:00Z
AGES = {"1 minute": 60, "10 minutes": 600, "1 hour": 3_600, "1 day": DAY_S, "30 days": 30 * DAY_S}
EVENTS_AN_AGE = 20
SIZES = (100, 1_000, 10_000, 100_000, 1_000_000)
A_CLIP = 4
CLIPS_A_TRANSACTION = 2_000
NEWEST = 200
SPEECH_S = 3
FALSE_AT_MOST = 0.05
OURS, LATEST, BM25, VECTORS = "omnilive", "newest moments", "flat BM25", "flat vectors"

COMMON = words(
    """
    table chair lamp window door bottle cup plate spoon book pencil phone laptop printer paper box
    bag coat shoe hat umbrella key ticket letter parcel camera clock carpet curtain mirror shelf
    drawer candle basket bucket broom ladder hammer nail screw brush towel soap pillow blanket
    mattress kettle toaster oven fridge radio cable battery plug bulb wallet ring scarf glove belt
    """
)
RARE = words(
    """
    telescope harpsichord barometer gramophone hourglass sextant accordion anvil astrolabe bagpipe
    bassoon beehive bellows boomerang brazier cauldron cello chandelier chessboard chisel clarinet
    cobweb compass cradle crossbow dagger dulcimer easel falcon ferret fiddle figurine flute fossil
    gargoyle geyser goblet gondola gong guillotine hammock harp harpoon hatchet helmet hookah hubcap
    igloo incense inkwell javelin kaleidoscope kayak kiln kimono lantern lasso lectern locket loom
    lute lyre mandolin mannequin marimba metronome microscope monocle mortar mosaic nutcracker oboe
    obelisk ocarina papyrus parachute parasol pendulum periscope piccolo pickaxe pinwheel pipette
    pitchfork platypus podium prism pulley puppet pyramid quill quiver raccoon rapier rosary saddle
    saxophone scabbard scarecrow sceptre scythe seismograph shuttlecock sickle sitar sledge snorkel
    sousaphone spindle stethoscope stiletto stirrup sundial tambourine tapestry teapot theremin
    thimble tiara toboggan tomahawk trampoline trapeze tricycle trident trombone trowel tuba tuxedo
    typewriter ukulele unicycle urn vane vial viola vuvuzela wagon walrus warthog weathervane
    wheelbarrow windmill xylophone yoke yurt zeppelin zither amulet abacus alpaca armadillo bagel
    balalaika banjo bazooka bongo bonsai bust catapult chariot chimes cutlass didgeridoo doubloon
    effigy flamingo gauntlet gyroscope halberd hedgehog hovercraft iguana jetpack jukebox lighthouse
    loofah mammoth minaret muzzle narwhal origami otter panpipe pelican porcupine quartz rickshaw
    samovar snowshoe spyglass squid stalactite swordfish tapir tortoise unicorn viaduct waffle yak
    zebra
    """
)
COLOURS = words(
    """
    red blue green yellow black white brown grey silver golden
    """
)
PLACES = words(
    """
    attic cellar garage kitchen office hallway garden balcony workshop library
    """
)
NAMES = words(
    """
    Anna Bob Carla David Emma Felix Greta Hugo Irene Jonas Klara Leo Maria Nils Olga
    """
)
FRAMES = (
    ("The {thing} was moved to the {place} by {name}.", "Where was the {thing} moved?"),
    ("{name} ordered a new {thing} for {price} euros.", "How much did the new {thing} cost?"),
    ("{name} repaired the {thing} in the {place}.", "Who repaired the {thing}?"),
    ("{name} said that the {thing} is broken again.", "What was said about the {thing}?"),
    ("Please put the {thing} back into the {place} tonight.", "Where should the {thing} be put?"),
    ("The {thing} will be sold on {day} for {price} euros.", "When will the {thing} be sold?"),
)
DAYS = words(
    """
    Monday Tuesday Wednesday Thursday Friday Saturday Sunday
    """
)


class Line(NamedTuple):
    """One sentence and when it is said; `age` is "" for a distractor."""

    at_s: float
    text: str
    question: str
    age: str


class Finding(NamedTuple):
    """What one system brought back: starts of moments in seconds, best first, and its score.

    The score of ours is 1 if the answer says that it was seen, 0 if it says that it was not.
    """

    starts_s: list[float]
    score: float
    cited_s: list[tuple[float, float]]


# --- what was said ----------------------------------------------------------------------


def absent_pairs() -> set[tuple[str, str]]:
    """Colours and things that are both talked about, but never together."""
    rng = random.Random("absent")
    return {(rng.choice(COLOURS), thing) for thing in COMMON}


def lines(size: int) -> list[Line]:
    """Return all sentences of a size in order of time."""
    rng = random.Random(f"lines {size}")
    never = absent_pairs()
    said = []
    for number in range(size):
        thing, colour = rng.choice(COMMON), rng.choice(COLOURS)
        if (colour, thing) in never:
            colour = ""
        frame, _ = rng.choice(FRAMES)
        at_s = (number + rng.random()) * LENGTH_S / size
        said.append(Line(at_s, filled(rng, frame, f"{colour} {thing}".strip()), "", ""))
    planted = random.Random("planted")
    things = planted.sample(RARE, len(AGES) * EVENTS_AN_AGE)
    for index, thing in enumerate(things):
        age = list(AGES)[index // EVENTS_AN_AGE]
        frame, question = FRAMES[index % len(FRAMES)]
        at_s = LENGTH_S - AGES[age] * planted.uniform(0.95, 1.02) - SPEECH_S
        text = filled(planted, frame, thing)
        said.append(Line(at_s, text, question.format(thing=thing), age))
    return sorted(said)


def filled(rng: random.Random, frame: str, thing: str) -> str:
    return frame.format(
        thing=thing,
        place=rng.choice(PLACES),
        name=rng.choice(NAMES),
        price=rng.randrange(5, 900),
        day=rng.choice(DAYS),
    )


def absent_questions() -> list[str]:
    """Half about things nobody named, half about pairs of words that were never said together."""
    rng = random.Random("absent questions")
    planted = random.Random("planted").sample(RARE, len(AGES) * EVENTS_AN_AGE)
    unknown = rng.sample([thing for thing in RARE if thing not in planted], 50)
    pairs = rng.sample(sorted(absent_pairs()), 50)
    things = unknown + [f"{colour} {thing}" for colour, thing in pairs]
    return [
        FRAMES[index % len(FRAMES)][1].format(thing=thing) for index, thing in enumerate(things)
    ]


# --- loading ----------------------------------------------------------------------------


def load(
    directory: Path, said: list[Line], embedder: WordLlamaEmbedder, budget: BudgetConfig
) -> dict[str, float]:
    started_at = time.perf_counter()
    with Store.open(directory, write=True) as store:
        database = store.database
        database.run("PRAGMA synchronous = OFF")
        started = store.begin_epoch(
            "hall",
            wall_ns=WALL_NS,
            zone="UTC",
            origin="live",
            voice="ambient",
            has_video=False,
            has_audio=True,
            live=True,
            source="benchmark",
        )
        parts = list(clips_of(said, started.stream, started.epoch))
        for first in range(0, len(parts), CLIPS_A_TRANSACTION):
            with database.transaction():
                for clip in parts[first : first + CLIPS_A_TRANSACTION]:
                    clips.commit_clip(
                        database,
                        store._recordings,
                        clip,
                        None,
                        embedder=embedder,
                        limits=DEFAULT_LIMITS,
                        quiet_ns=0,
                    )
        store.end_epoch(started.epoch, LENGTH_S * S, complete=True)
        loaded_s = time.perf_counter() - started_at
        before = database.value("SELECT count(*) FROM moment")
        keeper = store.keeper(budget)
        left = before
        for step in range(1_000_000):
            # Ages are looked at once a minute; time itself stands still here.
            keeper.after_tick(WALL_NS + LENGTH_S * S + step % 2 * 61 * S)
            if step % 200 == 199:
                now_left = database.value("SELECT count(*) FROM moment")
                if now_left == left:
                    break
                left = now_left
        dropped = before - database.value("SELECT count(*) FROM moment")
    return {"load_s": loaded_s, "ms_a_moment": 1000 * loaded_s / len(said), "dropped": dropped}


def clips_of(said: list[Line], stream: int, epoch: int) -> Iterator[NewClip]:
    """Yield clips of at most a few sentences, one behind the other without a gap."""
    groups = [said[first : first + A_CLIP] for first in range(0, len(said), A_CLIP)]
    starts = [round(group[0].at_s * 1000) * 1_000_000 for group in groups]
    starts[0] = 0
    for group, start_ns, end_ns in zip(groups, starts, [*starts[1:], LENGTH_S * S], strict=True):
        moments = {}
        for line in group:
            at_ns = max(start_ns, round(line.at_s * 1000) * 1_000_000)
            while at_ns in moments:
                at_ns += 1_000_000
            moments[at_ns] = NewMoment(
                id=moment_id("u", stream, at_ns),
                kind="speech",
                start_ns=at_ns,
                end_ns=at_ns + SPEECH_S * S,
                text=line.text,
            )
        if start_ns < end_ns:
            yield NewClip(
                id=moment_id("c", stream, start_ns),
                stream=stream,
                epoch=epoch,
                start_ns=start_ns,
                end_ns=end_ns,
                moments=tuple(moments.values()),
            )


# --- asking -----------------------------------------------------------------------------


class Ours:
    """Retrieval and the embedded answerer, as `omnilive ask` runs them."""

    def __init__(self, store: Store, embedder: WordLlamaEmbedder) -> None:
        self.recall = Recall(store, embedder)

    def find(self, question: str) -> Finding:
        asked = Question(turn_id="q", text=question, needs="past")
        found = self.recall.retrieve(asked, now_wall_ns=WALL_NS + LENGTH_S * S)
        answerer = Answerer(AnswererConfig(), ExtractiveBackend())
        ended = [
            event for event in answerer.push(found, Cancel()) if isinstance(event, AnswerEnded)
        ]
        cited = ended[-1].citations if ended else ()
        return Finding(
            [moment.start_ns / S for moment in found.hits[:5]],
            float(bool(ended and ended[-1].known)),
            [span(moment) for moment in cited],
        )


def span(moment: Moment) -> tuple[float, float]:
    return moment.start_ns / S, moment.end_ns / S


class Flat:
    """One way of ranking all sentences, without blocks, floors or bounds."""

    def __init__(self, said: list[Line], embedder: WordLlamaEmbedder) -> None:
        self.said = said
        self.embedder = embedder
        self.database = sqlite3.connect(":memory:")
        self.database.execute("CREATE VIRTUAL TABLE line USING fts5(text, tokenize='porter')")
        self.database.executemany(
            "INSERT INTO line(rowid, text) VALUES(?, ?)",
            ((number, line.text) for number, line in enumerate(said)),
        )
        self.vectors = np.zeros((len(said), embedder.dimension), dtype=np.float16)
        for first in range(0, len(said), 10_000):
            texts = [line.text for line in said[first : first + 10_000]]
            self.vectors[first : first + len(texts)] = embedder.embed(texts)

    def newest(self, question: str) -> Finding:
        """The newest moments alone, the one with most words of the question first."""
        wanted = {term for word in content_words(query_words(question)) for term in word.terms}
        recent = range(max(0, len(self.said) - NEWEST), len(self.said))
        scored = [
            (len(wanted & {t for w in query_words(self.said[i].text) for t in w.terms}), i)
            for i in recent
        ]
        scored.sort(key=lambda pair: (-pair[0], -pair[1]))
        return self._finding([(i, score / max(1, len(wanted))) for score, i in scored[:5]])

    def bm25(self, question: str) -> Finding:
        # Without stop words, as is usual; with them every question visits every sentence.
        expression = " OR ".join(f'"{word.surface}"' for word in query_words(question))
        rows = self.database.execute(
            "SELECT rowid, bm25(line) FROM line WHERE line MATCH ? ORDER BY bm25(line) LIMIT 5",
            (expression,),
        ).fetchall()
        return self._finding([(number, -score) for number, score in rows])

    def nearest(self, question: str) -> Finding:
        asked = self.embedder.embed([question])[0]
        cosines = np.concatenate(
            [
                self.vectors[first : first + 65_536].astype(np.float32) @ asked
                for first in range(0, len(self.vectors), 65_536)
            ]
        )
        best = np.argsort(-cosines, kind="stable")[:5]
        return self._finding([(int(i), float(cosines[i])) for i in best])

    def _finding(self, scored: list[tuple[int, float]]) -> Finding:
        starts = [self.said[number].at_s for number, _ in scored]
        cited = [(start_s, start_s + SPEECH_S) for start_s in starts[:1]]
        return Finding(starts, scored[0][1] if scored else 0.0, cited)


# --- measuring --------------------------------------------------------------------------


def run(work: Path, most: int, days: float) -> None:
    work.mkdir(parents=True, exist_ok=True)
    budget = BudgetConfig()
    if days:
        budget = BudgetConfig(moments=LevelBudget(days=days))
    embedder = WordLlamaEmbedder()
    for size in (size for size in SIZES if size <= most):
        result = work / f"{size}.json"
        if result.exists():
            continue
        said = lines(size)
        directory, marker = work / "store", work / f"{size}.loaded"
        if not marker.exists():
            shutil.rmtree(directory, ignore_errors=True)
            marker.write_text(json.dumps(load(directory, said, embedder, budget)))
        loaded = json.loads(marker.read_text())
        print(f"{size}: loaded in {loaded['load_s']:.0f} s", flush=True)
        flat = Flat(said, embedder)
        print(f"{size}: baselines ready", flush=True)
        with Store.open(directory, write=False) as store:
            ours = Ours(store, embedder)
            ways = {OURS: ours.find, LATEST: flat.newest, BM25: flat.bm25, VECTORS: flat.nearest}
            measured = {name: ask_all(find, said) for name, find in ways.items()}
        result.write_text(json.dumps({"size": size, **loaded, "systems": measured}))
        shutil.rmtree(directory)
        print(f"{size}: done", flush=True)


def ask_all(find: Any, said: list[Line]) -> dict[str, Any]:
    took_ms = []

    def timed(question: str) -> Finding:
        started = time.perf_counter()
        found: Finding = find(question)
        took_ms.append(1000 * (time.perf_counter() - started))
        return found

    by_age: dict[str, list[dict[str, float]]] = {age: [] for age in AGES}
    for line in said:
        if line.age:
            found = timed(line.question)
            ranks = [i for i, at in enumerate(found.starts_s) if abs(at - line.at_s) < 0.01]
            cited = any(
                start < line.at_s + SPEECH_S and end > line.at_s for start, end in found.cited_s
            )
            by_age[line.age].append(
                {"rank": ranks[0] if ranks else -1, "cited": cited, "score": found.score}
            )
    absent = [timed(question) for question in absent_questions()]
    p50, p95 = np.percentile(took_ms, [50, 95])
    return {
        "ages": by_age,
        "absent": [found.score for found in absent],
        "near": [bool(found.starts_s) for found in absent],
        "p50_ms": p50,
        "p95_ms": p95,
    }


# --- reporting --------------------------------------------------------------------------


def results(work: Path) -> list[dict[str, Any]]:
    found = [work / f"{size}.json" for size in SIZES]
    return [json.loads(path.read_text()) for path in found if path.exists()]


def floors(smallest: dict[str, Any]) -> dict[str, float]:
    """Return the score above which each system says "seen"; ours has its own."""
    chosen = {OURS: 0.5}
    for name in (LATEST, BM25, VECTORS):
        scores = sorted(smallest["systems"][name]["absent"], reverse=True)
        chosen[name] = scores[int(FALSE_AT_MOST * len(scores))]
    return chosen


def share(flags: list[bool]) -> float:
    return sum(flags) / max(1, len(flags))


def report(work: Path, svg: Path | None) -> None:
    every = results(work)
    limit = floors(every[0])
    last = every[-1]
    print(f"Among {last['size']:,} distractors, of {EVENTS_AN_AGE} events an age:\n")
    print("| system | found | " + " | ".join(AGES) + " |")
    print("|---|---|" + "---|" * len(AGES))
    curves: dict[str, list[float]] = {}
    for name, measured in last["systems"].items():
        rows = [measured["ages"][age] for age in AGES]
        curves[name] = [share([one["rank"] == 0 for one in row]) for row in rows]
        top5 = [share([one["rank"] >= 0 for one in row]) for row in rows]
        cited = [share([bool(one["cited"]) for one in row]) for row in rows]
        told = [share([one["score"] > limit[name] for one in row]) for row in rows]
        for label, values in (
            ("recall@1", curves[name]),
            ("recall@5", top5),
            ("cited", cited),
            ("said to be seen", told),
        ):
            print(f"| {name} | {label} | " + " | ".join(f"{v:.2f}" for v in values) + " |")
    print('\nRate of false "seen", of 100 things that never happened (recall@1 over all ages):\n')
    print("| system | " + " | ".join(f"{each['size']:,}" for each in every) + " |")
    print("|---|" + "---|" * len(every))
    wrong: dict[str, list[float]] = {}
    for name in last["systems"]:
        wrong[name] = [
            share([score > limit[name] for score in each["systems"][name]["absent"]])
            for each in every
        ]
        right = [
            share([one["rank"] == 0 for age in AGES for one in each["systems"][name]["ages"][age]])
            for each in every
        ]
        cells = [f"{w:.2f} ({r:.2f})" for w, r in zip(wrong[name], right, strict=True)]
        print(f"| {name} | " + " | ".join(cells) + " |")
    print(
        "\n| distractors | loading, ms a moment | moments evicted | something near retrieved "
        "| question p50, p95 ms |"
    )
    print("|---|---|---|---|---|")
    for each in every:
        ours = each["systems"][OURS]
        print(
            f"| {each['size']:,} | {each['ms_a_moment']:.2f} | {each['dropped']} "
            f"| {share(ours['near']):.2f} | {ours['p50_ms']:.0f}, {ours['p95_ms']:.0f} |"
        )
    if svg is not None:
        sizes = [f"{each['size']:,}" for each in every]
        svg.write_text(
            plot(
                [
                    (f"recall@1 by age, {last['size']:,} distractors", list(AGES), curves),
                    ('rate of false "seen" by distractors', sizes, wrong),
                ]
            )
        )


def plot(charts: list[tuple[str, list[str], dict[str, list[float]]]]) -> str:
    """Return line charts side by side as SVG."""
    colours = {OURS: "#0b6e4f", LATEST: "#b5651d", BM25: "#3b5b92", VECTORS: "#8a3b7d"}
    width, height, left, top, wide, high = 460, 330, 50, 40, 380, 220
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width * len(charts)}" '
        f'height="{height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{width * len(charts)}" height="{height}" fill="white"/>',
    ]
    for number, (title, labels, curves) in enumerate(charts):
        x0 = number * width + left
        parts.append(f'<text x="{x0}" y="22" font-size="14">{title}</text>')
        for share_ in (0.0, 0.5, 1.0):
            y = top + high * (1 - share_)
            parts.append(
                f'<line x1="{x0}" y1="{y}" x2="{x0 + wide}" y2="{y}" stroke="#ddd"/>'
                f'<text x="{x0 - 8}" y="{y + 4}" text-anchor="end">{share_:g}</text>'
            )
        step = wide / max(1, len(labels) - 1)
        for place, label in enumerate(labels):
            x = x0 + place * step
            parts.append(f'<text x="{x}" y="{top + high + 18}" text-anchor="middle">{label}</text>')
        for line, (name, values) in enumerate(curves.items()):
            points = " ".join(
                f"{x0 + place * step:.1f},{top + high * (1 - value):.1f}"
                for place, value in enumerate(values)
            )
            y = top + high + 38 + 16 * (line // 2)
            x = x0 + (line % 2) * 180
            parts.append(
                f'<polyline points="{points}" fill="none" stroke="{colours[name]}" '
                f'stroke-width="2"/><text x="{x}" y="{y}" fill="{colours[name]}">{name}</text>'
            )
    return "\n".join([*parts, "</svg>"]) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("run", "report"))
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--most", type=int, default=SIZES[-1])
    parser.add_argument("--days", type=float, default=0.0, help="Days that moments are kept.")
    parser.add_argument("--svg", type=Path)
    given = parser.parse_args()
    if given.what == "run":
        run(given.work, given.most, given.days)
    else:
        report(given.work, given.svg)


if __name__ == "__main__":
    main()
