"""When the text in the picture is worth reading, within a budget of stream time.

Reading costs more than everything else together, so it is done only where the picture that
stands still is no longer the one that was read. The budget is counted in stream time at a
configured cost a reading: no clock is needed, and the same stream is always read alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from omnilive.events import NS_PER_S
from omnilive.perception.changes import Change, ChangeDetector
from omnilive.perception.grid import Cells, Grid

_MIN_CELLS = 3  # one short word
_MOVING_PICTURE = 0.3  # share of the picture that moves where nothing may ever stand still
_MAX_BARREN_DOUBLINGS = 4
_BURST = 4  # readings that may be saved up


@dataclass(frozen=True, kw_only=True)
class ReadingConfig:
    """How the text in the picture is read.

    Attributes:
        enabled: whether it is read at all.
        reading_share: share of the stream's time that reading may take, 0..1.
        reading_cost_s: what one reading is counted as.
        min_spacing_s: time between two readings; doubled while readings find nothing new.
        max_unsettled_s: a picture that never stands still is read this often.
        limit_side_len: longer side of the picture that is searched for text, in pixels.
        min_confidence: lines read with less are dropped, 0..1.
        max_reading_s: a reading that takes longer is given up.
    """

    enabled: bool = True
    reading_share: float = 0.12
    reading_cost_s: float = 0.3
    min_spacing_s: float = 1.0
    max_unsettled_s: float = 8.0
    limit_side_len: int = 736
    min_confidence: float = 0.6
    max_reading_s: float = 60.0


class ReadingSchedule:
    """Decides for each frame of one stream whether it is read."""

    def __init__(self, config: ReadingConfig) -> None:
        self._config = config
        self._read: Grid | None = None  # the stable picture as it was when it was last read
        self._last_ns = 0
        self._saved_s = _BURST * config.reading_cost_s
        self._saved_at_ns: int | None = None
        self._num_barren = 0
        self._differs: Cells | None = None

    @property
    def differs(self) -> Cells:
        """The cells that changed between the last reading and the one now due."""
        assert self._differs is not None
        return self._differs

    def is_due(
        self, at_ns: int, change: Change, changes: ChangeDetector, *, is_cut: bool, is_last: bool
    ) -> bool:
        """Whether the frame at `at_ns` is to be read.

        Args:
            at_ns: stream time of the frame.
            change: how it differs from the one before.
            changes: the stream's detector, after this frame.
            is_cut: whether the frame begins something else.
            is_last: whether no other frame will come.
        """
        self._save(at_ns)
        if self._read is None:
            self._differs = np.ones_like(changes.masked)
            return self._saved_s >= self._config.reading_cost_s
        self._differs = differs = changes.stands_out(self._read)
        spacing_s = self._config.min_spacing_s * 2**self._num_barren
        waited_s = (at_ns - self._last_ns) / NS_PER_S
        if is_cut:
            # All of it is new, and it may be gone with the next frame.
            self._differs = np.ones_like(differs)
            self._num_barren = 0
            wanted = waited_s >= self._config.min_spacing_s
        elif int(differs.sum()) >= _MIN_CELLS:
            wanted = waited_s >= spacing_s or is_last
        else:
            wanted = change.motion > _MOVING_PICTURE and waited_s >= max(
                spacing_s, self._config.max_unsettled_s
            )
            if wanted:
                self._differs = np.ones_like(differs)
        return wanted and self._saved_s >= self._config.reading_cost_s

    def begin(self, at_ns: int, stable: Grid) -> None:
        """Note that the frame at `at_ns` is being read."""
        self._saved_s -= self._config.reading_cost_s
        self._last_ns = at_ns
        self._read = stable.copy()

    def end(self, num_new: int) -> None:
        """Note how many new lines it gave."""
        self._num_barren = 0 if num_new else min(self._num_barren + 1, _MAX_BARREN_DOUBLINGS)

    def _save(self, at_ns: int) -> None:
        if self._saved_at_ns is not None:
            earned_s = (at_ns - self._saved_at_ns) / NS_PER_S * self._config.reading_share
            limit_s = _BURST * self._config.reading_cost_s
            self._saved_s = min(self._saved_s + max(earned_s, 0.0), limit_s)
        self._saved_at_ns = at_ns
