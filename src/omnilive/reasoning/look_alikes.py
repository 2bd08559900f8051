"""When it last looked like a picture that the asker shows.

What follows a clip without changes belongs to it, so "now" is said when nothing newer was seen:
memory only keeps how a picture looks when it changed.
"""

from __future__ import annotations

from collections.abc import Iterator

from omnilive.reasoning.answering import Piece
from omnilive.reasoning.telling import Telling
from omnilive.reasoning.wording import sentence


def tell_look_alikes(telling: Telling) -> Iterator[Piece]:
    """Tell the newest time it looked like the picture, and those before."""
    retrieval, frames = telling.retrieval, telling.phrases
    alike = telling.select.usable(retrieval.look_alikes)
    if not alike:
        if retrieval.time_problem:
            yield Piece(text=retrieval.time_problem, known=False)
        elif retrieval.spans:
            span = telling.wording.spans(retrieval.spans)
            text = sentence(frames.not_in_span.format(span=span))
            yield Piece(text=text, known=False)
        else:
            yield Piece(text=frames.not_looked_like, known=False)
        yield from telling.watched()
        return
    newest = alike[-1]
    shown = [one for one in retrieval.latest if one.kind == "picture"]
    is_now = not retrieval.spans and bool(shown) and shown[-1].id == newest.id
    frame = frames.looked_like_now if is_now else frames.looked_like
    when = telling.wording.when(newest)
    yield Piece(text=sentence(frame.format(when=when)), citations=(newest,))
    before = alike[-1 - telling.max_quotes : -1][::-1]
    if before:
        items = frames.sep.join(telling.wording.when(one) for one in before)
        yield Piece(text=" " + frames.looked_before.format(items=items), citations=tuple(before))
