"""The entrance of perception: the stages that hear and see, and what they share."""

from __future__ import annotations

from omnilive.perception.backends import HearingBackends, build_hearing_backends, build_reader
from omnilive.perception.hearing import Hearing, HearingConfig
from omnilive.perception.seeing import Seeing, SeeingConfig

__all__ = [
    "Hearing",
    "HearingBackends",
    "HearingConfig",
    "Seeing",
    "SeeingConfig",
    "build_hearing_backends",
    "build_reader",
]
