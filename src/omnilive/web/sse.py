"""An answer as server-sent events: a thread answers, the loop sends, and whoever leaves cuts it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import TypeAlias

from omnilive.cancel import Cancel
from omnilive.errors import BackendError, Cancelled, OmniLiveError
from omnilive.events import AnswerEnded, AnswerStarted, AnswerText, Question
from omnilive.serving import wire
from omnilive.serving.messages import Messages
from omnilive.serving.wire import Json
from omnilive.web.context import Context
from omnilive.web.errors import Refusal

HEARTBEAT_S = 10.0
_TOLD = (Question, AnswerStarted, AnswerText, AnswerEnded)
_Item: TypeAlias = "Json | Exception | None"


class Turn:
    """One question and the messages that answer it. Use it in an `async with` block.

    Args:
        context: what answers.
        question: what is asked.
        stream: the only stream it is asked of; "" asks of all.
    """

    def __init__(self, context: Context, question: str, stream: str) -> None:
        self._context = context
        self._question, self._stream = question, stream
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[_Item] = asyncio.Queue()
        self._cancel: Cancel | None = None
        self._over = False

    async def begin(self) -> Json:
        """Ask; returns the first message.

        Raises:
            Refusal: too many questions are being answered.
            UsageError: it is no question, or there is no such stream.
        """
        cancel = self._context.asking.begin()
        if cancel is None:
            raise Refusal(
                503,
                "busy",
                "Too many questions are being answered; ask again in a moment.",
                headers={"Retry-After": "5"},
            )
        self._cancel = cancel
        try:
            self._context.asking.pool.submit(self._work, cancel)
        except RuntimeError as error:  # the pool is closed
            raise Refusal(503, "going_down", "The server is going down.") from error
        first = await self.next()
        if first is None:
            raise BackendError("The question got no answer; ask it as a question.")
        return first

    async def next(self, patience_s: float | None = None) -> Json | None:
        """Return the next message; None at the end.

        Raises:
            TimeoutError: none came within `patience_s`.
            OmniLiveError: the question failed.
        """
        if self._over:
            return None
        item = await asyncio.wait_for(self._queue.get(), patience_s)
        if item is None or isinstance(item, Exception):
            self._over = True
        if isinstance(item, Exception):
            raise item
        return item

    def end(self) -> None:
        """Cut the turn if it is not over. Safe to call twice."""
        if self._cancel is not None:
            self._context.asking.end(self._cancel)

    def _work(self, cancel: Cancel) -> None:
        started = time.monotonic()
        messages = Messages()
        item: _Item = None
        try:
            cancel.check()
            with self._context.memories.asking() as memory:
                for event in memory.ask_events(self._question, stream=self._stream, cancel=cancel):
                    if isinstance(event, _TOLD):
                        took_ms = round((time.monotonic() - started) * 1000)
                        self._tell(messages.message(event, took_ms=took_ms))
        except Cancelled:
            pass
        except Exception as error:  # handed over to whoever waits for the answer
            item = error
        self._tell(item, end=True)

    def _tell(self, item: _Item, *, end: bool = False) -> None:
        if item is not None or end:
            # The loop may have been closed by a server that is going down.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._queue.put_nowait, item)


async def events(turn: Turn, first: Json) -> AsyncIterator[str]:
    """Yield a turn's messages as server-sent events, with a comment where there is silence."""
    message: Json | None = first
    try:
        while message is not None:
            yield f"event: {message['event']}\ndata: {wire.dumps(message)}\n\n"
            message = None
            while message is None:
                try:
                    message = await turn.next(HEARTBEAT_S)
                    if message is None:
                        return
                except TimeoutError:
                    yield ": still working\n\n"
                except OmniLiveError as error:
                    told: Json = {"event": "error", "code": "failed", "message": str(error)}
                    yield f"event: error\ndata: {wire.dumps(told)}\n\n"
                    return
    finally:
        turn.end()
