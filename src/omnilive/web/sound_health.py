"""Every way in which a person's sound can be short or seem so: counted, and said in words.

Sound is complete when each 20 ms that the microphone gave has arrived. What can happen to it, and
how it shows (all measured with a real browser):

- lost on the way: sequence numbers are missing, timestamps step;
- not sent in silence (DTX): timestamps step by 400 ms and nothing is missing;
- the capture stalls: timestamps go on 20 by 20 ms, but slower than the clock;
- the page stands still: nothing arrives at all, then sound goes on as if no time had passed;
- the server's own loop stands still: packets are lost in the socket's buffer;
- the microphone gives silence, or one constant tone.

Pure: times are passed in, so all of it is tested on hand-made sequences.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from omnilive.events import NS_PER_S, SAMPLE_RATE, Samples

Sentence = Callable[[float], str]

_MS = 1_000_000
_PACKET_MS = 20
_KEPT_NS = 10 * NS_PER_S  # a problem is told as long as it showed within this time
_SHORT_LAG_MS = 250  # the kernel's buffer holds longer than this
_QUIET_NS = 3 * NS_PER_S  # a page that is alive sends sound or a message every 2 s
_STOOD_STILL_MS = 400
_CAPTURE_SHORT = 0.95
_SILENT_S = 20
_SILENT_PEAK = 1e-4  # -80 dB: a muted or unplugged microphone; a quiet room gives more
_TONE_S = 10
_TONE_SHARE = 0.9
_TONE_STEADY = 0.1

_SENTENCES: Mapping[str, tuple[str, str]] = {
    "loss": (
        "The network lost {amount:.1f} s of your sound in the last 10 s.",
        "过去 10 秒内网络丢失了你 {amount:.1f} 秒的声音。",
    ),
    "dtx": (
        "Your browser sends nothing while you are silent, so the first sound of a word may be "
        "missing.",
        "你的浏览器在静音时不发送声音，词首可能丢失。",
    ),
    "capture": (
        "Your microphone gave {amount:.1f} s too little sound in the last 10 s; the device or "
        "the computer is too slow.",
        "过去 10 秒内麦克风少给了 {amount:.1f} 秒声音；设备或电脑太慢。",
    ),
    "page": (
        "The page stood still for {amount:.1f} s; what was said meanwhile is lost.",
        "页面停顿了 {amount:.1f} 秒；其间所说的内容已丢失。",
    ),
    "quiet": (
        "Nothing comes from the page at present; the network or the page stands still.",
        "目前没有收到页面的任何数据；网络或页面停止了。",
    ),
    "server": (
        "The server was busy for {amount:.1f} s; some of your sound may be lost.",
        "服务器忙了 {amount:.1f} 秒；你的部分声音可能已丢失。",
    ),
    "silent_microphone": (
        "Your microphone gives only silence; look whether it is muted or another one is chosen.",
        "麦克风只有静音；请检查它是否被静音或选错了设备。",
    ),
    "constant_tone": (
        "Your microphone gives one constant tone; look whether it is broken or another one is "
        "chosen.",
        "麦克风只发出一个恒定的音；请检查它是否损坏或选错了设备。",
    ),
    "microphone_denied": (
        "The page may not use the microphone; allow it in the browser, or type.",
        "页面无权使用麦克风；请在浏览器中允许，或改用文字输入。",
    ),
    "microphone_lost": (
        "The microphone is gone; plug it in again, or type.",
        "麦克风已断开；请重新插上，或改用文字输入。",
    ),
    "camera_denied": (
        "The page may not use the camera; allow it in the browser.",
        "页面无权使用摄像头；请在浏览器中允许。",
    ),
    "camera_lost": (
        "The camera is gone; plug it in again.",
        "摄像头已断开；请重新插上。",
    ),
}
CODES = tuple(_SENTENCES)
"""Every problem that can be told, by the word programs know it by."""


@dataclass(slots=True)
class SoundCounts:
    """Milliseconds of a microphone's sound since its first packet.

    Attributes:
        received_ms: arrived.
        lost_ms: missing on the way.
        unsent_ms: not sent in silence (DTX).
        stalled_ms: the time that went by while the microphone or the page stood still.
        blocked_ms: the longest time our own loop stood still.
        dropped_ms: refused here, because nobody took it.
        lost_packets: by sequence number.
    """

    received_ms: int = 0
    lost_ms: int = 0
    unsent_ms: int = 0
    stalled_ms: int = 0
    blocked_ms: int = 0
    dropped_ms: int = 0
    lost_packets: int = 0

    def as_json(self) -> dict[str, object]:
        """Return the counters by name."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Health:
    """What is wrong at present: words for programs, sentences for people, and the counters."""

    codes: tuple[str, ...]
    problems: tuple[str, ...]
    sound: dict[str, object]

    def message(self) -> dict[str, object]:
        """Return the `health` message of the protocol."""
        return {
            "event": "health",
            "problems": list(self.problems),
            "codes": list(self.codes),
            "sound": self.sound,
        }


class SoundHealth:
    """Watches one person's connection. Not thread-safe: belongs to the loop that receives."""

    def __init__(self, now_ns: int) -> None:
        """Begin to watch at `now_ns` of the monotonic clock, as are all times here."""
        self.counts = SoundCounts()
        self._seen: dict[str, deque[tuple[int, float]]] = {}
        self._states: dict[str, str] = {}
        self._told: tuple[str, ...] = ()
        self._alive_ns = now_ns
        self._sound_ns: int | None = None
        self._expected_ns: int | None = None
        self._gap_ms = 0.0  # timestamps stepped by this much and nobody has said why yet
        self._gap_ns = 0
        self._lost = 0
        self._reported_ns = now_ns
        self._blocked_ns: int | None = None
        self._capture: tuple[float, float] | None = None
        self._ear = _Ear()

    # --- what is noted -------------------------------------------------------------------

    def alive(self, now_ns: int) -> None:
        """Note that something (not sound) came from the page."""
        self._alive_ns = max(self._alive_ns, now_ns)

    def sound(self, sent_ns: int, duration_ns: int, now_ns: int) -> None:
        """Note that sound came: its time by the sender's clock, its length."""
        self.counts.received_ms += duration_ns // _MS
        if self._expected_ns is not None:
            step_ms = (sent_ns - self._expected_ns) / _MS
            if step_ms > _PACKET_MS / 2:
                self._gap_ms += step_ms
                self._gap_ns = now_ns
        self._expected_ns = sent_ns + duration_ns
        self._sound_ns = now_ns
        self.alive(now_ns)

    def heard(self, samples: Samples, now_ns: int) -> None:
        """Note how it sounds: 16 kHz mono."""
        verdict = self._ear.hear(samples)
        for code in ("silent_microphone", "constant_tone"):
            if verdict == code:
                self._states[code] = code
            elif verdict is not None:
                self._states.pop(code, None)

    def packets(self, lost: int, now_ns: int) -> None:
        """Note how many packets of sound are missing in all, by sequence number; once a second."""
        new = max(0, lost - self._lost)
        self._lost = max(lost, self._lost)
        self.counts.lost_packets = self._lost
        if new:
            lost_ms = float(new * _PACKET_MS)
            self.counts.lost_ms += round(lost_ms)
            self._gap_ms = max(0.0, self._gap_ms - lost_ms)
            blocked = self._blocked_ns is not None and now_ns - self._blocked_ns < _KEPT_NS
            if not blocked:
                self._note("loss", now_ns, lost_ms / 1000)
        elif self._gap_ms and self._reported_ns >= self._gap_ns:
            # Timestamps stepped, and the count of packets taken since then knows of no loss.
            self.counts.unsent_ms += round(self._gap_ms)
            self._note("dtx", now_ns, self._gap_ms / 1000)
            self._gap_ms = 0.0
        self._reported_ns = now_ns

    def slipped(self, slip_ns: int, silent_ns: int, now_ns: int) -> None:
        """Note that sound goes on `slip_ns` later than its clock says, nothing being lost.

        Args:
            slip_ns: how much time went by without sound.
            silent_ns: the longest time around it in which nothing arrived at all.
            now_ns: when this was found.
        """
        self.counts.stalled_ms += slip_ns // _MS
        code = "page" if silent_ns // _MS >= _STOOD_STILL_MS else "capture"
        self._note(code, now_ns, slip_ns / NS_PER_S)

    def loop_lag(self, lag_ms: float, now_ns: int) -> None:
        """Note by how much the loop that receives was late."""
        self.counts.blocked_ms = max(self.counts.blocked_ms, round(lag_ms))
        if lag_ms >= _SHORT_LAG_MS:
            self._blocked_ns = now_ns
            self._note("server", now_ns, lag_ms / 1000)

    def dropped(self, duration_ns: int) -> None:
        """Note that sound was refused here."""
        self.counts.dropped_ms += duration_ns // _MS

    def capture(self, message: Mapping[str, object], now_ns: int) -> None:
        """Note what the page says of its devices (`capture` in `docs/protocol.md`)."""
        for device in ("microphone", "camera"):
            state = message.get(device)
            for bad in ("denied", "lost"):
                self._states.pop(f"{device}_{bad}", None)
            if state in ("denied", "lost"):
                self._states[f"{device}_{state}"] = f"{device}_{state}"
        captured, elapsed = message.get("captured_s"), message.get("elapsed_s")
        if not isinstance(captured, int | float) or not isinstance(elapsed, int | float):
            return
        before, self._capture = self._capture, (float(captured), float(elapsed))
        if before is None or message.get("microphone") != "on":
            return
        got, passed = captured - before[0], elapsed - before[1]
        if 0.5 < passed < 60 and 0 <= got < passed * _CAPTURE_SHORT:
            self._note("capture", now_ns, passed - got)

    # --- what is told --------------------------------------------------------------------

    def silent_for_ns(self, now_ns: int) -> int:
        """How long nothing at all has come from the page."""
        return now_ns - self._alive_ns

    def check(self, now_ns: int, language: str = "en") -> Health | None:
        """Return what is wrong if that has changed since it was last told."""
        codes = self._codes(now_ns)
        if codes == self._told:
            return None
        self._told = codes
        return Health(codes, self._sentences(codes, language), self.counts.as_json())

    def now(self, now_ns: int, language: str = "en") -> Health:
        """Return what is wrong, changed or not."""
        codes = self._codes(now_ns)
        return Health(codes, self._sentences(codes, language), self.counts.as_json())

    def _codes(self, now_ns: int) -> tuple[str, ...]:
        found = set(self._states.values())
        for code, noted in self._seen.items():
            while noted and now_ns - noted[0][0] > _KEPT_NS:
                noted.popleft()
            if noted:
                found.add(code)
        if self.silent_for_ns(now_ns) > _QUIET_NS:
            found.add("quiet")
        if "page" in found:
            found.discard("capture")  # one event seen from two sides
        return tuple(code for code in CODES if code in found)

    def _sentences(self, codes: tuple[str, ...], language: str) -> tuple[str, ...]:
        which = 1 if language == "zh" else 0
        return tuple(_SENTENCES[code][which].format(amount=self._amount(code)) for code in codes)

    def _amount(self, code: str) -> float:
        noted = self._seen.get(code, ())
        amounts = [amount for _, amount in noted]
        return max(amounts, default=0.0) if code == "server" else sum(amounts)

    def _note(self, code: str, now_ns: int, amount_s: float) -> None:
        self._seen.setdefault(code, deque(maxlen=100)).append((now_ns, amount_s))


class _Ear:
    """Judges a microphone second by second: dead, or stuck on one tone."""

    def __init__(self) -> None:
        self._second = np.zeros(SAMPLE_RATE, np.float32)
        self._filled = 0
        self._num_silent = 0
        self._tone: deque[tuple[float, int]] = deque(maxlen=_TONE_S)

    def hear(self, samples: Samples) -> str | None:
        """Take sound; once a second return a problem's code, "" for none, else None."""
        verdict: str | None = None
        done = 0
        while done < samples.size:
            count = min(SAMPLE_RATE - self._filled, samples.size - done)
            self._second[self._filled : self._filled + count] = samples[done : done + count]
            self._filled += count
            done += count
            if self._filled == SAMPLE_RATE:
                verdict = self._judge(self._second)
                self._filled = 0
        return verdict

    def _judge(self, second: Samples) -> str:
        if float(np.abs(second).max()) < _SILENT_PEAK:
            self._tone.clear()
            self._num_silent += 1
            return "silent_microphone" if self._num_silent >= _SILENT_S else ""
        self._num_silent = 0
        power = np.abs(np.fft.rfft(second * np.hanning(second.size))) ** 2
        power[:20] = 0.0  # below 20 Hz: an offset is no tone
        total, peak = float(power.sum()), int(power.argmax())
        if total <= 0.0 or power[max(0, peak - 3) : peak + 4].sum() < _TONE_SHARE * total:
            self._tone.clear()
            return ""
        self._tone.append((float(np.sqrt(np.mean(second**2))), peak))
        levels = [level for level, _ in self._tone]
        peaks = [where for _, where in self._tone]
        steady = max(levels) - min(levels) <= _TONE_STEADY * max(levels)
        one = max(peaks) - min(peaks) <= 2
        return "constant_tone" if len(self._tone) == _TONE_S and steady and one else ""
