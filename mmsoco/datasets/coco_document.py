"""Read a COCO document and check its outline."""

import codecs
import json
import os
from itertools import islice
from pathlib import Path
from typing import Any

from mmsoco.utils.files import link_note
from mmsoco.utils.problems import Outcome, Problems
from mmsoco.utils.texts import decode_text, parse_json

# mmdet reads only UTF-8 without such a mark.
_BYTE_ORDER_MARKS = (
    codecs.BOM_UTF8,
    codecs.BOM_UTF16_LE,
    codecs.BOM_UTF16_BE,
    codecs.BOM_UTF32_LE,
    codecs.BOM_UTF32_BE,
)
_GZIP = b'\x1f\x8b'
# Files of labeling tools, by keys of an object in them.
_OTHER_FORMATS = {
    ('shapes', 'imagePath'): 'a file of Labelme; convert all of them to one',
    ('data', 'annotations'): 'tasks of Label Studio; export them as COCO',
    ('filename', 'regions'): 'a file of VIA; export it as COCO',
    ('image', 'annotations'): 'a file of CreateML; export it as COCO',
    ('image_id', 'bbox', 'score'): 'detections, which are not labels',
}
_SECTIONS = {
    'images': ('id', 'file_name'),
    'annotations': ('image_id', 'category_id'),
    'categories': ('id', 'name'),
}


def read_document(
    path: str | os.PathLike,
    unlabelled: bool = False,
    problems: Problems | None = None,
) -> dict[str, Any]:
    """Read a COCO document and check its outline.

    Args:
        path: The JSON file.
        unlabelled: Whether ``annotations`` may be missing, as in the files of
            a test set whose labels are withheld.
        problems: Gets what other readers of the file could not handle.

    Returns:
        The document, with a list of dicts for each of ``images``,
        ``annotations`` and ``categories``.

    Raises:
        FileNotFoundError: If the file is not there.
        ValueError: If it is not JSON, or if sections or keys are missing; the
            message lists all of them.
    """
    path = Path(path)
    if not path.is_file():
        found = 'is not a file' if path.exists() else 'does not exist'
        raise FileNotFoundError(
            f'label file {str(path)!r} {found}{link_note(path)}; expected '
            'COCO JSON'
        )
    try:
        data = path.read_bytes()
        document = parse_json(_decoded(data))
    except (ValueError, RecursionError) as error:
        raise ValueError(f'{str(path)!r} is not JSON: {error}') from error
    if unlabelled and isinstance(document, dict):
        document.setdefault('annotations', [])
    missing = _outline_problems(document)
    if missing:
        missing += _other_format(document)
        raise ValueError(
            f'{str(path)!r} is not a COCO label file: {"; ".join(missing)}. '
            'Expected {"images": [{"id", "file_name", "height", "width"}], '
            '"annotations": [{"id", "image_id", "category_id", "bbox", '
            '"area", "iscrowd"}], "categories": [{"id", "name"}]}'
        )
    if problems is not None and data.startswith(_BYTE_ORDER_MARKS):
        what = 'file begins with a byte order mark: removed'
        problems.add(Outcome.REPAIRED, what, path.name)
    return document


def _decoded(data: bytes) -> str:
    """Return the text of a label file, or raise ValueError for other files."""
    if data.startswith(_GZIP):
        raise ValueError('it is compressed; unpack it with gunzip')
    text = decode_text(data)
    if not text.strip():
        raise ValueError('it is empty')
    lines = text.split('\n', 2)
    if len(lines) > 1 and all(map(_is_object, lines[:2])):
        raise ValueError(
            'it has an object in each line (JSON Lines); combine them into '
            'one COCO document'
        )
    return text


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def _other_format(document: Any) -> list[str]:
    """Name the format of a document that is not COCO, if it is known."""
    entries = document.values() if isinstance(document, dict) else document
    if not isinstance(document, dict | list):
        return []
    for entry in (document, *islice(entries, 1)):
        for keys, name in _OTHER_FORMATS.items():
            if isinstance(entry, dict) and entry.keys() >= set(keys):
                return [f'it looks like {name}']
    return []


def _outline_problems(document: Any) -> list[str]:
    """List the missing keys of a document."""
    if not isinstance(document, dict):
        return [f'it holds a {type(document).__name__}, not an object']
    found = []
    for section, keys in _SECTIONS.items():
        entries = document.get(section)
        if not isinstance(entries, list):
            found.append(f'{section!r} is missing or not a list')
            continue
        if not all(isinstance(entry, dict) for entry in entries):
            found.append(f'{section!r} holds something other than objects')
            continue
        for key in keys:
            count = sum(entry.get(key) is None for entry in entries)
            if count:
                found.append(f'{count} of {section!r} have no {key!r}')
    return found
