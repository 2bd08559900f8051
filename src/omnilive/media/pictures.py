"""Pictures as JPEG and back: thumbnails in the store, pictures for a model."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from omnilive.errors import MediaError
from omnilive.events import Pixels

_MOST_PIXELS = 50_000_000
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")


def to_jpeg(pixels: Pixels, max_side: int = 640, quality: int = 80) -> bytes:
    """Return (height, width, 3) RGB as JPEG, scaled down until its longer side fits."""
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(pixels))
    image.thumbnail((max_side, max_side), Image.Resampling.BOX, reducing_gap=None)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality)
    return out.getvalue()


def from_jpeg(data: bytes) -> Pixels:
    """Return a JPEG as (height, width, 3) RGB.

    Raises:
        MediaError: it is no JPEG, damaged, or larger than anything that is stored.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
            # The size stands in the head: refused before anything is decoded.
            if image.width * image.height > _MOST_PIXELS:
                raise MediaError("The stored picture is too large to be decoded.")
            return np.asarray(image.convert("RGB"), np.uint8)
    except (
        UnidentifiedImageError,
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
        OSError,
        ValueError,
        SyntaxError,
    ):
        raise MediaError("The stored picture is damaged.") from None


def read_picture(path: Path) -> Pixels:
    """Return a picture file as (height, width, 3) RGB, turned upright; of several pages the first.

    Raises:
        MediaError: it is missing, no picture of a common format, damaged, or too large.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(path, formats=_FORMATS) as image:
            if image.width * image.height > _MOST_PIXELS:
                raise MediaError(f"The picture {path} is too large; scale it down.")
            upright = ImageOps.exif_transpose(image)
            return np.asarray(upright.convert("RGB"), np.uint8)
    except UnidentifiedImageError:
        raise MediaError(
            f"{path} is not a picture that can be read; give a JPEG, PNG or WebP file."
        ) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise MediaError(f"The picture {path} is too large; scale it down.") from None
    except FileNotFoundError:
        raise MediaError(f"There is no file {path}; check the name of the picture.") from None
    except (OSError, ValueError, SyntaxError):
        raise MediaError(
            f"The picture {path} cannot be read: it is damaged or not a file."
        ) from None
