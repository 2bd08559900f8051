"""The child process that reads text in pictures (`python -m omnilive.perception.reading_child`).

The libraries it loads print to standard output: the pipe to the parent is moved out of their
way before any of them is imported.
"""

from __future__ import annotations

import ctypes
import faulthandler
import json
import os
import signal
import sys
from collections.abc import Callable
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from omnilive.perception.reading import HEADER


def main() -> None:
    """Read pictures from standard input until it ends; write a line of JSON for each."""
    limit_side_len, max_reading_s = int(sys.argv[1]), float(sys.argv[2])
    # Ctrl-C in a terminal reaches this process too; the parent decides when it ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    engine: Any = None
    give_back = _memory_returner()
    while (pixels := _next_picture(sys.stdin.buffer)) is not None:
        # A reading that hangs ends this process; the parent starts another one.
        faulthandler.dump_traceback_later(max_reading_s, exit=True)
        reply: dict[str, Any]
        try:
            if engine is None:
                engine = _load(limit_side_len)
            reply = {"lines": _read(engine, pixels)}
        except Exception as error:
            reply = {"error": type(error).__name__}
        faulthandler.cancel_dump_traceback_later()
        give_back()
        replies.write(json.dumps(reply) + "\n")
        replies.flush()


def _memory_returner() -> Callable[[], object]:
    """Return what gives freed memory back to the system, where the C library can (glibc).

    Lines of text of ever other widths leave holes that fit none of the next ones: without this
    the process grows by half within an hour of slides.
    """
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError, TypeError):
        return lambda: None
    return lambda: trim(0)


def _next_picture(source: IO[bytes]) -> NDArray[np.uint8] | None:
    header = source.read(HEADER.size)
    if len(header) < HEADER.size:
        return None
    height, width = HEADER.unpack(header)
    data = source.read(height * width * 3)
    if len(data) < height * width * 3:
        return None
    return np.frombuffer(data, np.uint8).reshape(height, width, 3)


def _load(limit_side_len: int) -> Any:
    from rapidocr import RapidOCR

    return RapidOCR(
        params={
            "Global.use_cls": False,  # screens and signs are upright
            "Global.log_level": "critical",
            "Det.limit_type": "max",
            "Det.limit_side_len": limit_side_len,
            # A batch is as wide as its widest line: one by one costs less time and memory, and
            # the most it ever takes is soon reached.
            "Rec.rec_batch_num": 1,
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        }
    )


def _read(engine: Any, pixels: NDArray[np.uint8]) -> list[list[str | float]]:
    """Return text, confidence and box (left, top, right, bottom in fractions) of each line."""
    # The engine expects the channels in OpenCV's order.
    result = engine(np.ascontiguousarray(pixels[..., ::-1]))
    if result.boxes is None or result.txts is None:
        return []
    height, width = pixels.shape[:2]
    lines: list[list[str | float]] = []
    for text, score, corners in zip(result.txts, result.scores, result.boxes, strict=True):
        box = np.clip(np.asarray(corners, np.float64) / (width, height), 0.0, 1.0)
        (left, top), (right, bottom) = box.min(axis=0), box.max(axis=0)
        lines.append([str(text), float(score), *map(float, (left, top, right, bottom))])
    # From the top down, and lines at the same height from left to right.
    return sorted(lines, key=lambda line: (round(float(line[3]) * 50), line[2]))


if __name__ == "__main__":
    main()
