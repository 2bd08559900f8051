"""A scene in words: what clip compression has to tell from a clip's memory alone."""

from __future__ import annotations

from omnilive.events import NS_PER_S
from omnilive.media.synthetic.daily.catalogue import NUMBERS
from omnilive.media.synthetic.daily.records import DailyScene
from omnilive.media.synthetic.daily.wording import in_place


def caption(scene: DailyScene, *, start_s: int | None = None) -> str:
    """Return everything that can be seen in a scene; of each thing its kind first.

    Whoever writes it says first which thing, then looks for that thing's traits: with the traits
    first, as in "two small red cups", a small network does not find out for a long time.

    Args:
        scene: what is told.
        start_s: with which second it starts, if that is told.
    """
    parts = [in_place(scene.place)]
    if scene.sign is not None:
        parts.append(f"sign {scene.sign.word}")
    for group in scene.groups:
        does = " then ".join(action.name for action in group.actions)
        traits = f"{group.kind} {group.colour} {group.texture} {group.size}"
        parts.append(f"{traits} {NUMBERS[group.count - 1]} {does}".strip())
    if start_s is not None:
        parts.append(f"from {start_s}")
    return ", ".join(parts) + "."


def short_caption(scene: DailyScene) -> str:
    """Return the place and the kinds: what stands for a scene in a summary of many."""
    kinds = " and ".join(dict.fromkeys(group.kind for group in scene.groups))
    return f"{scene.place} {kinds}"


def seconds_of(scene: DailyScene, origin_ns: int = 0) -> tuple[int, int]:
    """Return the whole seconds in which a scene starts and ends."""
    start, end = (round((at_ns - origin_ns) / NS_PER_S) for at_ns in (scene.start_ns, scene.end_ns))
    return start, end
