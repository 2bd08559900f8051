"""What the reasoning module is told: chat, the release's memory prompt, the paper's prompt.

A prompt is a list of segments, each tokenised on its own as in the release; `assemble` turns them
into embedded rows and the mask that says where the picture branch works (pictures, memory, and the
two English phrases before the memory in the release's prompt).

Paper, section 3.3:

    Question: <question>,
    Here is the question related video clip <pictures>;
    Here is the question related memory <memory>
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

import torch
from torch import Tensor

from omnilive.errors import BackendError
from omnilive.nn.reasoning_network import ReasoningNetwork
from omnilive.nn.tiles import MOST_TILES, MOST_TILES_EACH
from omnilive.nn.tokenizer_internlm2 import (
    PICTURE_HERE,
    TURN_END,
    TURN_START,
    Tokenizer,
    defused,
)

OVERVIEW_PHRASE = "This is video overview memory:"
RELATED_PHRASE = "This is question related video memory:"


@dataclass(frozen=True, slots=True)
class Text:
    """Words; `begin` puts the start token first, `masked` puts the picture branch to work."""

    text: str
    begin: bool = False
    masked: bool = False


@dataclass(frozen=True, slots=True)
class Picture:
    """The picture with this number."""

    index: int


@dataclass(frozen=True, slots=True)
class Memory:
    """Vectors of the memory module: of everything seen, or of what belongs to the question."""

    which: Literal["overview", "related"]


Segment: TypeAlias = Text | Picture | Memory


class Exchange(NamedTuple):
    """A finished turn."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddedPrompt:
    """Rows for the language model.

    Attributes:
        embeddings: (1, length, width).
        picture_mask: (1, length) bool, True where the picture branch works.
    """

    embeddings: Tensor
    picture_mask: Tensor

    @property
    def length(self) -> int:
        """Number of rows."""
        return self.embeddings.shape[1]


def chat_prompt(
    query: str, *, num_pictures: int = 0, history: Sequence[Exchange] = (), system: str = ""
) -> list[Segment]:
    """Wrap a chat; `<ImageHere>` in query or history says where a picture stands.

    With one picture and no marker, the picture comes before everything. Text from outside goes
    through `tokenizer_internlm2.defused` before it comes here.

    Raises:
        BackendError: markers and pictures do not match in number.
    """
    text = _system(system)
    for exchange in history:
        text += _user(exchange.question) + f"{exchange.answer}{TURN_END}\n"
    text += _user(query)
    if num_pictures == 1 and PICTURE_HERE not in text:
        text = PICTURE_HERE + text
    parts = text.split(PICTURE_HERE)
    if len(parts) - 1 != num_pictures:
        raise BackendError(
            f"The prompt has places for {len(parts) - 1} pictures and {num_pictures} were given; "
            f"write {PICTURE_HERE} once for each."
        )
    segments: list[Segment] = []
    for index, part in enumerate(parts):
        if index == 0 or part:
            segments.append(Text(part, begin=index == 0))
        if index < num_pictures:
            segments.append(Picture(index))
    return segments


def most_tiles(num_pictures: int, requested: int = MOST_TILES) -> int:
    """Return how many tiles each picture of a prompt may take: several pictures get 6 each."""
    return MOST_TILES_EACH if num_pictures > 1 else requested


def release_memory_prompt(
    question: str,
    *,
    related: bool,
    overview: bool = True,
    num_pictures: int = 1,
    lead: str = "The answer is",
    begin: bool = True,
    records: str = "",
) -> list[Segment]:
    """The prompt of the release's offline example, the only place where it uses memory.

    Args:
        question: everything between the user's header and its end ("Question: ...").
        related: whether there are vectors of clips that belong to the question.
        overview: whether there are vectors of everything seen.
        num_pictures: composites of the selected clip's frames.
        lead: what the answer begins with.
        begin: whether the start token comes first (False behind a dialogue).
        records: remembered words, told before the question; the release has none.
    """
    segments: list[Segment] = [Text(f"{TURN_START}user\n", begin=begin)]
    if overview:
        segments += [Text(OVERVIEW_PHRASE, masked=True), Memory("overview")]
    if related:
        segments += [Text(RELATED_PHRASE, masked=True), Memory("related")]
    segments += [Picture(index) for index in range(num_pictures)]
    asked = f"{defused(records)}{defused(question)}"
    segments.append(Text(f"{asked}{TURN_END}\n{TURN_START}assistant\n{lead}"))
    return segments


def paper_prompt(
    question: str,
    *,
    related: bool,
    overview: bool = True,
    num_pictures: int = 1,
    begin: bool = True,
    records: str = "",
) -> list[Segment]:
    """The prompt of the paper (section 3.3), with memory live; arguments as in the release's."""
    text = f"{TURN_START}user\n{defused(records)}Question: {defused(question)}"
    segments: list[Segment] = []
    if num_pictures:
        segments.append(Text(f"{text},\nHere is the question related video clip ", begin=begin))
        segments += [Picture(index) for index in range(num_pictures)]
        text, begin = "", False
    if related or overview:
        joint = ";" if num_pictures else ","
        segments.append(Text(f"{text}{joint}\nHere is the question related memory ", begin=begin))
        segments += [Memory("overview")] if overview else []
        segments += [Memory("related")] if related else []
        text, begin = "", False
    segments.append(Text(f"{text}{TURN_END}\n{TURN_START}assistant\n", begin=begin))
    return segments


def dialogue_ids(
    tokenizer: Tokenizer, *, system: str = "", history: Sequence[Exchange] = ()
) -> list[int]:
    """Return the ids of what stays in the cache: start token, system text, finished turns.

    Every turn is tokenised on its own, so a longer dialogue begins with the ids of the shorter one.
    Marks inside questions and answers are defused.
    """
    ids = [tokenizer.begin, *tokenizer.encode(_system(defused(system)))]
    for exchange in history:
        answer = f"{defused(exchange.answer)}{TURN_END}\n"
        ids += tokenizer.encode(_user(defused(exchange.question)) + answer)
    return ids


def assemble(
    network: ReasoningNetwork,
    tokenizer: Tokenizer,
    segments: Sequence[Segment],
    *,
    pictures: Sequence[Tensor] = (),
    overview: Tensor | None = None,
    related: Tensor | None = None,
) -> EmbeddedPrompt:
    """Embed a prompt.

    Args:
        network: embeds text and projects memory.
        tokenizer: of the network.
        segments: of the prompt.
        pictures: rows of each picture (`ReasoningNetwork.encode_picture`).
        overview: (clips, memory width) long-term memory.
        related: (rows, memory width) short-term memory of the clips that belong to the question.

    Raises:
        BackendError: a segment names a picture or memory that was not given, or a given one is
            named nowhere.
    """
    memory = {"overview": overview, "related": related}
    used: set[int | str] = set()
    rows: list[Tensor] = []
    masks: list[Tensor] = []
    for segment in segments:
        if isinstance(segment, Text):
            ids = torch.tensor(
                tokenizer.encode(segment.text, begin=segment.begin), dtype=torch.long
            )
            part, masked = network.embed(ids), segment.masked
        elif isinstance(segment, Picture):
            if not 0 <= segment.index < len(pictures):
                raise BackendError(
                    f"The prompt names picture {segment.index}, which was not given."
                )
            part, masked = pictures[segment.index], True
            used.add(segment.index)
        else:
            held = memory[segment.which]
            if held is None:
                raise BackendError(f"The prompt names {segment.which} memory; none was given.")
            part, masked = network.project_memory(held), True
            used.add(segment.which)
        rows.append(part)
        masks.append(torch.full((len(part),), masked, dtype=torch.bool, device=part.device))
    given: set[int | str] = set(range(len(pictures)))
    given |= {name for name, held in memory.items() if held is not None}
    if given - used:
        raise BackendError("A picture or memory was given that the prompt does not name.")
    return EmbeddedPrompt(torch.cat(rows).unsqueeze(0), torch.cat(masks).unsqueeze(0))


def _system(text: str) -> str:
    return f"{TURN_START}system\n{text}{TURN_END}\n" if text else ""


def _user(text: str) -> str:
    return f"{TURN_START}user\n{text}{TURN_END}\n{TURN_START}assistant\n"
