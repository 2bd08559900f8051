"""Speech synthesis by espeak-ng, through ctypes and the library that espeakng-loader carries.

What a reader would not guess: espeak-ng keeps state between calls that nothing in its interface
resets (the phase of the voice's flutter), and draws noise from a seed that it takes from the
clock; so the same text comes out a few samples longer or shorter each time. The library is
therefore loaded afresh for every call (about 3 ms) and given a seed, which makes the samples
depend on the arguments alone. About 2 kB a call stay with the process.
"""

from __future__ import annotations

import bisect
import ctypes
import itertools
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from omnilive.errors import BackendError
from omnilive.events import Samples

_SYNCHRONOUS = 2  # espeak_AUDIO_OUTPUT: samples are handed to the callback, nothing is played
_DONT_EXIT = 0x8000  # initialisation option: report missing data instead of ending the process
_UTF8 = 1
_BY_CHARACTER = 1
_RATE, _PITCH = 1, 3  # espeak_PARAMETER
_WORD, _END = 1, 5  # espeak_EVENT_TYPE
# One synthesis at a time in the whole process: the library's state is global.
_LOCK = threading.Lock()
_TOKEN = re.compile(r"[\u3400-\u9fff]|[^\s\u3400-\u9fff]+")
_HINT = "reinstall the package espeakng-loader"


class SpokenWord(NamedTuple):
    """One written word and where its sound lies in the samples, in seconds."""

    text: str
    start_s: float
    end_s: float


class Spoken(NamedTuple):
    """A synthesised text: mono float samples in -1..1, their rate, and its words in order."""

    samples: Samples
    sample_rate: int
    words: tuple[SpokenWord, ...]


class _Event(ctypes.Structure):
    """`espeak_EVENT` of speak_lib.h."""

    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_void_p),  # a union of 8 bytes; never read
    ]


class _Voice(ctypes.Structure):
    """`espeak_VOICE` of speak_lib.h."""

    _fields_ = [
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_void_p),
        ("identifier", ctypes.c_char_p),
        ("gender", ctypes.c_ubyte),
        ("age", ctypes.c_ubyte),
        ("variant", ctypes.c_ubyte),
        ("reserved", ctypes.c_ubyte),
        ("score", ctypes.c_int),
        ("spare", ctypes.c_void_p),
    ]


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


class Espeak:
    """The espeak-ng library; safe to use from several threads, which take turns.

    A voice is a language tag, or a tag and a variant: "en-us", "en-gb+m7", "en-us+f3", "cmn".

    Raises:
        BackendError: when the library or its data cannot be found.
    """

    def __init__(self) -> None:
        try:
            import espeakng_loader

            self._library_path = str(espeakng_loader.get_library_path())
            self._data_path = str(espeakng_loader.get_data_path())
        except (ImportError, OSError, RuntimeError) as problem:
            raise BackendError(
                f"The speech synthesiser espeak-ng is missing; {_HINT}."
            ) from problem
        self._identifiers: dict[str, str] = {}

    def voices(self) -> tuple[str, ...]:
        """Return the language tags that can be spoken, sorted."""
        return tuple(sorted(self._tags()))

    def variants(self) -> tuple[str, ...]:
        """Return what may follow a tag and "+", for another speaker of the same language."""
        folder = Path(self._data_path) / "voices" / "!v"
        return tuple(sorted(path.name for path in folder.iterdir()))

    def synthesize(
        self, text: str, voice: str = "en-us", rate_wpm: int = 170, pitch: int = 50
    ) -> Spoken:
        """Speak `text`; equal arguments give equal samples.

        Args:
            text: any language of the voice; a text with nothing to say gives no samples.
            voice: tag, or tag+variant.
            rate_wpm: words a minute, 80..450.
            pitch: 0..99.

        Raises:
            BackendError: the voice is unknown or the library failed.
        """
        tag, _, variant = voice.partition("+")
        identifier = self._tags().get(tag.lower())
        if identifier is None or (variant and variant not in self.variants()):
            raise BackendError(
                f"espeak-ng has no voice {voice!r}; use a tag such as 'en-us' or 'en-us+f3'."
            )
        name = identifier + (f"+{variant}" if variant else "")
        # A zero byte would end the text early.
        spoken = text.replace("\0", " ")
        with _LOCK:
            pieces, marks, sample_rate = self._speak(spoken, name, rate_wpm, pitch)
        samples = np.concatenate(pieces) if pieces else np.zeros(0, np.int16)
        words = _words(spoken, marks, sample_rate)
        if not words:
            samples = samples[:0]
        return Spoken(samples.astype(np.float32) / 32768.0, sample_rate, words)

    def _speak(
        self, text: str, name: str, rate_wpm: int, pitch: int
    ) -> tuple[list[np.ndarray[Any, np.dtype[np.int16]]], list[tuple[int, int, int, int]], int]:
        """Return the samples, the marks (kind, position, length, sample) and the sample rate."""
        pieces: list[np.ndarray[Any, np.dtype[np.int16]]] = []
        marks: list[tuple[int, int, int, int]] = []

        def take(wave: Any, count: int, events: Any) -> int:
            if wave and count > 0:
                pieces.append(np.ctypeslib.as_array(wave, shape=(count,)).copy())
            index = 0
            while events[index].type:
                event = events[index]
                marks.append((event.type, event.text_position, event.length, event.sample))
                index += 1
            return 0

        def work(library: ctypes.CDLL) -> int:
            sample_rate = self._initialize(library)
            # Breath is noise, and starting the library seeds its noise from the clock.
            library.espeak_ng_SetRandSeed(ctypes.c_long(1))
            callback = _Callback(take)
            library.espeak_SetSynthCallback(callback)
            if library.espeak_SetVoiceByName(name.encode()):
                raise BackendError(f"espeak-ng could not load the voice {name!r}; {_HINT}.")
            library.espeak_SetParameter(_RATE, rate_wpm, 0)
            library.espeak_SetParameter(_PITCH, pitch, 0)
            data = text.encode("utf-8", "replace")
            if library.espeak_Synth(
                data, ctypes.c_size_t(len(data) + 1), 0, _BY_CHARACTER, 0, _UTF8, None, None
            ):
                raise BackendError("espeak-ng could not speak a text; try it without speech.")
            library.espeak_Synchronize()
            return sample_rate

        return pieces, marks, self._with_fresh_library(work)

    def _tags(self) -> dict[str, str]:
        """Return the voice file of each language tag; listed once."""
        with _LOCK:
            if not self._identifiers:
                self._identifiers = self._with_fresh_library(self._list_tags)
            return self._identifiers

    def _list_tags(self, library: ctypes.CDLL) -> dict[str, str]:
        self._initialize(library)
        library.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(_Voice))
        voices = library.espeak_ListVoices(None)
        tags: dict[str, str] = {}
        index = 0
        while voices[index]:
            voice = voices[index].contents
            # The list of languages starts with a byte of priority.
            tag = ctypes.string_at(voice.languages + 1).decode() if voice.languages else ""
            if tag:
                # The first voice of a tag is the plain one; "cmn" is Mandarin in characters.
                tags.setdefault(tag.lower(), voice.identifier.decode())
            index += 1
        return tags

    def _initialize(self, library: ctypes.CDLL) -> int:
        rate = library.espeak_Initialize(_SYNCHRONOUS, 0, self._data_path.encode(), _DONT_EXIT)
        if rate <= 0:
            raise BackendError(f"espeak-ng did not start; {_HINT}.")
        return int(rate)

    def _with_fresh_library(self, work: Callable[[ctypes.CDLL], Any]) -> Any:
        """Run `work` on a library without a past, and unload it. The lock is held."""
        try:
            library = ctypes.CDLL(self._library_path)
        except OSError as problem:
            raise BackendError(f"espeak-ng could not be loaded; {_HINT}.") from problem
        try:
            return work(library)
        finally:
            library.espeak_Terminate()
            _unload(library)


def _unload(library: ctypes.CDLL) -> None:
    # `_ctypes` is the only door to dlclose / FreeLibrary; every CPython has it.
    import _ctypes

    close = getattr(_ctypes, "dlclose", None) or getattr(_ctypes, "FreeLibrary", None)
    if close is not None:
        close(library._handle)


def _words(
    text: str, marks: list[tuple[int, int, int, int]], sample_rate: int
) -> tuple[SpokenWord, ...]:
    """Return the written words with their spans; a mark lasts until the next one.

    espeak-ng announces "12:30" as two words and "3.14" three times: marks are gathered by the
    word, as written between blanks, that they fall into. Of Han characters each is a word.
    """
    bounds = [mark for mark in marks if mark[0] in (_WORD, _END)]
    spans: dict[int, tuple[int, int]] = {}
    tokens = list(_TOKEN.finditer(text))
    starts = [token.start() for token in tokens]
    for mark, following in zip(bounds, bounds[1:], strict=False):
        if mark[0] != _WORD:
            continue
        place = max(0, bisect.bisect_right(starts, mark[1] - 1) - 1)
        first = spans.get(place, (mark[3], 0))[0]
        spans[place] = (first, following[3])
    # Words that were spoken as one have a single mark, as "on the" has.
    groups: list[tuple[tuple[int, int], list[str]]] = []
    for index, token in enumerate(tokens):
        written = token.group()
        if index in spans:
            groups.append((spans[index], [written]))
        elif groups and any(letter.isalnum() for letter in written):
            groups[-1][1].append(written)
        elif groups:
            groups[-1][1][-1] += written  # a mark that stands alone, as after a Han character
    return tuple(word for span, together in groups for word in _share(together, span, sample_rate))


def _share(together: list[str], span: tuple[int, int], sample_rate: int) -> list[SpokenWord]:
    """Divide the span of words that were spoken as one, by their letters."""
    letters = sum(map(len, together))
    edges = [0, *itertools.accumulate(map(len, together))]
    length = span[1] - span[0]
    times = [(span[0] + length * edge / letters) / sample_rate for edge in edges]
    return [
        SpokenWord(word, start_s, end_s)
        for word, start_s, end_s in zip(together, times, times[1:], strict=False)
    ]
