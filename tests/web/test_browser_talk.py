"""A person talks with the page: aloud, over an answer, with a cough, in writing, after a reload."""

from __future__ import annotations

from pathlib import Path

import pytest

from browser_support import cough, spoken, write_camera, write_microphone
from http_support import store_copy
from omnilive.events import Samples
from page_support import heard_share, phrases, server, visit

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.real_time]

WEBSOCKET = "delete window.RTCPeerConnection;"
TOLD = "The red box is under the table."
ASKED = "Where is the red box?"


def said(text: str) -> Samples:
    return spoken(text, rate_wpm=130)


def _camera(folder: Path) -> Path:
    write_camera(folder / "camera.mjpeg", [("ROOM 42", 6), ("EXIT B", 6)])
    return folder / "camera.mjpeg"


@pytest.mark.parametrize("transport", ["webrtc", "websocket"])
def test_asked_aloud_answered_aloud(tmp_path: Path, transport: str) -> None:
    write_microphone(tmp_path / "mic.wav", [(1, said(TOLD)), (7, said(ASKED))], 40)
    before = WEBSOCKET if transport == "websocket" else ""
    with (
        server(tmp_path / "store") as running,
        visit(running, tmp_path / "mic.wav", _camera(tmp_path), before=before) as tab,
    ):
        tab.start()
        assert tab.page.evaluate("omnilive.state().transport") == transport
        tab.until_received("heard")
        # What the page really played is what was answered, all of it.
        tab.page.wait_for_timeout(1000)  # the last of it is still on its way to the ear
        answer = tab.answer()
        assert "table" in answer, tab.transcript()
        played = tab.played()
        assert all(heard_share(each, played) > 0.8 for each in phrases(answer))
        citation = tab.page.locator("#transcript .citation").first
        citation.wait_for()
        # The citation plays its moment.
        tab.until_received("clip", 2)
        citation.click()
        tab.page.locator("dialog[open] video").wait_for()
        tab.until("document.querySelector('dialog[open] video').currentTime > 0.3")
        tab.page.keyboard.press("Escape")
        # In writing, about what the camera saw.
        tab.type("When was EXIT B on the screen?")
        tab.until_received("answer", 2)
        assert "EXIT B" in tab.transcript()
        # A reload goes on with the same session and shows what was said before.
        session = tab.page.evaluate("omnilive.state().session")
        tab.reload()
        assert tab.page.evaluate("omnilive.state().session") == session
        assert ASKED.split()[-1].strip("?") in tab.transcript()


def test_talked_over_it_falls_silent(tmp_path: Path) -> None:
    over = said("Stop, that is enough for now.")
    write_microphone(tmp_path / "mic.wav", [(7, over)], 40)
    with server(store_copy(tmp_path)) as running, visit(running, tmp_path / "mic.wav") as tab:
        tab.start()
        tab.type("What was said?")
        tab.until_sounding()
        tab.until_received("hold")
        tab.until_received("interruption")
        cut_ms = tab.now_ms()
        tab.until_received("heard")
        tab.page.wait_for_timeout(2000)  # what would still sound, sounds now
        after = tab.played(cut_ms + 500)
        assert after.size
        assert abs(after).max() < 0.01
        # What was heard is the beginning of the answer, and its end was not.
        played = tab.played()
        shares = [heard_share(each, played) for each in phrases(tab.answer())]
        assert shares[0] > 0.2
        assert shares[-1] <= 0.8
        assert tab.floor() == "listening"


def test_a_cough_only_holds(tmp_path: Path) -> None:
    write_microphone(tmp_path / "mic.wav", [(7, cough())], 40)
    with server(store_copy(tmp_path)) as running, visit(running, tmp_path / "mic.wav") as tab:
        tab.start()
        tab.type("What was said about waiting for a telephone call?")  # answered in 20 s
        tab.until_sounding()
        tab.until_received("hold")
        tab.until_received("resume")
        tab.until_received("heard")
        assert tab.received("interruption") == 0
        # All of it was heard, to the end.
        tab.page.wait_for_timeout(1000)
        played = tab.played()
        assert all(heard_share(each, played) > 0.8 for each in phrases(tab.answer()))
