from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnilive.errors import MediaError
from omnilive.media.source import Source, parse_source, redact, scrub

SECRET = "p@s:s/w"
CODED = "p%40s%3As%2Fw"
CAMERA = f"rtsp://admin:{CODED}@10.0.0.5:554/cam?channel=1&token=abcdef123"


def test_files_network_addresses_and_devices_are_told_apart(tmp_path):
    assert parse_source("/dev/video0").kind == "device"
    assert parse_source("talk.mp4").kind == "file"
    assert parse_source("12:30 talk.mp4").kind == "file"
    assert parse_source(r"C:\films\talk.mp4").kind == "file"
    assert parse_source((tmp_path / "a b.mp4").as_uri()).address == str(tmp_path / "a b.mp4")
    for scheme in ("http", "https", "rtmp", "rtmps", "rtsp", "rtsps", "RTSP"):
        source = parse_source(f"{scheme}://host/path")
        assert (source.kind, source.scheme) == ("network", scheme.lower())


def test_a_relative_file_is_opened_by_its_absolute_path_and_shown_as_written():
    source = parse_source("films/talk.mp4")
    assert source.address == str(Path("films/talk.mp4").absolute())
    assert source.shown == "films/talk.mp4"


@pytest.mark.parametrize(
    "text",
    [
        "concat://a|b",
        "ftp://host/a.mp4",
        "rtp://239.0.0.1:5004",
        "udp://:1234",
        "data://text",
        "subfile://x",
        "smb://h/a",
        "crypto://x",
    ],
)
def test_other_schemes_are_refused_with_the_allowed_ones(text):
    with pytest.raises(MediaError, match="rtsp://"):
        parse_source(text)


@pytest.mark.parametrize(
    "text", ["rtsp://", "http:///a.mp4", "rtsp://host:port/x", "http://[::1/x"]
)
def test_an_address_without_host_or_with_a_bad_port_is_refused(text):
    with pytest.raises(MediaError, match="host and port"):
        parse_source(text)


def test_nothing_secret_is_shown():
    source = parse_source(CAMERA)
    assert source.shown == "rtsp://10.0.0.5:554/cam?channel=1&token=***"
    assert source.name == "10.0.0.5 cam"
    for text in (source.shown, repr(source), source.name):
        assert SECRET not in text
        assert CODED not in text
        assert "admin" not in text
        assert "abcdef123" not in text


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://h/a?v=1", "http://h/a?v=1"),
        ("http://user@h:80/a#frag", "http://h:80/a"),
        ("http://h/a?X-Api-Key=1234&b=2", "http://h/a?X-Api-Key=***&b=2"),
        (
            "https://h/a?Signature=zz&PASSWD=x&auth=y",
            "https://h/a?Signature=***&PASSWD=***&auth=***",
        ),
        ("rtsp://a:b@c@host/x", "rtsp://host/x"),
    ],
)
def test_redaction(url, shown):
    assert redact(url) == shown


def test_scrub_removes_every_spelling_of_the_secrets():
    source = parse_source(CAMERA)
    text = f"failed {CAMERA} with {SECRET} {CODED} abcdef123 rtsp://admin:{CODED}@10.0.0.5 http://x:y@z/"
    clean = scrub(text, source)
    for secret in (SECRET, CODED, "abcdef123", "admin:", "x:y@"):
        assert secret not in clean
    assert "10.0.0.5" in clean


@given(st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=4, max_size=20))
def test_scrub_holds_for_any_password(password):
    from urllib.parse import quote

    coded = quote(password, safe="")
    source = parse_source(f"rtsp://u:{coded}@host/x")
    assert f"<{password}>" not in scrub(f"<{password}> {source.address}", source)
    assert f":{coded}@" not in scrub(source.address, source)


def test_a_file_name_is_left_alone_by_scrub():
    source = Source(kind="file", address="/a/b.mp4", shown="b.mp4")
    assert scrub("/a/b.mp4 broke", source) == "/a/b.mp4 broke"


@pytest.mark.parametrize("text", ["/", "a\x00b.mp4", "x" * 300 + ".mp4", "\udcff.mp4"])
def test_a_name_for_a_stream_is_always_short_and_printable(text):
    name = parse_source(text).name
    assert 0 < len(name) <= 80
    assert "/" not in name
    assert name.isprintable()
