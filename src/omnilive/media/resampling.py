"""Changes the sample rate of a whole piece of mono sound, by FFmpeg's resampler."""

from __future__ import annotations

import numpy as np

from omnilive.events import Samples


def resample(samples: Samples, from_hz: int, to_hz: int) -> Samples:
    """Return `samples` at `to_hz`, as long as the original to within a sample."""
    if from_hz == to_hz or samples.size == 0:
        return samples
    import av

    resampler = av.AudioResampler(format="flt", layout="mono", rate=to_hz)
    frame = av.AudioFrame.from_ndarray(
        np.ascontiguousarray(samples[np.newaxis]), format="flt", layout="mono"
    )
    frame.sample_rate = from_hz
    frames = [*resampler.resample(frame), *resampler.resample(None)]
    pieces = [piece.to_ndarray()[0] for piece in frames]
    sound = np.concatenate(pieces).astype(np.float32, copy=False)
    # The filter's tail makes it a few samples longer or shorter than the sound lasts.
    wanted = round(samples.size * to_hz / from_hz)
    return np.pad(sound[:wanted], (0, max(0, wanted - sound.size)))
