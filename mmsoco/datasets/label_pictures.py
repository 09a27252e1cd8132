"""Find the pictures of a COCO document, and read their sizes."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from mmsoco.images.errors import NOT_A_FILE, UnreadableImageError
from mmsoco.images.files_below import OTHER_SPELLING, FilesBelow
from mmsoco.images.listed_names import clean_name
from mmsoco.images.reading import is_turned, read_size
from mmsoco.utils.problems import Outcome, Problems, shorten

_TURNED_AVIF = (
    'AVIF picture is turned by a tag, which detectors do not read (OpenCV): '
    'save it upright'
)
# Above so many pictures only so many, evenly spread, are opened.
_MOST_OPENED = 2000


def find_pictures(
    entries: list[dict], images: Path, outcome: Outcome, problems: Problems
) -> set[str]:
    """Report pictures that are not there, and names that leave the folder.

    Args:
        entries: The pictures of a document.
        images: Their folder.
        outcome: What becomes of pictures that are not there.
        problems: Changed.

    Returns:
        The names of the pictures that are not there.
    """
    missing = set()
    below = FilesBelow(images)
    for entry in entries:
        name = entry['file_name']
        if not isinstance(name, str) or not name:
            continue  # is reported by `repair_document`
        changes = Problems()
        clean = clean_name(name, str(images), changes)
        if clean is None:
            what = f'name is not relative to the folder {str(images)!r}'
            what += _where_instead(name, below)
            problems.add(Outcome.STOP, what, name)
            continue
        problems.extend(changes)
        found = below.find(clean)
        if found is None and (decoded := below.find(unquote(clean))):
            what = 'name is written as in an address (such as %20): decoded'
            problems.add(Outcome.REPAIRED, what, name)
            found = decoded
        elif found is None:
            problems.add(outcome, _why_missing(clean, images, below), name)
            missing.add(clean)
        elif found != clean:
            problems.add(Outcome.REPAIRED, OTHER_SPELLING, name)
        entry['file_name'] = found or clean
    return missing


def _why_missing(name: str, images: Path, below: FilesBelow) -> str:
    if os.path.exists(images / name):
        return f'picture is {NOT_A_FILE}'
    return f'picture is not in {str(images)!r}' + _where_instead(name, below)


def _where_instead(name: str, below: FilesBelow) -> str:
    """Tell the remedy where the last part of a name is a file's name."""
    last = name.replace('\\', '/').rpartition('/')[2]
    if not last or below.find(last) is None:
        return ''
    return (
        ', where its last part is: cut what is before it from the names, or '
        'give the folder that they are relative to'
    )


def leave_out(
    document: dict[str, Any], names: set[str], path: Path, images: Path
) -> None:
    """Take pictures out of a document, with their objects.

    Raises:
        FileNotFoundError: If no picture is left.
    """
    entries = document['images']
    gone = [entry for entry in entries if str(entry['file_name']) in names]
    if len(gone) == len(entries):
        first = images / entries[0]['file_name']
        raise FileNotFoundError(
            f'none of the {len(entries)} pictures of {path} is in {images} '
            f'(the first one would be {shorten(str(first))}): '
            'give the folder that the names in the file are relative to, or '
            'labels of pictures in this folder'
        )
    ids = {entry['id'] for entry in gone}
    document['images'] = [e for e in entries if e['id'] not in ids]
    document['annotations'] = [
        a for a in document['annotations'] if a['image_id'] not in ids
    ]


def size_reader(
    entries: list[dict], images: Path, problems: Problems
) -> Callable[[str], tuple[int, int] | None]:
    """Return a reader of the sizes of pictures: of all, or of a sample."""
    step = -(-len(entries) // _MOST_OPENED) or 1
    looked_at = {str(entry['file_name']) for entry in entries[::step]}
    looked_at |= {
        str(entry['file_name'])
        for entry in entries
        if not (entry.get('height') and entry.get('width'))
    }
    return partial(_read_size, looked_at, images, problems)


def _read_size(
    looked_at: set[str], images: Path, problems: Problems, name: str
) -> tuple[int, int] | None:
    path = images / name
    if name not in looked_at or not os.path.isfile(path):
        return None
    try:
        if path.suffix.lower() == '.avif' and is_turned(path):
            problems.add(Outcome.STOP, _TURNED_AVIF, name)
        return read_size(path)
    except UnreadableImageError as error:
        problems.add(
            Outcome.STOP, 'picture cannot be read', f'{name}: {error.reason}'
        )
        return None
