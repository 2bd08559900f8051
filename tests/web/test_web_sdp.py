"""Offers, answers and candidates as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnilive.errors import ProtocolError
from omnilive.web.addresses import ice_addresses
from omnilive.web.sdp import (
    UnsupportedMedia,
    read_fragment,
    read_offer,
    set_answer,
    ufrag_of,
)

HEAD = """v=0
o=- 4611731400430051336 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0 1 2
a=extmap-allow-mixed
a=msid-semantic: WMS x
"""
AUDIO = """m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0
c=IN IP4 0.0.0.0
a=rtcp:9 IN IP4 0.0.0.0
a=candidate:1 1 udp 2113937151 192.0.2.7 50000 typ host generation 0 network-cost 999
a=candidate:2 1 udp 2113937151 f3a1c2d4-0000-4000-8000-000000000000.local 50001 typ host
a=candidate:3 1 tcp 1518280447 192.0.2.7 9 typ host tcptype active
a=end-of-candidates
a=ice-ufrag:abcd
a=ice-pwd:0123456789012345678901
a=fingerprint:sha-256 00:11
a=setup:actpass
a=mid:0
a=sendrecv
a=rtcp-mux
a=rtpmap:111 opus/48000/2
a=fmtp:111 minptime=10;useinbandfec=1
a=rtpmap:63 red/48000/2
a=fmtp:63 111/111
a=rtpmap:9 G722/8000
"""
VIDEO = """m=video 9 UDP/TLS/RTP/SAVPF 96 102
a=mid:1
a=sendonly
a=rtcp-mux
a=rtpmap:96 VP8/90000
a=rtpmap:102 H264/90000
"""
CHANNEL = """m=application 9 UDP/DTLS/SCTP webrtc-datachannel
a=mid:2
a=sctp-port:5000
"""
OFFER = HEAD + AUDIO + VIDEO + CHANNEL


def test_an_offer_of_a_browser_is_read() -> None:
    offer = read_offer(OFFER)
    assert (offer.has_audio, offer.has_video, offer.wants_audio, offer.has_channel) == (True,) * 4
    assert offer.mid == "0"
    assert ufrag_of(offer.sdp) == "abcd"


def test_only_candidates_that_are_used_are_kept_and_there_is_no_end_of_them() -> None:
    sdp = read_offer(OFFER).sdp
    assert "192.0.2.7 50000" in sdp
    assert ".local" not in sdp
    assert " tcp " not in sdp
    assert "end-of-candidates" not in sdp


def test_directions_say_what_comes() -> None:
    deaf = read_offer(OFFER.replace("a=sendrecv", "a=recvonly"))
    assert (deaf.has_audio, deaf.wants_audio) == (False, True)
    mute = read_offer(OFFER.replace("a=sendrecv", "a=sendonly"))
    assert (mute.has_audio, mute.wants_audio) == (True, False)
    both = read_offer(OFFER.replace("a=sendrecv\n", ""))
    assert (both.has_audio, both.wants_audio) == (True, True)
    assert not read_offer(OFFER.replace("a=sendonly", "a=inactive")).has_video


def test_a_camera_alone_and_a_sender_without_messages_are_welcome() -> None:
    offer = read_offer(
        HEAD.replace("BUNDLE 0 1 2", "BUNDLE 1")
        + VIDEO
        + "a=ice-ufrag:abcd\na=ice-pwd:x\na=fingerprint:sha-256 00:11\n"
    )
    assert (offer.has_audio, offer.has_video, offer.has_channel) == (False, True, False)


@pytest.mark.parametrize(
    ("change", "into"),
    [
        ("opus/48000/2", "opus/16000/2"),
        ("opus/48000/2", "speex/48000"),
        ("SAVPF 111 63", "SAVPF 63"),
        ("VP8/90000\na=rtpmap:102 H264", "AV1/90000\na=rtpmap:102 H265"),
        ("m=application", "m=message"),
    ],
)
def test_codecs_and_sections_that_nobody_has(change: str, into: str) -> None:
    assert change in OFFER
    with pytest.raises(UnsupportedMedia) as caught:
        read_offer(OFFER.replace(change, into))
    assert caught.value.code == "unsupported_media"


def test_a_second_camera_is_refused() -> None:
    second = VIDEO.replace("a=mid:1", "a=mid:3")
    head = HEAD.replace("BUNDLE 0 1 2", "BUNDLE 0 1 3")
    with pytest.raises(UnsupportedMedia):
        read_offer(head + AUDIO + VIDEO + second)


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "v=0",
        OFFER.replace("v=0", "v=1"),
        OFFER.replace("BUNDLE 0 1 2", "BUNDLE 0 1"),
        OFFER.replace("a=group", "a=other"),
        OFFER.replace("a=mid:1", "a=mid:0"),
        OFFER.replace("a=fingerprint", "a=finger"),
        OFFER.replace("a=ice-pwd", "a=pwd"),
        OFFER + "a=candidate:1 1 udp 1 192.0.2.1 1 typ host\n" * 500,
        OFFER + "a=x\n" * 3000,
        OFFER + "a=" + "x" * 70_000,
        OFFER.replace("m=audio 9", "m=audio 99999999"),
        OFFER + "a=\u202e\n",
        OFFER + "a=\x00\n",
    ],
)
def test_what_is_no_offer_is_refused_in_one_sentence(bad: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        read_offer(bad)
    assert str(caught.value).endswith(".")


@given(st.text(max_size=300), st.integers(0, len(OFFER)))
def test_no_text_breaks_the_reading(noise: str, at: int) -> None:
    for read in (read_offer, read_fragment):
        try:
            read(OFFER[:at] + noise + OFFER[at:])
        except ProtocolError:
            continue


def test_the_answer_wants_mono_opus_that_never_pauses() -> None:
    answer = set_answer(
        "v=0\r\ns=-\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n"
        "a=rtpmap:111 opus/48000/2\r\na=fmtp:111 usedtx=1;stereo=1\r\n"
        "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\na=rtpmap:96 VP8/90000\r\n"
        "a=fmtp:96 x=1\r\n"
    )
    lines = answer.splitlines()
    at = lines.index("a=rtpmap:111 opus/48000/2")
    assert lines[at + 1] == "a=fmtp:111 minptime=10;stereo=0;sprop-stereo=0;usedtx=0"
    assert "usedtx=1" not in answer
    assert "a=fmtp:96 x=1" in lines
    assert answer.count("a=fmtp") == 2
    assert set_answer(answer) == answer


def test_fragments() -> None:
    fragment = read_fragment(
        "a=ice-ufrag:abcd\r\na=ice-pwd:x\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\n"
        "a=candidate:1 1 udp 2113937151 192.0.2.7 50000 typ host\r\n"
        "a=candidate:2 1 udp 2113937151 some-name.local 50001 typ host\r\n"
        "a=end-of-candidates\r\n"
    )
    assert fragment.ufrag == "abcd"
    assert fragment.candidates == ("1 1 udp 2113937151 192.0.2.7 50000 typ host",)
    assert read_fragment("a=end-of-candidates").candidates == ()


def test_addresses_for_media() -> None:
    assert ice_addresses("127.0.0.1") == ("127.0.0.1", "::1")
    assert ice_addresses("localhost") == ("127.0.0.1", "::1")
    assert ice_addresses("[::1]") == ("::1", "127.0.0.1")
    assert ice_addresses("192.0.2.9") == ("127.0.0.1", "::1", "192.0.2.9")
    assert ice_addresses("127.0.0.1", ["192.0.2.1", "192.0.2.1"]) == ("192.0.2.1",)
    assert set(ice_addresses("0.0.0.0")) >= {"127.0.0.1", "::1"}
