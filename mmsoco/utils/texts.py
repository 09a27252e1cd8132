"""Read texts and JSON that other programs, or people, have written."""

import codecs
import json
from typing import Any

# Characters at the start of a text that show its encoding.
_START = 4


def decode_text(data: bytes) -> str:
    r"""Decode a text file, with a byte order mark or not.

    Args:
        data: UTF-8, or UTF-16 or UTF-32 with its mark, as some editors of
            Windows write it.

    Returns:
        The text with ``\n`` between its lines.

    Raises:
        ValueError: If it is neither.
    """
    encoding = 'utf-8-sig'
    # First, since the mark of UTF-16 begins that of UTF-32.
    if data.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        encoding = 'utf-32'
    elif data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = 'utf-16'
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        remedy = 'save it as UTF-8'
        if b'\0' in data:
            remedy = 'it looks like a file of another kind'
        raise ValueError(
            f'it is not UTF-8 ({error.reason} at byte {error.start}); {remedy}'
        ) from error
    if '\0' in text[:_START]:
        raise ValueError(
            'it begins with zero bytes, as UTF-16 or UTF-32 without a byte '
            'order mark does; save it as UTF-8'
        )
    return text.replace('\r\n', '\n').replace('\r', '\n')


def parse_json(text: str) -> Any:
    """Parse JSON in which every key counts.

    Args:
        text: The JSON.

    Returns:
        What `json.loads` returns.

    Raises:
        ValueError: If it is not JSON, or an object has a key twice with
            different values, of which `json.loads` drops the first in
            silence.
    """
    return json.loads(text, object_pairs_hook=_object)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of JSON; see `parse_json`."""
    content = dict(pairs)
    # One comparison for each object of a large file.
    if len(content) != len(pairs):
        for key, value in pairs:
            if content[key] != value:
                raise ValueError(_repeated(key, content))
    return content


def _repeated(key: str, content: dict[str, Any]) -> str:
    """Name the keys that an object has more than once."""
    of = next(
        (
            f' of the object with {name} {content[name]!r}'
            for name in ('id', 'file_name', 'name')
            if name in content and name != key
        ),
        '',
    )
    return (
        f'key {key!r}{of} is there more than once, with different values; '
        'keep one of them, or join them'
    )
