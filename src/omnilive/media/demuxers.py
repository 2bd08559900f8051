"""Opening a container so that FFmpeg reads the one thing that was named, and nothing else.

A playlist (HLS, concat, DASH, SDP ...) makes FFmpeg open whatever it lists, local files and
other machines alike, and FFmpeg recognises one by content, whatever the file is called. So the
demuxers and protocols that may be used are listed here, per kind of source.
"""

from __future__ import annotations

import re
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING

from omnilive.errors import MediaError
from omnilive.media.contract import ReadOptions
from omnilive.media.source import Source, scrub

if TYPE_CHECKING:
    from av.container import InputContainer

# Demuxers that read one file from beginning to end and never name another.
_CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,live_flv,ogg,asf,asf_o,mxf,nut,rm,wtv,"
    "ivf,gif,dv,h264,hevc,vvc,av1,obu,m4v,mjpeg,mpjpeg,mpegvideo,h263,vc1,dirac,yuv4mpegpipe,apng,avif,"
    "wav,w64,flac,mp3,aac,loas,ac3,eac3,dts,dtshd,truehd,aiff,au,caf,amr,amrnb,amrwb,ape,tta,wv,"
    "mpc,mpc8,tak,shn,voc,gsm,qcp,spx,dsf,oma,rso,sox,ircam,iamf"
)
STILL_FORMATS = frozenset(
    f"{name}_pipe"
    for name in [
        "png",
        "jpeg",
        "jpegls",
        "jpegxl",
        "webp",
        "bmp",
        "tiff",
        "gif",
        "ppm",
        "pgm",
        "pbm",
        "pam",
        "qoi",
        "j2k",
        "pcx",
        "sgi",
        "sunrast",
        "psd",
        "dpx",
        "exr",
        "hdr",
    ]
) | {"ico", "webp", "image2", "avif"}
_STILLS = ",".join(sorted(STILL_FORMATS - {"image2"}))
FILE_FORMATS = f"{_CONTAINERS},{_STILLS}"

_PROTOCOLS = {
    "http": "http,https,httpproxy,tcp,tls,crypto",
    "https": "http,https,httpproxy,tcp,tls,crypto",
    "rtmp": "rtmp,tcp",
    "rtmps": "rtmps,rtmp,tls,tcp",
    "rtsp": "rtsp,rtp,udp,tcp,tls",
    "rtsps": "rtsps,rtsp,rtp,srtp,udp,tcp,tls",
}
_FORMATS = {
    "http": f"hls,{FILE_FORMATS}",
    "https": f"hls,{FILE_FORMATS}",
    "rtmp": "flv,live_flv",
    "rtmps": "flv,live_flv",
    "rtsp": "rtsp",
    "rtsps": "rtsp",
}
_PLAYLIST = re.compile(
    rb"\A(?:\xef\xbb\xbf)?\s*"
    rb"(?:#EXTM3U|ffconcat version|file\s+['\"/\w]|v=0\s|\[playlist\]|\[reference\]"
    rb"|<\?xml[^>]*>\s*(?:<!--.*?-->\s*)*<(?:MPD|playlist|smil|asx|SmoothStreamingMedia)\b"
    rb"|<(?:MPD|playlist|smil|asx|SmoothStreamingMedia)\b|rtspt?://|https?://)",
    re.IGNORECASE | re.DOTALL,
)
_SNIFFED_BYTES = 4096


def open_container(source: Source, options: ReadOptions) -> InputContainer:
    """Open `source` for demuxing.

    Raises:
        MediaError: it cannot be opened; the sentence says why, without any secret.
    """
    import av
    import av.error

    av.logging.set_level(None)  # FFmpeg writes addresses, passwords included, to stderr.
    if source.kind == "file":
        check_file(source)
    started_s = time.monotonic()
    try:
        if source.kind == "file":
            return av.open(
                f"file:{source.address}",
                options={
                    "protocol_whitelist": "file",
                    "format_whitelist": FILE_FORMATS,
                    "enable_drefs": "0",
                },
                metadata_errors="replace",
            )
        if source.kind == "device":
            return av.open(source.address, format="v4l2", timeout=_timeouts(options))
        settings = {
            "protocol_whitelist": _PROTOCOLS[source.scheme],
            "format_whitelist": _FORMATS[source.scheme],
        }
        if source.scheme in ("rtsp", "rtsps"):
            # Over UDP a camera behind a router, or a lossy link, gives torn pictures.
            settings["rtsp_transport"] = "tcp"
        if options.listen and source.scheme == "rtmp":
            settings["listen"] = "1"
        return av.open(
            source.address,
            options=settings,
            timeout=_timeouts(options),
            metadata_errors="replace",
        )
    except (av.error.FFmpegError, OSError, ValueError, OverflowError) as error:
        # FFmpeg does not always say that it was the time limit (RTSP: "invalid data").
        waited_s = time.monotonic() - started_s
        late = source.kind != "file" and waited_s >= 0.9 * min(_timeouts(options))
        raise MediaError(explain(TimeoutError() if late else error, source)) from None


def check_file(source: Source) -> None:
    """Raise `MediaError` unless the file can be opened and is no playlist."""
    path = Path(source.address)
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise MediaError(f"{source.shown} is a folder; name one video, sound or picture file.")
        if not stat.S_ISREG(status.st_mode):
            raise MediaError(f"{source.shown} is not a regular file; name a video or sound file.")
        with path.open("rb") as file:
            head = file.read(_SNIFFED_BYTES)
    except FileNotFoundError:
        raise MediaError(f"There is no file {source.shown}; check the path.") from None
    except PermissionError:
        raise MediaError(f"{source.shown} may not be read by this user.") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "the name is not valid"
        raise MediaError(f"{source.shown} cannot be read: {reason}.") from None
    if not head:
        raise MediaError(f"{source.shown} is empty; nothing was recorded into it.")
    if _PLAYLIST.match(head):
        raise MediaError(
            f"{source.shown} is a playlist, not a recording, and is not opened because it "
            "could name any other file or machine; name the recording itself."
        )


def explain(error: BaseException, source: Source) -> str:
    """Return one sentence for the user about why `source` could not be read, without secrets."""
    import av.error

    shown = source.shown
    if source.kind == "file":
        if isinstance(error, av.error.InvalidDataError | av.error.ArgumentError):
            return (
                f"{shown} holds no video, sound or picture that can be read: "
                "it is damaged, cut off, or of another kind."
            )
        return f"{shown} could not be read: {_reason(error, source)}."
    if isinstance(error, av.error.HTTPUnauthorizedError | av.error.HTTPForbiddenError):
        return (
            f"{shown} refused the user name and password; check them "
            "(in the address, write @ as %40, : as %3A and / as %2F)."
        )
    if isinstance(error, av.error.HTTPNotFoundError):
        return f"{shown} does not exist on that server; check the path of the address."
    if isinstance(error, av.error.ExitError | TimeoutError):
        return f"{shown} did not answer in time; check that it is switched on and sending."
    if isinstance(error, ConnectionRefusedError):
        return f"Nothing answers at {shown}; check host and port and that the server is running."
    if isinstance(error, av.error.InvalidDataError | av.error.ArgumentError):
        return f"{shown} answered, but not with video or sound that can be read."
    return f"{shown} could not be read: {_reason(error, source)}; check the address."


def _reason(error: BaseException, source: Source) -> str:
    reason = getattr(error, "strerror", None) or type(error).__name__
    return scrub(str(reason), source).rstrip(".")


def _timeouts(options: ReadOptions) -> tuple[float, float]:
    # The child's own read timeout fires first, so that its sentence is heard; the parent's
    # stall timer is for a child that no longer says anything at all.
    return options.open_timeout_s, 0.8 * options.stall_timeout_s
