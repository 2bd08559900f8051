"""Fragments, clips and stills: nothing is encoded again, and nothing is lost."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media_files import picture, tone, write_sound, write_video
from omnilive.errors import MediaError
from omnilive.events import NS_PER_S, MediaPacket
from omnilive.media.export import _decoding_times, export_clip, export_from_file
from omnilive.media.recording import Fragment, FragmentWriter
from omnilive.media.stills import still_at

CODECS = [
    pytest.param("a.mp4", {"audio": "aac", "b_frames": 2}, ".mp4", id="h264 with B-frames, aac"),
    pytest.param(
        "a.ts", {"audio": "aac", "b_frames": 2}, ".mp4", id="h264 in Annex B, aac in ADTS"
    ),
    pytest.param("a.mp4", {"codec": "libx265", "audio": "aac"}, ".mp4", id="h265, aac"),
    pytest.param("a.ts", {"codec": "libx265", "audio": "aac"}, ".mp4", id="h265 in Annex B"),
    pytest.param("a.mkv", {"codec": "libvpx", "audio": "libopus"}, ".mkv", id="vp8, opus"),
    pytest.param("a.mkv", {"codec": "libvpx-vp9", "audio": "flac"}, ".mp4", id="vp9, flac"),
    pytest.param("a.mov", {"audio": "pcm_alaw", "sample_rate": 8000}, ".mov", id="h264, G.711 A"),
    pytest.param(
        "a.mov",
        {"codec": "mjpeg", "pix_fmt": "yuvj420p", "audio": "pcm_mulaw", "sample_rate": 8000},
        ".mov",
        id="mjpeg, G.711 u",
    ),
    pytest.param("a.mkv", {"audio": "libmp3lame", "layout": "stereo"}, ".mp4", id="h264, mp3"),
    pytest.param("a.mkv", {"codec": "mpeg4", "audio": "ac3"}, ".mp4", id="mpeg4, ac3"),
]


def packets_of(path: Path, at_ns: int = 0) -> Iterator[MediaPacket]:
    """Yield a file's packets as a live source gives them."""
    with av.open(str(path)) as container:
        base_ns = container.start_time * 1000
        for packet in container.demux():
            if not packet.size:
                continue
            stream, context = packet.stream, packet.stream.codec_context
            unit = stream.time_base
            decode = packet.pts if packet.dts is None else packet.dts
            video = stream.type == "video"
            yield MediaPacket(
                stream=7,
                track=stream.index,
                codec=context.codec.canonical_name,
                kind=stream.type,
                at_ns=int(packet.pts * unit * NS_PER_S) - base_ns + at_ns,
                decode_ns=int(decode * unit * NS_PER_S) - base_ns + at_ns,
                duration_ns=int((packet.duration or 0) * unit * NS_PER_S),
                is_key=packet.is_keyframe,
                data=bytes(packet),
                extradata=bytes(context.extradata or b""),
                width=context.width if video else 0,
                height=context.height if video else 0,
                sample_rate=0 if video else context.sample_rate,
                channels=0 if video else context.layout.nb_channels,
            )


def fragments_of(packets: list[MediaPacket], cuts_s: list[float]) -> list[Fragment]:
    writer = FragmentWriter()
    for packet in packets:
        writer.add(packet)
    cut = [writer.cut(round(at * NS_PER_S)) for at in [*cuts_s, 1e6]]
    assert writer.num_bytes == 0
    assert writer.num_lost == 0
    return [fragment for fragment in cut if fragment is not None]


def frames_of(path_or_file) -> list[np.ndarray]:
    with av.open(path_or_file) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def sound_seconds(path: Path) -> float:
    with av.open(str(path)) as container:
        rate = container.streams.audio[0].rate
        return sum(frame.samples for frame in container.decode(audio=0)) / rate


@pytest.mark.parametrize(("name", "kind", "suffix"), CODECS)
def test_a_clip_out_of_fragments_is_the_original_picture_for_picture(tmp_path, name, kind, suffix):
    path = write_video(tmp_path / name, seconds=8, gop=50, **kind)
    packets = list(packets_of(path, at_ns=100 * NS_PER_S))
    fragments = fragments_of(packets, [103.3, 106.0, 107.1])
    assert len(fragments) == 4
    assert sum(fragment.num_packets for fragment in fragments) == len(packets)
    for fragment in fragments:
        with av.open(io.BytesIO(fragment.data), format="matroska") as container:
            assert {stream.type for stream in container.streams} == {"video", "audio"}
            sizes = sum(packet.size for packet in container.demux())
        assert sizes <= len(fragment.data)
    parts = [fragment.data for fragment in fragments]
    start_ns, end_ns = 104_500 * NS_PER_S // 1000, 106 * NS_PER_S
    clip = export_clip(parts, start_ns, end_ns, tmp_path / "clip.mp4")
    assert clip.path.suffix == suffix
    assert clip.start_ns <= start_ns
    assert clip.end_ns >= end_ns - 50_000_000
    original = frames_of(str(path))
    shown = frames_of(str(clip.path))
    # The pictures from the keyframe (at or before 4.5 s) to 6 s, exactly.
    first = round((clip.start_ns - 100 * NS_PER_S) / NS_PER_S * 25 - 0.4)
    assert len(shown) == pytest.approx(150 - first, abs=1)
    for index, image in enumerate(shown):
        assert np.array_equal(image, original[first + index])
    assert sound_seconds(clip.path) == pytest.approx((end_ns - clip.start_ns) / NS_PER_S, abs=0.15)
    with av.open(str(clip.path)) as container:
        assert abs(container.start_time) < 60_000
        times = [frame.time for frame in container.decode(video=0)]
    assert times == sorted(times)
    assert times[0] == pytest.approx(0, abs=0.05)
    assert list(tmp_path.glob(".*")) == []


@pytest.mark.parametrize(("name", "kind", "suffix"), CODECS)
def test_a_clip_out_of_a_users_own_file_leaves_it_alone(tmp_path, name, kind, suffix):
    path = write_video(tmp_path / name, seconds=8, gop=50, **kind)
    before = hashlib.sha256(path.read_bytes()).digest(), path.stat().st_mtime_ns
    clip = export_from_file(path, 4_500_000_000, 6 * NS_PER_S, tmp_path / "clip.mp4")
    assert clip.path.suffix == suffix
    assert clip.start_ns <= 4_500_000_000
    original, shown = frames_of(str(path)), frames_of(str(clip.path))
    first = round(clip.start_ns / NS_PER_S * 25 - 0.4)
    assert len(shown) == pytest.approx(150 - first, abs=1)
    assert all(np.array_equal(a, b) for a, b in zip(shown, original[first:], strict=False))
    assert (hashlib.sha256(path.read_bytes()).digest(), path.stat().st_mtime_ns) == before


@given(cuts=st.lists(st.integers(0, 4000), max_size=6))
@settings(max_examples=15, deadline=None)
def test_wherever_it_is_cut_every_packet_is_in_exactly_one_fragment(tmp_path_factory, cuts):
    packets = _cached_packets(tmp_path_factory)
    fragments = fragments_of(packets, sorted(at / 1000 for at in cuts))
    sent = [(p.kind, max(0, round(p.at_ns / 1e6)), hash(p.data)) for p in packets]
    found = []
    for fragment in fragments:
        with av.open(io.BytesIO(fragment.data), format="matroska") as container:
            found += [
                (packet.stream.type, packet.pts, hash(bytes(packet)))
                for packet in container.demux()
                if packet.size
            ]
    assert sorted(found) == sorted(sent)


_packets: list[MediaPacket] = []


def _cached_packets(factory) -> list[MediaPacket]:
    if not _packets:
        path = write_video(factory.mktemp("cut") / "a.mp4", seconds=3, audio="aac", b_frames=2)
        _packets.extend(packets_of(path))
    return _packets


def test_a_fragment_says_what_it_holds(tmp_path):
    path = write_video(tmp_path / "a.mp4", seconds=8, gop=50)
    whole, tail, last = fragments_of(list(packets_of(path)), [3.0, 3.9])
    assert (whole.start_ns, whole.end_ns) == (0, 3 * NS_PER_S)
    assert (whole.first_key_ns, whole.key_ns, whole.starts_with_key) == (0, 2 * NS_PER_S, True)
    assert (tail.first_key_ns, tail.key_ns, tail.starts_with_key) == (None, None, False)
    assert last.first_key_ns == 4 * NS_PER_S
    assert last.starts_with_key is False


def test_a_segment_file_is_fragments_one_after_the_other(tmp_path):
    path = write_video(tmp_path / "a.mp4", seconds=6, gop=25, audio="aac")
    fragments = fragments_of(list(packets_of(path)), [2.0, 4.0])
    segment = tmp_path / "segment.bin"
    segment.write_bytes(b"".join(fragment.data for fragment in fragments))
    parts, offset = [], 0
    for fragment in fragments:
        parts.append((segment, offset, len(fragment.data)))
        offset += len(fragment.data)
    clip = export_clip(parts[1:], 2_500_000_000, 5 * NS_PER_S, tmp_path / "out.mp4")
    assert clip.start_ns == 2 * NS_PER_S
    assert len(frames_of(str(clip.path))) == 75


def test_sound_alone(tmp_path):
    path = write_sound(tmp_path / "a.m4a", tone(6.0), codec="aac")
    fragments = fragments_of(list(packets_of(path)), [2.0, 4.0])
    assert all(fragment.starts_with_key for fragment in fragments)
    parts = [fragment.data for fragment in fragments]
    clip = export_clip(parts, NS_PER_S, 3 * NS_PER_S, tmp_path / "out.mp4")
    assert sound_seconds(clip.path) == pytest.approx(2, abs=0.1)
    clip = export_from_file(path, NS_PER_S, 3 * NS_PER_S, tmp_path / "out2.mp4")
    assert sound_seconds(clip.path) == pytest.approx(2, abs=0.1)


def test_the_writer_is_bounded_and_counts_what_it_loses(tmp_path):
    packets = list(packets_of(write_video(tmp_path / "a.mp4", seconds=8, gop=25)))
    total = sum(len(packet.data) for packet in packets)
    writer = FragmentWriter(max_bytes=total // 2)
    for packet in packets:
        writer.add(packet)
        assert writer.num_bytes <= total // 2
    fragment = writer.cut(100 * NS_PER_S)
    assert writer.num_lost == len(packets) - fragment.num_packets > 0
    assert fragment.end_ns == 8 * NS_PER_S  # the newest stay


def test_a_codec_that_cannot_be_recorded_is_named(tmp_path):
    writer = FragmentWriter()
    packet = next(packets_of(write_video(tmp_path / "a.mkv", seconds=1, codec="ffv1")))
    writer.add(packet)
    assert writer.left_out == ("ffv1",)
    assert writer.cut(NS_PER_S) is None


def test_a_camera_that_changes_its_picture_size_gives_a_clip_of_one_size(tmp_path):
    first = list(packets_of(write_video(tmp_path / "a.mp4", seconds=2)))
    second = list(
        packets_of(write_video(tmp_path / "b.mp4", seconds=2, size=(320, 192)), 2 * NS_PER_S)
    )
    parts = [fragment.data for fragment in fragments_of(first + second, [1.0, 2.0, 3.0])]
    clip = export_clip(parts, 0, 4 * NS_PER_S, tmp_path / "out.mp4")
    assert {frame.shape for frame in frames_of(str(clip.path))} == {(96, 160, 3)}
    assert clip.end_ns == pytest.approx(2 * NS_PER_S, abs=50_000_000)


def test_a_still_is_the_picture_that_was_shown(tmp_path):
    path = write_video(tmp_path / "a.mp4", seconds=8, gop=50, b_frames=2)
    parts = [f.data for f in fragments_of(list(packets_of(path)), [3.3, 5.1])]
    for at_s in (0.0, 2.02, 3.5, 5.5, 7.99):
        expected = picture(int(at_s * 25 + 1e-6), (160, 96))[10, 10, 0]
        for recording in (path, parts):
            still = still_at(recording, round(at_s * NS_PER_S))
            assert still.shape == (96, 160, 3)
            assert abs(int(still[10, 10, 0]) - int(expected)) <= 3
    assert still_at(path, NS_PER_S, max_side=80).shape == (48, 80, 3)


def test_nothing_to_play(tmp_path):
    path = write_video(tmp_path / "a.mp4", seconds=2)
    parts = [f.data for f in fragments_of(list(packets_of(path)), [])]
    with pytest.raises(MediaError, match="nothing to play"):
        export_clip(parts, -5, 0, tmp_path / "out.mp4")
    with pytest.raises(MediaError, match="nothing to play"):
        export_clip([], 0, NS_PER_S, tmp_path / "out.mp4")
    with pytest.raises(MediaError, match="damaged"):
        export_clip([b"nonsense"], 0, NS_PER_S, tmp_path / "out.mp4")
    with pytest.raises(MediaError, match="No picture"):
        still_at([], 0)
    with pytest.raises(MediaError):
        export_clip([(tmp_path / "gone", 0, 10)], 0, NS_PER_S, tmp_path / "out.mp4")
    with pytest.raises(MediaError, match="could not be written"):
        export_clip(parts, 0, NS_PER_S, tmp_path / "no" / "folder" / "out.mp4")
    assert not (tmp_path / "out.mp4").exists()


def test_a_clip_never_replaces_the_recording_itself(tmp_path):
    path = write_video(tmp_path / "a.mp4", seconds=2)
    before = path.read_bytes()
    with pytest.raises(MediaError, match="another name"):
        export_from_file(path, 0, NS_PER_S, path)
    # ... nor through the change of the suffix.
    with pytest.raises(MediaError, match="another name"):
        export_from_file(path, 0, NS_PER_S, path.with_suffix(".mkv"))
    assert path.read_bytes() == before


@given(st.permutations(range(12)))
def test_decoding_times_rise_and_never_follow_the_picture(order):
    decode = _decoding_times([at * 40 for at in order])
    assert decode == sorted(decode)
    assert all(d <= at * 40 for d, at in zip(decode, order, strict=True))
