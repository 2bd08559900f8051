"""Questions about a picture; its descriptor is made here, for memory has no eyes."""

from __future__ import annotations

from pathlib import Path

from omnilive.errors import UsageError
from omnilive.events import Question


def picture_question(turn: str, text: str, picture: Path | str, stream: str) -> Question:
    """Return a question for when the memory last looked like a picture file.

    Raises:
        UsageError: no file is named.
        MediaError: it is no picture that can be read.
    """
    from omnilive.media.pictures import read_picture
    from omnilive.perception.descriptor import MODEL, describe
    from omnilive.perception.grid import to_grid

    if not str(picture).strip():
        raise UsageError("The name of the picture is empty; give a file.")
    descriptor = describe(to_grid(read_picture(Path(picture).expanduser())))
    return Question(
        turn_id=turn,
        text=text,
        needs="past",
        scope=stream,
        picture=tuple(float(number) for number in descriptor),
        picture_model=MODEL,
    )
