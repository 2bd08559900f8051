"""What the audio module is asked: what was said, and what sounds.

The two questions are the release's; its answer is the bare text or the bare name. A name comes with
its probability, and with the times of what sounded, in speech and in silence alike: the release
only ever looks at the few seconds before somebody speaks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from omnilive.cancel import Cancel
from omnilive.events import NS_PER_S, SAMPLE_RATE, Samples, SoundEvent, moment_id
from omnilive.nn.audio_translation import AudioMarks, AudioTranslationNetwork

WORDS_QUESTION = "Detect the language and recognize the speech."
SOUND_QUESTION = "Classify the audio."
NOTHING = frozenset({"speech", "silence", ""})
"""Names that are no sound of their own (in lower case)."""

_SYSTEM = "You are a helpful assistant."
_PART = SAMPLE_RATE // 10  # 100 ms
_QUIET = 1e-10


class TextTokenizer(Protocol):
    """What the audio module needs of a tokenizer (`tokenizer_qwen2.Qwen2Tokenizer`)."""

    def __len__(self) -> int:
        """One more than the largest id."""
        ...

    def encode(self, text: str) -> list[int]:
        """Return the ids of `text`; no start token."""
        ...

    def decode(self, ids: list[int]) -> str:
        """Return the text of `ids`."""
        ...


@dataclass(frozen=True, slots=True)
class SoundName:
    """What a sound was taken for.

    Attributes:
        label: the network's word for it; "" if it said nothing.
        probability: of saying just that.
    """

    label: str
    probability: float


class AudioTranslator:
    """The two questions, asked of one network."""

    def __init__(
        self,
        network: AudioTranslationNetwork,
        tokenizer: TextTokenizer,
        *,
        most_words: int = 256,
        most_label: int = 16,
    ) -> None:
        """Keep a network and its tokenizer; `most_words` and `most_label` are in tokens."""
        self._network = network
        self._tokenizer = tokenizer
        self._most_words = most_words
        self._most_label = most_label

    def words(self, samples: Samples, cancel: Cancel) -> str:
        """Return what is said in `samples`; "" for nothing.

        Sound longer than the network hears at once is cut at its quietest places.

        Raises:
            BackendError: samples that are no numbers.
            Cancelled: the turn was cut.
        """
        said = []
        for piece in cut_at_quiet(samples, self._network.most_samples):
            text, _ = self._ask(WORDS_QUESTION, piece, self._most_words, cancel)
            said.append(text)
        return " ".join(text for text in said if text)

    def sound(self, samples: Samples, cancel: Cancel) -> SoundName:
        """Return what the first 30 s of `samples` sound like.

        Raises:
            BackendError: samples that are no numbers.
            Cancelled: the turn was cut.
        """
        heard = samples[: self._network.most_samples]
        return SoundName(*self._ask(SOUND_QUESTION, heard, self._most_label, cancel))

    def sounds(
        self,
        samples: Samples,
        cancel: Cancel,
        *,
        stream: int,
        start_ns: int,
        window_s: float = 4.0,
        least_probability: float = 0.5,
    ) -> list[SoundEvent]:
        """Name the sounds in `samples`, whether or not somebody speaks meanwhile.

        Windows follow one another; neighbours of one name are one event. Speech and silence are
        none, nor is what the network is not sure of.

        Args:
            samples: 16 kHz mono.
            cancel: looked at before every token.
            stream: the events' stream.
            start_ns: stream time of the first sample.
            window_s: seconds that are named together.
            least_probability: below it there is no event.

        Raises:
            BackendError: samples that are no numbers.
            Cancelled: the turn was cut.
        """
        step = max(_PART, int(window_s * SAMPLE_RATE))
        found: list[tuple[str, int, int]] = []
        for start in range(0, len(samples), step):
            end = min(start + step, len(samples))
            name = self.sound(samples[start:end], cancel)
            if name.label.lower() in NOTHING or name.probability < least_probability:
                continue
            if found and found[-1][0] == name.label and found[-1][2] == start:
                found[-1] = (name.label, found[-1][1], end)
            else:
                found.append((name.label, start, end))
        return [
            SoundEvent(
                id=moment_id("s", stream, start_ns + _ns(start)),
                stream=stream,
                start_ns=start_ns + _ns(start),
                end_ns=start_ns + _ns(end),
                label=label,
                level_db=_loudest_db(samples[start:end]),
            )
            for label, start, end in found
        ]

    @torch.no_grad()
    def _ask(self, question: str, samples: Samples, most: int, cancel: Cancel) -> tuple[str, float]:
        """Return the answer and its probability; ("", 1) for a sound too short to hear."""
        cancel.check()
        network, marks = self._network, self._network.config.marks
        # A copy: events' arrays are never written to, and torch wants its tensors writable.
        sound = network.hear(torch.from_numpy(np.array(samples, dtype=np.float32)))
        if not len(sound):
            return "", 1.0
        before, after = ids_around(question, self._tokenizer, marks)
        rows = torch.cat((network.embed(before), sound.to(network.embed([0]).dtype)))
        ids, probability = self._say(torch.cat((rows, network.embed(after))), most, cancel)
        known = [index for index in ids if index < len(self._tokenizer)]
        return self._tokenizer.decode(known).strip(), probability

    def _say(self, rows: Tensor, most: int, cancel: Cancel) -> tuple[list[int], float]:
        network, marks = self._network, self._network.config.marks
        cache = network.new_cache(len(rows) + most)
        ids: list[int] = []
        log_probability = 0.0
        scores = network.read(rows, cache)
        for _ in range(most):
            cancel.check()
            index = int(scores.argmax())
            log_probability += float(scores.log_softmax(dim=0)[index])
            if index in (marks.turn_end, marks.text_end):
                break
            ids.append(index)
            scores = network.read(network.embed([index]), cache)
        return ids, float(np.exp(log_probability))


def ids_around(
    question: str, tokenizer: TextTokenizer, marks: AudioMarks
) -> tuple[list[int], list[int]]:
    """Return the ids before and behind a sound's rows when it is asked about.

    The answer follows, up to the end of the turn.
    """
    encode = tokenizer.encode
    line = encode("\n")
    before = [marks.turn_start, *encode(f"system\n{_SYSTEM}"), marks.turn_end, *line]
    before += [marks.turn_start, *encode("user\nAudio 1: "), marks.sound_start]
    after = [marks.sound_end, *encode(f"\n{question}"), marks.turn_end, *line]
    after += [marks.turn_start, *encode("assistant\n")]
    return before, after


def prompt_texts() -> tuple[str, ...]:
    """Return the texts of the prompts; a small tokenizer is made to write them in few ids."""
    questions = (f"\n{WORDS_QUESTION}", f"\n{SOUND_QUESTION}")
    return (f"system\n{_SYSTEM}", "user\nAudio 1: ", *questions, "assistant\n")


def cut_at_quiet(samples: Samples, most: int) -> list[Samples]:
    """Cut sound into pieces of at most `most` samples, where the last third of one is quietest."""
    pieces = []
    while len(samples) > most:
        first = 2 * most // 3
        parts = samples[first : first + (most - first) // _PART * _PART].reshape(-1, _PART)
        power = (parts.astype(np.float64) ** 2).mean(axis=1) if len(parts) else np.zeros(1)
        cut = min(most, first + int(power.argmin()) * _PART + _PART // 2)
        pieces.append(samples[:cut])
        samples = samples[cut:]
    return [*pieces, samples]


def _ns(samples: int) -> int:
    return samples * NS_PER_S // SAMPLE_RATE


def _loudest_db(samples: Samples) -> float:
    """Level of the loudest 100 ms, dB full scale."""
    parts = [samples[at : at + _PART] for at in range(0, len(samples), _PART)]
    loudest = max(float((part.astype(np.float64) ** 2).mean()) for part in parts)
    return float(10 * np.log10(max(loudest, _QUIET)))
