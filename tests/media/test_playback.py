from __future__ import annotations

import threading
import wave
from pathlib import Path

import numpy as np
import pytest

from omnilive.errors import MediaError
from omnilive.events import AnswerAudio
from omnilive.media.playback import DeviceSink, PlayQueue, WavSink
from omnilive.media.resampling import resample


def audio(samples: np.ndarray, rate: int = 22050) -> AnswerAudio:
    return AnswerAudio(turn_id="a", text="", sample_rate=rate, samples=samples.astype(np.float32))


def read(path: Path) -> np.ndarray:
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 22050)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2")


def test_wav_holds_the_phrases_one_after_another(tmp_path: Path):
    sink = WavSink(tmp_path / "a.wav")
    sink.play(audio(np.full(100, 0.5)))
    sink.play(audio(np.full(50, -0.25)))
    sink.close()
    sink.close()
    np.testing.assert_array_equal(read(tmp_path / "a.wav"), [16384] * 100 + [-8192] * 50)


def test_wav_never_wraps(tmp_path: Path):
    sink = WavSink(tmp_path / "a.wav")
    sink.play(audio(np.array([1.0, 3.0, -1.0, -3.0])))
    sink.close()
    np.testing.assert_array_equal(read(tmp_path / "a.wav"), [32767, 32767, -32768, -32768])


def test_wav_takes_another_sample_rate(tmp_path: Path):
    sink = WavSink(tmp_path / "a.wav")
    sink.play(audio(np.sin(np.arange(16000) / 16000 * 2 * np.pi * 440), rate=16000))
    sink.close()
    samples = read(tmp_path / "a.wav")
    assert samples.size == 22050
    assert np.argmax(np.abs(np.fft.rfft(samples))) == 440


def test_a_path_that_cannot_be_written_is_named(tmp_path: Path):
    with pytest.raises(MediaError, match="nowhere"):
        WavSink(tmp_path / "nowhere" / "a.wav")


def test_a_closed_wav_takes_nothing(tmp_path: Path):
    sink = WavSink(tmp_path / "a.wav")
    sink.close()
    with pytest.raises(MediaError, match="closed"):
        sink.play(audio(np.zeros(10)))


def test_queue_gives_samples_in_order_and_then_silence():
    queue = PlayQueue(limit=100)
    assert queue.put(np.arange(1, 6, dtype=np.float32), timeout_s=0)
    assert queue.put(np.arange(6, 9, dtype=np.float32), timeout_s=0)
    out = np.full(6, np.nan, np.float32)
    queue.take(out)
    np.testing.assert_array_equal(out, [1, 2, 3, 4, 5, 6])
    assert queue.waiting == 2
    queue.take(out)
    np.testing.assert_array_equal(out, [7, 8, 0, 0, 0, 0])
    assert queue.waiting == 0


def test_a_full_queue_refuses_and_takes_again_once_there_is_room():
    queue = PlayQueue(limit=10)
    assert queue.put(np.zeros(8, np.float32), timeout_s=0)
    assert not queue.put(np.zeros(8, np.float32), timeout_s=0)
    queue.take(np.zeros(8, np.float32))
    assert queue.put(np.zeros(50, np.float32), timeout_s=0), "a long phrase fits an empty queue"


def test_a_waiting_put_goes_on_when_the_device_takes():
    queue = PlayQueue(limit=10)
    queue.put(np.zeros(10, np.float32), timeout_s=0)
    results: list[bool] = []
    thread = threading.Thread(
        target=lambda: results.append(queue.put(np.ones(5, np.float32), timeout_s=60))
    )
    thread.start()
    queue.take(np.zeros(10, np.float32))
    thread.join()
    assert results == [True]


def test_clear_falls_silent_at_once():
    queue = PlayQueue(limit=100)
    queue.put(np.ones(50, np.float32), timeout_s=0)
    queue.clear()
    out = np.ones(10, np.float32)
    queue.take(out)
    assert not out.any()
    assert queue.wait_until_empty(timeout_s=0)


def test_a_device_plays_or_says_in_one_sentence_what_is_missing():
    # A machine with PortAudio and a device opens it; one without says what to do.
    try:
        sink = DeviceSink()
    except MediaError as problem:
        refused = str(problem)
    else:
        refused = "Cannot play sound: the device is closed."
        sink.close()
        sink.close()
        with pytest.raises(MediaError, match="closed"):
            sink.play(audio(np.zeros(10)))
    assert refused.startswith("Cannot play sound:")
    assert "libportaudio2" in refused or "device" in refused


def test_resampling_keeps_length_and_pitch():
    tone = np.sin(np.arange(22050) / 22050 * 2 * np.pi * 500).astype(np.float32)
    at_16k = resample(tone, 22050, 16000)
    assert at_16k.dtype == np.float32
    assert at_16k.size == 16000
    assert np.argmax(np.abs(np.fft.rfft(at_16k))) == 500
    assert np.abs(at_16k[1000:-1000]).max() == pytest.approx(1.0, abs=0.01)
    assert resample(tone, 22050, 22050) is tone
    assert resample(tone[:0], 22050, 16000).size == 0
