from __future__ import annotations

import threading

import pytest

from omnilive.cancel import Cancel
from omnilive.errors import Cancelled


def test_callbacks_run_once_in_the_thread_that_sets() -> None:
    cancel = Cancel()
    ran: list[str] = []
    cancel.on_set(lambda: ran.append(threading.current_thread().name))
    thread = threading.Thread(target=cancel.set, name="setter")
    thread.start()
    thread.join()
    cancel.set()
    assert ran == ["setter"]


def test_a_callback_registered_late_runs_at_once() -> None:
    cancel = Cancel()
    cancel.set()
    ran: list[int] = []
    cancel.on_set(lambda: ran.append(1))
    assert ran == [1]


def test_an_unregistered_callback_does_not_run() -> None:
    cancel = Cancel()
    ran: list[int] = []
    unregister = cancel.on_set(lambda: ran.append(1))
    unregister()
    cancel.set()
    assert ran == []


def test_check_raises_only_when_set() -> None:
    cancel = Cancel()
    cancel.check()
    assert not cancel.wait(0)
    cancel.set()
    assert cancel.wait(60)
    with pytest.raises(Cancelled):
        cancel.check()
