"""A world whose clips have memory tokens; needs torch."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from memory_support import S, World

from compressor_support import WIDTH, settings, weights
from omnilive.events import ClipTokens, moment_id
from omnilive.memory.learned import LearnedMemory
from omnilive.memory.stage import MemoryConfig

ROWS = 8
_FOLDER = TemporaryDirectory(prefix="omnilive-tests-", ignore_cleanup_errors=True)


@cache
def network(window: int = 4096) -> LearnedMemory:
    """One network for all tests of a run."""
    return LearnedMemory.load(settings(weights(Path(_FOLDER.name) / str(window), window=window)))


def tokens(number: int, start_s: float, length_s: float = 10.0, stream: int = 1) -> ClipTokens:
    """Tokens of a clip that nobody has seen; every number gives others."""
    noise = np.random.default_rng(number)
    start_ns = round(start_s * S)
    return ClipTokens(
        stream=stream,
        clip=moment_id("c", stream, start_ns),
        start_ns=start_ns,
        end_ns=start_ns + round(length_s * S),
        num_frames=2,
        short_term=noise.standard_normal((ROWS, WIDTH)).astype(np.float16),
        global_memory=noise.standard_normal(WIDTH).astype(np.float16).astype(np.float32),
        model=network().model,
        origin="epoch",
        origin_ns=0,
    )


class TokenWorld(World):
    """Clips of ten seconds, each with tokens of its number."""

    def __init__(
        self,
        directory: Path,
        *,
        window: int = 4096,
        fan_out: int = 32,
        live: bool = False,
        memory: dict[str, object] | None = None,
        **changes: object,
    ) -> None:
        config = MemoryConfig(
            fan_out=fan_out,
            compressor=settings(Path("unused"), **changes),
            **(memory or {}),  # type: ignore[arg-type]
        )
        super().__init__(directory, live=live, config=config, learned=network(window))
        self.made: list[ClipTokens] = []

    def remember(self, number: int, *, at_s: float | None = None, late: bool = False) -> str:
        """A clip in which something is said, with its tokens before or after it is committed."""
        start_s = 10.0 * number if at_s is None else at_s
        made = tokens(number, start_s)
        self.made.append(made)
        self.say(start_s + 1, f"sentence {number} about apples")
        if not late:
            self.push(made)
        public_id = self.clip(start_s)
        if late:
            self.push(made)
        return public_id

    @property
    def integration(self):  # type: ignore[no-untyped-def]
        assert self.memory._tokens is not None
        return self.memory._tokens.integration

    def count(self, table: str, level: int = 0) -> int:
        return int(
            self.store.database.value(
                f"SELECT count(*) FROM {table} t JOIN node n ON n.id = t.node WHERE n.level = ?",
                (level,),
            )
        )
