"""Voices that are overheard: one utterance a sentence, when the voice has paused."""

from __future__ import annotations

from collections.abc import Iterator

from omnilive.cancel import Cancel
from omnilive.events import (
    Event,
    SpeechEnded,
    SpeechStarted,
    Utterance,
    Voice,
    moment_id,
)
from omnilive.perception.kept_sound import WordFinder
from omnilive.perception.own_voice import OwnVoice
from omnilive.perception.recognition import place_words
from omnilive.perception.segmentation import Mark, Segment, VoiceEnded, VoiceStarted
from omnilive.perception.sentences import Sentence, split_at_pauses
from omnilive.perception.voice_activity import BLOCK_NS


class AmbientVoices:
    """Turns the marks of a segmenter into the events of an ambient stream."""

    def __init__(self, stream: int, voice: Voice, finder: WordFinder, own: OwnVoice) -> None:
        self._stream = stream
        self._stream_voice = voice
        self._finder = finder
        self._own = own
        self._voice = voice
        self._given_blocks = 0  # how many of this run the recogniser has had

    @property
    def open_ns(self) -> int | None:
        """Nothing is open here that the segmenter does not hold."""
        return None

    def take(self, mark: Mark, position_ns: int, cancel: Cancel) -> Iterator[Event]:
        """Yield what a mark means; `position_ns` is the end of the newest block."""
        if isinstance(mark, VoiceStarted):
            is_own = self._own.is_own(mark.start_ns, position_ns)
            self._voice = "own" if is_own else self._stream_voice
            yield SpeechStarted(stream=self._stream, at_ns=mark.start_ns, voice=self._voice)
        elif isinstance(mark, VoiceEnded):
            yield SpeechEnded(
                stream=self._stream,
                start_ns=mark.start_ns,
                at_ns=min(mark.end_ns, position_ns),
                voice=self._voice,
            )
        else:
            yield from self._recognise(mark, position_ns, cancel)

    def after_block(self, position_ns: int, cancel: Cancel) -> Iterator[Event]:
        """Nothing ends here without a mark."""
        del position_ns, cancel
        return iter(())

    def flush(self, position_ns: int, cancel: Cancel) -> Iterator[Event]:
        """The run is over: numbers of blocks start again at 0."""
        del position_ns, cancel
        self._given_blocks = 0
        return iter(())

    def _recognise(self, segment: Segment, position_ns: int, cancel: Cancel) -> Iterator[Utterance]:
        end = segment.first_block + len(segment.voiced)
        said = self._finder.find(
            segment.first_block,
            end,
            segment.start_ns,
            not_before=self._given_blocks,
            not_after=segment.lent_until,
            num_blocks=len(segment.voiced),
            cancel=cancel,
        )
        self._given_blocks = end
        if not said.text:
            return
        is_own = self._own.said_it(said.text, segment.start_ns, segment.end_ns)
        voice: Voice = "own" if is_own or self._voice == "own" else self._stream_voice
        # Word times that are exact need no pauses.
        if said.words:
            parts = [Sentence(said.text, 0, len(segment.voiced))]
        else:
            parts = split_at_pauses(said.text, segment.voiced)
        for part in parts:
            start_ns = segment.start_ns + part.first * BLOCK_NS
            yield Utterance(
                id=moment_id("u", self._stream, start_ns),
                stream=self._stream,
                start_ns=start_ns,
                # The last block of a run is filled up with zeros that nobody heard.
                end_ns=min(segment.start_ns + part.end * BLOCK_NS, position_ns),
                text=part.text,
                voice=voice,
                words=said.words
                or place_words(
                    part.text, start_ns, BLOCK_NS, segment.voiced[part.first : part.end]
                ),
                words_exact=said.words_exact,
            )
