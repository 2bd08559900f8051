"""What a trained checkpoint hears: word errors, names of sounds, instructions told from talk.

    python benchmarks/hearing_networks.py [--weights DIR] [--split test] [--json]

On the test split of the daily world: four voices, sentences and fillings that training never used;
three seeds, 95 % bootstrap intervals (`src/omnilive/evaluation/network_hearing.py`). Without
--weights it measures the checkpoint that comes with the package. Takes some minutes on one core.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from itertools import chain
from pathlib import Path

import torch
from machine import describe_machine

from omnilive.errors import OmniLiveError
from omnilive.evaluation.network_hearing import (
    instruction_figures,
    sound_figures,
    word_figures,
)
from omnilive.nn.audio_translation import AudioTranslationNetwork
from omnilive.nn.reasoning_network import ReasoningNetwork
from omnilive.nn.shipped import tiny_folder
from omnilive.nn.tokenizer_internlm2 import InternLM2Tokenizer
from omnilive.nn.tokenizer_qwen2 import Qwen2Tokenizer
from omnilive.nn.weights_folder import need_module

_WANTED = {"word errors": "<= 15", "sounds alone": ">= 90", "instructions": ">= 95"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--split", choices=("validation", "test"), default="test")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--sounds", type=int, default=100, help="sentences for each seed (100)")
    parser.add_argument("--sentences", type=int, default=400, help="of talk for each seed (400)")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:7.0f} s  {text}", file=sys.stderr, flush=True)

    try:
        weights = given.weights or tiny_folder()
        place = need_module(weights, "audio")
        audio = AudioTranslationNetwork.load(place.path, dtype=torch.float32)
        words = Qwen2Tokenizer.load(place.tokenizer)
        place = need_module(weights, "reasoning")
        reasoning = ReasoningNetwork.load(place.path, dtype=torch.float32)
        tokenizer = InternLM2Tokenizer(place.tokenizer / "tokenizer.model")
    except OmniLiveError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    how = {"seeds": given.seeds, "say": say}
    figures = list(
        chain(
            word_figures(audio, words, given.split, num_sounds=given.sounds, **how),
            sound_figures(audio, words, given.split, num_sounds=given.sounds, **how),
            instruction_figures(
                reasoning, tokenizer, given.split, num_sentences=given.sentences, **how
            ),
        )
    )
    if given.json:
        rows = [
            {"what": one.what, "condition": one.condition, **one.share._asdict()} for one in figures
        ]
        about = {"machine": describe_machine(), "split": given.split, "seeds": given.seeds}
        print(json.dumps({**about, "figures": rows}, indent=1))
        return 0
    print("| % | condition | measured (95 %) | wanted |\n|---|---|---|---|")
    for one in figures:
        mean, low, high = (100 * value for value in one.share[:3])
        wanted = _WANTED.get(one.what, "") if one.condition == "heard" else ""
        print(f"| {one.what} | {one.condition} | {mean:.1f} ({low:.1f}, {high:.1f}) | {wanted} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
