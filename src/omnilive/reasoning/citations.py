"""From the ids in a model's words to the moments that it was given.

An id is taken out of the text while it streams. One that was given becomes a citation; one that
the model made up is dropped, so that an answer can never point to what nobody remembers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from omnilive.events import Moment
from omnilive.reasoning.prompt import NOT_SEEN

_ID = r"[cutsmb]\d{1,12}-\d{1,18}"
_GROUP = re.compile(
    rf"[ \t]*[\[(\u3010](?:moments?|ids?|records?)?[ :]*{_ID}"
    rf"(?:(?:[ ,;]|and)*{_ID})*[ ,;]*[\])\u3011]|[ \t]*(?<![\w-]){_ID}(?![\w-])"
)
_ONE = re.compile(_ID)
# What may still grow into an id or a bracket of ids: kept back until it is decided.
_OPEN = re.compile(
    r"[ \t]*(?:[\[(\u3010][^\[\]()\u3010\u3011\n]{0,240}"
    r"|(?<![\w-])[cutsmb](?:\d{1,12}(?:-\d{0,18})?)?)?\Z"
)


class CitationFilter:
    """Takes ids out of a streamed answer and remembers which moments they meant.

    Works character by character, so the same text gives the same result however it is cut.
    """

    def __init__(self, given: Iterable[Moment]) -> None:
        self._given = {moment.id: moment for moment in given}
        self._before = ""  # the last character that was released: context for what follows
        self._kept = ""
        self._cited: list[Moment] = []

    def feed(self, delta: str) -> str:
        """Return what can be said of the text so far, without ids."""
        said: list[str] = []
        for character in delta:
            if character != "\n" and not character.isprintable():
                continue  # a terminal obeys control characters
            self._kept += character
            open_from = self._open_from()
            if open_from:
                said.append(self._release(open_from))
        return "".join(said)

    def finish(self) -> str:
        """Return what was kept back, at the end of the text."""
        return self._release(len(self._kept))

    def take_cited(self) -> tuple[Moment, ...]:
        """Return the moments meant by the ids found since the last call."""
        cited, self._cited = tuple(self._cited), []
        return cited

    def _open_from(self) -> int:
        found = _OPEN.search(self._before + self._kept, len(self._before))
        return found.start() - len(self._before) if found else len(self._kept)

    def _release(self, end: int) -> str:
        released, self._kept = self._kept[:end], self._kept[end:]
        context = len(self._before)
        text = self._before + released
        self._before = released[-1:] or self._before
        said, at = "", context
        # Found one by one: the character before may look like context but is said already.
        while found := _GROUP.search(text, at):
            said += text[at : found.start()]
            self._note(found)
            at = found.end()
        return said + text[at:]

    def _note(self, found: re.Match[str]) -> None:
        for name in _ONE.findall(found.group()):
            moment = self._given.get(name)
            if moment is not None:
                self._cited.append(moment)


class NotSeenFilter:
    """Takes the agreed word off the beginning of an answer and says whether it was there."""

    def __init__(self) -> None:
        self._start: str | None = ""
        self.not_seen = False

    def feed(self, delta: str) -> str:
        """Return what can be said of the text so far."""
        if self._start is None:
            return delta
        self._start += delta
        bare = self._start.lstrip(" \t\n*_\"'`")
        if len(bare) < len(NOT_SEEN) and NOT_SEEN.startswith(bare):
            return ""
        text, self._start = self._start, None
        if bare.startswith(NOT_SEEN):
            self.not_seen = True
            return bare[len(NOT_SEEN) :].lstrip(" \t\n.:,;*_\"'`-")
        return text

    def finish(self) -> str:
        """Return what was kept back, at the end of the text."""
        text, self._start = self._start or "", None
        return text
