"""`omnilive ask`: one question over everything remembered, from any process."""

from __future__ import annotations

import sys
import time
from typing import Annotated

import typer

from omnilive import api
from omnilive.cli import options
from omnilive.cli.view import print_answer
from omnilive.errors import OmniLiveError
from omnilive.events import AnswerEnded, AnswerText
from omnilive.serving import wire

EXAMPLES = """
Examples:

omnilive ask "when did the alarm sound?"

omnilive ask "what happened in the last 10 minutes?" --stream door --json

omnilive ask "when did it last look like this?" --picture empty-hall.jpg
"""


def ask(
    question: Annotated[str, typer.Argument(help="What you want to know.")],
    store: options.Store = None,
    stream: options.Stream = None,
    picture: options.Picture = None,
    as_json: options.AsJson = False,
    vlm: options.Vlm = None,
    vlm_model: options.VlmModel = None,
    preset: options.Preset = None,
    weights: options.Weights = None,
    config: options.ConfigFile = None,
    settings: options.Set = None,
) -> None:
    """Answer from everything that is remembered, also while `watch` runs."""
    started = time.monotonic()
    chosen = options.configure(config, preset, settings, vlm, vlm_model, weights)
    with api.open_store(store, config=chosen) as memory:
        ended: AnswerEnded | None = None
        for event in memory.ask_events(question, stream=stream or "", picture=picture):
            if isinstance(event, AnswerText) and not as_json:
                sys.stdout.write(event.delta)
                sys.stdout.flush()
            elif isinstance(event, AnswerEnded):
                ended = event
    if ended is None:
        raise OmniLiveError("The question got no answer; ask it as a question.")
    took_ms = round((time.monotonic() - started) * 1000)
    if as_json:
        sys.stdout.write(wire.dumps(wire.answer(ended, took_ms)) + "\n")
    else:
        print_answer(ended)
    if ended.outcome == "failed":
        raise OmniLiveError(ended.error or "The answer failed.")
