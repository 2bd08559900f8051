"""What the routes take and give, as `/openapi.json` describes it. Fields are added, not changed."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

MOST_QUESTION_CHARACTERS = 4_000


class ErrorDetail(BaseModel):
    """What was wrong."""

    message: str = Field(description="One sentence for people.")
    type: str = Field(description="The kind of error, as OpenAI's servers name it.")
    code: str = Field(description="A word for programs.")
    param: str | None = Field(description="The parameter that is wrong, if it is one.")


class Error(BaseModel):
    """Every error has this shape."""

    error: ErrorDetail


class MomentView(BaseModel):
    """A remembered stretch of time; what a citation points to."""

    id: str
    clip: str = Field(description="Id of the clip it belongs to.")
    stream: str = Field(description="Name of the stream.")
    kind: str = Field(description="speech, screen, sound, motion, picture or digest.")
    start_s: float = Field(description="Stream time, in seconds.")
    end_s: float
    at: str = Field(description="Local time of its start, ISO 8601 with offset.")
    text: str = Field(description="What was said, read, heard or seen, in words.")
    playable: bool
    speaker: str = Field(description="Whose voice: user, ambient or own.")
    score: float = Field(description="Of a search, 0 to 1; 0 where it was listed.")
    pinned: bool
    has_picture: bool
    picture: str | None = Field(description="Where its picture is.")
    media: str | None = Field(description="Where it can be played from.")


class WholeMoment(MomentView):
    """A moment, and what lies in it if it is a clip or a block."""

    inside: list[MomentView]


class MomentPage(BaseModel):
    """Moments, newest first (of a search: best first)."""

    moments: list[MomentView]
    next: str | None = Field(description="`cursor` of the next page; null on the last one.")


class Pinned(BaseModel):
    """Whether a moment is kept whatever the budget says."""

    id: str
    pinned: bool


class ForgetPreview(BaseModel):
    """What would go; the first of the moments are listed."""

    moments: list[MomentView]
    num_moments: int
    num_clips: int


class Forgotten(BaseModel):
    """What is gone, for good."""

    forgotten: list[str] = Field(description="Public ids, where they are known.")
    moments: int
    clips: int
    turns: int = Field(description="Stored answers that lost their words.")
    pictures: int
    fragments: int = Field(description="Pieces of recordings.")


class StreamView(BaseModel):
    """One stream: what was watched of it."""

    name: str
    source: str
    live: bool
    clips: int
    watched_s: float
    first_at: str
    last_at: str


class Streams(BaseModel):
    """All streams of the memory."""

    streams: list[StreamView]


class TimelineBin(BaseModel):
    """What starts in one bin; the kinds are null where the counts are estimates."""

    at: str
    clips: float
    speech: int | None
    screen: int | None
    sound: int | None


class TimelineClip(BaseModel):
    """A clip on the timeline."""

    id: str
    stream: str
    at: str
    start_s: float
    end_s: float
    changed: bool


class TimelineStretch(BaseModel):
    """A stretch in which a stream was watched."""

    stream: str
    from_: str = Field(alias="from")
    to: str


class TimelineView(BaseModel):
    """The shape of a memory over a stretch of time."""

    from_: str = Field(alias="from")
    to: str
    bins: list[TimelineBin]
    clips: list[TimelineClip] = Field(description="Oldest first; empty if more than 500.")
    watched: list[TimelineStretch]
    exact: bool = Field(description="False: estimated from blocks, for a long stretch.")


class TurnView(BaseModel):
    """A finished turn of the conversation."""

    turn: str
    question: str
    answer: str
    outcome: str
    known: bool
    redacted: bool = Field(description="It lost its words: what it rested on was forgotten.")
    at: str
    citations: list[MomentView]


class Turns(BaseModel):
    """The newest turns, oldest first."""

    turns: list[TurnView]


class AskRequest(BaseModel):
    """A question."""

    model_config = ConfigDict(extra="forbid")

    question: str = Field(min_length=1, max_length=MOST_QUESTION_CHARACTERS)
    stream: str = Field("", max_length=100, description="Only this stream; all if empty.")


class SessionRequest(BaseModel):
    """A new session."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field("", max_length=100, description="Of its stream; made up if empty.")


class SessionView(BaseModel):
    """An open session; more fields may come."""

    model_config = ConfigDict(extra="allow")

    id: str
    stream: str
    protocol: int
    limits: dict[str, Any]
    settings: dict[str, Any]


class Sessions(BaseModel):
    """What is open."""

    sessions: list[dict[str, Any]]


class LoginRequest(BaseModel):
    """The token, typed into the page."""

    model_config = ConfigDict(extra="forbid")

    token: str = Field(max_length=1000)


class Status(BaseModel):
    """What this server can do now."""

    version: str
    protocol: int
    ready: bool
    remembers: bool = Field(description="False: another process writes the store; only looking.")
    refusal: str = Field(description="Why no session can be opened; empty if one can.")
    sessions: int
    limits: dict[str, int]
    leaves_machine: list[str] = Field(description="What is sent elsewhere, and where to.")


class Readiness(BaseModel):
    """Whether the server can serve."""

    ready: bool
    reasons: list[str]
