"""WHIP: offers that are none, candidates, goodbye, and a page that is simply gone."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from omnilive.errors import ProtocolError, UnknownSession
from omnilive.web.sdp import UnsupportedMedia
from omnilive.web.webrtc import Peers
from web_support import LOCAL, FakeConversation, RtcPage, wait_for


@pytest.fixture(scope="module")
def peers() -> Iterator[Peers]:
    peers = Peers(LOCAL)
    yield peers
    peers.close()


@contextlib.contextmanager
def hasty(**settings: float) -> Iterator[Peers]:
    """Peers that soon give up; a loaded machine may not answer the others so soon."""
    peers = Peers(replace(LOCAL, **settings))  # type: ignore[arg-type]
    try:
        yield peers
    finally:
        peers.close()


@pytest.fixture
def conversation() -> FakeConversation:
    return FakeConversation()


@contextlib.contextmanager
def opened(page: RtcPage) -> Iterator[RtcPage]:
    try:
        yield page
    finally:
        page.close()


def test_the_answer_asks_for_sound_that_never_pauses_and_names_allowed_addresses_only(
    peers: Peers, conversation: FakeConversation
) -> None:
    with opened(RtcPage(peers, conversation)) as page:
        assert page.answer is not None
        sdp = page.answer.sdp
        assert "usedtx=0" in sdp
        assert "usedtx=1" not in sdp
        assert re.findall(r"rtpmap:\d+ (\w+)", sdp.split("m=application")[0]) == ["opus"]
        candidates = re.findall(r"a=candidate:\S+ \d udp \d+ (\S+)", sdp)
        assert set(candidates) == {"127.0.0.1"}
        assert page.state == "connected"


def test_delete_ends_the_peer(peers: Peers, conversation: FakeConversation) -> None:
    with opened(RtcPage(peers, conversation)) as page:
        assert page.answer is not None
        assert peers.belongs(page.answer.peer_id, conversation)  # type: ignore[arg-type]
        peers.end(page.answer.peer_id)
        wait_for(lambda: page.messages[-1]["event"] == "bye")
        wait_for(lambda: conversation.detached)
        with pytest.raises(UnknownSession):
            peers.end(page.answer.peer_id)
    conversation.ended()


def test_candidates_may_come_later_or_never_end(
    peers: Peers, conversation: FakeConversation
) -> None:
    with opened(RtcPage(peers, conversation)) as page:
        assert page.answer is not None
        ufrag = re.search(r"a=ice-ufrag:(\S+)", page.offer)
        assert ufrag is not None
        head = f"a=ice-ufrag:{ufrag[1]}\r\na=ice-pwd:x\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\n"
        one = "a=candidate:1 1 udp 2130706431 127.0.0.1 40000 typ host\r\n"
        for body in (head + one, head + "a=end-of-candidates\r\n", "a=end-of-candidates\r\n", head):
            peers.candidates(page.answer.peer_id, body)
        page.send({"command": "ping", "time": 1})
        wait_for(lambda: any(each["event"] == "pong" for each in page.messages))
        for bad in (
            "",
            "nonsense",
            head.replace(ufrag[1], "other"),
            head + "a=candidate:1 1 udp x 127.0.0.1 y typ host\r\n",
            head + one * 500,
        ):
            with pytest.raises(ProtocolError):
                peers.candidates(page.answer.peer_id, bad)
        with pytest.raises(UnknownSession):
            peers.candidates("nobody", one)


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "hello",
        "v=0\r\n",
        "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\n",
        "v=0\r\n" * 5000,
        "v=0\r\n" + "a=" + "x" * 70_000,
        "v=0\r\nm=\x00\r\n",
        '{"sdp": "v=0"}',
    ],
    ids=["empty", "word", "head", "one line", "long", "line", "control", "json"],
)
def test_what_is_no_offer_is_refused(
    peers: Peers, conversation: FakeConversation, bad: str
) -> None:
    with pytest.raises(ProtocolError):
        peers.offer(conversation, bad)  # type: ignore[arg-type]
    assert peers.stats()["peers"] == 0


def test_damaged_offers_are_refused_and_leave_nothing_behind(
    peers: Peers, conversation: FakeConversation
) -> None:
    with opened(RtcPage(peers, conversation, offer_only=True)) as page:
        lines = page.offer.splitlines(keepends=True)
        for cut in ("a=fingerprint", "a=ice-ufrag", "a=ice-pwd", "a=setup", "a=mid:", "a=group"):
            offer = "".join(line for line in lines if not line.startswith(cut))
            with pytest.raises(ProtocolError):
                peers.offer(conversation, offer)  # type: ignore[arg-type]
        assert peers.stats()["peers"] == 0


@pytest.mark.parametrize(
    ("what", "into"), [("opus/48000/2", "speex/16000"), ("m=audio", "m=smell")]
)
def test_media_that_nobody_has_are_refused(
    peers: Peers, conversation: FakeConversation, what: str, into: str
) -> None:
    with opened(RtcPage(peers, conversation, offer_only=True)) as page:
        with pytest.raises(UnsupportedMedia):
            peers.offer(conversation, page.offer.replace(what, into))  # type: ignore[arg-type]
        assert not conversation.clients


def test_an_offer_that_never_connects_is_given_up(conversation: FakeConversation) -> None:
    with (
        hasty(connect_within_s=2.0) as peers,
        opened(RtcPage(peers, conversation, offer_only=True)) as page,
    ):
        first = peers.offer(conversation, page.offer)  # type: ignore[arg-type]
        second = peers.offer(conversation, page.offer)  # type: ignore[arg-type]
        assert not peers.belongs(first.peer_id, conversation)  # type: ignore[arg-type]
        wait_for(lambda: not peers.belongs(second.peer_id, conversation))  # type: ignore[arg-type]
    assert not conversation.clients
    assert not conversation.detached


def test_a_page_that_vanishes_is_found(conversation: FakeConversation) -> None:
    with hasty(dead_after_s=2.0) as peers, opened(RtcPage(peers, conversation)) as page:
        wait_for(lambda: conversation.chunks())
        page.vanish()
        wait_for(lambda: conversation.detached)
        assert conversation.detached[0][1] == "Nothing came from the page any more."
    conversation.ended()


def test_the_loop_is_free_while_a_conversation_is_slow(
    peers: Peers, conversation: FakeConversation
) -> None:
    """A conversation that takes seconds to note a piece does not stop the sound."""
    release = []

    def slow(piece: object) -> None:
        wait_for(lambda: release)

    conversation.taken = slow  # type: ignore[method-assign]
    with opened(RtcPage(peers, conversation)) as page:
        wait_for(lambda: page.heard()[0].size > 48_000)
        wait_for(lambda: len(conversation.chunks()) > 3)
        release.append(1)
