from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image

from media_files import picture
from omnilive.errors import MediaError
from omnilive.media.pictures import from_jpeg, to_jpeg


def test_a_picture_survives_as_jpeg():
    image = picture(90, (160, 96))
    data = to_jpeg(image, 640, 90)
    assert data.startswith(b"\xff\xd8")
    back = from_jpeg(data)
    assert back.shape == image.shape
    assert np.abs(back.astype(int) - image).mean() < 3
    back.sum()


def test_it_is_scaled_down_and_never_up():
    assert from_jpeg(to_jpeg(picture(0, (1600, 900)), 320)).shape == (180, 320, 3)
    assert from_jpeg(to_jpeg(picture(0, (1, 1)), 320)).shape == (1, 1, 3)
    assert len(to_jpeg(picture(0, (1280, 720)), 320, 60)) < 20_000


@pytest.mark.parametrize("data", [b"", b"nonsense", b"\xff\xd8\xff\xd9"])
def test_nonsense_is_refused(data):
    with pytest.raises(MediaError, match="damaged"):
        from_jpeg(data)


def test_a_truncated_jpeg_is_refused():
    data = to_jpeg(picture(0, (640, 480)))
    with pytest.raises(MediaError, match="damaged"):
        from_jpeg(data[: len(data) // 2])


def test_another_format_is_refused():
    out = io.BytesIO()
    Image.fromarray(picture(0, (8, 8))).save(out, "PNG")
    with pytest.raises(MediaError, match="damaged"):
        from_jpeg(out.getvalue())


def test_a_bomb_is_refused_before_it_is_decoded():
    data = bytearray(to_jpeg(picture(0, (64, 64))))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", 60_000, 60_000)
    with pytest.raises(MediaError):
        from_jpeg(bytes(data))
