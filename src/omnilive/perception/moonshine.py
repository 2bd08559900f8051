"""The recogniser of the embedded preset: Moonshine's tiny English model, carried by its package.

The library's own voice segmentation is turned off (`vad_threshold` 0): ours places the
segments, and a sentence that is cut once more loses words. The call into the library frees
the interpreter; its result lives in the model's handle, so only one call may run at a time.
"""

from __future__ import annotations

from importlib.util import find_spec
from queue import SimpleQueue
from typing import Any

import numpy as np

from omnilive.cancel import Cancel
from omnilive.errors import BackendError
from omnilive.events import SAMPLE_RATE, Samples
from omnilive.perception.recognition import Transcript

# The model wants a little sound to start from; shorter segments are laid into silence.
MIN_SAMPLES = SAMPLE_RATE // 2


class MoonshineRecogniser:
    """Loads the model at the first segment and shares it between all streams."""

    def __init__(self) -> None:
        if find_spec("moonshine_voice") is None:
            raise BackendError(
                "Recognising speech needs the package moonshine-voice: "
                'run `pip install "moonshine-voice==0.0.73"`, '
                'or set hearing.recognition.backend = "none".'
            )
        # Whoever holds the model may call it: the queue is the lock and the model's place.
        self._place: SimpleQueue[Any] = SimpleQueue()
        self._place.put(None)
        self._closed = False

    def transcribe(self, samples: Samples, cancel: Cancel) -> Transcript:
        """Return the text of one segment; the model gives no word times."""
        cancel.check()
        if len(samples) < MIN_SAMPLES:
            samples = np.pad(samples, (0, MIN_SAMPLES - len(samples)))
        model = self._place.get()
        try:
            if self._closed:
                raise BackendError("The recogniser was closed while speech was still coming.")
            if model is None:
                model = _load()
            cancel.check()
            try:
                # A list: the library's binding holds the interpreter for half as long over it.
                result = model.transcribe_without_streaming(samples.tolist(), SAMPLE_RATE)
            except Exception as error:
                raise BackendError(
                    f"The speech recogniser failed ({type(error).__name__}); "
                    "run `omnilive doctor` to see what is wrong."
                ) from error
        finally:
            self._place.put(model)
        text = " ".join(line.text.strip() for line in result.lines if line.text.strip())
        return Transcript(text=text)

    def close(self) -> None:
        """Free the model, after the call that may be running."""
        self._closed = True
        model = self._place.get()
        self._place.put(None)
        if model is not None:
            model.close()


def _load() -> Any:
    try:
        from moonshine_voice import ModelArch, Transcriber, get_model_path

        return Transcriber(
            model_path=get_model_path("tiny-en"),
            model_arch=ModelArch.TINY,
            options={"vad_threshold": "0.0", "return_audio_data": "false"},
        )
    except Exception as error:
        raise BackendError(
            f"The speech recogniser could not be loaded ({type(error).__name__}): "
            'run `pip install --force-reinstall "moonshine-voice==0.0.73"`.'
        ) from error
