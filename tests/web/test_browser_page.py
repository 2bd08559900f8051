"""The page's own parts in a real browser, without a server behind them."""

from __future__ import annotations

import json
import re
import struct
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import omnilive.web
from browser_support import browser
from omnilive.web.security import HEADERS

pytestmark = pytest.mark.browser

PAGE = Path(omnilive.web.__file__).parent / "page"
_HERE = Path(__file__).parent / "page"
_MEASURE = (_HERE / "measure.js").read_text(encoding="utf-8")
_SHOWN = (_HERE / "shown.js").read_text(encoding="utf-8")
_MESSAGES: list[dict[str, Any]] = json.loads((_HERE / "messages.json").read_text(encoding="utf-8"))
_EMPTY = {
    "/v1/streams": {"streams": []},
    "/v1/turns": {"turns": []},
    "/v1/moments": {"moments": [], "next": None},
    "/v1/timeline": {"from": "", "to": "", "bins": [], "clips": [], "watched": [], "exact": True},
}


class _Files(SimpleHTTPRequestHandler):
    """Serves the page with the server's own headers, and an empty memory."""

    def do_GET(self) -> None:
        content = _EMPTY.get(self.path.partition("?")[0])
        if content is None:
            super().do_GET()
            return
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def translate_path(self, path: str) -> str:
        name = path.removeprefix("/static/").lstrip("/") or "index.html"
        return str(PAGE / name)

    def end_headers(self) -> None:
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A browser that is closed lets go of what it asked for."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    files = _Server(("127.0.0.1", 0), _Files)
    thread = threading.Thread(target=files.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{files.server_port}/"
    files.shutdown()
    thread.join()
    files.server_close()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as running:
        yield running


class Tab:
    def __init__(self, chromium: Any, address: str, **options: Any) -> None:
        self.context = chromium.new_context(**options)
        self.page = self.context.new_page()
        self.errors: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", self._note)
        self.page.goto(address)
        self._until_started()

    def _until_started(self) -> None:
        while not self.page.evaluate("Boolean(window.omnilive)"):
            self.page.wait_for_timeout(20)

    def _note(self, message: Any) -> None:
        # That no server answers is what these tests are without.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.errors.append(message.text)

    def run(self, script: str, value: Any = None) -> Any:
        return self.page.evaluate(script, value)

    def receive(self, *messages: dict[str, Any]) -> None:
        self.run(
            "async (all) => all.forEach((await import('/static/js/events.js')).receive)",
            list(messages),
        )

    def talk(self) -> None:
        self.run(
            """async () => {
              const { set } = await import('/static/js/state.js');
              set('page', 'talk');
              set('connection', 'live');
            }"""
        )


@pytest.fixture
def tab(chromium: Any, address: str) -> Iterator[Tab]:
    opened = Tab(chromium, address, locale="en-GB", viewport={"width": 1280, "height": 800})
    yield opened
    opened.context.close()
    assert opened.errors == []


def test_every_message_is_taken_and_nothing_fails(tab: Tab) -> None:
    tab.talk()
    tab.receive(*_MESSAGES)
    assert tab.run("Object.keys(omnilive.received()).length") == len(
        {m["event"] for m in _MESSAGES}
    )
    # Words that were partial stand there once, and became the question.
    assert tab.page.locator("#transcript li").count() == 4
    assert tab.page.inner_text("#transcript .question .words") == "Where is it?"
    # What was not heard is struck through; what was forgotten is no longer cited.
    assert tab.page.inner_text(".answer-text .unheard").strip() == "It is blue."
    assert tab.page.locator(".citation").count() == 0
    assert tab.page.inner_text("#latency-total") == "205 ms"


def test_the_phrase_being_spoken_is_marked(tab: Tab) -> None:
    tab.talk()
    tab.receive(*_MESSAGES[8:15])
    assert tab.page.inner_text(".answer-text mark") == "On the table."
    tab.receive(
        {"event": "speaking", "turn": "q1", "phrase": 1, "text": "It is blue.", "sample": 9}
    )
    assert tab.page.inner_text(".answer-text mark") == "It is blue."


def test_what_was_heard_stays_text(tab: Tab) -> None:
    tab.talk()
    evil = '<img src="/x" onerror="window.hit = 1"><b>bold</b>'
    citation = {
        "id": "u1-1",
        "stream": evil,
        "at": "",
        "kind": evil,
        "text": evil,
        "playable": False,
    }
    failed = {
        "event": "answer",
        "turn": "q",
        "question": evil,
        "answer": evil,
        "known": True,
        "outcome": "failed",
        "error": evil,
        "citations": [citation],
    }
    tab.receive(
        {"event": "utterance", "id": "u1", "text": evil, "speaker": evil, "at": evil},
        {"event": "sound", "label": evil, "at": ""},
        {"event": "screen_text", "text": evil, "lines": [evil], "at": ""},
        failed,
        {"event": "failure", "stage": evil, "error": evil},
        {"event": "latency", "turn": "q", "stages": {evil: 5}, "total_ms": 5},
    )
    assert tab.page.locator("#transcript b, #notices b:not(.x), #latency-stages img").count() == 0
    assert evil in tab.page.inner_text("#transcript")
    assert tab.run("window.hit") is None


def test_hold_is_silence_at_once_and_resume_is_not(tab: Tab) -> None:
    gain = """async (event) => {
      const { openSound } = await import('/static/js/playback.js');
      const { receive } = await import('/static/js/events.js');
      const context = openSound();
      const source = context.createConstantSource();
      source.connect(omnilive.output().node);
      source.start();
      receive({event, turn: 'q1'});
      const { node } = omnilive.output();
      const until = context.currentTime + 0.1;
      while (context.currentTime < until) await new Promise((done) => setTimeout(done, 5));
      return [node.gain.value, omnilive.held()];
    }"""
    assert tab.run(gain, "speaking") == [1, False]
    assert tab.run(gain, "hold") == [0, True]
    assert tab.run(gain, "resume") == [1, False]
    assert tab.run(gain, "interruption") == [0, True]
    assert tab.run(gain, "speaking") == [1, False]


@pytest.mark.parametrize("rate", [48_000, 44_100, 16_000])
def test_sound_is_resampled_faithfully_in_any_pieces(tab: Tab, rate: int) -> None:
    values = tab.run(
        """async (rate) => {
          const { Resampler } = await import('/static/js/resample.js');
          const turn = 2 * Math.PI * 1000 / rate;
          const tone = Float32Array.from({length: rate}, (_, i) => Math.sin(turn * i));
          const whole = new Resampler(rate, 16000).push(tone);
          const pieces = new Resampler(rate, 16000);
          const parts = [];
          for (let i = 0; i < rate; i += 128) parts.push(...pieces.push(tone.slice(i, i + 128)));
          return [Array.from(whole), parts];
        }""",
        rate,
    )
    whole, parts = (np.asarray(each) for each in values)
    assert abs(whole.size - 16_000) < 30
    assert np.abs(whole - parts).max() < 1e-3
    wanted = np.sin(2 * np.pi * 1000 * np.arange(whole.size) / 16_000)
    inner = slice(100, -100)
    assert np.sqrt(np.mean((whole[inner] - wanted[inner]) ** 2)) < 1e-3  # -57 dB of the tone


def test_what_16_khz_cannot_carry_is_filtered_out(tab: Tab) -> None:
    loudest = tab.run(
        """async () => {
          const { Resampler } = await import('/static/js/resample.js');
          const turn = 2 * Math.PI * 10000 / 48000;
          const tone = Float32Array.from({length: 48000}, (_, i) => Math.sin(turn * i));
          const left = new Resampler(48000, 16000).push(tone).slice(100, -100);
          return Math.max(...left.map(Math.abs));
        }"""
    )
    assert loudest < 1e-3


def test_frames_are_those_of_the_protocol(tab: Tab) -> None:
    packed = tab.run(
        """async () => {
          const { pack, SOUND, PICTURE } = await import('/static/js/frames.js');
          const sound = pack(SOUND, 1795363209196600, new Uint8Array([1, 2]));
          const picture = pack(PICTURE, 7, new Uint8Array([255]));
          return [Array.from(sound), Array.from(picture)];
        }"""
    )
    assert bytes(packed[0]) == struct.pack("<BQ", 1, 1_795_363_209_196_600) + b"\x01\x02"
    assert bytes(packed[1]) == struct.pack("<BQ", 2, 7) + b"\xff"
    frame = struct.pack("<BQ", 3, 480) + np.array([-5, 7], "<i2").tobytes()
    unpack = """async (bytes) => {
      const { unpack } = await import('/static/js/frames.js');
      const frame = unpack(Uint8Array.from(bytes).buffer);
      return frame && [frame.kind, frame.time, Array.from(frame.samples)];
    }"""
    assert tab.run(unpack, list(frame)) == [3, 480, [-5, 7]]
    assert tab.run(unpack, list(frame[:-1])) is None
    assert tab.run(unpack, [3]) is None


def test_a_moments_time_is_shown_as_its_own_clock_stood(tab: Tab) -> None:
    shown = tab.run(
        """async () => {
          const { clock, parts } = await import('/static/js/when.js');
          const at = '2026-05-01T23:30:05.250+05:30';
          return [clock(at, true), parts(at).instant, parts('no time'), clock('')];
        }"""
    )
    assert shown == ["23:30:05", 1_777_658_405_250, None, ""]


def test_the_timeline_follows_the_present_until_moved(tab: Tab) -> None:
    found = tab.run(
        """async () => {
          const { TimelineView, marks } = await import('/static/js/timeline_view.js');
          const now = Date.UTC(2026, 4, 1, 12, 34);
          const view = new TimelineView(now);
          const shares = [view.share(now)];
          view.pan(-100 * view.span, now);
          const moved = view.following;
          const middle = view.at(0.5);
          view.zoomTo('day', middle, now);
          shares.push(view.share(middle));
          view.pan(10 * view.span, now);
          return [shares, moved, view.following, marks(view, 12).length, view.to >= now];
        }"""
    )
    shares, moved, following, num_marks, reaches = found
    assert 0.95 < shares[0] < 1
    assert shares[1] == pytest.approx(0.5)
    assert (moved, following, reaches) == (False, True, True)
    assert 6 <= num_marks <= 13


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("size", [(1280, 800), (390, 844)])
def test_it_can_be_read_and_touched(
    chromium: Any, address: str, size: tuple[int, int], dark: bool
) -> None:
    scheme = "dark" if dark else "light"
    tab = Tab(
        chromium,
        address,
        viewport={"width": size[0], "height": size[1]},
        color_scheme=scheme,
        reduced_motion="reduce",
    )
    clean = {"faint": [], "small": [], "wide": False}
    assert tab.run(_MEASURE) == clean
    tab.talk()
    tab.receive(*_MESSAGES[:-9])
    assert tab.run(_MEASURE) == clean
    tab.page.click("#open-settings")
    assert tab.run(_MEASURE) == clean
    tab.context.close()


def test_in_chinese_no_english_is_left(chromium: Any, address: str) -> None:
    tab = Tab(chromium, address, locale="zh-CN", viewport={"width": 1280, "height": 800})
    names = (
        r"OmniLive|omnilive serve|WebRTC|English.*|Deutsch|Français|Español|Shift|Esc|en-us"
        r"|hey omni|fake_\w+|Fake .*|Default.*"
    )

    def left() -> list[str]:
        return [
            text for text in tab.run(_SHOWN) if re.search(r"[A-Za-z]{2,}", re.sub(names, "", text))
        ]

    assert tab.run("document.documentElement.lang") == "zh-CN"
    assert left() == []
    tab.talk()
    assert left() == []
    tab.page.click("#open-settings")
    assert left() == []
    tab.page.select_option("#set-page-language", "en")
    assert "Settings" in tab.page.inner_text("#settings-title")
    assert not re.search(r"[\u4e00-\u9fff]", tab.page.inner_text("#memory-bar"))
    tab.context.close()


def test_everything_is_reached_by_keyboard(tab: Tab) -> None:
    focused = "document.activeElement.id"
    tab.page.keyboard.press("s")
    assert tab.run(focused) == "search-text"
    tab.run("document.activeElement.blur()")
    tab.page.keyboard.press("t")
    assert tab.run(focused) == "track"
    tab.page.keyboard.press("ArrowLeft")
    assert tab.run("document.getElementById('track').getAttribute('aria-valuetext')")
    tab.page.locator("#memory-empty").wait_for()
    assert tab.run("omnilive.timeline().zoom") == "minutes"  # an empty memory begins small
    tab.page.keyboard.press("-")
    assert tab.run("omnilive.timeline().zoom") == "hour"
    tab.page.keyboard.press("?")
    assert tab.run("document.getElementById('help').open")
    tab.page.keyboard.press("Escape")
    assert not tab.run("document.getElementById('help').open")
    tab.talk()
    tab.page.keyboard.press("/")
    assert tab.run(focused) == "ask-text"
    tab.page.keyboard.type("?")
    assert tab.run("document.getElementById('ask-text').value") == "?"


def test_without_a_server_it_says_so_and_offers_to_try_again(tab: Tab) -> None:
    tab.page.click("#start-typing")
    tab.page.locator("#start-problem").wait_for()
    assert tab.page.inner_text("#start-problem")
    assert tab.page.is_enabled("#start-talking")
