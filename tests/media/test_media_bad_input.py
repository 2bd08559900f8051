"""Bad input: one clear sentence, nothing else opened, and what was readable is given."""

from __future__ import annotations

import http.server
import json
import threading
from fractions import Fraction

import av
import numpy as np
import pytest

from media_files import RATE, picture, tone, write_sound, write_video
from media_reading import read
from omnilive.errors import MediaError
from omnilive.events import NS_PER_S
from omnilive.media.reader import probe
from omnilive.media.source import parse_source


def refused(path) -> str:
    with pytest.raises(MediaError) as caught:
        read(path)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence.endswith(".")
    assert caught.value.exit_code == 3
    return sentence


def test_a_missing_file(tmp_path):
    assert "no file" in refused(tmp_path / "none.mp4")


def test_a_folder(tmp_path):
    assert "folder" in refused(tmp_path)


def test_an_empty_file(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"")
    assert "empty" in refused(tmp_path / "a.mp4")


@pytest.mark.parametrize(
    "text", ["Dear diary,\nnothing happened today.\n" * 50, "x", "\x00" * 9000]
)
def test_text_renamed_to_mp4(tmp_path, text):
    (tmp_path / "a.mp4").write_text(text)
    assert "no video, sound or picture" in refused(tmp_path / "a.mp4")


def test_a_name_that_no_file_can_have(tmp_path):
    assert "cannot be read" in refused(str(tmp_path / "a\0b.mp4"))


class CountingServer:
    """Counts what is asked of it."""

    def __enter__(self):
        hits = self.hits = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                hits.append(self.path)
                self.send_error(404)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


PLAYLISTS = {
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{0}\n#EXTINF:2,\n{1}\n#EXT-X-ENDLIST\n",
    "hls with a mark": "\ufeff#EXTM3U\n#EXTINF:2,\n{0}\n{1}\n",
    "concat": "ffconcat version 1.0\nfile '{0}'\nfile '{1}'\n",
    "concat bare": "file '{0}'\nfile '{1}'\n",
    "dash": '<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period>'
    "<BaseURL>{0}</BaseURL><BaseURL>{1}</BaseURL></Period></MPD>",
    "sdp": "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\na={0}\r\na={1}\r\n"
    "m=video 5004 RTP/AVP 96\r\n",
    "pls": "[playlist]\nFile1={0}\nFile2={1}\n",
    "plain m3u": "{0}\n{1}\n",
    "imf": '<?xml version="1.0"?><AssetMap xmlns="http://www.smpte-ra.org/schemas/429-9/2007/AM"><Path>{0}</Path><Path>{1}</Path></AssetMap>',
    "smooth": '<SmoothStreamingMedia><x a="{0}" b="{1}"/></SmoothStreamingMedia>',
}


@pytest.mark.parametrize("kind", PLAYLISTS)
@pytest.mark.parametrize("suffix", [".mp4", ".m3u8", ".txt"])
def test_a_playlist_opens_neither_a_secret_nor_an_address(tmp_path, kind, suffix):
    secret = write_video(tmp_path / "secret.ts", seconds=1)
    with CountingServer() as server:
        for order in ((secret, f"{server.url}/x.ts"), (f"{server.url}/x.ts", secret)):
            path = tmp_path / f"a{suffix}"
            path.write_text(PLAYLISTS[kind].format(*order), newline="")
            sentence = refused(path)
            if kind in ("hls", "hls with a mark", "concat", "concat bare", "dash", "sdp", "pls"):
                assert "playlist" in sentence
        assert server.hits == []


def test_a_playlist_behind_a_long_head_is_still_not_opened(tmp_path):
    """The list of demuxers, not the look at the head, is what protects."""
    secret = write_video(tmp_path / "secret.ts", seconds=1)
    with CountingServer() as server:
        for head in ("\n" * 6000, " " * 6000):
            (tmp_path / "a.mp4").write_text(
                head + PLAYLISTS["hls"].format(secret, f"{server.url}/x.ts")
            )
            refused(tmp_path / "a.mp4")
        assert server.hits == []


def test_a_truncated_mp4_gives_what_it_has(tmp_path):
    path = write_video(
        tmp_path / "a.mp4", seconds=20, audio="aac", container_options={"movflags": "faststart"}
    )
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    reading = read(path)
    assert 7 <= len(reading.frames) <= 13
    assert "cut off" in reading.ended.error
    assert reading.samples.size > 7 * 16_000


def test_a_truncated_mp4_without_its_index_says_so(tmp_path):
    path = write_video(tmp_path / "a.mp4", seconds=5)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert "cut off" in refused(path)


@pytest.mark.parametrize("name", ["a.mkv", "a.flac"])
def test_other_truncated_files(tmp_path, name):
    if name == "a.mkv":
        path = write_video(tmp_path / name, seconds=20, audio="aac")
    else:
        noise = np.random.default_rng(3).normal(0, 0.1, RATE * 20).astype(np.float32)
        path = write_sound(tmp_path / name, noise, codec="flac")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    reading = read(path)
    assert "cut off" in reading.ended.error
    assert 7 * NS_PER_S < reading.ended.at_ns < 13 * NS_PER_S


def test_damage_in_the_middle_costs_little(tmp_path):
    noise = np.random.default_rng(5)
    path = write_video(
        tmp_path / "a.mkv",
        seconds=20,
        audio="aac",
        frame=lambda index: noise.integers(0, 255, (96, 160, 3), np.uint8),
    )
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 4000] = noise.integers(0, 255, 4000, np.uint8).tobytes()
    path.write_bytes(data)
    reading = read(path)
    assert len(reading.frames) >= 17
    assert reading.ended.at_ns > 19 * NS_PER_S


def test_video_without_sound(tmp_path):
    reading = read(write_video(tmp_path / "a.mp4", seconds=2))
    assert (reading.info.has_video, reading.info.has_audio) == (True, False)
    assert not reading.chunks
    assert reading.ended.error == ""


def test_sound_without_video(tmp_path):
    reading = read(write_sound(tmp_path / "a.wav", tone(2.0)))
    assert (reading.info.has_video, reading.info.has_audio) == (False, True)
    assert not reading.frames
    assert reading.ended.at_ns == 2 * NS_PER_S
    assert reading.ended.error == ""


def test_a_silent_track_is_silence_and_not_a_gap(tmp_path):
    path = write_video(
        tmp_path / "a.mp4", seconds=3, audio="aac", samples=np.zeros(RATE * 3, np.float32)
    )
    reading = read(path)
    assert not reading.gaps
    assert reading.samples.size == pytest.approx(48_000, abs=400)
    assert np.abs(reading.samples).max() < 1e-3


@pytest.mark.parametrize(
    ("codec", "pix_fmt"), [("ffv1", "yuv444p"), ("mjpeg", "yuvj420p"), ("libx264", "yuv444p")]
)
def test_one_pixel(tmp_path, codec, pix_fmt):
    path = write_video(tmp_path / "a.mkv", seconds=2, size=(1, 1), codec=codec, pix_fmt=pix_fmt)
    reading = read(path)
    assert [frame.pixels.shape for frame in reading.frames] == [(1, 1, 3)] * 2


def test_8k(tmp_path):
    path = write_video(tmp_path / "a.mp4", seconds=0.1, fps=10, size=(7680, 4320), codec="mpeg4")
    reading = read(path)
    assert [frame.pixels.shape for frame in reading.frames] == [(720, 1280, 3)]


def test_timestamps_that_start_at_a_large_offset(tmp_path):
    plain = read(write_video(tmp_path / "a.ts", seconds=4, audio="aac"))
    late = read(write_video(tmp_path / "b.ts", seconds=4, audio="aac", offset_s=50_000))
    assert late.frame_times_s == pytest.approx(plain.frame_times_s, abs=0.03)
    assert late.ended.at_ns == pytest.approx(plain.ended.at_ns, abs=50_000_000)
    assert late.samples.size == pytest.approx(plain.samples.size, abs=1200)


@pytest.mark.parametrize("second_s", [0.0, 90_000.0])
def test_timestamps_that_jump(tmp_path, second_s):
    """Two recordings, one after the other in one file: time goes on, and the jump is told."""
    first = write_video(tmp_path / "a.ts", seconds=4, audio="aac", offset_s=1000)
    second = write_video(tmp_path / "b.ts", seconds=4, audio="aac", offset_s=second_s)
    path = tmp_path / "ab.ts"
    path.write_bytes(first.read_bytes() + second.read_bytes())
    reading = read(path)
    assert len([gap for gap in reading.gaps if gap.sense == "both"]) == 1
    assert len(reading.frames) == pytest.approx(8, abs=1)
    assert max(np.diff(reading.frame_times_s)) < 2.1
    assert reading.ended.at_ns == pytest.approx(8 * NS_PER_S, abs=NS_PER_S // 2)
    assert reading.samples.size == pytest.approx(8 * 16_000, abs=6000)
    assert reading.ended.error == ""


def test_packets_without_content_and_without_times(tmp_path):
    """A raw stream has no timestamps at all; empty packets must not end the decoding."""
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = 160, 96, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, 25), Fraction(25)
    encoder.gop_size = 25
    raw = b""
    for index in range(75):
        image = av.VideoFrame.from_ndarray(picture(index, (160, 96)), "rgb24")
        image.pts = index
        raw += b"".join(bytes(packet) for packet in encoder.encode(image))
    raw += b"".join(bytes(packet) for packet in encoder.encode(None))
    (tmp_path / "a.h264").write_bytes(raw)
    reading = read(tmp_path / "a.h264")
    assert len(reading.frames) == pytest.approx(3, abs=1)
    assert reading.ended.error == ""


def test_zero_length_packets(tmp_path):
    path = write_video(tmp_path / "a.avi", seconds=4, codec="mpeg4", gop=12)
    data = path.read_bytes()
    reading = read(write_empty_packets(tmp_path / "b.mkv", path))
    assert data == path.read_bytes()
    assert len(reading.frames) == pytest.approx(4, abs=1)
    assert reading.ended.error == ""


def write_empty_packets(path, original):
    """Copy a video, putting an empty packet behind every third one."""
    with av.open(str(original)) as source, av.open(str(path), "w") as out:
        track = out.add_stream_from_template(source.streams.video[0], opaque=True)
        last = None
        for number, packet in enumerate(source.demux(video=0)):
            if not packet.size:
                continue
            packet.pts = packet.dts = number * 2
            packet.time_base = Fraction(1, 50)
            packet.stream = track
            out.mux_one(packet)
            if number % 3 == 0:
                empty = av.Packet(b"")
                empty.pts = empty.dts = number * 2 + 1
                empty.time_base = Fraction(1, 50)
                empty.stream = track
                out.mux_one(empty)
            last = packet
        assert last is not None
    return path


def test_a_container_with_only_a_subtitle(tmp_path):
    (tmp_path / "a.srt").write_text("1\n00:00:00,000 --> 00:00:02,000\nhello\n")
    refused(tmp_path / "a.srt")


def test_fuzzed_files_never_raise_anything_else(tmp_path):
    """Flipped bytes end in a MediaError or in a reading with an end, whatever they do."""
    originals = [
        write_video(tmp_path / "a.mp4", seconds=1, audio="aac").read_bytes(),
        write_video(tmp_path / "a.mkv", seconds=1, audio="libopus").read_bytes(),
        write_video(tmp_path / "a.ts", seconds=1, audio="aac").read_bytes(),
        write_sound(tmp_path / "a.flac", tone(1.0), codec="flac").read_bytes(),
    ]
    random = np.random.default_rng(11)
    outcomes = {"read": 0, "refused": 0}
    for number in range(60):
        data = bytearray(originals[number % len(originals)])
        for _ in range(int(random.integers(1, 40))):
            data[int(random.integers(0, len(data)))] = int(random.integers(0, 256))
        path = tmp_path / "fuzzed.bin"
        path.write_bytes(data)
        try:
            read(path)
            outcomes["read"] += 1
        except MediaError:
            outcomes["refused"] += 1
    assert outcomes["read"] > 10, json.dumps(outcomes)


def test_probe_refuses_alike(tmp_path):
    with pytest.raises(MediaError):
        probe(parse_source(str(tmp_path / "none.mp4")))
