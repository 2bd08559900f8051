"""Reasoning: what is a question for us (the gate), and the answer to it (the answerer)."""

from omnilive.reasoning.answering import AnswerBackend, AnswererConfig, Piece
from omnilive.reasoning.extractive import ExtractiveBackend
from omnilive.reasoning.gate import Gate, GateConfig
from omnilive.reasoning.language import LanguageBackend
from omnilive.reasoning.stage import Answerer

__all__ = [
    "AnswerBackend",
    "Answerer",
    "AnswererConfig",
    "ExtractiveBackend",
    "Gate",
    "GateConfig",
    "LanguageBackend",
    "Piece",
]
