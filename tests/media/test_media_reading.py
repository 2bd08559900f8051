"""Pictures, sound and time of good files of every kind."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import av
import numpy as np
import pytest

from media_files import picture, tone, write_picture, write_sound, write_video
from media_reading import read
from omnilive.errors import MediaError
from omnilive.events import NS_PER_S, AudioChunk, StreamGap, Tick, VideoFrame
from omnilive.media.contract import ReadOptions
from omnilive.media.reader import probe
from omnilive.media.source import parse_source


@pytest.mark.parametrize("gop", [5, 25, 300])
@pytest.mark.parametrize("b_frames", [0, 2])
def test_one_picture_a_second_whatever_the_keyframe_interval(tmp_path, gop, b_frames):
    path = write_video(tmp_path / "a.mkv", seconds=6, gop=gop, b_frames=b_frames)
    reading = read(path)
    times = reading.frame_times_s
    assert len(times) == 6
    assert times == pytest.approx([0, 1, 2, 3, 4, 5], abs=0.3)
    for frame in reading.frames:
        # The left half's brightness tells the frame: exactly the one shown at that time.
        expected = picture(round(frame.at_ns / NS_PER_S * 25), (160, 96))[48, 40, 0]
        assert abs(int(frame.pixels[48, 40, 0]) - int(expected)) <= 4
    assert reading.ended.error == ""
    assert reading.ended.at_ns == 6 * NS_PER_S


def test_keyframes_alone_are_decoded_while_they_come_often_enough(tmp_path, monkeypatch):
    from omnilive.media import video_track

    fed = []
    decode = video_track.VideoTrack._decode

    def counting(self, packet, at_ns):
        fed.append(packet.is_keyframe)
        return decode(self, packet, at_ns)

    monkeypatch.setattr(video_track.VideoTrack, "_decode", counting)
    read(write_video(tmp_path / "a.mp4", seconds=5, gop=25))
    assert fed == [True] * 5
    fed.clear()
    read(write_video(tmp_path / "b.mp4", seconds=5, gop=500))
    # Everything, and the first keyframe once more: it was decoded before its like failed to come.
    assert len(fed) == 126


def test_keyframes_once_a_second_need_not_stand_on_whole_seconds(tmp_path, monkeypatch):
    from omnilive.media import video_track

    fed = []
    decode = video_track.VideoTrack._decode

    def counting(self, packet, at_ns):
        fed.append(packet.is_keyframe)
        return decode(self, packet, at_ns)

    monkeypatch.setattr(video_track.VideoTrack, "_decode", counting)
    # A cut at 0.52 s: from there on the encoder counts its second anew.
    times = read(write_video(tmp_path / "a.mp4", seconds=8, gop=25, keys=[13])).frame_times_s
    assert times[:8] == pytest.approx([0, 1.52, 2.52, 3.52, 4.52, 5.52, 6.52, 7.52], abs=0.002)
    assert fed[:8] == [True] * 8  # only the end of the file is decoded in full


def test_no_second_keyframe_is_lost_where_they_jitter_about_a_border_of_the_grid(tmp_path):
    jitter = np.random.default_rng(1).uniform(-0.012, 0.012, 300)
    shown = [0.0, *(0.75 + np.arange(300) / 25 + jitter)]
    path = write_video(tmp_path / "a.mkv", times=shown, gop=25, keys=[1])
    times = read(path).frame_times_s
    assert len(times) >= 12
    assert max(np.diff(times)) < 1.1


def test_keyframes_that_become_rare_in_the_middle_cost_no_picture(tmp_path):
    path = write_video(tmp_path / "a.mp4", seconds=20, gop=1000, keys=range(0, 250, 25))
    times = read(path).frame_times_s
    assert len(times) >= 20
    assert max(np.diff(times)) <= 1.3
    # ... and the other way round: rare first, frequent later.
    path = write_video(tmp_path / "b.mp4", seconds=20, gop=1000, keys=range(250, 500, 20))
    times = read(path).frame_times_s
    assert len(times) >= 19
    assert max(np.diff(times)) <= 1.6


def test_variable_frame_rate(tmp_path):
    shown = [0, 0.04, 0.08, 2.5, 2.51, 2.52, 7.0, 7.9, 8.0, 8.3]
    reading = read(write_video(tmp_path / "a.mkv", times=shown, gop=100))
    assert reading.frame_times_s == pytest.approx([0, 2.5, 7.0, 8.0], abs=0.002)
    assert [tick.at_ns // NS_PER_S for tick in reading.ticks] == list(range(1, 9))


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_rotated_phone_video_is_upright(tmp_path, degrees):
    path = write_video(tmp_path / "a.mp4", seconds=1, rotation=degrees)
    with av.open(str(path)) as container:
        decoded = next(container.decode(video=0))
        stored = decoded.to_ndarray(format="rgb24")
        turned = np.rot90(stored, round(decoded.rotation / 90) % 4)
        assert decoded.rotation
    frame = read(path).frames[0]
    assert frame.pixels.shape == turned.shape
    assert np.abs(frame.pixels.astype(int) - turned).mean() < 3


def test_rotation_turns_the_right_way():
    # A display matrix of -90 degrees (FFmpeg's sign) is what a phone held upright writes: the
    # stored picture must be turned clockwise. np.rot90 turns counter-clockwise, as the sign does.
    class Frame:
        width, height, rotation = 2, 1, -90

        def reformat(self, **_):
            return self

        def to_ndarray(self):
            return np.array([[[1, 1, 1], [2, 2, 2]]], np.uint8)

    from omnilive.media.pixels import upright_pixels

    pixels = upright_pixels(Frame(), None, 100)
    assert pixels[:, 0, 0].tolist() == [1, 2]  # left becomes top


def test_large_pictures_are_scaled_down_and_small_ones_left_alone(tmp_path):
    path = write_video(tmp_path / "a.mp4", seconds=1, size=(320, 100))
    assert read(path, ReadOptions(frame_max_side=160)).frames[0].pixels.shape == (50, 160, 3)
    assert read(path).frames[0].pixels.shape == (100, 320, 3)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".bmp", ".tiff", ".gif"])
def test_a_still_picture_is_one_frame_of_one_interval(tmp_path, suffix):
    image = picture(100, (64, 48))
    reading = read(write_picture(tmp_path / f"a{suffix}", image))
    assert len(reading.frames) == 1
    assert reading.frames[0].at_ns == 0
    assert np.abs(reading.frames[0].pixels.astype(int) - image).mean() < 6
    assert not reading.info.has_audio
    if suffix != ".gif":
        assert reading.ended.at_ns == NS_PER_S == reading.info.duration_ns


def test_a_still_picture_named_like_a_sequence_opens_nothing_else(tmp_path):
    for number in (1, 2, 3):
        write_picture(tmp_path / f"a{number}.png", picture(0, (16, 16)))
    write_picture(tmp_path / "a%d.png", picture(200, (32, 16)))
    # FFmpeg would take the name for a pattern; that demuxer is not on the list.
    with pytest.raises(MediaError):
        read(tmp_path / "a%d.png")


@pytest.mark.parametrize(
    ("suffix", "codec", "rate"),
    [
        ("wav", "pcm_s16le", 16_000),
        ("wav", "pcm_f32le", 48_000),
        ("flac", "flac", 44_100),
        ("mp3", "libmp3lame", 44_100),
        ("m4a", "aac", 48_000),
        ("ogg", "libopus", 48_000),
        ("mka", "ac3", 48_000),
    ],
)
def test_sound_lies_where_it_sounded(tmp_path, suffix, codec, rate):
    quiet = np.zeros(rate * 3, np.float32)
    quiet[rate : rate + rate // 2] = tone(0.5, rate, hertz=800, level=0.6)
    reading = read(write_sound(tmp_path / f"a.{suffix}", quiet, codec=codec, sample_rate=rate))
    samples = reading.samples
    assert samples.size == pytest.approx(48_000, abs=1600)
    loud = np.flatnonzero(np.abs(samples) > 0.2)
    first = reading.chunks[0].at_ns / NS_PER_S
    assert first + loud[0] / 16_000 == pytest.approx(1.0, abs=0.005)
    assert first + loud[-1] / 16_000 == pytest.approx(1.5, abs=0.005)
    middle = samples[loud[0] + 800 : loud[0] + 800 + 4096]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(4096)))
    assert spectrum.argmax() * 16_000 / 4096 == pytest.approx(800, abs=8)
    assert not reading.gaps
    assert all(chunk.samples.size == 3200 for chunk in reading.chunks[:-1])


@pytest.mark.parametrize("layout", ["stereo", "5.1", "7.1", "3.0", "quad"])
def test_any_number_of_channels_becomes_one(tmp_path, layout):
    path = write_sound(tmp_path / "a.wav", tone(1.0), layout=layout)
    samples = read(path).samples
    assert samples.size == pytest.approx(16_000, abs=50)
    assert 0.05 < np.sqrt(np.mean(samples**2)) < 0.5


def test_a_hole_in_the_sound_is_a_gap_and_not_silence(tmp_path):
    path = tmp_path / "a.mka"
    write_with_holes(path, [(0.0, 1.0), (1.02, 1.0), (5.0, 1.0)])
    reading = read(path)
    # 20 ms is jitter; 2.98 s is a hole.
    assert [
        (gap.sense, round(gap.start_ns / 1e9, 1), round(gap.end_ns / 1e9, 1))
        for gap in reading.gaps
    ] == [("audio", 2.0, 5.0)]
    assert reading.samples.size == pytest.approx(48_000, abs=400)
    assert reading.chunks[-1].at_ns > 5 * NS_PER_S
    assert [tick.at_ns // NS_PER_S for tick in reading.ticks] == [1, 2, 3, 4, 5, 6]


def test_sound_that_overlaps_is_trimmed(tmp_path):
    first = write_video(tmp_path / "a.ts", seconds=2, audio="aac")
    second = write_video(tmp_path / "b.ts", seconds=1, audio="aac", offset_s=1.5)
    path = tmp_path / "ab.ts"
    path.write_bytes(first.read_bytes() + second.read_bytes())
    reading = read(path)
    assert reading.samples.size == pytest.approx(2.5 * 16_000, abs=800)
    assert not [gap for gap in reading.gaps if gap.sense == "both"]


def test_sound_that_starts_late_is_told(tmp_path):
    path = write_video(tmp_path / "a.mkv", seconds=4, audio="aac", samples=tone(1.0))
    with av.open(str(path)) as source, av.open(str(tmp_path / "b.mkv"), "w") as out:
        tracks = {s.index: out.add_stream_from_template(s) for s in source.streams}
        for packet in source.demux():
            if packet.size:
                if packet.stream.type == "audio":
                    packet.pts += 2000
                    packet.dts = packet.pts
                packet.stream = tracks[packet.stream.index]
                out.mux(packet)
    reading = read(tmp_path / "b.mkv")
    assert reading.gaps[0].sense == "audio"
    assert reading.gaps[0].start_ns == 0
    assert reading.gaps[0].end_ns == pytest.approx(2 * NS_PER_S, abs=60_000_000)


def test_picture_and_sound_keep_their_offset_and_their_order(tmp_path):
    path = write_video(tmp_path / "a.mp4", seconds=5, audio="aac", gop=25)
    events = read(path).events
    at = [event.at_ns for event in events if isinstance(event, VideoFrame | AudioChunk | Tick)]
    assert all(later >= earlier - 1_000_000 for earlier, later in zip(at, at[1:], strict=False))


def test_stream_time_and_wall_time_are_moved_by_the_epoch(tmp_path):
    path = write_video(tmp_path / "a.mp4", seconds=2, audio="aac")
    plain, moved = read(path), read(path, at_ns=10**15, wall_ns=5 * 10**17)
    assert [f.at_ns + 10**15 for f in plain.frames] == [f.at_ns for f in moved.frames]
    assert [t.wall_ns for t in moved.ticks] == [5 * 10**17 + NS_PER_S, 5 * 10**17 + 2 * NS_PER_S]
    assert moved.ended.at_ns == plain.ended.at_ns + 10**15


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
@pytest.mark.parametrize("gop", [25, 300])
def test_resuming_gives_the_same_as_watching_on(tmp_path, name, gop):
    path = write_video(tmp_path / name, seconds=12, audio="aac", gop=gop)
    whole, resumed = read(path), read(path, from_ns=5 * NS_PER_S)
    assert (
        resumed.frame_times_s[1:]
        == [t for t in whole.frame_times_s if t >= 5][-len(resumed.frame_times_s) + 1 :]
    )
    assert len(resumed.frame_times_s) >= 6
    start = resumed.chunks[0].at_ns
    assert 5 * NS_PER_S <= start < 5 * NS_PER_S + 30_000_000
    skipped = round((start - whole.chunks[0].at_ns) * 16_000 / NS_PER_S)
    expected = whole.samples[skipped:]
    size = min(expected.size, resumed.samples.size)
    assert size == pytest.approx(7 * 16_000, abs=1000)
    # Up to half a sample apart; the first packet is decoded without the one before it.
    assert np.abs(expected[1600:size] - resumed.samples[1600:size]).max() < 0.03
    assert resumed.ended.at_ns == pytest.approx(whole.ended.at_ns, abs=100_000)


def test_different_chunk_lengths_hold_the_same_sound(tmp_path):
    path = write_video(tmp_path / "a.mp4", seconds=3, audio="aac")
    whole = read(path, ReadOptions(chunk_ns=NS_PER_S // 2)).samples
    for chunk_ns in (NS_PER_S // 10, 37_000_000):
        assert np.array_equal(read(path, ReadOptions(chunk_ns=chunk_ns)).samples, whole)


def test_what_is_known_before_reading(tmp_path):
    path = write_video(
        tmp_path / "a.mp4",
        seconds=2,
        audio="aac",
        metadata={"creation_time": "2024-05-01T12:00:00Z"},
    )
    info = probe(parse_source(str(path)))
    assert (info.has_video, info.has_audio, info.live) == (True, True, False)
    assert (info.width, info.height, info.fps) == (160, 96, 25)
    assert (info.video_codec, info.audio_codec) == ("h264", "aac")
    assert info.duration_ns == pytest.approx(2 * NS_PER_S, abs=50_000_000)
    assert info.created_wall_ns == int(datetime(2024, 5, 1, 12, tzinfo=UTC).timestamp()) * NS_PER_S
    assert info.size_bytes == path.stat().st_size
    assert info.mtime_ns == path.stat().st_mtime_ns
    other = write_video(tmp_path / "b.mp4", seconds=2.2)
    assert len(info.fingerprint) == 64
    assert info.fingerprint != probe(parse_source(str(other))).fingerprint
    assert info.fingerprint == probe(parse_source(str(path))).fingerprint


@pytest.mark.parametrize("when", ["1904-01-01T00:00:00Z", "2999-01-01T00:00:00Z"])
def test_an_implausible_creation_time_is_not_taken(tmp_path, when):
    path = write_video(tmp_path / "a.mp4", seconds=1, metadata={"creation_time": when})
    assert probe(parse_source(str(path))).created_wall_ns is None


def test_cover_art_is_not_video(tmp_path):
    cover = write_picture(tmp_path / "c.png", picture(3, (64, 64)))
    path = tmp_path / "a.mp4"
    write_sound(tmp_path / "s.m4a", tone(1.0), codec="aac")
    with (
        av.open(str(tmp_path / "s.m4a")) as sound,
        av.open(str(cover)) as art,
        av.open(str(path), "w") as out,
    ):
        track = out.add_stream_from_template(sound.streams.audio[0])
        picture_track = out.add_stream_from_template(art.streams.video[0], opaque=True)
        picture_track.disposition = av.stream.Disposition.attached_pic
        for container, target in ((art, picture_track), (sound, track)):
            for packet in container.demux():
                if packet.size:
                    packet.stream = target
                    out.mux(packet)
    reading = read(path)
    assert not reading.info.has_video
    assert not reading.frames
    assert reading.samples.size == pytest.approx(16_000, abs=400)


def test_closing_while_reading_ends_it(tmp_path):
    from omnilive.media.reader import open_source

    reader = open_source(parse_source(str(write_video(tmp_path / "a.mp4"))), ReadOptions())
    events = reader.events(stream=7, at_ns=0, wall_ns=0)
    next(events)
    reader.close()
    rest = list(events)
    assert rest[-1].error == "Watching was stopped."
    reader.close()


@pytest.mark.parametrize(
    ("name", "frames", "seconds"),
    [("bigbuckbunny.mp4", 6, 5.3), ("bikes.mp4", 10, 0), ("jfk.flac", 0, 11.0)],
)
def test_real_recordings(name, frames, seconds):
    folder = Path(__file__).parents[3] / "shared" / "media"
    if not (folder / name).exists():
        pytest.skip("the folder of real recordings is not here")
    reading = read(folder / name)
    assert len(reading.frames) == frames
    assert reading.samples.size / 16_000 == pytest.approx(seconds, abs=0.05)
    assert not [gap for gap in reading.gaps if isinstance(gap, StreamGap)]


def write_with_holes(path: Path, parts: list[tuple[float, float]]) -> None:
    """Write PCM whose packets start at the given times, whatever that leaves between them."""
    with av.open(str(path), "w", format="matroska") as out:
        track = out.add_stream("pcm_s16le", rate=16_000, layout="mono")
        for start, seconds in parts:
            samples = (tone(seconds, 16_000) * 32767).astype(np.int16)
            for offset in range(0, samples.size, 320):
                frame = av.AudioFrame.from_ndarray(
                    samples[None, offset : offset + 320], "s16", "mono"
                )
                frame.sample_rate = 16_000
                frame.pts = round(start * 16_000) + offset
                for packet in track.encode(frame):
                    out.mux_one(packet)
