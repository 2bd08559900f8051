"""When a candidate counts as found: a floor per channel, applied before channels are fused.

Without floors the best of many bad candidates always wins, and a question about something that
never happened would be answered. Both floors are set so that the rate of that does not grow with
the store: text by the share of the question's meaning that a moment holds, vectors by how unlikely
so high a cosine is among as many unrelated texts as were searched.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from omnilive.memory.database import Database
from omnilive.memory.vectors import unpack_vectors

BACKGROUND = (
    "The train to the coast leaves from platform nine.",
    "She painted the kitchen wall in a pale yellow.",
    "Interest rates rose again in the last quarter.",
    "Please close the window, it is getting cold in here.",
    "The recipe needs two eggs and a cup of flour.",
    "He scored the winning goal in the final minute.",
    "Our server restarts every night at two.",
    "A red bicycle leans against the old fence.",
    "The museum opens at ten and closes at six.",
    "I will call the doctor tomorrow about the results.",
    "Welcome to the weekly meeting of the design team.",
    "Bees make honey from the nectar of flowers.",
    "The storm knocked down three trees in the park.",
    "You have to press the green button to begin.",
    "My brother studies law in another city.",
    "The concert was sold out within an hour.",
    "Turn left at the church and drive up the hill.",
    "The cat sleeps on the chair beside the heater.",
    "Unemployment fell while exports kept growing.",
    "We need more paper for the printer.",
    "This chapter explains how rivers shape valleys.",
    "The package will arrive on Thursday afternoon.",
    "They danced until the music stopped.",
    "Error: the file could not be found.",
    "A vaccine trains the body to fight a disease.",
    "His phone battery died during the long flight.",
    "The children built a castle out of sand.",
    "Total amount due by the end of the month.",
    "The president spoke about freedom and peace.",
    "Water boils at a lower temperature in the mountains.",
    "Could you pass me the salt, please?",
    "The goalkeeper was injured in the second half.",
    "Open the settings and choose your language.",
    "An old map hung above the captain's desk.",
    "The factory makes parts for electric cars.",
    "I forgot my keys at the office again.",
    "Light travels faster than sound.",
    "The bakery on the corner sells fresh bread.",
    "Chapter three: results and discussion.",
    "Her new novel is set in a fishing village.",
)
"""Everyday sentences on unrelated things: what a question is not about."""


NUM_SAMPLED = 400
MIN_SAMPLED = 100


def term_weights(frequencies: Mapping[str, int], total: int) -> dict[str, float]:
    """Return how telling each term is, from how many of `total` moments hold it."""
    return {
        term: math.log(1.0 + (total + 1.0) / (count + 0.5)) for term, count in frequencies.items()
    }


def background_of(database: Database, model: str, dimension: int) -> NDArray[np.float32]:
    """Return vectors spread over everything that is remembered, (count, dimension).

    Everyday sentences do not tell how alike sentences of one place are: where a hundred of them are
    made alike ("Anna repaired the lamp"), one about another lamp comes near. Of fewer than
    `MIN_SAMPLED` vectors there is no sample: the answer itself would be too large a part of it.
    """
    newest = database.value("SELECT max(id) FROM moment_vector") or 0
    if newest < MIN_SAMPLED:
        return np.zeros((0, dimension), dtype=np.float32)
    ids = [1 + place * newest // NUM_SAMPLED for place in range(NUM_SAMPLED)]
    rows = database.rows(
        "SELECT v.data FROM moment_vector v JOIN model m ON m.id = v.model AND m.name = ? "
        f"WHERE v.id IN ({','.join('?' * len(ids))})",
        (model, *ids),
    )
    if len(rows) < MIN_SAMPLED:
        return np.zeros((0, dimension), dtype=np.float32)
    return unpack_vectors([row[0] for row in rows], dimension)


def dense_floor(
    background: NDArray[np.float32], num_searched: int, *, false_rate: float, minimum: float
) -> float:
    """Return the cosine that unrelated texts reach with a chance of at most `false_rate`.

    Args:
        background: cosines of the question with texts that do not answer it, (count,).
        num_searched: among how many the best was picked; the floor rises with it.
        false_rate: chance that any one of them passes.
        minimum: the floor is never lower: the tail of real cosines is heavier than a normal one.
    """
    mean = float(background.mean()) if background.size else 0.1
    deviation = max(0.05, float(background.std())) if background.size else 0.1
    tail = min(0.5, false_rate / max(1, num_searched))
    # inv_cdf of 1 - tail loses digits for small tails; the lower tail is the same by symmetry.
    return max(minimum, mean - NormalDist().inv_cdf(tail) * deviation)
