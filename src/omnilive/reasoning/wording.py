"""How a moment and its time are put into words.

There is no clock here: "today" is the day of the newest thing that memory covers, so a moment
of that day is told by the clock alone and an older one with its date.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from omnilive.events import NS_PER_S, Moment, Retrieval, Span
from omnilive.reasoning.phrases import CHINESE, ENGLISH, Phrases

_LONGEST_POSITION_S = 24 * 3600
_LONGEST_QUOTE = 400
# How memory words a picture that nobody described.
_UNDESCRIBED = ("", "the picture changed", "nothing new was seen")


class Wording:
    """Puts moments, times and stretches of one retrieval into words of one language."""

    def __init__(self, retrieval: Retrieval, *, chinese: bool) -> None:
        self.phrases: Phrases = CHINESE if chinese else ENGLISH
        moments = (*retrieval.hits, *retrieval.latest, *retrieval.within)
        ends = [span.end_at for span in retrieval.watched] + [moment.at for moment in moments]
        self._today = max((end[:10] for end in ends), default="")

    def clock(self, at: str) -> str:
        """Return the local clock time, with the date if it is not the newest day's."""
        day, _, rest = at.partition("T")
        frame = self.phrases.at if day == self._today else self.phrases.on_day
        return frame.format(day=day, clock=rest[:8])

    def when(self, moment: Moment, *, brief: bool = False) -> str:
        """Return the clock time of a moment and its position in its stream."""
        seconds = moment.start_ns // NS_PER_S
        if not 0 <= seconds < _LONGEST_POSITION_S:
            return self.clock(moment.at)
        frame = self.phrases.position_brief if brief else self.phrases.position
        return self.clock(moment.at) + frame.format(
            position=position(seconds), name=moment.stream_name
        )

    def quoted(self, text: str) -> str:
        """Return remembered text between quotation marks, on one line and of bounded length."""
        flat = " ".join(text.split())
        if len(flat) > _LONGEST_QUOTE:
            flat = flat[:_LONGEST_QUOTE].rstrip() + "..."
        return self.phrases.quote.format(text=flat.replace('"', "'"))

    def length(self, moment: Moment) -> str:
        """Return how long a moment lasted."""
        seconds = max(1, round((moment.end_ns - moment.start_ns) / NS_PER_S))
        if seconds < 60:
            return self.phrases.seconds.format(count=seconds)
        return self.phrases.minutes.format(minutes=seconds // 60, seconds=seconds % 60)

    def told(self, moment: Moment) -> str:
        """Return one moment as a clause that begins with its time."""
        when, frames = self.when(moment), self.phrases
        if moment.kind == "motion":
            return frames.motion.format(when=when, length=self.length(moment))
        if moment.kind == "sound":
            if moment.text == "silence":
                return frames.silence.format(when=when, length=self.length(moment))
            return frames.sound.format(when=when, text=" ".join(moment.text.split()))
        if moment.kind == "picture" and not is_caption(moment):
            return frames.picture_bare.format(when=when)
        frame = {"speech": frames.speech, "screen": frames.screen}.get(moment.kind, frames.picture)
        return frame.format(when=when, text=self.quoted(moment.text))

    def listed(self, moments: Iterable[Moment]) -> str:
        """Return clauses of several moments, one after the other."""
        return self.phrases.sep.join(self.told(moment) for moment in moments)

    def brief(self, moment: Moment) -> str:
        """Return a moment as an item of a list whose heading says what kind it is."""
        when = self.when(moment, brief=True)
        lasting = self.phrases.lasting.format(length=self.length(moment))
        if moment.kind == "motion":
            return when + lasting
        if moment.kind == "picture" and not is_caption(moment):
            return when
        if moment.kind == "sound":
            return f"{moment.text} {when}" + (lasting if moment.text == "silence" else "")
        return f"{self.quoted(moment.text)} {when}"

    def span(self, span: Span) -> str:
        """Return a stretch of time that was asked about."""
        return self._stretch(span, self.phrases.span)

    def spans(self, spans: Sequence[Span]) -> str:
        """Return at most three stretches of time that were asked about, the longest ones."""
        return self._joined(spans, self.phrases.span)

    def watched(self, spans: Sequence[Span]) -> str:
        """Return at most three stretches of time that memory covers, the longest ones."""
        return self._joined(spans, self.phrases.stretch)

    def _joined(self, spans: Sequence[Span], frame: str) -> str:
        longest = sorted(spans, key=lambda span: span.start_ns - span.end_ns)[:3]
        told = (self._stretch(span, frame) for span in spans if span in longest)
        return self.phrases.join.join(dict.fromkeys(told))

    def _stretch(self, span: Span, frame: str) -> str:
        start_day, end_day = span.start_at[:10], span.end_at[:10]
        start, end = span.start_at[11:19], span.end_at[11:19]
        if start_day != self._today:
            start = f"{start_day} {start}"
        if end_day not in (start_day, self._today):
            end = f"{end_day} {end}"
        return frame.format(start=start, end=end)


def is_caption(moment: Moment) -> bool:
    """Return whether a moment is a vision model's description of a picture."""
    return moment.kind == "picture" and moment.text.strip() not in _UNDESCRIBED


def position(seconds: int) -> str:
    """Return a position in a stream as m:ss or h:mm:ss."""
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def sentence(text: str) -> str:
    """Return `text` with a capital first letter."""
    return text[:1].upper() + text[1:]
