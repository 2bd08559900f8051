"""The whole system from one Config: the stages, and the offline driver that runs them in a loop.

A `System` owns the store and the models that streams share; a session (live) or `run` (offline)
moves the events between its stages. Perception's stages are made per stream, the rest once.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import platformdirs

from omnilive.cancel import Cancel
from omnilive.errors import ConfigError
from omnilive.events import NS_PER_S, SAMPLE_RATE, Event, StreamStarted, Voice
from omnilive.media.contract import ReadOptions, SourceInfo
from omnilive.media.resampling import resample
from omnilive.media.source import Source
from omnilive.memory.compressor import Compressor
from omnilive.memory.embedding import build_embedder
from omnilive.memory.learned import LearnedMemory
from omnilive.memory.stage import Memory, MemoryConfig
from omnilive.memory.store import Store
from omnilive.memory.streams import SourceFile
from omnilive.nn.ixc_config import IxcConfig
from omnilive.nn.ixc_loading import LOADING, check_networks, is_loaded, load_reasoner
from omnilive.nn.sharing import shared
from omnilive.nn.shipped import NETWORK_PRESETS, tiny_folder
from omnilive.perception.backends import (
    HearingBackends,
    build_frame_embedder,
    build_hearing_backends,
    build_reader,
)
from omnilive.perception.captions import CaptionConfig, Captioner
from omnilive.perception.reading import TextReader
from omnilive.perception.siglip_cuts import FrameEmbedder
from omnilive.perception.stage import Hearing, HearingConfig, Seeing, SeeingConfig
from omnilive.reasoning.answering import AnswerBackend, AnswererConfig
from omnilive.reasoning.extractive import ExtractiveBackend
from omnilive.reasoning.gate import Gate, GateConfig
from omnilive.reasoning.ixc import IxcBackend
from omnilive.reasoning.language import LanguageBackend
from omnilive.reasoning.stage import Answerer
from omnilive.remote.chat import ChatClient, ChatConfig
from omnilive.speech.stage import Speech, SpeechConfig
from omnilive.speech.synthesizer import EspeakConfig, EspeakSynthesizer
from omnilive.stage import Stage

_dialogues = itertools.count(1)
SCHEMA = 1  # of the configuration file


@dataclass(frozen=True, kw_only=True)
class MediaConfig:
    """How sources are read.

    Attributes:
        frame_interval_s: one frame is looked at in each such interval.
        frame_max_side: frames are scaled down to this many pixels on their longer side.
        open_timeout_s: how long a network source may take to open.
        stall_timeout_s: how long it may be silent before it is opened anew.
    """

    frame_interval_s: float = 1.0
    frame_max_side: int = 1280
    open_timeout_s: float = 20.0
    stall_timeout_s: float = 10.0

    def __post_init__(self) -> None:
        if not 0.02 <= self.frame_interval_s <= 60:
            raise ConfigError("media.frame_interval_s must be between 0.02 and 60.")
        if self.frame_max_side < 16:
            raise ConfigError("media.frame_max_side must be at least 16.")

    def read_options(self, *, record: bool, detect: Source | None) -> ReadOptions:
        """Return how a source is read under this configuration."""
        return ReadOptions(
            frame_interval_ns=round(self.frame_interval_s * NS_PER_S),
            frame_max_side=self.frame_max_side,
            open_timeout_s=self.open_timeout_s,
            stall_timeout_s=self.stall_timeout_s,
            record=record,
            detect=detect,
        )


@dataclass(frozen=True, kw_only=True)
class LiveConfig:
    """How live conversations run.

    Attributes:
        max_sessions: how many may be open at once.
        grace_s: a conversation without a client ends after this.
        record: whether what a client sends is recorded, so that its moments can be played.
        record_height: the recording's pictures have at most this many lines.
        record_fps: pictures a second in the recording.
        interrupt_ms: a voice that lasts so long cuts an answer, words or not.
        held_most_ms: an answer that is held goes on after this if no word was recognised.
        undecided_ms: a turn of the user that gets neither question nor dismissal ends after this.
        max_holds: after so many holds of one answer that were nothing, only words cut it.
        recognisers: speech recognisers that the conversations share; 0: one for each 2 cores, at
            most 2.
    """

    max_sessions: int = 8
    grace_s: float = 60.0
    record: bool = True
    record_height: int = 480
    record_fps: float = 5.0
    interrupt_ms: int = 700
    held_most_ms: int = 2000
    undecided_ms: int = 10_000
    max_holds: int = 3
    recognisers: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.max_sessions <= 1000:
            raise ConfigError("live.max_sessions must be between 1 and 1000.")
        if not 0 <= self.grace_s <= 86_400:
            raise ConfigError("live.grace_s must be between 0 and 86400.")
        if not 64 <= self.record_height <= 2160:
            raise ConfigError("live.record_height must be between 64 and 2160.")
        if not 0.2 <= self.record_fps <= 60:
            raise ConfigError("live.record_fps must be between 0.2 and 60.")
        if not 100 <= self.interrupt_ms <= 10_000:
            raise ConfigError("live.interrupt_ms must be between 100 and 10000.")
        if not 300 <= self.held_most_ms <= 60_000:
            raise ConfigError("live.held_most_ms must be between 300 and 60000.")
        if not 1000 <= self.undecided_ms <= 120_000:
            raise ConfigError("live.undecided_ms must be between 1000 and 120000.")
        if self.max_holds < 1:
            raise ConfigError("live.max_holds must be at least 1.")
        if not 0 <= self.recognisers <= 16:
            raise ConfigError("live.recognisers must be between 0 and 16.")


@dataclass(frozen=True, kw_only=True)
class Config:
    """Everything that can be set; see `omnilive config show`.

    Attributes:
        schema: version of the configuration file.
        preset: what these values started from.
        store: directory of the memory; "" is the user's data directory.
        ixc: the paper's networks, for the presets `ixc` and `tiny`.
        media, hearing, seeing, memory, gate, answerer, vlm, captions, speech, espeak, live: of each
            part.
    """

    schema: int = SCHEMA
    preset: str = "embedded"
    store: str = ""
    media: MediaConfig = field(default_factory=MediaConfig)
    hearing: HearingConfig = field(default_factory=HearingConfig)
    seeing: SeeingConfig = field(default_factory=SeeingConfig)
    memory: MemoryConfig = field(default_factory=MemoryConfig)
    gate: GateConfig = field(default_factory=GateConfig)
    answerer: AnswererConfig = field(default_factory=AnswererConfig)
    ixc: IxcConfig = field(default_factory=IxcConfig)
    vlm: ChatConfig = field(default_factory=ChatConfig)
    captions: CaptionConfig = field(default_factory=CaptionConfig)
    speech: SpeechConfig = field(default_factory=SpeechConfig)
    espeak: EspeakConfig = field(default_factory=EspeakConfig)
    live: LiveConfig = field(default_factory=LiveConfig)

    def memory_path(self) -> Path:
        """Return the directory of the memory."""
        return Path(self.store or platformdirs.user_data_dir("omnilive")).expanduser()

    def with_networks(self) -> Config:
        """Return the configuration with the preset's one folder of weights told to every part.

        Without the release's cut detector (`siglip/`) clips are cut by the adaptive threshold.

        Raises:
            ConfigError: the preset ixc without a folder.
            CheckpointError: the preset tiny, whose checkpoint is not in this installation.
        """
        if self.preset not in NETWORK_PRESETS:
            return self
        is_named = self.preset == "ixc" or self.ixc.weights
        folder = self.ixc.folder() if is_named else tiny_folder()
        recognition, compressor = self.hearing.recognition, self.memory.compressor
        if recognition.backend == "ixc" and not recognition.weights:
            recognition = replace(recognition, weights=str(folder / "audio"))
        if not compressor.weights:
            compressor = replace(compressor, weights=str(folder / "memory"))
        clips = self.seeing.clips
        if clips.cuts == "siglip" and not clips.siglip.weights:
            siglip = folder / "siglip"
            clips = (
                replace(clips, siglip=replace(clips.siglip, weights=str(siglip)))
                if siglip.is_dir()
                else replace(clips, cuts="adaptive")
            )
        return replace(
            self,
            seeing=replace(self.seeing, clips=clips),
            hearing=replace(self.hearing, recognition=recognition),
            memory=replace(self.memory, compressor=compressor),
            ixc=replace(self.ixc, weights=str(folder)),
        )

    def check_networks(self) -> None:
        """Judge the weights that a system of this configuration loads, before it loads any.

        Raises:
            BackendError: a package is missing, the weights are wrong, or memory is too small.
        """
        if self.preset in NETWORK_PRESETS:
            compressor, recognition = self.memory.compressor, self.hearing.recognition
            hears = self.hearing.enabled and recognition.backend == "ixc"
            check_networks(
                self.ixc,
                memory=compressor.weights,
                tokenizer=compressor.tokenizer,
                memory_place=compressor.place,
                audio=recognition.weights if hears else "",
                audio_place=recognition.place,
            )


class System:
    """The stages built from one configuration.

    Args:
        config: what to build.
        store: directory of the memory.
        write: True remembers (one process a store); False only answers.
        speak: whether answers are synthesized.
        doing: what the store is being written for, told to a second writer.
        now_wall_ns: UTC, told to a second writer.
        wall_clock: gives UTC to questions ("ten minutes ago"); None counts from the newest
            remembered instant, as is right while a stream is being watched.

    Raises:
        StoreError: if the store cannot be used.
        BackendError: if a package is missing, or weights are wrong; nothing was loaded then.
    """

    def __init__(
        self,
        config: Config,
        store: Path,
        *,
        write: bool,
        speak: bool = False,
        doing: str = "",
        now_wall_ns: int = 0,
        wall_clock: Callable[[], int] | None = None,
    ) -> None:
        given, config = config, config.with_networks()
        if not is_loaded(config.ixc):
            if given.seeing.clips.cuts != config.seeing.clips.cuts:
                LOADING.info("There is no siglip/ among the weights: cuts are found adaptively")
            config.check_networks()
        self.config = config
        self.num_recognisers = 1  # models loaded at most, for sound of several streams at once
        self._hearing: HearingBackends | None = None
        self._reader: TextReader | None = None
        self._embedder: FrameEmbedder | None = None
        self._loading = threading.Lock()
        self._streams: dict[int, dict[str, Stage]] = {}
        self._closed = False
        self.store = Store.open(store, write=write, doing=doing, now_wall_ns=now_wall_ns)
        try:
            compressor = config.memory.compressor
            self.learned: LearnedMemory | None = None
            if compressor.weights:
                self.learned = shared(compressor, lambda: LearnedMemory.load(compressor))
            self.reasoner = load_reasoner(config.ixc) if config.preset in NETWORK_PRESETS else None
            self.memory = Memory(
                self.store,
                config.memory,
                build_embedder(config.memory),
                wall_clock=wall_clock,
                learned=self.learned,
            )
            self.shared: dict[str, Stage] = self.stages_for_session(
                self.memory, caption=write, speak=speak
            )
        except BaseException:
            self.store.close()
            raise

    def stages_for_session(self, memory: Stage, *, caption: bool, speak: bool) -> dict[str, Stage]:
        """Make the stages that serve every stream of one session: who answers, and who speaks.

        Each session has its own dialogue and its own voice; what is heavy is shared.

        Args:
            memory: the session's memory stage.
            caption: whether clips get captions and memory tokens, where a server or a network for
                them is configured.
            speak: whether answers are synthesized.
        """
        config = self.config
        chat = ChatClient(config.vlm) if config.vlm.url else None
        backend: AnswerBackend = ExtractiveBackend(config.answerer)
        if chat is not None:
            backend = LanguageBackend(config.answerer, chat, backend)
        predictor = None
        if self.reasoner is not None:
            dialogue = str(next(_dialogues))
            backend = IxcBackend(config.ixc, config.answerer, self.reasoner, dialogue, backend)
            predictor = self.reasoner if config.ixc.instruction == "model" else None
        # In the order in which the offline driver visits them; memory comes after perception.
        stages: dict[str, Stage] = {}
        if chat is not None and caption and config.captions.enabled:
            stages["captioner"] = Captioner(config.captions, chat)
        if self.learned is not None and caption:
            stages["compressor"] = Compressor(config.memory.compressor, self.learned)
        stages["memory"] = memory
        stages["gate"] = Gate(config.gate, predictor, config.ixc.least_instruction)
        stages["answerer"] = Answerer(config.answerer, backend)
        if speak:
            stages["speech"] = Speech(EspeakSynthesizer(config.espeak), config.speech)
        return stages

    def stages_for(self, started: StreamStarted) -> Mapping[str, Stage]:
        """Make the stages that perceive one stream; from any thread."""
        hearing, reader = self._load()
        return {
            "hearing": Hearing(
                self.config.hearing,
                hearing.voice_activity,
                hearing.recogniser,
                namer=hearing.namer,
            ),
            "seeing": Seeing(self.config.seeing, reader, self._embedder),
        }

    def _load(self) -> tuple[HearingBackends, TextReader | None]:
        with self._loading:
            if self._hearing is None:
                self._hearing = build_hearing_backends(
                    self.config.hearing, num_recognisers=self.num_recognisers
                )
                self._reader = build_reader(self.config.seeing.reading)
                self._embedder = build_frame_embedder(self.config.seeing.clips)
            return self._hearing, self._reader

    def warm(self) -> None:
        """Load the models now instead of when the first sound or picture needs them.

        Raises:
            BackendError: one cannot be loaded.
        """
        import numpy as np

        hearing, _ = self._load()
        if hearing.voice_activity is not None:
            hearing.voice_activity.start()
        if hearing.recogniser is not None:
            hearing.recogniser.transcribe(np.zeros(SAMPLE_RATE, np.float32), Cancel())
        if self.reasoner is not None:
            self.reasoner.instruction("Are you ready?", Cancel())
        synthesizer = EspeakSynthesizer(self.config.espeak)
        sound = synthesizer.synthesize("Ready.")
        synthesizer.close()
        resample(sound.samples, sound.sample_rate, SAMPLE_RATE)  # loads what playing needs

    def close(self) -> None:
        """Release models, child processes and the store. Safe to call twice."""
        if self._closed:
            return
        self._closed = True
        for stages in self._streams.values():
            for stage in stages.values():
                stage.close()
        for stage in self.shared.values():
            stage.close()
        if self._hearing is not None:
            self._hearing.close()
        if self._reader is not None:
            self._reader.close()
        self.store.close()

    def num_unremembered(self) -> int:
        """Return how many perceived clips wait to be committed; call it in memory's thread."""
        return self.memory.num_pending

    # --- epochs --------------------------------------------------------------------------

    def begin_epoch(
        self,
        *,
        name: str,
        source: str,
        voice: Voice,
        zone: str,
        info: SourceInfo,
        now_ns: int,
        started_at_ns: int | None,
        again: bool,
        paced: bool,
    ) -> tuple[StreamStarted, int] | None:
        """Open an epoch of a stream.

        Args:
            name: of the stream.
            source: where it comes from, without secrets.
            voice: whose voice it carries.
            zone: IANA name of the zone its times are shown in.
            info: what the reader found.
            now_ns: UTC.
            started_at_ns: UTC of a file's first instant, if the user said so.
            again: whether a file is watched once more from its start.
            paced: whether a file is watched at its own pace, so that it begins now.

        Returns:
            The epoch, and the time of the source to begin at (a file that was watched in part is
            resumed); None if the file is remembered to its end.
        """
        file: SourceFile | None = None
        from_ns = 0
        if info.path and not info.live:
            file = SourceFile(
                path=info.path,
                size=info.size_bytes,
                mtime_ns=info.mtime_ns,
                fingerprint=info.fingerprint,
            )
            point = self.store.resume_point(name, info.fingerprint)
            if not again:
                if point.state == "complete":
                    return None
                from_ns = point.file_ns
        origin, wall_ns = _origin(info, now_ns, started_at_ns, paced=paced)
        started = self.store.begin_epoch(
            name,
            wall_ns=wall_ns + from_ns,
            zone=zone,
            origin=origin,
            voice=voice,
            has_video=info.has_video,
            has_audio=info.has_audio,
            live=info.live,
            source=source,
            file=file,
            file_start_ns=from_ns,
        )
        return started, from_ns

    def continue_epoch(self, started: StreamStarted, *, at_ns: int, wall_ns: int) -> StreamStarted:
        """Open an epoch at `at_ns` of a stream whose wall clock was set."""
        return self.store.begin_epoch(
            started.name,
            wall_ns=wall_ns,
            zone=started.zone,
            origin=started.origin,
            voice=started.voice,
            has_video=started.has_video,
            has_audio=started.has_audio,
            live=started.live,
            source=started.source,
            at_ns=at_ns,  # the clock that jumped must not move stream time
        )

    # --- offline -------------------------------------------------------------------------

    def run(self, events: Iterable[Event], cancel: Cancel | None = None) -> Iterator[Event]:
        """Push events through the stages in a loop; yield everything that follows from each.

        Depth first: what a stage yields is worked off before its next product. Hearing and seeing
        of a stream come before memory, so memory sees the end of a stream last.
        """
        cancel = cancel or Cancel()
        for event in events:
            yield from self._visit(event, cancel)

    def _visit(self, event: Event, cancel: Cancel) -> Iterator[Event]:
        if isinstance(event, StreamStarted) and event.stream not in self._streams:
            self._streams[event.stream] = dict(self.stages_for(event))
        perceiving = self._streams.get(getattr(event, "stream", 0), {})
        for stage in (*perceiving.values(), *self.shared.values()):
            if type(event) in stage.accepts:
                for product in stage.push(event, cancel):
                    yield product
                    yield from self._visit(product, cancel)


def _origin(
    info: SourceInfo, now_ns: int, started_at_ns: int | None, *, paced: bool
) -> tuple[Literal["live", "creation", "watching", "given"], int]:
    """Return what a source's wall time rests on, and the UTC of its first instant."""
    if info.live:
        return "live", now_ns
    if started_at_ns is not None:
        return "given", started_at_ns
    if info.created_wall_ns is not None:
        return "creation", info.created_wall_ns
    # Nothing in a file that exists lies in the future: read fast, it ends now (decision 0005).
    return "watching", now_ns if paced else now_ns - (info.duration_ns or 0)
