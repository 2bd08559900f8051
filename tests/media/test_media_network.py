"""Network sources, each in its child process."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from fractions import Fraction
from pathlib import Path

import av
import pytest

import omnilive
from media_files import picture, write_video
from media_reading import read
from media_servers import fake_server, unused_port, web_server
from omnilive.errors import MediaError
from omnilive.events import NS_PER_S, MediaPacket, StreamEnded, Tick, VideoFrame
from omnilive.media.contract import ReadOptions
from omnilive.media.paired_reader import _Pair
from omnilive.media.reader import open_source
from omnilive.media.remote_reader import RemoteReader
from omnilive.media.source import parse_source
from omnilive.media.wire import Order

SECRET = "p@s:s/word"
CODED = "p%40s%3As%2Fword"
QUICK = ReadOptions(open_timeout_s=4.0, stall_timeout_s=4.0)


def assert_clean(text: str) -> None:
    assert "\n" not in text
    for part in (SECRET, CODED, "user:", "s/word"):
        assert part not in text


def refused(address: str, options: ReadOptions = QUICK) -> str:
    with pytest.raises(MediaError) as caught:
        open_source(parse_source(address), options)
    assert_clean(str(caught.value))
    return str(caught.value)


def test_a_file_over_http_is_the_same_as_on_disk(tmp_path):
    path = write_video(tmp_path / "a.mp4", seconds=4, audio="aac")
    local = read(path)
    with web_server(tmp_path, password=SECRET) as port:
        remote = read(f"http://user:{CODED}@127.0.0.1:{port}/a.mp4?x=1", wall_ns=10**18)
    assert remote.frame_times_s == local.frame_times_s
    assert (remote.samples == local.samples).all()
    assert all(
        (a.pixels == b.pixels).all() for a, b in zip(remote.frames, local.frames, strict=True)
    )
    assert not remote.info.live
    assert remote.info.duration_ns == local.info.duration_ns
    assert [tick.wall_ns for tick in remote.ticks] == [10**18 + tick.at_ns for tick in remote.ticks]
    assert remote.ended == local.ended


def test_hls_is_placed_by_its_timestamps(tmp_path):
    write_video(
        tmp_path / "l.m3u8",
        seconds=10,
        audio="aac",
        container_format="hls",
        container_options={"hls_time": "2", "hls_list_size": "0"},
    )
    with web_server(tmp_path) as port:
        reading = read(f"http://127.0.0.1:{port}/l.m3u8")
    assert len(reading.frames) == 10
    assert reading.ended.at_ns == pytest.approx(10 * NS_PER_S, abs=NS_PER_S // 10)
    assert reading.samples.size == pytest.approx(160_000, abs=1600)
    assert not reading.info.live
    assert reading.ended.error == ""


def test_live_hls_comes_as_a_burst_and_is_recorded(tmp_path):
    """A list without an end is live; here its server goes away, which ends the reading."""
    write_video(
        tmp_path / "l.m3u8",
        seconds=6,
        audio="aac",
        container_format="hls",
        container_options={"hls_time": "2", "hls_list_size": "0", "hls_flags": "omit_endlist"},
    )
    with web_server(tmp_path) as port:
        options = ReadOptions(record=True)
        reader = open_source(parse_source(f"http://127.0.0.1:{port}/l.m3u8"), options)
        assert reader.info.live
        assert reader.info.duration_ns is None
        events = []
        for event in reader.events(stream=7, at_ns=0, wall_ns=0):
            events.append(event)
            if isinstance(event, Tick) and event.at_ns == 5 * NS_PER_S:
                reader.close()
    assert isinstance(events[-1], StreamEnded)
    packets = [event for event in events if isinstance(event, MediaPacket)]
    assert {packet.kind for packet in packets} == {"video", "audio"}
    assert sum(packet.kind == "video" for packet in packets) >= 125
    assert packets[0].extradata or packets[0].codec == "aac"


def test_a_playlist_on_a_server_cannot_name_a_local_file(tmp_path):
    secret = write_video(tmp_path / "secret.ts", seconds=2)
    folder = tmp_path / "web"
    folder.mkdir()
    (folder / "l.m3u8").write_text(
        f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nfile://{secret}\n#EXT-X-ENDLIST\n"
    )
    (folder / "c.mp4").write_text(f"ffconcat version 1.0\nfile '{secret}'\n")
    with web_server(folder) as port:
        for name in ("l.m3u8", "c.mp4"):
            address = f"http://127.0.0.1:{port}/{name}"
            try:
                reading = read(address, QUICK)
            except MediaError as error:
                assert_clean(str(error))
            else:
                assert not reading.frames
                assert reading.ended.error


def test_an_unreachable_address(tmp_path):
    for scheme in ("http", "rtsp", "rtmp"):
        sentence = refused(f"{scheme}://user:{CODED}@127.0.0.1:{unused_port()}/cam")
        assert "Nothing answers" in sentence or "could not be read" in sentence


def test_a_host_that_does_not_exist():
    refused(f"http://user:{CODED}@no-such-host.invalid/a.mp4")


def test_a_wrong_password_over_http(tmp_path):
    write_video(tmp_path / "a.mp4", seconds=1)
    with web_server(tmp_path, password="another") as port:
        assert "password" in refused(f"http://user:{CODED}@127.0.0.1:{port}/a.mp4")


def test_a_wrong_password_of_a_camera():
    def answer(connection: socket.socket) -> None:
        while True:
            request = connection.recv(4096).decode("latin-1")
            if not request:
                return
            number = next(line for line in request.splitlines() if line.lower().startswith("cseq"))
            head = f"RTSP/1.0 401 Unauthorized\r\n{number}\r\n"
            connection.sendall((head + 'WWW-Authenticate: Basic realm="cam"\r\n\r\n').encode())

    with fake_server(answer) as port:
        assert "password" in refused(f"rtsp://user:{CODED}@127.0.0.1:{port}/cam")


def test_a_server_that_never_answers():
    with fake_server(
        lambda connection: connection.recv(1 << 16) and threading.Event().wait(30)
    ) as port:
        options = ReadOptions(open_timeout_s=1.0, stall_timeout_s=1.0)
        for scheme in ("http", "rtsp"):
            assert "in time" in refused(f"{scheme}://user:{CODED}@127.0.0.1:{port}/cam", options)


def test_a_server_that_answers_nonsense():
    def answer(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 4995\r\n\r\n" + b"nonsense " * 555)
        connection.shutdown(socket.SHUT_WR)

    with fake_server(answer) as port:
        assert "not with video" in refused(f"http://user:{CODED}@127.0.0.1:{port}/a.mp4")


def live_ts(path: Path, seconds: float = 3.0) -> bytes:
    return write_video(path, seconds=seconds, audio="aac").read_bytes()


def test_a_source_that_falls_silent_is_given_up_and_says_so(tmp_path):
    data = live_ts(tmp_path / "a.ts")
    stop = threading.Event()

    def answer(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: video/mp2t\r\n\r\n" + data)
        stop.wait(30)

    options = ReadOptions(stall_timeout_s=1.0)
    with fake_server(answer) as port:
        reading = read(f"http://user:{CODED}@127.0.0.1:{port}/live.ts", options)
        stop.set()
    assert reading.info.live
    assert len(reading.frames) >= 2
    assert "stalled" in reading.ended.error
    assert_clean(reading.ended.error)


def test_a_child_that_hangs_is_killed_by_the_stall_timer(tmp_path):
    data = live_ts(tmp_path / "a.ts")
    stop = threading.Event()

    def answer(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: video/mp2t\r\n\r\n" + data)
        stop.wait(30)

    with fake_server(answer) as port:
        address = f"http://127.0.0.1:{port}/live.ts"
        reader = RemoteReader(parse_source(address), ReadOptions(stall_timeout_s=1.0))
        os.kill(reader._child.pid, signal.SIGSTOP)
        events = list(reader.events(stream=7, at_ns=0, wall_ns=0))
        stop.set()
    assert "stalled" in events[-1].error
    assert reader._child.returncode == -signal.SIGKILL


def test_a_child_that_dies_ends_the_stream(tmp_path):
    data = live_ts(tmp_path / "a.ts", seconds=60)
    with fake_server(
        lambda c: c.recv(4096) and c.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + data)
    ) as port:
        reader = RemoteReader(parse_source(f"http://127.0.0.1:{port}/live.ts"), QUICK)
        events = reader.events(stream=7, at_ns=0, wall_ns=0)
        first = next(events)
        os.kill(reader._child.pid, signal.SIGKILL)
        rest = list(events)
    assert first is not rest[-1]
    assert "ended by itself" in rest[-1].error


def test_the_address_is_on_no_command_line_and_the_child_leaves_with_its_parent(tmp_path):
    data = live_ts(tmp_path / "a.ts")
    stop = threading.Event()

    def answer(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + data)
        stop.wait(30)

    with fake_server(answer) as port:
        source = parse_source(f"http://user:{CODED}@127.0.0.1:{port}/live.ts")
        reader = RemoteReader(source, ReadOptions())
        child = reader._child
        assert CODED not in " ".join(map(str, child.args))
        if Path(f"/proc/{child.pid}/cmdline").exists():
            assert CODED.encode() not in Path(f"/proc/{child.pid}/cmdline").read_bytes()
            assert CODED.encode() not in Path(f"/proc/{child.pid}/environ").read_bytes()
        child.stdin.close()  # what the parent's death does
        assert child.wait(20) == 0
        reader.close()
        stop.set()


def test_the_child_says_nothing_but_messages(tmp_path):
    """A refused password: neither its output nor its errors hold it."""
    import msgspec

    with web_server(tmp_path, password="another") as port:
        source = parse_source(f"http://user:{CODED}@127.0.0.1:{port}/a.mp4")
        environment = dict(os.environ, PYTHONPATH=str(Path(omnilive.__path__[0]).parent))
        result = subprocess.run(
            [sys.executable, "-m", "omnilive.media.child"],
            input=msgspec.json.encode(Order.of(source, QUICK)) + b"\n",
            capture_output=True,
            env=environment,
            check=False,
        )
    text = (result.stdout + result.stderr).decode("latin-1")
    assert "Traceback" not in text
    assert_clean(text.replace("\n", ""))


def test_rtmp():
    """The reader listens, as for OBS; a PyAV sender pushes six seconds to it and leaves."""
    address = f"rtmp://127.0.0.1:{unused_port()}/live/key"

    def push() -> None:
        with av.open(address, "w", format="flv") as out:
            video = out.add_stream("libx264", rate=10, options={"tune": "zerolatency", "g": "10"})
            video.width, video.height, video.pix_fmt = 160, 96, "yuv420p"
            video.codec_context.time_base = Fraction(1, 1000)
            for index in range(60):
                image = av.VideoFrame.from_ndarray(picture(index, (160, 96)), "rgb24")
                image.pts, image.time_base = index * 100, Fraction(1, 1000)
                out.mux(video.encode(image))
            out.mux(video.encode(None))

    def keep_pushing() -> None:
        for _ in range(100):
            try:
                push()
            except OSError:  # nobody listens yet
                threading.Event().wait(0.1)
            else:
                return

    thread = threading.Thread(target=keep_pushing, daemon=True)
    thread.start()
    options = ReadOptions(record=True, listen=True, open_timeout_s=20, stall_timeout_s=5)
    reading = read(address, options)
    thread.join(20)
    assert reading.info.live
    assert len(reading.frames) == 6
    assert len(reading.packets) == 60
    assert reading.packets[0].is_key
    assert "closed the connection" in reading.ended.error


def test_a_sub_stream_is_placed_by_arrival():
    """Times of both streams are unrelated; each begins with a backlog that comes at once."""
    pair = _Pair()
    events = []
    arrivals: list[tuple[int, bool, object]] = []
    for n in range(100):  # main: the backlog of 2 s arrives at 10 s, then as it happens
        at = n * NS_PER_S // 10
        packet = MediaPacket(
            stream=0, track=0, codec="h264", kind="video", at_ns=at, decode_ns=at,
            duration_ns=0, is_key=n % 10 == 0, data=b"x", extradata=b"",
        )  # fmt: skip
        arrived = max(10 * NS_PER_S, 8 * NS_PER_S + at)
        arrivals.append((arrived, True, packet))
        if n % 10 == 0 and n:
            arrivals.append((arrived, True, Tick(stream=0, at_ns=at, wall_ns=at + 5)))
    pixels = picture(0, (4, 4))
    for n in range(8):  # sub: what is its 0 happened at main's 2; backlog of 1 s
        at = n * NS_PER_S
        arrived = max(11 * NS_PER_S, 10 * NS_PER_S + at) + 1
        arrivals.append((arrived, False, VideoFrame(stream=0, at_ns=at, pixels=pixels)))
        if n:
            arrivals.append((arrived, False, Tick(stream=0, at_ns=at, wall_ns=0)))
    arrivals.append((30 * NS_PER_S, True, StreamEnded(stream=0, at_ns=0, error="gone")))
    for arrived, is_main, event in sorted(arrivals, key=lambda item: item[0]):
        events += list(pair.take(is_main, event, arrived))
    frames = [event for event in events if isinstance(event, VideoFrame)]
    assert [round(frame.at_ns / NS_PER_S) for frame in frames] == list(range(2, 10))
    assert sum(isinstance(event, MediaPacket) for event in events) == 100
    ticks = [event for event in events if isinstance(event, Tick)]
    assert [tick.at_ns // NS_PER_S for tick in ticks] == list(range(1, 10))
    assert all(tick.wall_ns == tick.at_ns + 5 for tick in ticks)
    told = 0
    for event in events:
        if isinstance(event, Tick):
            told = event.at_ns
        elif isinstance(event, VideoFrame):
            assert event.at_ns >= told
    assert events[-1].error == "gone"


def test_a_sub_stream_of_a_file_is_refused(tmp_path):
    path = write_video(tmp_path / "a.mp4", seconds=1)
    options = ReadOptions(detect=parse_source("rtsp://127.0.0.1/x"))
    with pytest.raises(MediaError, match="sub-stream"):
        open_source(parse_source(str(path)), options)


def test_both_streams_of_a_pair_by_http(tmp_path):
    data = live_ts(tmp_path / "a.ts", seconds=6)
    stop = threading.Event()

    def answer(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: video/mp2t\r\n\r\n" + data)
        stop.wait(30)

    with fake_server(answer) as port:
        address = f"http://127.0.0.1:{port}"
        options = ReadOptions(
            record=True, stall_timeout_s=1.5, detect=parse_source(f"{address}/sub.ts")
        )
        reader = open_source(parse_source(f"{address}/main.ts"), options)
        events = list(reader.events(stream=7, at_ns=5 * NS_PER_S, wall_ns=0))
        stop.set()
    assert any(isinstance(event, MediaPacket) for event in events)
    assert any(isinstance(event, VideoFrame) for event in events)
    assert isinstance(events[-1], StreamEnded)
    assert events[-1].error
    assert all(event.stream == 7 for event in events)
