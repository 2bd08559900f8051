"""Batches in order of step, made by worker processes while the networks learn.

    worker w of n   draws steps first + w, first + w + n, ...; a few wait in it, made
            |  one pipe each
    next()          takes step after step from the pipe whose turn it is

A batch is a function of (seed, step), so the number of workers changes no bit of it. A worker that
sees its pipe closed ends: so it does when the trainer is killed. No torch here: a worker needs
what its source imports, and no more.
"""

from __future__ import annotations

import contextlib
import dataclasses
import multiprocessing
import os
import queue
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, NamedTuple, Protocol

import numpy as np

from omnilive.errors import OmniLiveError, TrainingError

_AHEAD = 2  # batches that wait in each worker
_ALIGNED = 64  # bytes
_LOOK = 0.2  # seconds between two looks whether the run shall stop
_PATIENCE = 2.0  # seconds that a worker has to end by itself
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Drawing(Protocol):
    """What makes a batch; see `task.Source`."""

    def draw(self, seed: int, step: int) -> Any:
        """Return one batch."""
        ...


class _Made(NamedTuple):
    """What a worker sends: a batch, or what went wrong; and the CPU time that it used so far."""

    batch: Any
    fault: str
    cpu_s: float


class Batches:
    """The batches of steps `first` to `end - 1`, in order; use it as a context.

    Args:
        source: must survive being sent to a process (module-level class, plain fields).
        seed: of the stage.
        first: step of the first batch.
        end: one after the last.
        workers: processes; 0 draws in this one.
    """

    def __init__(self, source: Drawing, seed: int, first: int, end: int, workers: int) -> None:
        self._source = source
        self._seed = seed
        self._step = first
        self._end = end
        self._cpu_s: dict[int, float] = {}
        self._workers = [
            _start(source, seed, range(first + number, end, workers))
            for number in range(min(workers, end - first))
        ]
        self._first = first

    @property
    def cpu_s(self) -> float:
        """CPU seconds that the workers used, as of the newest batch of each."""
        return sum(self._cpu_s.values())

    def next(self, should_stop: Callable[[], bool] = lambda: False) -> Any:
        """Return the next batch; None if the run shall stop while it is being waited for.

        Raises:
            TrainingError: a worker failed, or was ended from outside.
            OmniLiveError: without workers, what the source raised.
        """
        assert self._step < self._end, "there are no more batches"
        if not self._workers:
            batch = self._source.draw(self._seed, self._step)
        else:
            number = (self._step - self._first) % len(self._workers)
            made = self._receive(number, should_stop)
            if made is None:
                return None
            self._cpu_s[number] = made.cpu_s
            if made.fault:
                raise TrainingError(f"Step {self._step}: its batch was not made: {made.fault}")
            batch = made.batch
        self._step += 1
        return aligned(batch)

    def close(self) -> None:
        """End the workers. Safe to call twice."""
        for _, pipe in self._workers:
            pipe.close()
        until = time.monotonic() + _PATIENCE
        for process, _ in self._workers:
            process.join(max(0.0, until - time.monotonic()))
            if process.is_alive():
                process.kill()  # in the middle of a batch that nobody will take
            process.join()
            process.close()
        self._workers = []

    def _receive(self, number: int, should_stop: Callable[[], bool]) -> _Made | None:
        process, pipe = self._workers[number]
        try:
            while not pipe.poll(_LOOK):
                if should_stop():
                    return None
            return pipe.recv()
        except (EOFError, OSError) as error:
            process.join(_PATIENCE)
            raise TrainingError(
                f"A worker that makes batches was ended from outside (exit code "
                f"{process.exitcode}); is there too little memory? Go on with fewer --workers."
            ) from error

    def __enter__(self) -> Batches:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the workers."""
        self.close()


def aligned(batch: Any) -> Any:
    """Return a batch whose arrays begin at multiples of 64 bytes.

    Fast matrix code adds up in another order where arrays lie differently in memory; a resumed run
    shall not differ in the last bit because of where its batches came to lie.
    """
    if isinstance(batch, np.ndarray):
        if batch.dtype.hasobject:
            return batch
        room = np.empty(batch.nbytes + _ALIGNED, np.uint8)
        start = -room.ctypes.data % _ALIGNED
        copy = room[start : start + batch.nbytes].view(batch.dtype).reshape(batch.shape)
        copy[...] = batch
        return copy
    if isinstance(batch, dict):
        return {key: aligned(each) for key, each in batch.items()}
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*map(aligned, batch))
    if isinstance(batch, list | tuple):
        return type(batch)(map(aligned, batch))
    if dataclasses.is_dataclass(batch) and not isinstance(batch, type):
        fields = (each.name for each in dataclasses.fields(batch) if each.init)
        return dataclasses.replace(
            batch, **{name: aligned(getattr(batch, name)) for name in fields}
        )
    return batch


def _start(
    source: Drawing, seed: int, steps: range
) -> tuple[multiprocessing.process.BaseProcess, Connection]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, source, seed, steps), daemon=True)
    with _one_thread():
        process.start()
    theirs.close()  # so that the worker's end is the only one, and its death is seen
    return process, ours


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Processes that begin in here compute with one thread each."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _work(pipe: Connection, source: Drawing, seed: int, steps: range) -> None:
    """What a worker does."""
    # Stopping is the trainer's: it finishes its step, saves, and closes the pipe.
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    made: queue.Queue[_Made | None] = queue.Queue(_AHEAD)
    threading.Thread(target=_send, args=(pipe, made), daemon=True).start()
    for step in steps:
        try:
            batch = _Made(source.draw(seed, step), "", time.process_time())
        except OmniLiveError as error:
            batch = _Made(None, str(error), time.process_time())
        except Exception as error:  # the trainer says what it was
            where = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{os.path.basename(where.filename)}, line {where.lineno}"
            text = f"{type(error).__name__}: {error} ({place})"
            batch = _Made(None, text, time.process_time())
        made.put(batch)
        if batch.fault:
            break
    made.put(None)
    # Until the trainer has taken everything: its closing of the pipe is the end.
    with contextlib.suppress(EOFError, OSError):
        pipe.recv()


def _send(pipe: Connection, made: queue.Queue[_Made | None]) -> None:
    """Send what is made; end the process when nobody listens any more."""
    while (each := made.get()) is not None:
        try:
            pipe.send(each)
        except OSError:
            os._exit(0)
        except Exception as error:  # a batch of what cannot be sent; the trainer says so
            pipe.send(_Made(None, f"{type(error).__name__}: {error}", each.cpu_s))
