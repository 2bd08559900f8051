"""A real RTSP server: H.265 and G.711, a password with @:/, and a server that goes and comes."""

from __future__ import annotations

import subprocess
from pathlib import Path
from urllib.parse import quote

import pytest

from omnilive.errors import MediaError
from omnilive.events import NS_PER_S, AudioChunk, MediaPacket, StreamEnded, Tick, VideoFrame
from omnilive.media.contract import ReadOptions
from omnilive.media.export import export_clip
from omnilive.media.reader import open_source
from omnilive.media.recording import FragmentWriter
from omnilive.media.source import parse_source

PASSWORD = "p@ss:w/rd"
PYTHON = "/usr/bin/python3"
SERVER = Path(__file__).parent / "rtsp_server.py"
CHECK = (
    "import gi; gi.require_version('GstRtspServer', '1.0'); "
    "from gi.repository import Gst, GstRtspServer; Gst.init(None); "
    "import sys; sys.exit(not all(map(Gst.ElementFactory.find, "
    "('x265enc', 'x264enc', 'alawenc', 'rtph265pay'))))"
)


def _have_server() -> bool:
    if not Path(PYTHON).exists():
        return False
    result = subprocess.run([PYTHON, "-c", CHECK], capture_output=True, check=False)
    return result.returncode == 0


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not _have_server(), reason="gst-rtsp-server for the system's Python is not installed"
    ),
]


class Camera:
    """The server as a process."""

    def __init__(self, port: int = 0) -> None:
        self.process = subprocess.Popen(
            [PYTHON, str(SERVER), "admin", PASSWORD, str(port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self.port = int(self.process.stdout.readline())

    def address(self, path: str, password: str = PASSWORD) -> str:
        return f"rtsp://admin:{quote(password, safe='')}@127.0.0.1:{self.port}{path}"

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)
        self.process.stdin.close()
        self.process.stdout.close()


@pytest.fixture
def camera():
    camera = Camera()
    yield camera
    camera.kill()


def watch(address: str, seconds: float, **options) -> list:
    reader = open_source(parse_source(address), ReadOptions(record=True, **options))
    assert reader.info.live
    events = []
    for event in reader.events(stream=7, at_ns=0, wall_ns=0):
        events.append(event)
        if isinstance(event, Tick) and event.at_ns >= seconds * NS_PER_S:
            reader.close()
    return events


def test_h265_and_g711_are_watched_and_recorded(camera, tmp_path):
    events = watch(camera.address("/main"), 6)
    frames = [event for event in events if isinstance(event, VideoFrame)]
    packets = [event for event in events if isinstance(event, MediaPacket)]
    sound = sum(event.samples.size for event in events if isinstance(event, AudioChunk))
    assert len(frames) >= 5
    assert frames[0].pixels.shape == (192, 320, 3)
    assert frames[0].pixels.std() > 1
    assert {packet.codec for packet in packets} == {"hevc", "pcm_alaw"}
    assert sound > 4 * 16_000
    writer = FragmentWriter()
    for packet in packets:
        writer.add(packet)
    fragment = writer.cut(10 * NS_PER_S)
    clip = export_clip([fragment.data], NS_PER_S, 4 * NS_PER_S, tmp_path / "clip.mp4")
    import av

    with av.open(str(clip.path)) as container:
        assert sum(1 for _ in container.decode(video=0)) >= 25
    with av.open(str(clip.path)) as container:
        assert sum(frame.samples for frame in container.decode(audio=0)) > 2 * 8000


def test_the_sub_stream_is_perceived_while_the_main_stream_is_recorded(camera):
    detect = parse_source(camera.address("/sub"))
    events = watch(camera.address("/main"), 8, detect=detect)
    frames = [event for event in events if isinstance(event, VideoFrame)]
    assert frames
    assert {frame.pixels.shape for frame in frames} == {(96, 160, 3)}
    assert {e.codec for e in events if isinstance(e, MediaPacket)} == {"hevc", "pcm_alaw"}
    ticks = [event.at_ns // NS_PER_S for event in events if isinstance(event, Tick)]
    assert ticks == list(range(1, len(ticks) + 1))


def test_a_refused_password_and_a_missing_path(camera):
    for address, words in (
        (camera.address("/main", "wr@ng:/one"), "password"),
        (f"rtsp://127.0.0.1:{camera.port}/main", "password"),
        (camera.address("/none"), "does not exist"),
    ):
        with pytest.raises(MediaError, match=words) as caught:
            open_source(parse_source(address), ReadOptions())
        for secret in (PASSWORD, quote(PASSWORD, safe=""), "wr@ng", "wr%40ng", "admin"):
            assert secret not in str(caught.value)


def test_a_server_that_is_killed_ends_the_stream_and_can_be_opened_again(camera):
    source = parse_source(camera.address("/main"))
    reader = open_source(source, ReadOptions(stall_timeout_s=3))
    events = []
    for event in reader.events(stream=7, at_ns=0, wall_ns=0):
        events.append(event)
        if isinstance(event, Tick) and event.at_ns == 2 * NS_PER_S:
            camera.kill()
    assert isinstance(events[-1], StreamEnded)
    assert events[-1].error
    assert PASSWORD not in events[-1].error
    with pytest.raises(MediaError, match="Nothing answers"):
        open_source(source, ReadOptions())
    again = Camera(camera.port)
    try:
        assert any(isinstance(e, VideoFrame) for e in watch(again.address("/main"), 2))
    finally:
        again.kill()
