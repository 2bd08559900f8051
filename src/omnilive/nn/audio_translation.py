"""The audio module of IXC2.5-OL: sound to words, and sound to the name of what sounds.

Paper, section 3.1 (audio translation module): an encoder, a linear projector and a small language
model that is asked one of two things. Names are those of the release's files (Qwen2-Audio as
`transformers` 4.45 wrote it). Sizes that its `config.json` leaves out are the defaults of that
time: rotary base 10000, although Qwen2's own files say 1000000.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from omnilive.errors import BackendError, CheckpointError
from omnilive.nn.audio_encoder import AudioEncoder, AudioEncoderConfig, frames_needed, num_states
from omnilive.nn.checkpoint import Checkpoint, read_config, save_checkpoint
from omnilive.nn.key_value_cache import KeyValueCache
from omnilive.nn.mel import HOP, log_mel
from omnilive.nn.qwen2 import Qwen2Config, Qwen2Decoder

HEAD = "language_model.lm_head.weight"


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioMarks:
    """Ids of the tokens around sound and turns; the defaults are the release's."""

    text_end: int = 151_643
    turn_start: int = 151_644
    turn_end: int = 151_645
    sound_start: int = 151_647
    sound_end: int = 151_648

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], vocab_size: int) -> AudioMarks:
        """Read the marks of a network with a vocabulary of its own; what is missing is as released.

        Args:
            values: `audio_marks` of our own `config.json`; the release's has none.
            vocab_size: rows of the embedding.

        Raises:
            CheckpointError: a mark is no row of its own.
        """
        known = {field.name for field in fields(cls)}
        if not isinstance(values, Mapping) or not set(values) <= known:
            raise CheckpointError(
                "The configuration of the audio module has unusable audio_marks; "
                f"they are {', '.join(sorted(known))}."
            )
        try:
            marks = cls(**{name: int(value) for name, value in values.items()})
        except (TypeError, ValueError) as error:
            raise CheckpointError(
                f"The audio_marks of the audio module are no numbers: {error}."
            ) from error
        ids = {getattr(marks, name) for name in known}
        if values and (len(ids) < len(known) or min(ids) < 0 or max(ids) >= vocab_size):
            raise CheckpointError(
                "The audio_marks of the audio module are no ids of its vocabulary, one each."
            )
        return marks


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioTranslationConfig:
    """Sizes of the audio module."""

    encoder: AudioEncoderConfig
    decoder: Qwen2Config
    marks: AudioMarks = AudioMarks()

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> AudioTranslationConfig:
        """Read the fields of the release's `config.json`.

        Raises:
            CheckpointError: a size is impossible.
        """
        sound, text = values.get("audio_config") or {}, values.get("text_config") or {}
        if not isinstance(sound, Mapping) or not isinstance(text, Mapping):
            raise CheckpointError("The configuration of the audio module has no usable parts.")
        try:
            encoder = AudioEncoderConfig(
                num_bins=int(sound.get("num_mel_bins", 128)),
                width=int(sound.get("d_model", 1280)),
                ffn_width=int(sound.get("encoder_ffn_dim", 5120)),
                num_layers=int(sound.get("encoder_layers", 32)),
                num_heads=int(sound.get("encoder_attention_heads", 20)),
                max_positions=int(sound.get("max_source_positions", 1500)),
            )
        except (TypeError, ValueError) as error:
            raise CheckpointError(
                f"The configuration of the audio module has no usable {error}."
            ) from error
        if encoder.width % encoder.num_heads:
            raise CheckpointError("The sizes of the audio encoder do not fit one another.")
        defaults = {
            "rope_theta": 10_000.0,
            "rms_norm_eps": 1e-6,
            "max_position_embeddings": 32_768,
            "tie_word_embeddings": values.get("tie_word_embeddings", False),
        }
        decoder = Qwen2Config.from_dict({**defaults, **text})
        marks = AudioMarks.from_dict(values.get("audio_marks") or {}, decoder.vocab_size)
        return cls(encoder=encoder, decoder=decoder, marks=marks)

    def to_dict(self) -> dict[str, Any]:
        """Return what `from_dict` reads."""
        encoder, decoder = self.encoder, self.decoder
        return {
            "model_type": "qwen2_audio",
            "audio_config": {
                "num_mel_bins": encoder.num_bins,
                "d_model": encoder.width,
                "encoder_ffn_dim": encoder.ffn_width,
                "encoder_layers": encoder.num_layers,
                "encoder_attention_heads": encoder.num_heads,
                "max_source_positions": encoder.max_positions,
            },
            "text_config": {
                "vocab_size": decoder.vocab_size,
                "hidden_size": decoder.width,
                "intermediate_size": decoder.ffn_width,
                "num_hidden_layers": decoder.num_layers,
                "num_attention_heads": decoder.num_heads,
                "num_key_value_heads": decoder.num_key_value_heads,
                "rope_theta": decoder.rope_theta,
                "rms_norm_eps": decoder.norm_eps,
                "max_position_embeddings": decoder.max_positions,
                "tie_word_embeddings": decoder.tie_embeddings,
            },
            "audio_marks": asdict(self.marks),
        }


class _Projector(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)

    def forward(self, states: Tensor) -> Tensor:
        return self.linear(states)


class _LanguageModel(nn.Module):
    def __init__(self, config: Qwen2Config) -> None:
        super().__init__()
        self.model = Qwen2Decoder(config)
        self.lm_head = (
            None
            if config.tie_embeddings
            else nn.Linear(config.width, config.vocab_size, bias=False)
        )


class AudioTranslationNetwork(nn.Module):
    """Encoder, projector and language model."""

    def __init__(self, config: AudioTranslationConfig) -> None:
        super().__init__()
        self.config = config
        self.audio_tower = AudioEncoder(config.encoder)
        self.multi_modal_projector = _Projector(config.encoder.width, config.decoder.width)
        self.language_model = _LanguageModel(config.decoder)

    @property
    def most_samples(self) -> int:
        """Samples of the longest sound it hears at once (30 s)."""
        return self.config.encoder.most_frames * HOP

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return self.language_model.model.device

    def hear(self, samples: Tensor) -> Tensor:
        """Return the rows that stand for a sound, 25 a second, (n, width of the language model).

        Args:
            samples: (n,) float32 at 16 kHz; at most `most_samples`. A sound under some 30 ms
                makes no row.

        Raises:
            BackendError: too long, or samples that are no numbers.
        """
        if samples.ndim != 1 or len(samples) > self.most_samples:
            raise BackendError(
                f"The audio module hears {self.most_samples} samples at once; cut the sound."
            )
        if not bool(torch.isfinite(samples).all()):
            raise BackendError("A sound holds samples that are no numbers; decode it again.")
        num_frames = -(-len(samples) // HOP)
        if num_states(num_frames) < 1:
            return torch.empty(0, self.config.decoder.width, device=self.device)
        mel = log_mel(
            samples.to(self.device, torch.float32),
            self.config.encoder.num_bins,
            num_frames=frames_needed(num_frames, self.config.encoder),
            most_samples=self.most_samples,
        )
        return self.multi_modal_projector(self.audio_tower(mel, num_frames))

    def embed(self, ids: list[int]) -> Tensor:
        """Return the embeddings of token ids, (n, width)."""
        at = torch.tensor(ids, dtype=torch.long, device=self.device)
        return self.language_model.model.embed_tokens(at)

    def read(self, rows: Tensor, cache: KeyValueCache) -> Tensor:
        """Read rows (n, width) behind what the cache holds; return the next token's scores (V,)."""
        decoder = self.language_model.model
        states = decoder(rows.unsqueeze(0), cache)[:, -1:]
        cache.advance(len(rows))
        head = self.language_model.lm_head
        return decoder.logits(states, None if head is None else head.weight)[0, 0].float()

    def new_cache(self, meant_length: int) -> KeyValueCache:
        """Return an empty cache."""
        return KeyValueCache(layers=self.config.decoder.num_layers, meant_length=meant_length)

    @classmethod
    def load(
        cls,
        folder: Path,
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype | None = None,
    ) -> AudioTranslationNetwork:
        """Load the release's files from `folder`, ready for use (no gradients).

        Raises:
            CheckpointError: configuration or weights are missing, damaged or do not fit.
        """
        config = AudioTranslationConfig.from_dict(read_config(folder))
        with torch.device("meta"):
            network = cls(config)
        # A tied head may be stored once more; it says what the embeddings say.
        unused = (HEAD,) if config.decoder.tie_embeddings else ()
        Checkpoint.open(folder).load_into(network, unused=unused, dtype=dtype, device=device)
        return network.eval().requires_grad_(False)

    def save(self, folder: Path, *, dtype: torch.dtype | None = None) -> None:
        """Write the network into a folder that `load` reads; in its own precision if None.

        Raises:
            CheckpointError: the folder cannot be written, or numbers do not fit `dtype`.
        """
        save_checkpoint(folder, self.state_dict(), self.config.to_dict(), dtype=dtype)
