"""One line per case of the reference vectors, after the run.

    pytest tests/reference --reference DIR

DIR is any folder of the layout of the project's reference vectors, whatever the sizes in it.
"""

from __future__ import annotations

import pytest

from reference_support import CASE_LOG, CaseLog


@pytest.fixture
def case_log(request: pytest.FixtureRequest) -> CaseLog:
    return request.config.stash.setdefault(CASE_LOG, CaseLog())


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    log = config.stash.get(CASE_LOG, None)
    if log is None or not log.cases:
        return
    terminalreporter.section("reference cases")
    for line in log.lines():
        terminalreporter.write_line(line)
