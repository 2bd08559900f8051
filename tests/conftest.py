"""Shared set-up: tests import their own support modules from `tests/`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
