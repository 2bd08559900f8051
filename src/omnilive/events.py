"""The closed vocabulary that perception, memory, reasoning and speech speak.

Events are immutable values. Stages never import one another: this file is all they share.
Times ending in `_ns` are integer nanoseconds of stream time (`docs/time.md`), except `wall_ns`,
which counts from the Unix epoch in UTC. Arrays in events are never written to.

A new event needs a decision record; who accepts and emits what is the table in
`docs/architecture.md`, and a test holds that table against the stages.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Pixels: TypeAlias = NDArray[np.uint8]  # (height, width, 3), RGB
Samples: TypeAlias = NDArray[np.float32]  # (samples,), mono, 16 kHz, -1..1
Descriptor: TypeAlias = NDArray[np.float32]  # (dimension,), unit length
Tokens: TypeAlias = NDArray[np.float16]  # (rows, width): memory tokens of a clip

Voice: TypeAlias = Literal["user", "ambient", "own"]
Kind: TypeAlias = Literal["speech", "screen", "sound", "motion", "picture", "digest"]
Needs: TypeAlias = Literal["past", "present", "both"]
Outcome: TypeAlias = Literal["completed", "interrupted", "failed"]

SAMPLE_RATE = 16_000
NS_PER_S = 1_000_000_000


class UpTo(NamedTuple):
    """A question may know nothing of `stream` that starts at or after `ns`."""

    stream: int
    ns: int


class Word(NamedTuple):
    """One recognised word and where it was heard, in stream time."""

    text: str
    start_ns: int
    end_ns: int


class TextLine(NamedTuple):
    """One line of text in a picture; the box is in fractions of the picture's size."""

    text: str
    confidence: float
    left: float
    top: float
    right: float
    bottom: float


# --- stream -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamStarted:
    """A new epoch of a stream: what its times mean until the next one.

    Attributes:
        stream: the store's number of the stream.
        name: the stream's name, as the user knows it.
        epoch: the store's number of the epoch.
        at_ns: stream time of the epoch's first instant.
        wall_ns: UTC of that instant.
        zone: IANA name of the zone in which times are shown.
        origin: what `wall_ns` rests on: "live", "creation" (of the file), "watching", "given".
        voice: whose voice this stream carries.
        has_video: whether frames will come.
        has_audio: whether sound will come.
        live: whether the source is live (a gap in it is lost for ever).
        source: where it comes from, without user name, password or token.
    """

    stream: int
    name: str
    epoch: int
    at_ns: int
    wall_ns: int
    zone: str
    origin: Literal["live", "creation", "watching", "given"]
    voice: Voice
    has_video: bool
    has_audio: bool
    live: bool
    source: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VideoFrame:
    """One picture. `pixels` is upright (rotation applied) and at most the decoding size."""

    stream: int
    at_ns: int
    pixels: Pixels


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AudioChunk:
    """A run of 16 kHz mono samples; the first one sounds at `at_ns`."""

    stream: int
    at_ns: int
    samples: Samples


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaPacket:
    """One encoded packet of a live source, for the recording (decision 0002).

    Attributes:
        track: index of the track in the source.
        codec: name of the codec, as FFmpeg knows it.
        kind: "video" or "audio".
        at_ns: stream time of presentation.
        decode_ns: stream time of decoding (differs from `at_ns` with B-frames).
        duration_ns: how long it lasts, 0 if unknown.
        is_key: whether decoding can start here.
        data: the packet.
        extradata: the codec's set-up bytes; the same for all packets of a track.
        width, height, sample_rate, channels: of the track; 0 where they do not apply.
    """

    stream: int
    track: int
    codec: str
    kind: Literal["video", "audio"]
    at_ns: int
    decode_ns: int
    duration_ns: int
    is_key: bool
    data: bytes
    extradata: bytes
    width: int = 0
    height: int = 0
    sample_rate: int = 0
    channels: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamGap:
    """Nothing came between `start_ns` and `end_ns`. `reason` is one plain sentence."""

    stream: int
    start_ns: int
    end_ns: int
    sense: Literal["video", "audio", "both"]
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamEnded:
    """The epoch is over; everything open is closed at `at_ns`. `error` is empty at a true end."""

    stream: int
    at_ns: int
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """All media that starts before `at_ns` has been delivered; comes at least once a second.

    `wall_ns` is the source's wall clock at that instant: memory keeps an anchor of the pair.
    """

    stream: int
    at_ns: int
    wall_ns: int


# --- perceive ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechStarted:
    """Somebody began to speak at `at_ns` (known a little later)."""

    stream: int
    at_ns: int
    voice: Voice


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechEnded:
    """The voice that began at `start_ns` fell silent at `at_ns`."""

    stream: int
    start_ns: int
    at_ns: int
    voice: Voice


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    """One stretch of speech as text; also what a person types (`typed`, stream 0).

    Attributes:
        id: `u<stream>-<start in ms>`; typed: the turn's own id.
        words: with times; `words_exact` is False where they are interpolated.
        voice: "own" where it is what the system itself was saying, heard back.
        up_to: for a typed utterance, what the asker can have seen.
        scope: for a typed utterance, the only stream name asked about ("" = all).
    """

    id: str
    stream: int
    start_ns: int
    end_ns: int
    text: str
    voice: Voice
    words: tuple[Word, ...] = ()
    words_exact: bool = False
    typed: bool = False
    up_to: tuple[UpTo, ...] = ()
    scope: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartialUtterance:
    """What a voice has said so far; the next one of the same `id` replaces it (decision 0009).

    Attributes:
        id: of the utterance that the turn will become; the same for all of a turn.
        start_ns: where the turn began.
        end_ns: how far the voice was heard; `end_ns - start_ns` says how long it lasts.
        text: the words so far; "" while none were recognised.
        voice: "own" where it is what the system itself is saying, heard back.
        settled: the voice has paused and these are all its words, be it none; every `SpeechEnded`
            of a user's voice is followed by exactly one of these. The turn may still go on.
    """

    id: str
    stream: int
    start_ns: int
    end_ns: int
    text: str
    voice: Voice
    settled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundEvent:
    """A sound that is not speech, or a long silence.

    `label` says only what was measured ("loud sound", "silence") unless a classifier is present.
    `level_db` is dB full scale of its loudest 100 ms.
    """

    id: str
    stream: int
    start_ns: int
    end_ns: int
    label: str
    level_db: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneText:
    """Text read in the picture: what is new since the last reading of this stream."""

    id: str
    stream: int
    at_ns: int
    lines: tuple[TextLine, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Clip:
    """Consecutive frames that belong together; everything seen in them has been reported.

    Attributes:
        id: `c<stream>-<start in ms>`.
        num_frames: frames that were looked at (0 for a stream without pictures).
        changed: whether anything new was seen; False makes a quiet clip.
        motion: mean share of the picture that moved, 0..1.
        moving: spans in which something moved, as (start_ns, end_ns).
        descriptor: of the representative frame; None without pictures.
        descriptor_model: which descriptor it is.
        pictures: at most 3 frames that stand for the clip, oldest first; the first represents it.
    """

    id: str
    stream: int
    start_ns: int
    end_ns: int
    num_frames: int
    changed: bool
    motion: float
    moving: tuple[tuple[int, int], ...]
    descriptor: Descriptor | None
    descriptor_model: str
    pictures: tuple[VideoFrame, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Watermark:
    """What `sense` will still report of this stream starts at or after `at_ns` (decision 0003).

    Except long silences: they are told when they are over (decision 0013).
    """

    stream: int
    sense: Literal["hearing", "seeing"]
    at_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Caption:
    """What a vision-language model says of a clip that is already remembered (decision 0004)."""

    stream: int
    clip: str
    text: str
    model: str


# --- remember ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClipTokens:
    """What the paper's compressor makes of a clip, H and H-hat (decision 0011).

    Attributes:
        stream, clip, start_ns, end_ns: which clip, before or after it is remembered.
        num_frames: frames that were compressed, at most the configured number.
        short_term: H, (rows, width); the same number of rows for each frame.
        global_memory: H-hat, (width,), before any normalisation.
        model: which network made them; those of two networks are never compared or integrated.
        origin: name of what the seconds in the clip's text count from ("epoch", "stretch").
        origin_ns: stream time of it.
    """

    stream: int
    clip: str
    start_ns: int
    end_ns: int
    num_frames: int
    short_term: Tokens
    global_memory: NDArray[np.float32]
    model: str
    origin: str
    origin_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A remembered stretch of time and what was perceived in it; what a citation points to.

    Attributes:
        id: of the utterance, scene text, sound, motion or clip.
        clip: id of the clip it belongs to.
        at: local wall-clock time of its start, ISO 8601 with offset.
        text: what was said, read, heard or seen, in words.
        playable: whether the recording or the source can still be played.
        score: of the retrieval that found it, in 0..1; 0 where it was listed, not found.
        picture: JPEG of the clip, if kept; b"" otherwise.
    """

    id: str
    clip: str
    stream: int
    stream_name: str
    kind: Kind
    start_ns: int
    end_ns: int
    at: str
    text: str
    playable: bool
    score: float = 0.0
    voice: Voice = "ambient"
    picture: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipMemory:
    """A clip was committed: from here on it survives a crash (acknowledgement).

    `extended` says that a quiet clip grew: the same id was acknowledged before, with less.
    """

    id: str
    stream: int
    stream_name: str
    start_ns: int
    end_ns: int
    at: str
    moments: tuple[Moment, ...]
    changed: bool
    motion: float
    playable: bool
    generation: int
    extended: bool = False


class Span(NamedTuple):
    """A stretch of one stream's time that a time expression meant; `at` ends are local ISO 8601."""

    stream: int
    start_ns: int
    end_ns: int
    start_at: str
    end_at: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SelectedClip:
    """A clip that the question means, with its memory tokens.

    Attributes:
        clip: its id.
        short_term: H, (rows, width).
        score: cosine of the question with H-hat, or the probability among the candidates.
        moment: the clip as a moment that can be cited, with its picture.
    """

    clip: str
    short_term: Tokens
    score: float
    moment: Moment


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MemoryTokens:
    """The paper's memory for one question (decision 0011).

    Attributes:
        model: which network made it.
        long_term: H-bar, or the frontier that stands for it, (rows, width); the streams that the
            question may see one after the other. No rows where nothing was compressed yet.
        selected: clips that passed the threshold, in order of time; those whose H is no longer kept
            are not among them.
        problem: one sentence if the memory could not be asked; "" otherwise.
    """

    model: str
    long_term: NDArray[np.float32]
    selected: tuple[SelectedClip, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrieval:
    """Memory's one answer to one Question: everything the answerer may rest on.

    Attributes:
        turn_id, question: which question this answers.
        generation: of the store, at the snapshot.
        hits: moments that passed their channel's floor, best first.
        matches: how many moments hold all the question's content words in the spans asked about.
        matched: those moments in order of time (at most the configured number).
        time_words: the part of the question that was read as a time; "" if none.
        spans: what the time words meant, a span a stream; empty if none or not resolvable.
        time_problem: one sentence if time words were understood but cannot be met; "" otherwise.
        time_note: one sentence that says how ambiguous time words were taken; "" if plain.
        relation: "before" or "after" if the question asks about what came around an anchor.
        anchor: the moment that the relation refers to; None if not found.
        around: moments before or after the anchor, in order of time.
        within: moments inside `spans`, in order of time (at most the configured number).
        within_total: how many there are.
        digests: what hours, days, months or blocks came to, in order of time, where the spans hold
            more than `within` lists; each is of kind "digest" and has the id of its row.
        content_words: the question's words that were searched for.
        latest: newest moments of every kind, in order of time: what is there now.
        latest_picture: JPEG of the newest frame; b"" without pictures.
        watched: stretches of time that the memory covers, per stream.
        look_alikes: pictures that look like the question's, the newest of each run of them, in
            order of time; `score` is how alike.
        tokens: the paper's memory tokens; None without a compressor, or for the present alone.
    """

    turn_id: str
    question: Question
    generation: int
    hits: tuple[Moment, ...] = ()
    matches: int = 0
    matched: tuple[Moment, ...] = ()
    time_words: str = ""
    spans: tuple[Span, ...] = ()
    time_problem: str = ""
    time_note: str = ""
    relation: Literal["", "before", "after"] = ""
    anchor: Moment | None = None
    around: tuple[Moment, ...] = ()
    within: tuple[Moment, ...] = ()
    within_total: int = 0
    digests: tuple[Moment, ...] = ()
    content_words: tuple[str, ...] = ()
    latest: tuple[Moment, ...] = ()
    latest_picture: bytes = b""
    watched: tuple[Span, ...] = ()
    look_alikes: tuple[Moment, ...] = ()
    tokens: MemoryTokens | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """Keep this moment for ever (or, with `keep` False, no longer)."""

    moment: str
    keep: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Forget:
    """Delete this moment and everything derived from it."""

    moment: str


# --- reason -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Something for us to answer; memory answers each with exactly one `Retrieval`.

    Attributes:
        turn_id: of the turn this question opens.
        text: without the wake phrase.
        needs: whether the past, the present or both are needed.
        up_to: what the asker can have seen, a bound a stream; streams not named are unbounded.
        scope: the only stream name asked about; "" means all.
        stream: where it was spoken; 0 if typed.
        utterance: id of the utterance it came from: never evidence for its own answer.
        follows: the turn's first question, if this is the one follow-up a turn may ask.
        picture: descriptor of a picture that is asked about ("when did it look like this?").
        picture_model: which descriptor it is; those of two models are never compared.
    """

    turn_id: str
    text: str
    needs: Needs
    up_to: tuple[UpTo, ...] = ()
    scope: str = ""
    stream: int = 0
    utterance: str = ""
    follows: str = ""
    picture: tuple[float, ...] = ()
    picture_model: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dismissed:
    """Heard, but not for us. `reason` is a word or two, never the transcript."""

    utterance: str
    stream: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerStarted:
    """The answer to a turn begins."""

    turn_id: str
    question: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerText:
    """A piece (delta) of the growing answer."""

    turn_id: str
    delta: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerEnded:
    """The answer is whole, was cut, or failed (`error` then says why, in one sentence).

    `known` is False when the answer says that this was not seen or cannot be known.
    """

    turn_id: str
    question: str
    text: str
    outcome: Outcome
    known: bool
    citations: tuple[Moment, ...] = ()
    error: str = ""


# --- reply ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AnswerAudio:
    """One spoken phrase of an answer: mono float samples at `sample_rate`."""

    turn_id: str
    text: str
    sample_rate: int
    samples: Samples


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OwnSpeech:
    """What the system says into the room of a stream while it says it (decision 0009).

    Hearing compares it with what comes back through the microphone. Sent as the sound goes out, so
    that it is known before its echo.

    Attributes:
        stream: the stream that may hear it.
        at_ns: stream time at which the first sample went out; it is heard up to a second later.
        text: words of the phrase, in the phrase's first piece; "" in later ones.
        samples: the sound.
    """

    stream: int
    turn_id: str
    at_ns: int
    text: str
    samples: Samples


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """How much of a spoken answer its listener has heard; once a turn, when its sound is over.

    `text` is what was heard in words, whole phrases and the words of a cut one by their share.
    """

    turn_id: str
    text: str
    played_ms: int
    complete: bool


# --- control ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Fall silent at once and throw nothing away: a voice was confirmed while we spoke."""

    turn_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume:
    """It was nothing (a cough, a murmur): go on from the start of the unfinished phrase."""

    turn_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Interruption:
    """Cut the answer of this turn. Bypasses mailboxes."""

    turn_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StageFailed:
    """A stage raised; the session lives on. `error` is one sentence without content."""

    stage: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something the user should know that is no failure: recording has stopped, or goes on."""

    stage: str
    text: str


Event: TypeAlias = (
    StreamStarted
    | VideoFrame
    | AudioChunk
    | MediaPacket
    | StreamGap
    | StreamEnded
    | Tick
    | SpeechStarted
    | SpeechEnded
    | PartialUtterance
    | Utterance
    | SoundEvent
    | SceneText
    | Clip
    | Watermark
    | Caption
    | ClipTokens
    | ClipMemory
    | Retrieval
    | Pin
    | Forget
    | Question
    | Dismissed
    | AnswerStarted
    | AnswerText
    | AnswerEnded
    | AnswerAudio
    | OwnSpeech
    | Heard
    | Hold
    | Resume
    | Interruption
    | StageFailed
    | Notice
)


def moment_id(kind: Literal["c", "u", "t", "s", "m", "b"], stream: int, start_ns: int) -> str:
    """Return the id of a clip, utterance, scene text, sound, motion or block.

    The id says where the moment stands, so perception can give it before anything is stored:
    stream time never runs backwards within a stream, so kind, stream and start are unique.
    """
    return f"{kind}{stream}-{start_ns // 1_000_000}"
