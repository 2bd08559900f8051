from __future__ import annotations

import numpy as np
import pytest

from omnilive.errors import BackendError, ConfigError
from omnilive.speech import EspeakConfig, EspeakSynthesizer
from omnilive.speech.synthesizer import spoken_form


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("The keys are in the box [u1-12480].", "The keys are in the box."),
        ("Here (u1-5, c2-700) and there [t1-9 and s1-3]!", "Here and there!"),
        ("See u1-12480 now.", "See now."),
        ("**Bold** and `code` [1]", "Bold and code 1"),
        ("At https://example.org/a?b=c it is.", "At it is."),
        ("[u1-12480]", ""),
        ("A line from A1-2 to B.", "A line from A1-2 to B."),
        ("It is 3.14 at 12:30.", "It is 3.14 at 12:30."),
    ],
)
def test_what_is_for_the_ear(written: str, spoken: str):
    assert spoken_form(written) == spoken


def test_ids_are_not_heard():
    synthesizer = EspeakSynthesizer()
    plain = synthesizer.synthesize("The box is red.")
    cited = synthesizer.synthesize("The box is red [u1-12480].")
    np.testing.assert_array_equal(plain.samples, cited.samples)
    assert plain.samples.size > plain.sample_rate // 2


def test_only_ids_give_no_sound():
    assert EspeakSynthesizer().synthesize("[u1-12480]").samples.size == 0


def test_chinese_is_spoken_by_the_chinese_voice():
    chinese = "\u4eca\u5929\u662f\u6674\u5929\u3002"
    right = EspeakSynthesizer().synthesize(chinese).samples
    english = EspeakSynthesizer(EspeakConfig(chinese_voice="en-us")).synthesize(chinese).samples
    # The English voice reads the name of every character, which takes far longer.
    assert 0 < right.size < english.size / 2


def test_samples_fit_sixteen_bits():
    samples = EspeakSynthesizer().synthesize("Loud and clear!").samples
    assert samples.dtype == np.float32
    assert np.abs(np.rint(samples * 32768)).max() <= 32768
    assert samples.max() * 32768 <= 32767


def test_an_unknown_voice_is_an_error_that_names_it():
    synthesizer = EspeakSynthesizer(EspeakConfig(voice="xx-nowhere"))
    with pytest.raises(BackendError, match="xx-nowhere"):
        synthesizer.synthesize("Hello.")


def test_a_rate_out_of_range_is_refused():
    with pytest.raises(ConfigError, match="rate_wpm"):
        EspeakConfig(rate_wpm=5)
    with pytest.raises(ConfigError, match="pitch"):
        EspeakConfig(pitch=100)
