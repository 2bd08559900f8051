from __future__ import annotations

import os
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs fork and SIGKILL")


def test_what_was_acknowledged_survives_200_kills(tmp_path: Path) -> None:
    from crash_harness import Crasher

    crasher = Crasher(tmp_path, seed=3)
    try:
        for kill in range(200):
            crasher.kill_once()
            if kill % 25 == 0:
                assert crasher.check() == []
    finally:
        crasher.close()
    assert crasher.check() == []
    log = crasher.log
    assert len(log.remembered) > 200
    assert log.forgotten
    assert 0 < log.early < 150
