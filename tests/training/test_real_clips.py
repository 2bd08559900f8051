"""Records to frames and sounds, with real encoders and decoders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from media_files import tone, write_sound, write_video
from omnilive.errors import MediaError
from omnilive.events import NS_PER_S
from omnilive.training.readers import SoundLabel, Speech, VideoCaption
from omnilive.training.readers.index import RecordIndex, write_index
from omnilive.training.real_clips import (
    MOST_FRAMES,
    RealClipSource,
    RealSoundSource,
    clip_of,
    frame_interval,
    sound_of,
)

FPS = 5
LEVELS = 8  # brightness per second


def _picture(index: int) -> np.ndarray:
    """Return a picture as bright as its second."""
    return np.full((48, 64, 3), 20 + LEVELS * (index // FPS), np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("real").resolve()
    write_video(
        root / "video.mp4", seconds=24, fps=FPS, size=(64, 48), gop=20, frame=_picture, audio="aac"
    )
    samples = np.concatenate([np.zeros(48_000, np.float32), tone(3.0), tone(2.0, hertz=880.0)])
    write_sound(root / "sound.flac", samples, codec="flac")
    (root / "broken.mp4").write_bytes(b"no video at all")
    return root


def _seconds_shown(frames: tuple[np.ndarray, ...]) -> list[int]:
    return [round((float(frame.mean()) - 20) / LEVELS) for frame in frames]


def test_a_short_stretch_gives_a_frame_a_second(folder: Path) -> None:
    clip = clip_of(VideoCaption(folder / "video.mp4", 7.0, 15.0, "brighter"))
    assert _seconds_shown(clip.frames) == list(range(7, 15))
    assert clip.times_s == pytest.approx(range(7, 15), abs=0.05)
    assert clip.frames[0].shape == (48, 64, 3)
    assert (clip.start_s, clip.end_s, clip.text) == (7.0, 15.0, "brighter")


def test_a_long_stretch_is_spread_over_sixteen_frames(folder: Path) -> None:
    clip = clip_of(VideoCaption(folder / "video.mp4", 0.0, None, "all"))
    assert len(clip.frames) == MOST_FRAMES
    assert clip.end_s == pytest.approx(24.0, abs=0.2)
    seconds = _seconds_shown(clip.frames)
    assert seconds[0] == 0
    assert seconds[-1] >= 22
    assert np.diff(seconds).max() <= 2


def test_a_stretch_of_less_than_a_second_still_has_frames(folder: Path) -> None:
    clip = clip_of(VideoCaption(folder / "video.mp4", 10.2, 10.9, "now"), max_side=32)
    assert 1 <= len(clip.frames) <= 3
    assert set(_seconds_shown(clip.frames)) == {10}
    assert clip.frames[0].shape == (24, 32, 3)


@pytest.mark.parametrize("seconds", [0.1, 0.9, 2.9, 3.0, 8.0, 16.0, 17.0, 600.0, 36_000.0])
def test_the_interval_never_asks_for_more_frames_than_fit(seconds: float) -> None:
    length_ns = round(seconds * NS_PER_S)
    interval_ns = frame_interval(length_ns)
    assert -(-length_ns // interval_ns) <= MOST_FRAMES
    assert interval_ns <= NS_PER_S or seconds > MOST_FRAMES


def test_clips_that_cannot_be_had(folder: Path) -> None:
    with pytest.raises(MediaError, match="no picture from"):
        clip_of(VideoCaption(folder / "video.mp4", 100.0, 110.0, "x"))
    with pytest.raises(MediaError):
        clip_of(VideoCaption(folder / "broken.mp4", 0.0, 5.0, "x"))
    with pytest.raises(MediaError):
        clip_of(VideoCaption(folder / "sound.flac", 0.0, 5.0, "x"))


def _hertz(samples: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(samples.size)))
    return float(np.argmax(spectrum)) * 16_000 / samples.size


def test_a_part_of_a_recording(folder: Path) -> None:
    sound = sound_of(Speech(folder / "sound.flac", 1.5, 3.5, "a low tone", "en"))
    assert sound.samples.dtype == np.float32
    assert sound.samples.size == pytest.approx(32_000, abs=40)
    assert _hertz(sound.samples) == pytest.approx(440, abs=2)
    assert (sound.text, sound.labels, sound.language) == ("a low tone", (), "en")
    # The silence before it is where the file has it.
    early = sound_of(Speech(folder / "sound.flac", 0.5, 1.5, "x", "en")).samples
    assert np.abs(early[:7_900]).max() < 0.01
    assert np.abs(early[8_100:]).max() > 0.2


def test_a_whole_recording_and_its_label(folder: Path) -> None:
    sound = sound_of(SoundLabel(folder / "sound.flac", 0.0, None, ("Tone",)))
    assert sound.samples.size == pytest.approx(6 * 16_000, abs=40)
    assert (sound.text, sound.labels) == ("", ("Tone",))
    cut = sound_of(SoundLabel(folder / "sound.flac", 0.0, None, ("Tone",)), longest_s=2.0)
    assert cut.samples.size == 32_000


def test_the_sound_of_a_video(folder: Path) -> None:
    sound = sound_of(Speech(folder / "video.mp4", 12.0, 14.0, "x", "en"))
    assert sound.samples.size == pytest.approx(32_000, abs=400)
    assert _hertz(sound.samples[4_000:28_000]) == pytest.approx(440, abs=2)


def test_utterances_that_cannot_be_had(folder: Path) -> None:
    with pytest.raises(MediaError, match="longer than 2.0 s"):
        sound_of(Speech(folder / "sound.flac", 0.0, None, "x", "en"), longest_s=2.0)
    with pytest.raises(MediaError, match="before its words do"):
        sound_of(Speech(folder / "sound.flac", 4.0, 9.0, "x", "en"))
    with pytest.raises(MediaError, match="no sound from 50"):
        sound_of(Speech(folder / "sound.flac", 50.0, 51.0, "x", "en"))
    with pytest.raises(MediaError):
        sound_of(Speech(folder / "broken.mp4", 0.0, 1.0, "x", "en"))


def test_batches_are_equal_for_equal_steps_and_pass_over_what_is_broken(
    folder: Path, tmp_path: Path
) -> None:
    captions = [
        VideoCaption(folder / "video.mp4", float(at), at + 3.0, str(at)) for at in range(0, 18, 2)
    ]
    captions.insert(3, VideoCaption(folder / "broken.mp4", 0.0, 3.0, "broken"))
    write_index(captions, folder, tmp_path / "clips.jsonl")
    source = RealClipSource(RecordIndex(tmp_path / "clips.jsonl", folder), 4, max_side=32)
    batch, again, other = (source.draw(seed, 5) for seed in (7, 7, 8))
    assert [clip.text for clip in batch] == [clip.text for clip in again]
    assert [clip.text for clip in batch] != [clip.text for clip in other]
    for clip in batch:
        assert clip.text != "broken"
        assert _seconds_shown(clip.frames)[0] == int(clip.text)


def test_batches_of_sounds(folder: Path, tmp_path: Path) -> None:
    records = [
        Speech(folder / "sound.flac", 1.0, 2.0, "low", "en"),
        SoundLabel(folder / "sound.flac", 4.0, 5.0, ("high",)),
    ]
    write_index(records, folder, tmp_path / "sounds.jsonl")
    batch = RealSoundSource(RecordIndex(tmp_path / "sounds.jsonl", folder), 12).draw(1, 1)
    assert {sound.text or sound.labels for sound in batch} == {"low", ("high",)}
    for sound in batch:
        expected = 440 if sound.text else 880
        assert _hertz(sound.samples[1_600:14_400]) == pytest.approx(expected, abs=3)


def test_a_set_that_cannot_be_decoded_is_an_error(folder: Path, tmp_path: Path) -> None:
    write_index([VideoCaption(folder / "broken.mp4", 0.0, 3.0, "x")], folder, tmp_path / "i.jsonl")
    source = RealClipSource(RecordIndex(tmp_path / "i.jsonl", folder), 2)
    with pytest.raises(MediaError, match="Only 0 of 16 drawn records"):
        source.draw(1, 1)
