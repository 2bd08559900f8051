"""The real server in this process and a real Chromium on its page, for the live benchmarks."""

from __future__ import annotations

import contextlib
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from machine import ROOT

from omnilive.cancel import Cancel
from omnilive.events import AnswerEnded, AnswerStarted, AnswerText, Event, Heard, Retrieval, Samples
from omnilive.media.pushed import PushedReader
from omnilive.serving.conversation import LiveConversation
from omnilive.serving.playout import Playout
from omnilive.web.peer import Peer
from omnilive.web.server import Server

sys.path.insert(0, str(ROOT / "tests"))  # where the browser is driven from

STORY = (
    "In the spring of that year an old fisherman came down from the hills with a blue cart.",
    "He had sold his boat to a baker, who wanted to see the islands before the winter.",
    "Nobody in the village believed that the baker would ever leave the harbour.",
    "But one foggy morning the shop was shut, and a note hung on its green door.",
    "It said that fresh bread could be had again when the swallows returned.",
    "The children read it aloud to their grandmothers and laughed until noon.",
    "Then a storm broke the pier, and for eight days no ship could land there.",
    "On the ninth day a small red sail appeared beyond the lighthouse.",
    "It was the baker, with flour from the south and a parrot on his shoulder.",
    "He had learned eleven new songs and how to bake with almonds and honey.",
    "The fisherman tasted it, sighed, and asked whether the boat was for sale.",
    "So they shared it, one week each, and quarrelled happily ever after.",
)


class StoryTeller:
    """An answerer that tells one story, over and over, until it is cut."""

    accepts: tuple[type[Event], ...] = (Retrieval, Heard)

    def __init__(self, times: int = 1, cpu: bool = False) -> None:
        self._times = times
        self._cpu = cpu

    def push(self, event: Event, cancel: Cancel) -> Iterator[Event]:
        if not isinstance(event, Retrieval):
            return
        turn, asked = event.turn_id, event.question.text
        yield AnswerStarted(turn_id=turn, question=asked)
        for sentence in STORY * self._times:
            if cancel.is_set:
                break
            yield AnswerText(turn_id=turn, delta=sentence + " ")
        yield AnswerEnded(
            turn_id=turn,
            question=asked,
            text=" ".join(STORY),
            outcome="interrupted" if cancel.is_set else "completed",
            known=True,
        )

    def close(self) -> None:
        """Nothing is held."""


class Notes:
    """What the server sent and took in, in this process."""

    def __init__(self) -> None:
        self.messages: list[tuple[float, dict[str, Any]]] = []
        self.sound: list[tuple[int, Samples]] = []
        self.readers: list[PushedReader] = []
        self.ends: list[tuple[float, str, str]] = []
        self.phrases: dict[str, list[np.ndarray]] = {}

    def all(self, event: str) -> list[dict[str, Any]]:
        return [message for _, message in self.messages if message["event"] == event]

    @contextlib.contextmanager
    def taken(self) -> Iterator[Notes]:
        """Note everything while this is open."""
        send, push, put = LiveConversation._send, PushedReader.push_audio, Playout.put

        def told(conversation: Any, message: Any) -> None:
            if message["event"] != "level":
                self.messages.append((time.monotonic(), message))
            send(conversation, message)

        def pushed(reader: Any, at_ns: int, samples: Any) -> None:
            push(reader, at_ns, samples)
            if reader not in self.readers:
                self.readers.append(reader)
            self.sound.append((reader._sound.end - samples.size, samples.copy()))

        end = Peer.end

        async def ended(peer: Any, reason: str) -> None:
            if not peer.has_ended:
                state = peer._connection.connectionState
                self.ends.append((time.monotonic(), reason, state))
            await end(peer, reason)

        def laid(playout: Any, audio: Any) -> None:
            put(playout, audio)
            turn = playout._queue.get(audio.turn_id)
            if turn is not None:
                self.phrases.setdefault(audio.turn_id, []).append(turn.phrases[-1].samples)

        LiveConversation._send = told  # type: ignore[method-assign]
        PushedReader.push_audio = pushed  # type: ignore[method-assign]
        Playout.put = laid  # type: ignore[method-assign]
        Peer.end = ended  # type: ignore[method-assign]
        try:
            yield self
        finally:
            LiveConversation._send, PushedReader.push_audio = send, push  # type: ignore[method-assign]
            Playout.put, Peer.end = put, end  # type: ignore[method-assign]

    def microphone(self) -> Samples:
        """All sound that came from the newest page, 16 kHz; what is missing is silence."""
        if not self.sound:
            return np.zeros(0, np.float32)
        whole = np.zeros(max(at + each.size for at, each in self.sound), np.float32)
        for at, each in self.sound:
            whole[at : at + each.size] = each
        return whole


@contextlib.contextmanager
def tab(
    microphone: Path, notes: Notes, *, story: int = 0, before: str = "", **live: Any
) -> Iterator[Any]:
    """Serve, open the page and begin to talk; yields the tab (`page_support.Visit`)."""
    from page_support import config, server, visit

    with (
        notes.taken(),
        tempfile.TemporaryDirectory() as folder,
        server(Path(folder) / "memory", config(**live)) as running,
    ):
        wait_ready(running)
        if story:
            house = running.context.house.conversations()
            house._shared = lambda: {"answerer": StoryTeller(story)}
        with visit(running, microphone, before=before) as page:
            yield page.start()


def wait_ready(running: Server) -> None:
    while running.context.house.reasons():
        time.sleep(0.05)


def sound_health(running: Server) -> dict[str, object]:
    """What the server counted of the newest page's microphone."""
    peers = list(running.context.house.peers()._peers.values())
    return peers[-1].intake.health.counts.as_json() if peers else {}
