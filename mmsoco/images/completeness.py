"""Find pictures whose data are incomplete.

Decoders fill missing data with gray (JPEG) or black (PNG), and do not complain
if the end of the file looks right, for instance in half a file with an end
marker added by a program.
"""

import io
import re
import struct
import zlib
from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image

# Value of blocks without data from libjpeg; one less after conversion.
_FILL = (127, 128)
# Markers of JPEG (ITU-T T.81, B.1.1.3): all but stuffed bytes, restarts and
# padding; frames, of which one is progressive; those that come between scans.
_MARKER = re.compile(rb'\xff([^\x00\xd0-\xd7\xff])')
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = 0xC2
_SCAN = 0xDA
_WITHOUT_LENGTH = (0x01, 0xD8, 0xD9)
_BETWEEN_SCANS = {0xC4, 0xDA, 0xDB, 0xDC, 0xDD, 0xFE, *range(0xE0, 0xF0)}
# Bits that stand for other blocks than those that are filled in.
_OTHER_DATA = np.random.default_rng(0).bytes(4096).replace(b'\xff', b'')
_PNG_START = 8
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by PNG's type of color
# First column and row, and steps, of the passes of interlaced PNG files.
_PASSES = (
    (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4),
    (1, 0, 2, 2), (0, 1, 1, 2),
)  # fmt: skip


def refuse_cut_jpeg(data: bytes, corner: Sequence[float | None]) -> None:
    """Refuse a JPEG file whose data are incomplete.

    A file whose last block has data is complete, which costs nothing to check;
    in progressive files, all scans must also have begun. For other files, it
    is tested whether more data would change the picture.

    Args:
        data: The file.
        corner: The samples of the last pixel, as stored.

    Raises:
        ValueError: If a part of the picture is missing.
    """
    is_filled = all(value in _FILL for value in corner)
    frame = next((f for f in _markers(data) if f[0] in _FRAMES), (0, 0))
    if not is_filled and frame[0] != _PROGRESSIVE:
        return
    markers = list(_markers(data))
    end = _end_of_scans(markers)
    if end is None or (not is_filled and _has_all_scans(data, markers)):
        return
    try:
        # Not OpenCV: its decoder prints a line about the added data.
        as_is, with_more = (
            np.asarray(Image.open(io.BytesIO(part)))
            for part in (data, data[:end] + _OTHER_DATA + data[end:])
        )
        is_whole = np.array_equal(as_is, with_more)
    except (OSError, SyntaxError):  # a marker where data should be
        is_whole = False
    if not is_whole:
        raise ValueError('the JPEG data end before the picture does')


def _markers(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield the markers of a JPEG file with their positions."""
    at = 0
    while match := _MARKER.search(data, at):
        marker, start = match[1][0], match.start()
        yield marker, start
        at = match.end()
        if marker not in _WITHOUT_LENGTH:
            at += int.from_bytes(data[at : at + 2])


def _end_of_scans(markers: Sequence[tuple[int, int]]) -> int | None:
    """Return where the last scan of a JPEG file ends, at a marker."""
    is_in_scans = False
    for marker, start in markers:
        is_in_scans |= marker == _SCAN
        if is_in_scans and marker not in _BETWEEN_SCANS:
            return start
    return None


def _has_all_scans(data: bytes, markers: Sequence[tuple[int, int]]) -> bool:
    """Return whether the scans cover all bits of a progressive file.

    Some files without some scans are complete nevertheless.
    """
    missing: set[tuple[int, int]] = set()
    for marker, start in markers:
        segment = data[start + 4 : start + 4 + 255]
        if marker == _PROGRESSIVE:
            names = segment[6 : 6 + 3 * segment[5] : 3]
            missing = {(name, k) for name in names for k in range(64)}
        elif marker == _SCAN:
            count = segment[0]
            first, last, bits = segment[1 + 2 * count : 4 + 2 * count]
            if bits & 15 == 0:  # down to the lowest bit
                names = segment[1 : 1 + 2 * count : 2]
                missing -= {
                    (n, k) for n in names for k in range(first, last + 1)
                }
    return not missing


def refuse_cut_png(data: bytes, corner: Sequence[float | None]) -> None:
    """Refuse a PNG file with fewer rows than its header says.

    Args:
        data: The file.
        corner: The samples of the last pixel, which are 0 in such a file.

    Raises:
        ValueError: If rows are missing.
    """
    if any(corner):
        return
    width, height, depth, color, _, _, interlaced = struct.unpack_from(
        '>IIBBBBB', data, _PNG_START + 8
    )
    bits = depth * _SAMPLES[color]
    passes = _PASSES if interlaced else ((0, 0, 1, 1),)
    expected = 0
    for left, top, step_x, step_y in passes:
        columns = -(-(width - left) // step_x)
        rows = -(-(height - top) // step_y)
        if columns > 0 and rows > 0:  # one filter byte per row
            expected += rows * (1 + -(-columns * bits // 8))
    found = len(zlib.decompressobj().decompress(_png_data(data), expected))
    if found < expected:
        raise ValueError(
            f'the PNG data are {found} bytes of pixels, expected {expected}'
        )


def _png_data(data: bytes) -> bytes:
    """Return the compressed pixels of a PNG file."""
    parts = []
    at = _PNG_START
    while at + 8 <= len(data):
        length = int.from_bytes(data[at : at + 4])
        if data[at + 4 : at + 8] == b'IDAT':
            parts.append(data[at + 8 : at + 8 + length])
        at += 12 + length
    return b''.join(parts)
