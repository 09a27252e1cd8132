"""Which images to work on: from a folder or from an annotation file."""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePath

EXTENSIONS = frozenset(
    '.bmp .gif .jpeg .jpg .jpe .pbm .pgm .png .ppm .tif .tiff .webp'.split()
)


def is_image(name: str | PurePath) -> bool:
    """Tell by its extension, in any case, whether a file is an image."""
    return os.path.splitext(name)[1].lower() in EXTENSIONS


def list_images(root: str | os.PathLike) -> list[str]:
    """Find the images below a folder, links to folders included.

    Args:
        root: The folder, searched recursively.

    Returns:
        The files' names relative to ``root`` with ``/`` between the parts,
        sorted by code point (the order of the store); empty where the folder
        has none.

    Raises:
        FileNotFoundError: If ``root`` is not there.
        NotADirectoryError: If ``root`` is not a folder.
    """
    root = Path(root)
    if not root.exists():
        raise FileNotFoundError(f'image folder {str(root)!r} does not exist')
    if not root.is_dir():
        raise NotADirectoryError(
            f'expected a folder of images, but {str(root)!r} is a file'
        )
    return sorted(_walk(str(root), '', frozenset()))


def _walk(folder: str, prefix: str, above: frozenset) -> Iterator[str]:
    """Yield images below ``folder``; ``above`` breaks circles of links."""
    here = os.path.realpath(folder)
    if here in above:
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                yield from _walk(
                    entry.path, f'{prefix}{entry.name}/', above | {here}
                )
            elif is_image(entry.name):
                yield prefix + entry.name


def collect_names(
    root: str | os.PathLike, ann_file: str | os.PathLike | None = None
) -> list[str]:
    """Name the images to work on.

    Args:
        root: The image folder.
        ann_file: Names relative to ``root``: a text file with one per line,
            or a COCO-style ``.json``. Without it all images below ``root``.

    Returns:
        Names, sorted by code point, each once.

    Raises:
        FileNotFoundError: If the folder or the file is not there.
        NotADirectoryError: If ``root`` is not a folder.
        ValueError: If no image is found, or the file is malformed.
    """
    if ann_file is None:
        names = list_images(root)
        if not names:
            raise ValueError(
                f'no images in {str(root)!r} or below; expected files such as '
                '.jpg or .png'
            )
        return names
    if not os.path.isdir(root):
        raise FileNotFoundError(f'image folder {str(root)!r} does not exist')
    names = sorted(set(read_names(ann_file)))
    if not names:
        raise ValueError(f'{str(ann_file)!r} names no images')
    return names


def read_names(ann_file: str | os.PathLike) -> list[str]:
    """Read image names from a text file or a COCO-style JSON file.

    Raises:
        FileNotFoundError: If the file is not there.
        ValueError: If it is malformed.
    """
    path = Path(ann_file)
    if not path.is_file():
        raise FileNotFoundError(f'annotation file {str(path)!r} is missing')
    try:
        text = path.read_text(encoding='utf-8')
        if path.suffix.lower() != '.json':
            return [line.strip() for line in text.splitlines() if line.strip()]
        return [str(i['file_name']) for i in json.loads(text)['images']]
    except (UnicodeDecodeError, json.JSONDecodeError) as e:
        raise ValueError(f'cannot read {str(path)!r}: {e}') from e
    except (KeyError, TypeError) as e:
        raise ValueError(
            f'{str(path)!r} is not COCO-style: expected {{"images": '
            '[{"file_name": ...}, ...]}'
        ) from e


def fingerprint(names: Iterable[str]) -> str:
    """Return the SHA-256 of a list of names, hexadecimal."""
    digest = hashlib.sha256()
    for name in names:
        digest.update(name.encode('utf-8', 'surrogateescape') + b'\0')
    return digest.hexdigest()


def parse_shard(text: str) -> tuple[int, int]:
    """Parse ``i/n``: the i-th of n shards, counted from 0.

    Raises:
        ValueError: If it is malformed or out of range.
    """
    index, slash, count = text.partition('/')
    if not (slash and index.isdecimal() and count.isdecimal()):
        raise ValueError(f'expected a shard as i/n such as 0/8, got {text!r}')
    if int(index) >= int(count):
        raise ValueError(
            f'shards count from 0: expected 0/{count} to '
            f'{int(count) - 1}/{count}, got {text!r}'
        )
    return int(index), int(count)


def take_shard(names: list[str], shard: tuple[int, int]) -> list[str]:
    """Return the shard's run of names; all shards join to the whole list."""
    index, count = shard
    start = index * len(names) // count
    return names[start : (index + 1) * len(names) // count]
