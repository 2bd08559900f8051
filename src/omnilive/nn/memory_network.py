"""The compressor: the memory module of IXC2.5-OL, under the names of its checkpoint.

Figure 2 of arXiv 2412.09596, section 3.2, in four steps over one causal decoder:

    clip pass      [text; patches; slots; whole clip]  -> H at the slots, H-hat at the last position
    integration    [H of all clips; H-hat of all clips] -> H-bar at the last positions
    question pass  [H-bar; question]                   -> q at the last word
    retrieval      cosine(q, H-hat of each clip)

Every row starts at position 0 and may be padded on the right, so neither batches nor padding
change a number. Integration that goes on from what it has is in `memory_integration.py`, the
training loss in `memory_training.py`.

Shapes: B rows, T frames or positions, C width, K clips, Q questions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from omnilive.errors import BackendError
from omnilive.nn.checkpoint import Checkpoint, read_config, save_checkpoint
from omnilive.nn.clip_tower import ClipTower
from omnilive.nn.memory_config import MemoryConfig
from omnilive.nn.memory_rows import (
    QUESTION_END,
    ClipInput,
    Role,
    Row,
    Stack,
    batches,
    clip_row,
    question_row,
    stacked,
)
from omnilive.nn.pool_projector import FrameFeatures, PoolProjector, merge_patches
from omnilive.nn.qwen2 import Qwen2Decoder

_MOST_POSITIONS = 16_384  # of one batch
HEAD = "lm_head.weight"


@dataclass(frozen=True, slots=True)
class EncodedClip:
    """What stands for one clip, or for one closed block a level above.

    Attributes:
        short_term: H, (rows, C); P rows a frame.
        global_memory: H-hat, (C,).
    """

    short_term: Tensor
    global_memory: Tensor


class _Tower(nn.Module):
    """Holds the tower one name deeper, as the checkpoint does."""

    def __init__(self, tower: ClipTower) -> None:
        super().__init__()
        self.vision_tower = tower


class _Model(Qwen2Decoder):
    """The decoder with the projector and the tower beside its layers, as in the checkpoint."""

    def __init__(self, config: MemoryConfig) -> None:
        super().__init__(config.decoder)
        self.vision_tower = _Tower(ClipTower(config.tower))
        self.mm_projector = PoolProjector(
            merged_width=4 * config.tower.width,
            width=config.decoder.width,
            num_merged=config.num_merged,
            num_slots=config.num_slots,
        )


class MemoryNetwork(nn.Module):
    """Clip pass, integration, question pass."""

    def __init__(self, config: MemoryConfig) -> None:
        super().__init__()
        self.config = config
        self.model = _Model(config)
        # The release reads no words out of its memory; an untied head is kept for its file's sake.
        tied = config.decoder.tie_embeddings
        self.lm_head = (
            None if tied else nn.Linear(config.decoder.width, config.decoder.vocab_size, bias=False)
        )

    @classmethod
    def load(
        cls,
        folder: Path,
        *,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> MemoryNetwork:
        """Load a checkpoint, the official one or one of ours.

        Args:
            folder: `config.json` and the weights.
            dtype: precision; the file's own if None.
            device: where to; the CPU if None.

        Raises:
            CheckpointError: something is missing, left over, damaged or of another network.
        """
        config = MemoryConfig.from_dict(read_config(folder))
        return cls.load_weights(Checkpoint.open(folder), config, dtype=dtype, device=device)

    @classmethod
    def load_weights(
        cls,
        weights: Checkpoint,
        config: MemoryConfig,
        *,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> MemoryNetwork:
        """Build the network and give it `weights`; see `load`."""
        with torch.device("meta"):
            network = cls(config)
        unused = () if network.lm_head is not None else (HEAD,)
        weights.load_into(network, unused=unused, dtype=dtype, device=device)
        return network.eval()

    def save(self, folder: Path, *, dtype: torch.dtype | None = None) -> None:
        """Write the network into a folder that `load` reads; in its own precision if None."""
        save_checkpoint(folder, self.state_dict(), self.config.to_dict(), dtype=dtype)

    # --- frames -------------------------------------------------------------------------

    def see(self, pixels_TCHW: Tensor) -> FrameFeatures:
        """Return what frames give, each by itself.

        The tower is frozen (paper, section 3.2); gradients go as far as the projector.

        Args:
            pixels_TCHW: normalised frames of the tower's size.

        Raises:
            BackendError: no frame, frames of another size, or values that are no numbers.
        """
        if pixels_TCHW.ndim != 4 or not len(pixels_TCHW):
            raise BackendError("A clip needs at least one frame.")
        broken = (~torch.isfinite(pixels_TCHW)).flatten(1).any(dim=1).nonzero()
        if len(broken):
            raise BackendError(
                f"Frame {int(broken[0])} of the clip holds values that are no numbers; "
                "leave it out."
            )
        with torch.no_grad():
            pixels_TCHW = pixels_TCHW.to(self.model.device)
            patches = self.model.vision_tower.vision_tower(pixels_TCHW, self.config.tower_layer)
            merged_TNE = merge_patches(patches).to(self.model.dtype)
        return self.model.mm_projector(merged_TNE)

    # --- clip pass ----------------------------------------------------------------------

    def clip_rows(self, clips: Sequence[ClipInput]) -> list[Row]:
        """Return what the decoder reads of each clip.

        Raises:
            BackendError: no frame, an unknown token, or a row beyond the window.
        """
        rows = []
        for clip in clips:
            if not clip.features.num_frames:
                raise BackendError("A clip needs at least one frame.")
            row = clip_row(
                self._embedded(clip.text_ids),
                clip.features,
                self.model.mm_projector.whole_clip(clip.features),
                clip.is_still,
            )
            self._check_window(len(row), "The clip with its text")
            rows.append(row)
        return rows

    def read_clips(self, stack: Stack) -> list[EncodedClip]:
        """Run the clip pass over one batch; gradients flow where they are enabled."""
        states_BTC = self.model(stack.vectors)
        return [
            EncodedClip(states_TC[roles_T == Role.SLOT], states_TC[roles_T == Role.GLOBAL][0])
            for states_TC, roles_T in zip(states_BTC, stack.roles, strict=True)
        ]

    @torch.no_grad()
    def compress_clips(self, clips: Sequence[ClipInput]) -> list[EncodedClip]:
        """Return the short-term and the global memory of clips, in their order.

        Clips of any streams and any numbers of frames go together; batches are made of like
        lengths.

        Raises:
            BackendError: no frame, an unknown token, or a row beyond the window.
        """
        rows = self.clip_rows(clips)
        found: dict[int, EncodedClip] = {}
        for together in batches([len(row) for row in rows], _MOST_POSITIONS):
            read = self.read_clips(stacked([rows[number] for number in together]))
            found.update(zip(together, read, strict=True))
        return [found[number] for number in range(len(rows))]

    def compress_clip(self, clip: ClipInput) -> EncodedClip:
        """Return the short-term and the global memory of one clip; see `compress_clips`."""
        return self.compress_clips([clip])[0]

    # --- integration --------------------------------------------------------------------

    @torch.no_grad()
    def integrate(self, streams: Sequence[Sequence[EncodedClip]]) -> list[Tensor]:
        """Return H-bar (K, C) of each stream, by one full pass over all its clips.

        A stream that grows is cheaper with `memory_integration`, which gives the same numbers.

        Raises:
            BackendError: a stream without clips, or longer than the window.
        """
        rows = []
        for clips in streams:
            if not clips:
                raise BackendError("There is nothing to integrate yet: no clip was compressed.")
            vectors = torch.cat(
                [clip.short_term for clip in clips] + [clip.global_memory[None] for clip in clips]
            )
            self._check_window(len(vectors), f"The memory of {len(clips)} clips")
            rows.append(Row(vectors, torch.zeros(len(vectors), dtype=torch.long)))
        found: dict[int, Tensor] = {}
        for together in batches([len(row) for row in rows], _MOST_POSITIONS):
            stack = stacked([rows[number] for number in together])
            states_BTC = self.model(stack.vectors)
            for states_TC, length, number in zip(states_BTC, stack.lengths, together, strict=True):
                found[number] = states_TC[length - len(streams[number]) : length]
        return [found[number] for number in range(len(rows))]

    # --- question pass ------------------------------------------------------------------

    def question_rows(
        self, long_term: Sequence[Tensor], questions: Sequence[Sequence[int]]
    ) -> list[Row]:
        """Return what the decoder reads of each question: its stream's memory, its tokens.

        Raises:
            BackendError: a question without words, an unknown token, or a row beyond the window.
        """
        rows = []
        for memory_KC, ids in zip(long_term, questions, strict=True):
            if not ids:
                raise BackendError("The question has no words.")
            row = question_row(memory_KC, self._embedded(ids))
            self._check_window(len(row), f"The question of {len(ids)} tokens behind the memory")
            rows.append(row)
        return rows

    def read_questions(self, stack: Stack) -> Tensor:
        """Run the question pass over one batch, (Q, C); gradients flow where they are enabled."""
        states_BTC = self.model(stack.vectors)
        return states_BTC[stack.roles == QUESTION_END]

    @torch.no_grad()
    def question_vectors(
        self, long_term: Sequence[Tensor], questions: Sequence[Sequence[int]]
    ) -> Tensor:
        """Return q of each question, (Q, C), before any normalisation.

        Args:
            long_term: for each question H-bar (K, C) of its stream, or the frontier that stands
                for it; (0, C) where nothing was seen yet.
            questions: tokens of each question.

        Raises:
            BackendError: a question without words, an unknown token, or a row beyond the window.
        """
        rows = self.question_rows(long_term, questions)
        found: dict[int, Tensor] = {}
        for together in batches([len(row) for row in rows], _MOST_POSITIONS):
            read = self.read_questions(stacked([rows[number] for number in together]))
            found.update(zip(together, read, strict=True))
        if not rows:
            return torch.empty(0, self.config.decoder.width)
        return torch.stack([found[number] for number in range(len(rows))])

    # ------------------------------------------------------------------------------------

    def _embedded(self, ids: Sequence[int]) -> Tensor:
        if any(not 0 <= each < self.config.decoder.vocab_size for each in ids):
            raise BackendError(
                "The text has tokens that the memory's vocabulary lacks; "
                "does the tokenizer belong to these weights?"
            )
        embed = self.model.embed_tokens
        return embed(torch.tensor(list(ids), dtype=torch.long, device=self.model.device))

    def _check_window(self, length: int, what: str) -> None:
        if length > self.config.window:
            raise BackendError(
                f"{what} takes {length} positions, and the memory's window has "
                f"{self.config.window}; shorten it or integrate in blocks."
            )
