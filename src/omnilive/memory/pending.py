"""What was perceived of one stream and is not yet remembered.

A closed clip waits here until hearing and seeing have both passed its end; then it is assembled
with every utterance, sound and scene text that starts inside it. Nothing leaves before the store
has taken it, so a full disk loses nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from omnilive.events import (
    NS_PER_S,
    Clip,
    ClipTokens,
    MediaPacket,
    Moment,
    StreamStarted,
    moment_id,
)
from omnilive.media.pictures import to_jpeg
from omnilive.media.recording import Fragment, FragmentWriter
from omnilive.memory.clips import NewClip, NewMoment
from omnilive.memory.timeline import Timeline

LONGEST_SILENCE_OF_A_SENSE_NS = 300 * NS_PER_S


@dataclass(slots=True)
class _PendingClip:
    """A closed clip; its picture is made at once so that the frames can go."""

    clip: NewClip
    moving: tuple[tuple[int, int], ...]
    motion: float
    fragment: Fragment | None = None
    is_cut: bool = False
    is_blind: bool = False
    """Whether what was seen in it is forgotten."""


@dataclass(slots=True, eq=False)
class PendingStream:
    """The open end of one epoch of a stream."""

    started: StreamStarted
    line: Timeline
    thumbnail_px: int
    thumbnail_quality: int
    min_motion: float
    clips: list[_PendingClip] = field(default_factory=list)
    moments: list[NewMoment] = field(default_factory=list)
    captions: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, ClipTokens] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)
    watermarks: dict[str, int] = field(default_factory=dict)
    recorder: FragmentWriter = field(default_factory=FragmentWriter)
    committed_ns: int = 0
    anchored_ns: int | None = None
    ticked_ns: int = 0
    ended_ns: int | None = None
    complete: bool = False
    spoiled: list[tuple[int, int]] = field(default_factory=list)
    """Stretches that were forgotten before everything in them had come."""
    has_late: bool = False
    """Whether a pending moment lies before what is committed; else none need be looked at."""

    # --- taking -------------------------------------------------------------------------

    def take_clip(self, clip: Clip) -> None:
        """Take a closed clip; of one that goes back in time only what is new of it.

        A source that counts from zero again must not make time pass twice: what was heard in it
        joins the clips that stand there.
        """
        reached_ns = self.clips[-1].clip.end_ns if self.clips else self.committed_ns
        if clip.end_ns <= reached_ns:
            return
        if clip.start_ns < reached_ns:
            public_id = moment_id("c", clip.stream, reached_ns)
            clip = replace(clip, id=public_id, start_ns=reached_ns)
        picture = b""
        if clip.changed and clip.pictures:
            picture = to_jpeg(
                clip.pictures[0].pixels, max_side=self.thumbnail_px, quality=self.thumbnail_quality
            )
        new = NewClip(
            id=clip.id,
            stream=clip.stream,
            epoch=self.started.epoch,
            start_ns=clip.start_ns,
            end_ns=clip.end_ns,
            num_frames=clip.num_frames,
            changed=clip.changed,
            motion=clip.motion,
            picture=picture,
            descriptor=clip.descriptor if clip.changed else None,
            descriptor_model=clip.descriptor_model,
        )
        self.clips.append(_PendingClip(new, clip.moving, clip.motion))
        if self._is_spoiled(clip.start_ns, clip.end_ns):
            self._strip(self.clips[-1])

    def take_tokens(self, tokens: ClipTokens) -> bool:
        """Take what the compressor made of a clip; False if that does not wait here any more."""
        is_after = self.ended_ns is not None and tokens.start_ns > self.ended_ns
        if tokens.start_ns < self.committed_ns or is_after:
            return False
        # The clip itself may still be on its way.
        clip = next((one for one in self.clips if one.clip.id == tokens.clip), None)
        if clip is None or not clip.is_blind:
            self.tokens[tokens.clip] = tokens
        return True

    def take_packet(self, packet: MediaPacket) -> None:
        """Take an encoded packet for the recording."""
        if not self._is_spoiled(packet.at_ns, packet.at_ns + 1):
            self.recorder.add(packet)

    def take_moment(self, moment: NewMoment) -> None:
        """Take something said, heard or read."""
        if self._is_spoiled(moment.start_ns, max(moment.end_ns, moment.start_ns + 1)):
            return
        self.moments.append(replace(moment, asked=moment.id in self.asked))
        self.has_late = self.has_late or moment.start_ns < self.committed_ns

    def mark_asked(self, utterance: str) -> None:
        """Note that a pending utterance is a question to us."""
        self.asked.add(utterance)
        self.moments = [
            replace(moment, asked=True) if moment.id == utterance else moment
            for moment in self.moments
        ]

    def forget(self, public_id: str) -> bool:
        """Drop a pending moment, or a clip with all that is in it; False if there is none."""
        for pending in self.clips:
            if pending.clip.id == public_id:
                self._strip(pending)
                start_ns, end_ns = pending.clip.start_ns, pending.clip.end_ns
                self.moments = [m for m in self.moments if not start_ns <= m.start_ns < end_ns]
                return True
        kept = [moment for moment in self.moments if moment.id != public_id]
        found = len(kept) < len(self.moments)
        if found:
            (gone,) = [moment for moment in self.moments if moment.id == public_id][:1]
            for pending in self.clips:
                if pending.clip.start_ns < max(gone.end_ns, gone.start_ns + 1) and (
                    pending.clip.end_ns > gone.start_ns
                ):
                    # Its words are in the sound too, and a text in the picture.
                    self._cut(pending)
                    pending.fragment = None
                    if gone.kind != "speech":
                        pending.clip = replace(pending.clip, picture=b"", descriptor=None)
                        self._blind(pending)
        self.moments = kept
        return found

    def forget_span(self, start_ns: int, end_ns: int) -> bool:
        """Drop what is pending of a stretch, also what still comes; False if nothing can be."""
        end_ns = min(end_ns, self.newest_ns)
        if end_ns <= max(start_ns, self.committed_ns):
            return False
        self.spoiled.append((start_ns, end_ns))
        for pending in self.clips:
            if pending.clip.start_ns < end_ns and pending.clip.end_ns > start_ns:
                self._strip(pending)
        if not self.clips or end_ns > self.clips[-1].clip.end_ns:
            for pending in self.clips:
                self._cut(pending)
            self.recorder.cut(end_ns)
        self.moments = [
            moment
            for moment in self.moments
            if not self._is_spoiled(moment.start_ns, max(moment.end_ns, moment.start_ns + 1))
        ]
        return True

    @property
    def newest_ns(self) -> int:
        """The latest stream time that anything is known of."""
        ends = [pending.clip.end_ns for pending in self.clips]
        ends += [moment.end_ns for moment in self.moments]
        return max(self.committed_ns, self.ticked_ns, *self.watermarks.values(), *ends, 0)

    # --- giving -------------------------------------------------------------------------

    def ready(self) -> NewClip | None:
        """Return the oldest clip whose end every sense has passed, put together; None if none.

        The same clip is returned until `committed` is called for it.
        """
        if self.clips:
            oldest = self.clips[0]
            if self.ended_ns is None and not self._is_passed(oldest.clip.end_ns):
                return None
            return self._assemble(oldest)
        if self.ended_ns is not None and not all(each.is_silence for each in self.moments):
            # Heard after the last clip, or there never was one: it still belongs somewhere.
            start_ns = max(self.committed_ns, self.started.at_ns)
            end_ns = max([self.ended_ns, start_ns + 1, *(m.end_ns for m in self.moments)])
            rest = NewClip(
                id=moment_id("c", self.started.stream, start_ns),
                stream=self.started.stream,
                epoch=self.started.epoch,
                start_ns=start_ns,
                end_ns=end_ns,
            )
            self.clips.append(_PendingClip(rest, (), 0.0))
            return self._assemble(self.clips[0])
        return None

    def fragment(self) -> Fragment | None:
        """Return the recording of the oldest clip; the same one until it is committed."""
        oldest = self.clips[0]
        self._cut(oldest)
        return oldest.fragment

    def committed(self, clip: NewClip) -> None:
        """The store has taken this clip."""
        del self.clips[0]
        taken = {moment.id for moment in clip.moments}
        self.moments = [moment for moment in self.moments if moment.id not in taken]
        self.asked -= taken
        self.captions.pop(clip.id, None)
        # Also of clips that never came.
        self.tokens = {k: v for k, v in self.tokens.items() if v.start_ns >= clip.end_ns}
        self.committed_ns = max(self.committed_ns, clip.end_ns)
        self.has_late = any(m.start_ns < self.committed_ns for m in self.moments)
        # Whatever comes late comes within this.
        settled_ns = self.committed_ns - LONGEST_SILENCE_OF_A_SENSE_NS
        self.spoiled = [span for span in self.spoiled if span[1] > settled_ns]

    def take_late(self) -> list[NewMoment]:
        """Return moments whose clip is remembered already; they stay until `drop` is called.

        Long silences always go this way: no clip waits for the end of one (decision 0013).
        """
        # Every event asks for this, so a crowd of pending moments must not be gone through.
        over = self.ended_ns is not None and not self.clips
        if not self.has_late and not over:
            return []
        return [
            m for m in self.moments if m.start_ns < self.committed_ns or (over and m.is_silence)
        ]

    def drop(self, moments: list[NewMoment]) -> None:
        """The store has taken these moments."""
        taken = {moment.id for moment in moments}
        self.moments = [moment for moment in self.moments if moment.id not in taken]
        self.has_late = any(m.start_ns < self.committed_ns for m in self.moments)

    def values(self) -> Iterator[Moment]:
        """Yield what is pending as moments, for a question asked before the commit."""
        for pending in self.clips:
            clip = pending.clip
            for moment in self._own_moments(pending):
                yield self._value(moment, clip.id, clip.picture)
        for moment in self.moments:
            if not moment.asked:
                yield self._value(moment, self._clip_id(moment.start_ns), b"")

    def _is_passed(self, at_ns: int) -> bool:
        senses = ["seeing"] + (["hearing"] if self.started.has_audio else [])
        # A sense that was switched off never reports; what it says after all is added late.
        is_given_up = self.ticked_ns - at_ns > LONGEST_SILENCE_OF_A_SENSE_NS
        return all(
            self.watermarks[sense] >= at_ns if sense in self.watermarks else is_given_up
            for sense in senses
        )

    def _assemble(self, pending: _PendingClip) -> NewClip:
        clip = pending.clip
        is_last = self.ended_ns is not None and len(self.clips) == 1
        inside = [
            moment if moment.kind != "screen" else replace(moment, end_ns=clip.end_ns)
            for moment in self.moments
            if (moment.start_ns < clip.end_ns or is_last) and not moment.is_silence
        ]
        moments = (*self._own_moments(pending), *inside)
        return replace(clip, moments=moments, tokens=self.tokens.get(clip.id))

    def _own_moments(self, pending: _PendingClip) -> list[NewMoment]:
        """Return the picture moment and the motion of a clip."""
        clip = pending.clip
        own = []
        if clip.picture:
            own.append(
                NewMoment(
                    id=clip.id,
                    kind="picture",
                    start_ns=clip.start_ns,
                    end_ns=clip.end_ns,
                    text=self.captions.get(clip.id, ""),
                )
            )
        if pending.motion >= self.min_motion:
            own += [
                NewMoment(
                    id=moment_id("m", clip.stream, start_ns),
                    kind="motion",
                    start_ns=start_ns,
                    end_ns=end_ns,
                    text="something moved",
                )
                for start_ns, end_ns in pending.moving
            ]
        return own

    def _is_spoiled(self, start_ns: int, end_ns: int) -> bool:
        return any(start < end_ns and start_ns < end for start, end in self.spoiled)

    def _strip(self, pending: _PendingClip) -> None:
        """Leave of a clip that it was, and nothing of what was in it."""
        self._cut(pending)
        pending.fragment = None
        pending.clip = replace(
            pending.clip, changed=False, motion=0.0, picture=b"", descriptor=None
        )
        pending.moving = ()
        pending.motion = 0.0
        self.captions.pop(pending.clip.id, None)
        self._blind(pending)

    def _blind(self, pending: _PendingClip) -> None:
        pending.is_blind = True
        self.tokens.pop(pending.clip.id, None)

    def _cut(self, pending: _PendingClip) -> None:
        if not pending.is_cut:
            pending.fragment = self.recorder.cut(pending.clip.end_ns)
            pending.is_cut = True

    def _clip_id(self, at_ns: int) -> str:
        for pending in self.clips:
            if at_ns < pending.clip.end_ns:
                return pending.clip.id
        start_ns = self.clips[-1].clip.end_ns if self.clips else self.committed_ns
        return moment_id("c", self.started.stream, max(start_ns, self.started.at_ns))

    def _value(self, moment: NewMoment, clip: str, picture: bytes) -> Moment:
        return Moment(
            id=moment.id,
            clip=clip,
            stream=self.started.stream,
            stream_name=self.started.name,
            kind=moment.kind,
            start_ns=moment.start_ns,
            end_ns=moment.end_ns,
            at=self.line.local_at(moment.start_ns),
            text=moment.text or ("the picture changed" if moment.kind == "picture" else ""),
            playable=False,
            voice=moment.voice,
            picture=picture,
        )
