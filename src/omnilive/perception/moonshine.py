"""The recogniser of the embedded preset: Moonshine's tiny English model, carried by its package.

The library's own voice segmentation is turned off (`vad_threshold` 0): ours places the
segments, and a sentence that is cut once more loses words. The call into the library frees
the interpreter; its result lives in the model's handle, so a model takes one call at a time, and
where several streams speak at once, several models may be loaded.
"""

from __future__ import annotations

from importlib.util import find_spec
from queue import LifoQueue
from typing import Any

import numpy as np

from omnilive.cancel import Cancel
from omnilive.errors import BackendError
from omnilive.events import SAMPLE_RATE, Samples
from omnilive.perception.recognition import Transcript

# The model wants a little sound to start from; shorter segments are laid into silence.
MIN_SAMPLES = SAMPLE_RATE // 2


class MoonshineRecogniser:
    """Loads the model at the first segment and shares it between all streams.

    Args:
        num_models: how many calls may run at once; a model is loaded when it is first needed.
    """

    def __init__(self, num_models: int = 1) -> None:
        if find_spec("moonshine_voice") is None:
            raise BackendError(
                "Recognising speech needs the package moonshine-voice: "
                'run `pip install "moonshine-voice==0.0.73"`, '
                'or set hearing.recognition.backend = "none".'
            )
        # Whoever holds a model may call it: the queue is the lock and the models' place. The last
        # one put back is taken first, so that a second one is only loaded for a second call.
        self._places: LifoQueue[Any] = LifoQueue()
        self._num_models = max(1, num_models)
        for _ in range(self._num_models):
            self._places.put(None)
        self._closed = False

    def transcribe(self, samples: Samples, cancel: Cancel) -> Transcript:
        """Return the text of one segment; the model gives no word times."""
        cancel.check()
        if len(samples) < MIN_SAMPLES:
            samples = np.pad(samples, (0, MIN_SAMPLES - len(samples)))
        model = self._places.get()
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
            self._places.put(model)
        text = " ".join(line.text.strip() for line in result.lines if line.text.strip())
        return Transcript(text=text)

    def close(self) -> None:
        """Free the models, after the calls that may be running."""
        self._closed = True
        models = [self._places.get() for _ in range(self._num_models)]
        for model in models:
            self._places.put(None)
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
