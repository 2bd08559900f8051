"""Reasoning: what is a question for us (the gate), and the answer to it (the answerer)."""

from omnilive.reasoning.extractive import ExtractiveAnswerer, ExtractiveConfig
from omnilive.reasoning.gate import Gate, GateConfig
from omnilive.reasoning.stage import Answerer, AnswererConfig

__all__ = [
    "Answerer",
    "AnswererConfig",
    "ExtractiveAnswerer",
    "ExtractiveConfig",
    "Gate",
    "GateConfig",
]
