"""The paper's three networks at their real sizes, with random weights, on one GPU.

    python benchmarks/full_size.py --work DIR [--seconds 60] [--json]
    python benchmarks/full_size.py --work DIR --tiny      # the same code at toy sizes, on the CPU

What it measures, in bfloat16 and then with the language model's plain weights in 8 bits:

    load        seconds from files (our own format) to a network on the device; GB it takes there
    perception  clips of 16 frames a second (tower, projector, clip pass), one at a time and by 8;
                seconds for 10 s of sound with an answer of 16 tokens
    answer      time to the first token with 14 frames of 1280x720 on one canvas (4,201 rows), 94
                rows of overview memory, 4 clips of 64 rows; from pixels on; tokens a second then
    beside      the same prompt's rows through `transformers`' Llama of the same sizes (InternLM2 is
                that without the picture branches), prefill and greedy steps, beside ours
    together    everything at once: a frame a second, a clip every 16, 5 s of sound every 5 s, while
                answers are generated one after the other; how late a frame was seen at worst

Without a GPU (and without --tiny) it says so and ends.
"""

from __future__ import annotations

import argparse
import itertools
import shutil
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from full_size_networks import CLIPS, FULL, OVERVIEW, ROWS, TINY, Ids, Sizes
from machine import describe_machine, show
from torch import Tensor, nn

from omnilive.cancel import Cancel
from omnilive.nn.audio_questions import AudioTranslator
from omnilive.nn.audio_translation import AudioTranslationConfig, AudioTranslationNetwork
from omnilive.nn.checkpoint import save_checkpoint
from omnilive.nn.generation import GenerationSettings, generate
from omnilive.nn.ixc_config import GenerationConfig, IxcConfig
from omnilive.nn.memory_network import MemoryNetwork
from omnilive.nn.memory_rows import ClipInput
from omnilive.nn.prompts import EmbeddedPrompt
from omnilive.nn.reasoner import Reasoner
from omnilive.nn.reasoning_loading import load_reasoning
from omnilive.nn.reasoning_network import ReasoningNetwork
from omnilive.nn.reasoning_request import ReasoningRequest

FRAMES = 16  # of a clip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="for 26 GB of weights; emptied")
    parser.add_argument("--seconds", type=float, default=60.0, help="of everything together")
    parser.add_argument("--tokens", type=int, default=64, help="of an answer")
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if not options.tiny and not torch.cuda.is_available():
        print("Skipped: the real sizes need a GPU; --tiny runs the same code on the CPU.")
        return
    bench = Bench(
        TINY if options.tiny else FULL,
        torch.device("cpu" if options.tiny else "cuda:0"),
        torch.float32 if options.tiny else torch.bfloat16,
        options.work / "full-size-weights",
        options.tokens,
    )
    if not options.json:
        name = "CPU" if options.tiny else torch.cuda.get_device_name(0)
        print(f"{describe_machine()}; {name}; torch {torch.__version__}")
    try:
        for title, rows in bench.tables(options.seconds):
            show(title, rows, as_json=options.json)
    finally:
        shutil.rmtree(bench.folder, ignore_errors=True)


class Bench:
    def __init__(
        self, sizes: Sizes, device: torch.device, dtype: torch.dtype, folder: Path, tokens: int
    ) -> None:
        self.sizes, self.device, self.dtype, self.folder = sizes, device, dtype, folder
        self.tokens = tokens
        self._request = self._made_request()
        self.audio_config = AudioTranslationConfig.from_dict(sizes.audio)

    def tables(self, seconds: float) -> Iterator[tuple[str, list[dict[str, object]]]]:
        self._write()
        loads: list[dict[str, object]] = []
        place: dict[str, Any] = {"dtype": self.dtype, "device": self.device}
        memory = self._loaded("memory", loads, lambda at: MemoryNetwork.load(at, **place))
        audio = self._loaded("audio", loads, lambda at: AudioTranslationNetwork.load(at, **place))
        size = self.sizes.audio["text_config"]["vocab_size"]
        translator = AudioTranslator(audio, cast(Any, Ids(size)), most_words=16)
        memory.requires_grad_(False)
        answers: list[dict[str, object]] = []
        together: list[dict[str, object]] = []
        for eight_bit in (False, True):
            name = "8 bits" if eight_bit else str(self.dtype).removeprefix("torch.")
            network = self._loaded(
                f"language model, {name}",
                loads,
                lambda at, narrow=eight_bit: load_reasoning(at, eight_bit=narrow, **place),
            )
            reasoner = self._reasoner(network)
            answers.append({"weights": name, **self._answer(reasoner)})
            together.append(
                {"weights": name, **Together(self, memory, translator, reasoner).run(seconds)}
            )
            if not eight_bit:
                beside = [{"decoder": "ours", **self._steps(network)}]
            del network, reasoner
            self._tidy()
        yield "Loading", loads
        yield (
            "Perception",
            [self._clips(memory, 1), self._clips(memory, 8), self._sound(translator)],
        )
        yield "An answer", answers
        yield f"Beside transformers, {self.sizes.prompt_rows} rows", [*beside, self._theirs()]
        yield f"Everything at once, {seconds:g} s", together

    # --- weights ------------------------------------------------------------------------

    def _write(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        made: list[tuple[str, Callable[[], nn.Module], dict[str, Any]]] = [
            (
                "language model",
                lambda: ReasoningNetwork(self.sizes.reasoning),
                self.sizes.reasoning.as_dict(),
            ),
            ("memory", lambda: MemoryNetwork(self.sizes.memory), self.sizes.memory.to_dict()),
            ("audio", lambda: AudioTranslationNetwork(self.audio_config), self.sizes.audio),
        ]
        for name, build, config in made:
            with torch.device("meta"):
                empty = build()
            state = {
                key: torch.empty(each.shape, dtype=self.dtype, device=self.device).normal_(std=0.02)
                for key, each in empty.state_dict().items()
            }
            save_checkpoint(self.folder / name, state, config)
            del state
            self._tidy()

    def _loaded(self, name: str, rows: list[dict[str, object]], load: Callable[[Path], Any]) -> Any:
        before = self._held()
        started = time.perf_counter()
        network = load(self.folder / name.partition(",")[0])
        self._sync()
        seconds = time.perf_counter() - started
        tensors = [*network.parameters(), *network.buffers()]
        held = self._held() - before if self._on_gpu else sum(t.nbytes for t in tensors)
        rows.append({"network": name, "seconds": seconds, "GB": held / 1e9})
        return network

    # --- perception ---------------------------------------------------------------------

    def clip(self, memory: MemoryNetwork, pixels: Tensor) -> ClipInput:
        text = Ids(100).encode("This contains a clip sampled in 4 to 16 seconds")
        with torch.no_grad():
            return ClipInput(tuple(text), memory.see(pixels))

    def pixels(self, count: int) -> Tensor:
        side = self.sizes.memory.tower.image_size
        return torch.randn(count, 3, side, side, device=self.device, dtype=self.dtype)

    def _clips(self, memory: MemoryNetwork, together: int) -> dict[str, object]:
        pixels = self.pixels(FRAMES)

        def once() -> None:
            memory.compress_clips([self.clip(memory, pixels) for _ in range(together)])

        seconds = self._timed(once)
        return {
            "what": f"clips of {FRAMES} frames, {together} at once",
            "a second": together / seconds,
            "seconds each": seconds / together,
        }

    def _sound(self, translator: AudioTranslator) -> dict[str, object]:
        sound = np.random.default_rng(1).standard_normal(160_000).astype(np.float32) * 0.1
        seconds = self._timed(lambda: translator.words(sound, Cancel()))
        return {"what": "10 s of sound", "a second": 1 / seconds, "seconds each": seconds}

    # --- answers ------------------------------------------------------------------------

    def _reasoner(self, network: ReasoningNetwork) -> Reasoner:
        chosen = GenerationConfig(max_new_tokens=self.tokens, temperature=0.0)
        ids = Ids(self.sizes.reasoning.decoder.vocab_size)
        return Reasoner(network, cast(Any, ids), IxcConfig(generation=chosen))

    def _made_request(self) -> ReasoningRequest:
        draw = np.random.default_rng(2)
        frames = tuple(
            draw.integers(0, 256, (720, 1280, 3), dtype=np.uint8) for _ in range(self.sizes.canvas)
        )
        width = self.sizes.reasoning.memory_width
        return ReasoningRequest(
            question="what did the person put on the table before the bell rang?",
            clip_frames=frames,
            overview=draw.standard_normal((OVERVIEW, width)).astype(np.float32),
            related=tuple(
                draw.standard_normal((ROWS, width)).astype(np.float32) for _ in range(CLIPS)
            ),
        )

    def answered(self, reasoner: Reasoner, cancel: Cancel) -> tuple[float, float, int]:
        """Seconds to the first token, seconds after it, tokens."""
        started = time.perf_counter()
        first, count = 0.0, 0
        for _ in reasoner.answer("bench", self._request, cancel):
            count += 1
            first = first or time.perf_counter() - started
        return first, time.perf_counter() - started - first, count

    def _answer(self, reasoner: Reasoner) -> dict[str, object]:
        self.answered(reasoner, Cancel())
        first, rest, count = self.answered(reasoner, Cancel())
        started = time.perf_counter()
        reasoner.instruction("what is on the table?", Cancel())
        return {
            "first token s": first,
            "tokens a second": (count - 1) / rest,
            "instruction s": time.perf_counter() - started,
            "most GB": torch.cuda.max_memory_allocated() / 1e9 if self._on_gpu else 0.0,
        }

    def _prompt(self, width: int) -> Tensor:
        shape = (1, self.sizes.prompt_rows, width)
        return torch.randn(shape, device=self.device, dtype=self.dtype) * 0.02

    def _steps(self, network: ReasoningNetwork) -> dict[str, object]:
        rows = self._prompt(self.sizes.reasoning.decoder.hidden_size)
        mask = torch.zeros(rows.shape[:2], dtype=torch.bool, device=self.device)
        chosen = GenerationSettings(max_new_tokens=self.tokens, stop=frozenset())
        return self._stepped(lambda: generate(network, EmbeddedPrompt(rows, mask), chosen))

    def _stepped(self, begin: Callable[[], Iterator[int]]) -> dict[str, object]:
        list(begin())  # warm
        self._sync()
        started = time.perf_counter()
        tokens = begin()
        next(tokens)
        first = time.perf_counter() - started
        count = sum(1 for _ in tokens)
        rest = time.perf_counter() - started - first
        return {"prefill s": first, "tokens a second": count / rest}

    def _theirs(self) -> dict[str, object]:
        try:
            from transformers import LlamaConfig, LlamaForCausalLM
        except ImportError:
            return {"decoder": "no transformers", "prefill s": "", "tokens a second": ""}
        of = self.sizes.reasoning.decoder
        config = LlamaConfig(
            vocab_size=of.vocab_size,
            hidden_size=of.hidden_size,
            intermediate_size=of.intermediate_size,
            num_hidden_layers=of.num_hidden_layers,
            num_attention_heads=of.num_attention_heads,
            num_key_value_heads=of.num_key_value_heads,
            max_position_embeddings=of.max_position_embeddings,
            tie_word_embeddings=False,
        )
        before = torch.get_default_dtype()
        torch.set_default_dtype(self.dtype)
        try:
            with self.device:
                network: Any = LlamaForCausalLM(config).eval()
        finally:
            torch.set_default_dtype(before)

        @torch.no_grad()
        def steps() -> Iterator[int]:
            rows = self._prompt(of.hidden_size)
            out = network(inputs_embeds=rows, use_cache=True, logits_to_keep=1)
            for _ in range(self.tokens):
                index = int(out.logits[0, -1].argmax())
                yield index
                ids = torch.tensor([[index]], device=self.device)
                out = network(input_ids=ids, past_key_values=out.past_key_values, use_cache=True)

        return {"decoder": "transformers", **self._stepped(steps)}

    # --- bookkeeping --------------------------------------------------------------------

    @property
    def _on_gpu(self) -> bool:
        return self.device.type == "cuda"

    def _held(self) -> int:
        return torch.cuda.memory_allocated() if self._on_gpu else 0

    def _sync(self) -> None:
        if self._on_gpu:
            torch.cuda.synchronize()

    def _tidy(self) -> None:
        if self._on_gpu:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()

    def _timed(self, work: Callable[[], object], rounds: int = 5) -> float:
        """Median seconds after one round that does not count."""
        took = []
        for number in range(rounds + 1):
            self._sync()
            started = time.perf_counter()
            work()
            self._sync()
            if number:
                took.append(time.perf_counter() - started)
        return statistics.median(took)


class Together:
    """Perception at its own pace while answers are generated, each in its own thread."""

    def __init__(
        self, bench: Bench, memory: MemoryNetwork, translator: AudioTranslator, reasoner: Reasoner
    ) -> None:
        self._bench, self._memory = bench, memory
        self._translator, self._reasoner = translator, reasoner
        self._stop = Cancel()
        self._late: list[float] = []
        self._clips = 0
        self._sounds: list[float] = []
        self._answers: list[tuple[float, float, int]] = []
        self._errors: list[BaseException] = []

    def run(self, seconds: float) -> dict[str, object]:
        works = (self._see, self._hear, self._speak)
        threads = [threading.Thread(target=self._guarded, args=(work,)) for work in works]
        for each in threads:
            each.start()
        self._stop.wait(seconds)
        self._stop.set()
        for each in threads:
            each.join()
        if self._errors:
            raise self._errors[0]
        done = [each for each in self._answers if each[2] > 1]
        return {
            "frames": len(self._late),
            "clips": self._clips,
            "latest frame s": max(self._late, default=0.0),
            "median s": statistics.median(self._late) if self._late else 0.0,
            "5 s of sound s": statistics.median(self._sounds) if self._sounds else 0.0,
            "answers": len(done),
            "first token s": statistics.median(each[0] for each in done) if done else 0.0,
            "tokens a second": (
                sum(each[2] - 1 for each in done) / sum(each[1] for each in done) if done else 0.0
            ),
        }

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # told by `run`, in the thread that waits for it
            self._errors.append(error)
            self._stop.set()

    def _see(self) -> None:
        pixels, started = self._bench.pixels(1), time.perf_counter()
        parts: list[Tensor] = []
        for number in itertools.count():
            due = started + number
            if self._stop.wait(max(0.0, due - time.perf_counter())):
                return
            with torch.no_grad():
                self._memory.see(pixels)
            parts.append(pixels)
            if len(parts) == FRAMES:
                self._memory.compress_clip(self._bench.clip(self._memory, torch.cat(parts)))
                parts, self._clips = [], self._clips + 1
            self._bench._sync()
            self._late.append(time.perf_counter() - due)

    def _hear(self) -> None:
        sound = np.random.default_rng(3).standard_normal(80_000).astype(np.float32) * 0.1
        while not self._stop.is_set:
            began = time.perf_counter()
            self._translator.words(sound, Cancel())
            self._sounds.append(time.perf_counter() - began)
            self._stop.wait(max(0.0, began + 5.0 - time.perf_counter()))

    def _speak(self) -> None:
        while not self._stop.is_set:
            self._answers.append(self._bench.answered(self._reasoner, Cancel()))


if __name__ == "__main__":
    main()
