"""The memory in the page: search, scrub, play, pin, forget; tabs, phones, and what goes wrong."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from browser_support import spoken, write_microphone
from http_support import store_copy, written
from omnilive import api
from page_support import Visit, config, server, until_equal, visit

pytestmark = [pytest.mark.browser, pytest.mark.slow]

DENIED = """navigator.mediaDevices.getUserMedia = async () => {
  throw new DOMException("denied", "NotAllowedError");
};"""
PHONE = (390, 844)


def _sessions(tab: Visit) -> int:
    listed = httpx.get(
        f"{tab.server.address}v1/sessions",
        headers={"Authorization": f"Bearer {tab.server.token}"},
    )
    return len(listed.json()["sessions"])


def _type_only(tab: Visit) -> Visit:
    tab.page.click("#start-typing")
    tab.until("omnilive.state().connection === 'live'")
    return tab


def test_search_scrub_play_pin_forget(tmp_path: Path) -> None:
    store = store_copy(tmp_path)
    with api.open_store(store) as memory:
        said = [each for each in memory.newest(limit=200) if each.kind == "speech"]
    words = said[0].text
    with server(store) as running, visit(running) as tab:
        page = _type_only(tab).page
        # Search finds the words, and opening a result shows its moment.
        page.fill("#search-text", words)
        page.press("#search-text", "Enter")
        page.locator("#results-list .card").first.wait_for()
        assert words[:20] in page.inner_text("#results-list")
        page.locator("#results-list button").first.click()
        page.locator("dialog#moment[open]").wait_for()
        # It plays.
        tab.until("document.querySelector('dialog#moment video') !== null")
        tab.until("document.querySelector('dialog#moment video').readyState >= 2")
        # It is pinned, and stays so.
        page.click("#moment-pin")
        tab.until("document.querySelector('#moment-pin').getAttribute('aria-pressed') === 'true'")
        page.keyboard.press("Escape")
        # The timeline is scrubbed by keyboard.
        page.focus("#track")
        before = page.get_attribute("#track", "aria-valuenow")
        for _ in range(3):
            page.keyboard.press("ArrowLeft")
        assert page.get_attribute("#track", "aria-valuenow") != before
        # What is forgotten is gone from the store, after a confirmation.
        page.fill("#search-text", said[-1].text)
        page.press("#search-text", "Enter")
        tab.until(
            f"document.querySelector('#results-list').innerText.includes({said[-1].text[:20]!r})"
        )
        page.locator("#results-list button").first.click()
        page.click("#moment-forget")
        page.click("#forget-no")
        assert page.locator("dialog#moment[open]").count() == 1
        page.click("#moment-forget")
        page.click("#forget-yes")
        tab.until("document.querySelector('dialog#moment[open]') === null")
        with api.open_store(store) as memory:
            left = {each.id for each in memory.newest(limit=200)}
        assert said[-1].id not in left
        assert said[0].id in left


def test_typed_questions_are_answered_with_citations(tmp_path: Path) -> None:
    with server(store_copy(tmp_path)) as running, visit(running) as tab:
        page = _type_only(tab).page
        tab.type("What was said?")
        tab.until_received("answer")
        page.locator("#transcript .citation").first.wait_for()
        # The button cuts what is being said.
        tab.type("What was said in the video?")
        tab.until("omnilive.state().floor === 'answering'")
        page.click("#stop")
        tab.until_received("interruption")
        tab.until("omnilive.state().floor === 'listening'")


def test_a_phone_shows_everything_without_scrolling_sideways(tmp_path: Path) -> None:
    with server(store_copy(tmp_path)) as running, visit(running, size=PHONE, dark=True) as tab:
        page = _type_only(tab).page
        tab.type("What was said?")
        tab.until_received("answer")
        for view in ("#view-talk", "#view-memory"):
            page.click(view)
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= PHONE[0], view
        page.screenshot(path=str(tmp_path / "phone.png"))


def test_two_tabs_are_two_sessions(tmp_path: Path) -> None:
    write_microphone(tmp_path / "mic.wav", [(2, spoken("The red box is under the table."))], 30)
    with server(tmp_path / "store") as running, visit(running, tmp_path / "mic.wav") as tab:
        tab.start(record=False)
        other = Visit(tab.page.context.new_page(), running)
        other.start(record=False)
        assert _sessions(tab) == 2
        names = {each.page.evaluate("omnilive.state().session") for each in (tab, other)}
        assert len(names) == 2
        # Each hears its own microphone, and one memory holds what both heard.
        tab.until_received("utterance")
        other.until_received("utterance")
        other.page.close()


def test_a_tab_that_is_closed_ends_its_session(tmp_path: Path) -> None:
    write_microphone(tmp_path / "mic.wav", [], 30)
    with (
        server(tmp_path / "store", config(grace_s=1.0)) as running,
        visit(running, tmp_path / "mic.wav") as tab,
    ):
        tab.start(record=False)
        other = Visit(tab.page.context.new_page(), running)
        other.start(record=False)
        until_equal(lambda: _sessions(tab), 2)
        other.page.close(run_before_unload=False)
        until_equal(lambda: _sessions(tab), 1)


def test_no_microphone_is_said_and_typing_works(tmp_path: Path) -> None:
    with server(store_copy(tmp_path)) as running, visit(running, before=DENIED) as tab:
        tab.page.click("#start-talking")
        tab.until(
            "omnilive.state().page === 'talk' || !document.querySelector('#start-problem').hidden"
        )
        if tab.page.evaluate("omnilive.state().page") == "start":
            assert tab.page.inner_text("#start-problem").strip()
            tab.page.click("#start-typing")
        tab.until("omnilive.state().connection === 'live'")
        tab.type("What was said?")
        tab.until_received("answer")


def test_a_camera_that_is_pulled_out_is_told(tmp_path: Path) -> None:
    write_microphone(tmp_path / "mic.wav", [(8, spoken("The red box is under the table."))], 30)
    with server(tmp_path / "store") as running, visit(running, tmp_path / "mic.wav") as tab:
        tab.start(record=False)
        tab.page.evaluate(
            "document.querySelector('#picture').srcObject.getVideoTracks()"
            ".forEach((track) => { track.stop(); track.dispatchEvent(new Event('ended')); })"
        )
        tab.until("omnilive.state().camera === 'lost'")
        assert tab.page.inner_text("#notices").strip()
        # Sound goes on.
        tab.until_received("utterance")


def test_a_store_that_is_being_written_can_be_looked_at(tmp_path: Path) -> None:
    store = store_copy(tmp_path)
    with written(store), server(store) as running, visit(running) as tab:
        tab.until("omnilive.state().viewer === true")
        tab.type("What was said?")
        tab.until_received("answer")
        tab.page.locator("#transcript .citation").first.wait_for()


def test_in_chinese(tmp_path: Path) -> None:
    with server(store_copy(tmp_path)) as running, visit(running, locale="zh-CN") as tab:
        _type_only(tab)
        assert tab.page.get_attribute("html", "lang").startswith("zh")
        tab.type("What was said?")
        tab.until_received("answer")
