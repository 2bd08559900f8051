"""A real conversation over each transport: asked and answered aloud, talked over, resumed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from omnilive.presets import embedded
from omnilive.serving.conversation import LiveConversation
from omnilive.serving.conversations import Conversations
from omnilive.system import System
from omnilive.web.webrtc import Peers
from talk_support import LongAnswer
from web_support import LOCAL, RtcPage, SocketPage, socket_server, spoken, wait_for

pytestmark = pytest.mark.real_time

Connect = Callable[[], Any]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Conversations]:
    config = embedded()
    system = System(config, tmp_path_factory.mktemp("live") / "memory", write=True)
    conversations = Conversations(system, config.live)
    conversations.warm()
    yield conversations
    conversations.close_all()
    system.close()


@pytest.fixture(scope="module")
def peers() -> Iterator[Peers]:
    peers = Peers(LOCAL)
    yield peers
    peers.close()


@pytest.fixture
def conversation(
    house: Conversations, monkeypatch: pytest.MonkeyPatch
) -> Iterator[LiveConversation]:
    monkeypatch.setattr(house, "_shared", lambda: {"answerer": LongAnswer(6)})
    conversation = house.open()
    yield conversation
    house.close(conversation.id)


@pytest.fixture(params=["webrtc", "websocket"])
def connect(
    request: pytest.FixtureRequest, peers: Peers, conversation: LiveConversation
) -> Iterator[Connect]:
    pages: list[Any] = []
    with socket_server(conversation, peers) as port:

        def new() -> Any:
            rtc = request.param == "webrtc"
            pages.append(RtcPage(peers, conversation) if rtc else SocketPage(port))
            return pages[-1]

        yield new
        for page in pages:
            page.close()


def came(page: Any, event: str, after: int = 0) -> dict[str, Any] | None:
    return next((each for each in page.messages[after:] if each["event"] == event), None)


def is_loud(page: Any, seconds: float) -> bool:
    """Whether the page hears a voice in the newest `seconds`."""
    sound, rate = page.heard()
    newest = sound[-round(seconds * rate) :]
    return newest.size > 0 and float(np.abs(newest).max()) > 0.02


def test_asked_aloud_answered_aloud_and_talked_over(
    connect: Connect, conversation: LiveConversation
) -> None:
    page = connect()
    assert page.messages[0]["event"] == "hello"
    page.say(0.3 * spoken("Where is the hotel?"))
    wait_for(lambda: came(page, "speaking"))
    wait_for(lambda: is_loud(page, 0.2))
    mark = len(page.messages)
    page.say(0.3 * spoken("No, wait, tell me about the railway station please."))
    wait_for(lambda: came(page, "hold", mark))
    wait_for(lambda: not is_loud(page, 0.2))
    wait_for(lambda: came(page, "interruption", mark))
    wait_for(lambda: came(page, "heard", mark))
    heard = came(page, "heard", mark)
    assert heard is not None
    assert not heard["complete"]
    assert came(page, "level") is not None


def test_a_page_that_comes_back_goes_on_in_the_same_conversation(
    connect: Connect, conversation: LiveConversation
) -> None:
    first = connect()
    first.say(0.3 * spoken("Where is the hotel?"))
    wait_for(lambda: came(first, "answer"))
    first.vanish()
    second = connect()
    assert second.messages[0]["event"] == "hello"
    assert second.messages[0]["session"] == conversation.id
    mark = len(second.messages)
    second.send({"command": "ask", "text": "And where is the station?"})
    wait_for(lambda: came(second, "answer", mark))
    wait_for(lambda: is_loud(second, 0.2))
    second.send({"command": "stop"})
    wait_for(lambda: not is_loud(second, 0.2))
