"""The memory of a trained checkpoint, measured inside its networks, on combinations never seen.

    retrieval-N         does a question find its clip among N (`network_retrieval`)
    answers             law 6: with and without memory (`network_conditions`)
    blocks-N            blocks against exact integration (`network_blocks`)
    ages                a minute to a day (`forgetting_ages`)
    forms-NAME-Sx400    equal bytes a clip (`memory_forms`), adapted with seed S in 400 steps
    parts-N, cuts, tokens-P-Sx400    what each part is worth (`network_ablations`)

A part is a file in the work folder, made once: a run that was stopped goes on with the next part.
The file names the checkpoint, the settings and the part, so nothing is mixed.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from omnilive._version import __version__
from omnilive.errors import OmniLiveError, UsageError
from omnilive.evaluation import network_ablations as ablations
from omnilive.evaluation.forgetting_ages import age_rows
from omnilive.evaluation.memory_adaptation import adapted, aged_rows, form_rows
from omnilive.evaluation.memory_forms import Compressor, FormName, form_of
from omnilive.evaluation.network_blocks import block_rows
from omnilive.evaluation.network_conditions import condition_rows
from omnilive.evaluation.network_retrieval import retrieval_rows
from omnilive.evaluation.network_rows import Row
from omnilive.evaluation.network_settings import BenchmarkSettings
from omnilive.evaluation.network_subject import Say, Subject
from omnilive.training.clip_pool import ClipPool

_MEASURES_VERSION = 1
"""Changes when a part measures something else than before."""
_IN_NAMES = frozenset({"adapt_steps", "adapt_seeds", "forms", "tokens", "lengths"})
"""Settings that a part's name tells, so that other parts stay when they change."""


@dataclass(frozen=True)
class PartResult:
    """A finished part.

    Attributes:
        name: of the part.
        took_s: CPU seconds.
        rows: what was measured.
    """

    name: str
    took_s: float
    rows: tuple[Row, ...]


class MemoryNetworkBenchmark:
    """Measures one checkpoint, part by part.

    Args:
        subject: what is measured.
        work: where clips and finished parts are kept.
        settings: how much is measured.
        say: told what is done.
    """

    def __init__(self, subject: Subject, work: Path, settings: BenchmarkSettings, say: Say) -> None:
        self._subject, self._work, self._settings, self._say = subject, work, settings, say
        self._pools: dict[str, ClipPool] = {}
        self.folder = work / f"measured-{subject.fingerprint()}-{self._key()}"

    def parts(self) -> dict[str, Callable[[], Iterable[Row]]]:
        """Return every part by name, in the order in which they are made."""
        held = self._settings
        few = {"seeds": held.seeds, "num_streams": held.streams, "num_questions": held.questions}
        fewer = {**few, "num_streams": max(1, held.streams // 2)}
        parts: dict[str, Callable[[], Iterable[Row]]] = {
            f"retrieval-{held.few}": self._on_test(retrieval_rows, num_clips=held.few, **few),
            f"retrieval-{held.many}": self._on_test(
                retrieval_rows,
                seeds=held.seeds,
                num_streams=held.many_streams,
                num_clips=held.many,
                num_questions=held.many_questions,
            ),
            "answers": self._on_test(condition_rows, num_clips=held.few, **few),
            **{
                f"blocks-{length}": self._on_test(
                    block_rows, num_clips=length, **(fewer if length <= 128 else {**fewer, **LONG})
                )
                for length in held.lengths
            },
            "ages": self._on_test(
                age_rows,
                seeds=held.seeds,
                num_targets=held.targets,
                num_questions=6,
                distinct=held.distinct,
            ),
        }
        for seed in held.adapt_seeds:
            for name in dict.fromkeys(("compressor", *held.forms)):
                parts[f"forms-{name}-{self._adapted(seed)}"] = partial(self._form, name, seed)
        for length in (held.few, min(128, held.many)):
            parts[f"parts-{length}"] = self._on_test(ablations.part_rows, num_clips=length, **fewer)
        parts["cuts"] = partial(
            ablations.cut_rows,
            self._subject,
            seeds=held.seeds,
            num_streams=max(1, held.streams // 2),
            seconds=held.cut_s,
            num_questions=held.questions,
        )
        for seed in held.adapt_seeds:
            for tokens in held.tokens:
                parts[f"tokens-{tokens}-{self._adapted(seed)}"] = partial(
                    self._tokens, tokens, seed
                )
        return parts

    def run(self, only: Sequence[str] = ()) -> list[PartResult]:
        """Make what is missing; return everything that is there.

        Args:
            only: names of parts, or their beginnings ("forms"); all of them if empty.

        Raises:
            UsageError: a name fits no part.
            OmniLiveError: a part cannot be written.
        """
        parts = self.parts()
        for name in only:
            if not any(_is_of(part, name) for part in parts):
                raise UsageError(f'There is no part "{name}"; there are {", ".join(parts)}.')
        found = []
        for name in parts:
            wanted = not only or any(_is_of(name, one) for one in only)
            result = self._kept(name) if not wanted else self.part(name)
            if result is not None:
                found.append(result)
        return found

    def part(self, name: str) -> PartResult:
        """Return a part, made now unless it was made before.

        Raises:
            OmniLiveError: it cannot be written.
        """
        kept = self._kept(name)
        if kept is not None:
            self._say(f"{name}: made before")
            return kept
        self._say(f"{name} ...")
        began = time.process_time()
        rows = tuple(self.parts()[name]())
        result = PartResult(name, round(time.process_time() - began, 1), rows)
        self._keep(result)
        self._say(f"{name}: {len(rows)} questions, {result.took_s:.0f} s of CPU")
        return result

    def about(self) -> dict[str, Any]:
        """Return what was run, for the report."""
        return {
            "version": __version__,
            "weights": self._subject.fingerprint(),
            "min_cosine": self._subject.min_cosine,
            "most_selected": self._subject.most_selected,
            "split": "test",
            "settings": asdict(self._settings),
        }

    # --- parts --------------------------------------------------------------------------

    def _on_test(self, rows: Callable[..., Iterator[Row]], **how: Any) -> Callable[[], Any]:
        return lambda: rows(self._subject, self._test(), **how)

    def _form(self, name: FormName, seed: int) -> Iterator[Row]:
        held = self._settings
        ages = self.part("ages").rows
        train, test = self._train(), self._test()
        form = form_of(name, self._subject)
        answers = adapted(
            self._subject,
            form,
            train,
            steps=held.adapt_steps,
            seed=seed,
            say=lambda text: self._say(f"forms-{name}-{seed}: {text}"),
        )
        yield from form_rows(
            name,
            form,
            answers,
            test,
            seeds=held.seeds,
            num_streams=held.streams,
            num_clips=held.few,
            num_questions=held.questions,
            group=f"adapted {seed}",
        )
        if seed == held.adapt_seeds[0]:
            yield from aged_rows(name, form, answers, test, ages)

    def _tokens(self, tokens: int, seed: int) -> Iterator[Row]:
        held = self._settings
        say: Say = lambda text: self._say(f"tokens-{tokens}-{seed}: {text}")  # noqa: E731
        train, test = self._train(), self._test()
        subject = ablations.with_tokens(
            self._subject, train, tokens, steps=max(1, held.adapt_steps // 2), seed=seed, say=say
        )
        form = Compressor(subject)
        answers = adapted(subject, form, train, steps=held.adapt_steps, seed=seed, say=say)
        yield from form_rows(
            f"{tokens} a frame",
            form,
            answers,
            test,
            seeds=held.seeds,
            num_streams=held.streams,
            num_clips=held.few,
            num_questions=held.questions,
            table="tokens",
            group=f"adapted {seed}",
        )

    def _adapted(self, seed: int) -> str:
        return f"{seed}x{self._settings.adapt_steps}"

    def _test(self) -> ClipPool:
        return self._pool("test", self._settings.test_clips)

    def _train(self) -> ClipPool:
        return self._pool("train", self._settings.train_clips)

    def _pool(self, split: Any, count: int) -> ClipPool:
        if split not in self._pools:
            self._pools[split] = self._subject.pool(self._work, split, count, self._say)
        return self._pools[split]

    # --- files --------------------------------------------------------------------------

    def _key(self) -> str:
        told = [
            _MEASURES_VERSION,
            {name: held for name, held in asdict(self._settings).items() if name not in _IN_NAMES},
            self._subject.min_cosine,
            self._subject.most_selected,
        ]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:8]

    def _kept(self, name: str) -> PartResult | None:
        try:
            told = json.loads((self.folder / f"{name}.json").read_text(encoding="utf-8"))
            rows = tuple(Row(**row) for row in told["rows"])
            return PartResult(told["name"], told["took_s"], rows)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise OmniLiveError(
                f"The part {name} in {self.folder} is damaged; delete its file and run it again."
            ) from error

    def _keep(self, result: PartResult) -> None:
        told = {
            "name": result.name,
            "took_s": result.took_s,
            "about": self.about(),
            "rows": [row.told() for row in result.rows],
        }
        path = self.folder / f"{result.name}.json"
        part = path.with_suffix(".part")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            part.write_text(json.dumps(told) + "\n", encoding="utf-8")
            os.replace(part, path)
        except OSError as error:
            raise OmniLiveError(
                f"The part {result.name} cannot be written ({error.strerror}); make room and run "
                "it again."
            ) from error


LONG: dict[str, Any] = {"num_streams": 2}


def _is_of(part: str, name: str) -> bool:
    return part == name or part.startswith(f"{name}-")
