"""The same conversation over WebRTC and over WebSocket: nothing missing in either direction."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from omnilive.events import NS_PER_S, AnswerAudio, MediaPacket
from omnilive.media.resampling import resample
from omnilive.serving.playout import PIECE_SAMPLES
from omnilive.web.webrtc import Peers
from web_support import (
    LOCAL,
    FakeConversation,
    RtcPage,
    SocketPage,
    best_match,
    socket_server,
    spoken,
    wait_for,
)

pytestmark = pytest.mark.real_time

Connect = Callable[..., Any]


@pytest.fixture(scope="module")
def peers() -> Iterator[Peers]:
    peers = Peers(replace(LOCAL, record=True, record_height=120))
    yield peers
    peers.close()


@pytest.fixture
def conversation() -> FakeConversation:
    return FakeConversation()


@pytest.fixture(params=["webrtc", "websocket"])
def connect(
    request: pytest.FixtureRequest, peers: Peers, conversation: FakeConversation
) -> Iterator[Connect]:
    pages: list[Any] = []
    with socket_server(conversation, peers) as port:

        def new(*, camera: bool = False) -> Any:
            if request.param == "webrtc":
                page: Any = RtcPage(peers, conversation, camera=camera)
            else:
                page = SocketPage(port, camera=camera)
            pages.append(page)
            return page

        yield new
        for page in pages:
            page.close()
        wait_for(lambda: len(conversation.detached) == len(conversation.clients))
    conversation.ended()


def burn(stop: threading.Event) -> None:
    while not stop.is_set():
        sum(range(1000))


@pytest.mark.parametrize("is_loaded", [False, True], ids=["idle", "loaded"])
def test_sound_is_complete_both_ways(
    connect: Connect, conversation: FakeConversation, is_loaded: bool
) -> None:
    stop = threading.Event()
    interval_s = sys.getswitchinterval()
    if is_loaded:
        # As a server does; here the page, too, lives in this loaded process.
        sys.setswitchinterval(0.001)
        threading.Thread(target=burn, args=(stop,), daemon=True).start()
    try:
        page = connect()
        question = spoken("What did the screen show this morning?")
        answer = spoken("It showed the number forty two.", 22_050)
        page.say(question)
        conversation.playout.put(
            AnswerAudio(turn_id="t1", text="answer", sample_rate=22_050, samples=answer)
        )
        conversation.playout.finish("t1")
        wait_for(lambda: conversation.playout.is_over("t1"))
        wait_for(lambda: page.said > question.size + 16_000)
        enough = page.said
        wait_for(lambda: conversation.chunks()[-1].at_ns > enough * 62_500 - 400_000_000)
        pieces = list(conversation.pieces)
        wait_for(lambda: page.heard()[0].size / page.heard()[1] > len(pieces) * 0.02 - 0.3)
    finally:
        stop.set()
        sys.setswitchinterval(interval_s)
    # In: one piece from the first sample on (`sound` asserts it), and the words are in it.
    heard_here = conversation.sound()
    counts = conversation.readers[-1].counts  # type: ignore[attr-defined]
    lost = counts.missing_samples + counts.filled_samples + counts.trimmed_samples
    assert lost + counts.refused + counts.overflowed_samples == 0
    assert not conversation.gaps()
    assert best_match(question, heard_here)[1] > 0.9
    # Out: what was taken is what arrived, and the whole answer is in it.
    numbers = [piece.index for piece in pieces]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers) * PIECE_SAMPLES, 960))
    sound, rate = page.heard()
    assert best_match(resample(answer, 22_050, rate), sound)[1] > 0.9


def test_the_answer_arrives_without_a_hole(
    connect: Connect, conversation: FakeConversation
) -> None:
    """A rising tone: each stretch of it is found right behind the one before."""
    page = connect()
    at = np.arange(3 * 24_000) / 24_000
    tone = (0.3 * np.sin(2 * np.pi * (300 * at + 400 * at**2))).astype(np.float32)
    conversation.playout.put(
        AnswerAudio(turn_id="t1", text="tone", sample_rate=24_000, samples=tone)
    )
    conversation.playout.finish("t1")
    wait_for(lambda: conversation.playout.is_over("t1"))
    over = len(conversation.pieces)
    wait_for(lambda: page.heard()[0].size / page.heard()[1] > over * 0.02 + 0.2)
    sound, rate = page.heard()
    wide = resample(tone, 24_000, rate)
    step = rate // 4
    found = [best_match(wide[at : at + step], sound) for at in range(0, wide.size - step, step)]
    assert min(alike for _, alike in found) > 0.95
    starts = [at for at, _ in found]
    assert np.abs(np.diff(starts) - step).max() <= rate // 500


def test_what_comes_is_recorded(connect: Connect, conversation: FakeConversation) -> None:
    page = connect(camera=True)
    page.show(np.full((240, 320, 3), 90, np.uint8))
    page.say(spoken("This is kept."))
    wait_for(lambda: len(conversation.frames()) >= 2)
    page.leave()
    conversation.ended()
    packets = [each for each in conversation.media[0] if isinstance(each, MediaPacket)]
    pictures = [each for each in packets if each.kind == "video"]
    sound = [each for each in packets if each.kind == "audio"]
    assert pictures[0].is_key
    assert {packet.height for packet in pictures} == {120}
    assert len(pictures) <= (pictures[-1].at_ns / NS_PER_S + 1) * 5 + 1
    heard_ns = conversation.chunks()[-1].at_ns
    assert sum(each.duration_ns for each in sound) >= heard_ns - 300_000_000


def test_messages_go_both_ways(connect: Connect, conversation: FakeConversation) -> None:
    page = connect()
    assert page.messages[0]["event"] == "hello"
    page.send({"command": "ping", "time": 12.5})
    wait_for(lambda: any(each["event"] == "pong" for each in page.messages))
    page.send({"command": "ask", "text": "什么时候？"})
    wait_for(lambda: len(conversation.received) == 2)
    assert conversation.received[1] == {"command": "ask", "text": "什么时候？"}
    for number in range(300):
        conversation.clients[0].send({"event": "answer_text", "turn": "t", "delta": str(number)})
    wait_for(lambda: page.messages[-1].get("delta") == "299")
    deltas = [each["delta"] for each in page.messages if each["event"] == "answer_text"]
    assert deltas == [str(number) for number in range(300)]


@pytest.mark.parametrize(
    "bad", ["not json", "[1, 2]", '"text"', "[" * 5000, "x" * 70_000], ids=lambda text: text[:8]
)
def test_bad_messages_are_refused_and_the_connection_lives(
    connect: Connect, conversation: FakeConversation, bad: str
) -> None:
    page = connect()
    page.send_raw(bad)
    wait_for(lambda: any(each["event"] == "error" for each in page.messages))
    page.send({"command": "ping", "time": 1})
    wait_for(lambda: any(each["event"] == "pong" for each in page.messages))
    assert all(each["command"] == "ping" for each in conversation.received)


def test_pictures_come_at_the_rate_that_is_wanted(
    connect: Connect, conversation: FakeConversation
) -> None:
    page = connect(camera=True)
    picture = np.zeros((240, 320, 3), np.uint8)
    picture[:, 160:] = (200, 40, 40)
    page.show(picture)
    wait_for(lambda: conversation.media and len(conversation.frames()) >= 3)
    frames = conversation.frames()
    assert {frame.pixels.shape for frame in frames} == {(240, 320, 3)}
    right = frames[-1].pixels[100:140, 200:300].reshape(-1, 3).mean(axis=0)
    assert np.abs(right - (200, 40, 40)).max() < 25
    seconds = [frame.at_ns // 1_000_000_000 for frame in frames]
    assert len(set(seconds)) == len(seconds)
    # Beside the sound: not a second apart from where the sound is.
    chunk = conversation.chunks()[-1]
    assert abs(chunk.at_ns - frames[-1].at_ns) < 2_000_000_000


def test_a_new_page_takes_the_place_of_the_one_before(
    connect: Connect, conversation: FakeConversation
) -> None:
    first = connect()
    second = connect()
    wait_for(lambda: first.messages[-1]["event"] == "bye")
    wait_for(lambda: len(conversation.detached) == 1)
    assert conversation.detached[0][0] is conversation.clients[0]
    second.send({"command": "ping", "time": 3})
    wait_for(lambda: any(each["event"] == "pong" for each in second.messages))
    # The track goes on: each piece was taken once, by one of the two.
    numbers = sorted(piece.index for piece in conversation.pieces)
    assert numbers == list(range(0, len(numbers) * PIECE_SAMPLES, PIECE_SAMPLES))


def test_a_page_that_leaves_is_detached_at_once(
    connect: Connect, conversation: FakeConversation
) -> None:
    page = connect()
    wait_for(lambda: conversation.chunks())
    page.leave()
    wait_for(lambda: conversation.detached)
    conversation.ended()
    assert conversation.media[0]


def test_the_end_of_a_conversation_says_goodbye(
    connect: Connect, conversation: FakeConversation
) -> None:
    page = connect()
    conversation.clients[0].close("The conversation was ended.")
    conversation.clients[0].close("Twice.")
    wait_for(lambda: page.messages[-1]["event"] == "bye")
    assert page.messages[-1]["reason"] == "The conversation was ended."
    wait_for(lambda: conversation.detached)
    assert sum(each["event"] == "bye" for each in page.messages) == 1
