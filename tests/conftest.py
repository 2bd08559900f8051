"""Shared set-up: tests import their own support modules from `tests/`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from starvation import RealTime


def pytest_addoption(parser: pytest.Parser) -> None:
    # Here and not in tests/reference/, so that the whole suite knows the option too.
    parser.addoption(
        "--reference",
        metavar="DIR",
        default=None,
        help="folder of reference vectors (default: ../shared/reference beside the checkout)",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(RealTime(), "real time")
