"""What the memory of a trained checkpoint is worth, measured inside its networks.

    python benchmarks/memory_networks.py --weights DIR --work DIR [--quick] [--only NAME ...]

Weights are a folder with `reasoning/` and `memory/`. Everything is measured on the test split of
the daily world (combinations of things that training never showed), three seeds, with 95 %
bootstrap intervals over streams: retrieval, answers under every condition, ages up to a day, blocks
against exact integration, other ways to remember a clip at equal bytes, and what each part of the
memory is worth (`src/omnilive/evaluation/memory_network_benchmark.py` names the parts).

Clips are painted once into the work folder, and every finished part is kept there, so a run that
was stopped goes on where it was. The report (`result.json`, `tables.md`, charts as SVG) is written
again after each run, over all parts that there are. Two runs may share the work folder, with
different parts, once the clips are there. `--thresholds` tells what other values of `min_cosine`
would come to, on the validation split; nothing is ever chosen by the test split.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch
from machine import describe_machine

from omnilive.errors import OmniLiveError
from omnilive.evaluation.memory_forms import FORMS
from omnilive.evaluation.memory_network_benchmark import MemoryNetworkBenchmark
from omnilive.evaluation.network_report import report, write_report
from omnilive.evaluation.network_retrieval import threshold_table
from omnilive.evaluation.network_settings import BenchmarkSettings, quick_settings
from omnilive.evaluation.network_subject import Subject
from omnilive.presets import tiny


def main() -> int:
    preset = tiny().memory.compressor
    usual = BenchmarkSettings()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--quick", action="store_true", help="a look at everything in a minute")
    parser.add_argument("--only", nargs="+", default=[], help="parts, or how their names begin")
    parser.add_argument("--list", action="store_true", help="name the parts and stop")
    parser.add_argument(
        "--thresholds", action="store_true", help="what min_cosine comes to, on validation clips"
    )
    parser.add_argument("--adapt-steps", type=int, help=f"of each form ({usual.adapt_steps})")
    parser.add_argument("--adapt-seeds", type=int, nargs="+", help="each form once for each (0)")
    parser.add_argument("--forms", nargs="+", choices=FORMS)
    parser.add_argument("--seeds", type=int, nargs="+")
    parser.add_argument("--streams", type=int, help=f"for each seed ({usual.streams})")
    parser.add_argument("--min-cosine", type=float, default=preset.min_cosine)
    parser.add_argument("--most-selected", type=int, default=preset.most_selected)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    settings = quick_settings() if given.quick else usual
    for name in ("adapt_steps", "adapt_seeds", "forms", "seeds", "streams"):
        value = getattr(given, name)
        if value is not None:
            held = tuple(value) if isinstance(value, list) else value
            settings = replace(settings, **{name: held})
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:7.0f} s  {text}", file=sys.stderr, flush=True)

    try:
        subject = Subject.load(
            given.weights, min_cosine=given.min_cosine, most_selected=given.most_selected
        )
        benchmark = MemoryNetworkBenchmark(subject, given.work, settings, say)
        if given.list:
            print("\n".join(benchmark.parts()))
            return 0
        if given.thresholds:
            pool = subject.pool(given.work, "validation", 64 if given.quick else 600, say)
            # A stream of all the clips there are tells what a long past does to the threshold.
            for length, num_streams in ((settings.few, settings.streams), (len(pool), 2)):
                print(f"{length} clips\n")
                print(
                    threshold_table(
                        subject,
                        pool,
                        seeds=settings.seeds,
                        num_streams=num_streams,
                        num_clips=length,
                        num_questions=settings.questions,
                    )
                )
            return 0
        results = benchmark.run(given.only)
        about = {**benchmark.about(), "machine": describe_machine()}
        files = write_report(benchmark.folder / "report", report(results, about))
    except OmniLiveError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(files[1].read_text(encoding="utf-8"))
    print(f"Written to {files[0].parent}.", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
