"""Which tokens of a dialogue the language model is taught to say.

Ends of turns (92542) come in pairs: the first closes what the user said, the second an answer.
Only answers, with their end marks, are targets; the release's treatment of what lies around them
is kept.
"""

from __future__ import annotations

from collections.abc import Sequence

IGNORED = -100
TURN_END_ID = 92542
_HEADER = 5  # ids of "\n[UNUSED_TOKEN_146]assistant\n"


def training_targets(
    ids: Sequence[int], *, turn_end: int = TURN_END_ID, text_end: int = 2
) -> list[int]:
    """Return the labels of a dialogue's ids, aligned with them (the shift is the loss's).

    Args:
        ids: of the whole text; -100 where pictures and memory stand.
        turn_end: id that ends a turn.
        text_end: id that ends the text; everything after the first one is padding.

    Returns:
        One label per id, -100 where nothing is taught.
    """
    targets = list(ids)
    answered = 0  # just behind the last answer
    ends = 0
    for at, index in enumerate(ids):
        if index == turn_end:
            ends += 1
            if ends % 2:
                _blank(targets, answered, at + 1 + _HEADER)
            else:
                answered = at + 1
        elif index == text_end:
            _blank(targets, at + 1, len(targets))
            return targets
    if ends % 2 == 0:
        # A question that is never closed teaches nothing; the release leaves its first id in.
        _blank(targets, answered + 1, len(targets))
    return targets


def _blank(targets: list[int], start: int, end: int) -> None:
    for at in range(start, min(end, len(targets))):
        targets[at] = IGNORED
