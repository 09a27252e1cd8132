"""Write image files."""

import io
from pathlib import Path

from PIL import Image

from mmsoco.utils.files import atomic_path


def write_jpeg_or_png(image: Image.Image, path: Path, quality: int) -> None:
    """Write a picture as PNG or JPEG, by the ending of the name.

    Args:
        image: The picture.
        path: The file; its folder is made.
        quality: Of JPEG, from 1 to 95.

    Raises:
        OSError: If it could not be written.
    """
    kind = 'PNG' if path.suffix.lower() == '.png' else 'JPEG'
    # Pillow itself would not notice that a full disk took a part of a JPEG.
    encoded = io.BytesIO()
    image.save(encoded, kind, quality=quality)
    with atomic_path(path) as partial:
        partial.write_bytes(encoded.getvalue())
