"""Read names of images from a text file or a COCO-style JSON file."""

import os
import posixpath
import re
from pathlib import Path

from mmsoco.images.names import EXTENSIONS, UNREAD, is_image
from mmsoco.utils.problems import Outcome, Problems
from mmsoco.utils.texts import decode_text, parse_json

_LABELLED = re.compile(
    r'(.+?(?:{}))["\']?(?:\s*[,;\t]\s*|\s+)\S.*'.format(
        '|'.join(re.escape(e) for e in sorted(EXTENSIONS | UNREAD))
    ),
    re.IGNORECASE,
)
_DRIVE = re.compile('[A-Za-z]:/')


def read_names(ann_file: str | os.PathLike) -> list[str]:
    """Read the raw entries of a text file or a COCO-style JSON file.

    Raises:
        FileNotFoundError: If the file is not there.
        IsADirectoryError: If it is a folder.
        ValueError: If it is malformed.
    """
    path = Path(ann_file)
    if path.is_dir():
        raise IsADirectoryError(
            f'expected a list of pictures, but {str(path)!r} is a folder'
        )
    if not path.is_file():
        raise FileNotFoundError(f'annotation file {str(path)!r} is missing')
    try:
        text = decode_text(path.read_bytes())
        if path.suffix.lower() != '.json':
            lines = (line.strip() for line in text.split('\n'))
            return [line for line in lines if line]
        return [str(i['file_name']) for i in parse_json(text)['images']]
    except (KeyError, TypeError) as e:
        raise ValueError(
            f'{str(path)!r} is not COCO-style: expected {{"images": '
            '[{"file_name": ...}, ...]}'
        ) from e
    except (ValueError, RecursionError) as e:
        raise ValueError(f'cannot read {str(path)!r}: {e}') from e


def listed_names(
    ann_file: str | os.PathLike, root: str, problems: Problems
) -> list[str]:
    """Turn the entries of a list into names below the root, each once.

    Args:
        ann_file: See `find_images`.
        root: The place that the names are relative to.
        problems: Gets what was changed or left out.

    Raises:
        FileNotFoundError: If the file is not there.
        ValueError: If it is malformed.
    """
    is_text = Path(ann_file).suffix.lower() != '.json'
    names: dict[str, None] = {}
    for entry in read_names(ann_file):
        name = entry
        if is_text and not is_image(entry):
            name = _without_label(entry, problems)
        clean = clean_name(name, root, problems)
        if clean is None:
            continue
        if clean in names:
            problems.add(Outcome.NOTE, 'named twice: taken once', clean)
        names[clean] = None
    return list(names)


def _without_label(entry: str, problems: Problems) -> str:
    """Return a picture's name without the rest of its line."""
    bare = entry.strip('"\' \t,;')
    if is_image(bare):
        what = 'quotes around a name, or separators after it: cut'
        problems.add(Outcome.NOTE, what, entry)
        return bare
    match = _LABELLED.fullmatch(entry)
    if not match:
        return entry
    problems.add(Outcome.NOTE, 'label after the name: not used', entry)
    return match[1].strip('"\'')


def clean_name(name: str, root: str, problems: Problems) -> str | None:
    r"""Make a listed name relative to its folder, which it never leaves.

    Args:
        name: As written: with ``\``, ``./`` or an absolute path.
        root: The folder.
        problems: Gets what was changed or left out.

    Returns:
        The name with ``/`` between its parts; None if it leaves the folder.
    """
    clean = name
    if '\\' in clean and not os.path.exists(os.path.join(root, clean)):
        clean = clean.replace('\\', '/')
        problems.add(Outcome.REPAIRED, r'\ in a name: taken as /', name)
    if '\0' in clean:
        problems.add(Outcome.LOST, 'name with a zero byte', repr(name))
        return None
    if posixpath.isabs(clean):
        clean = _relative(clean, root)
        if not clean.startswith('../'):
            problems.add(
                Outcome.REPAIRED, 'absolute path: made relative', name
            )
    clean = posixpath.normpath(clean)
    if clean == '..' or clean.startswith('../') or _DRIVE.match(clean):
        problems.add(Outcome.LOST, 'name that leaves the image folder', name)
        return None
    return clean


def _relative(path: str, root: str) -> str:
    """Make a path relative to a folder, or to the target of its links."""
    ways = (
        posixpath.relpath(path, folder)
        for folder in (os.path.abspath(root), os.path.realpath(root))
    )
    return min(ways, key=lambda way: way.startswith('../'))
