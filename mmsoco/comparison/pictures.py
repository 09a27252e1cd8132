"""Find the pictures of a comparison, and check that none is used twice."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from mmsoco.images.lists import find_images
from mmsoco.utils.files import sha256

_MOST_NAMED = 3


def picture_paths(folder: Path) -> list[Path]:
    """Return the pictures below a folder.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If it has no pictures.
    """
    paths = [folder / name for name in find_images(folder).names]
    if not paths:
        raise ValueError(f'there are no pictures in {folder}')
    return paths


def fingerprint(folder: Path, paths: Iterable[Path]) -> str:
    """Return a SHA-256 of the names and sizes of pictures."""
    digest = hashlib.sha256()
    for path in paths:
        name = path.relative_to(folder).as_posix()
        entry = json.dumps([name, path.stat().st_size])
        digest.update(entry.encode())
    return digest.hexdigest()


def same_pictures(first: list[Path], second: list[Path]) -> list[Path]:
    """Return the pictures of the second list that are also in the first.

    Pictures are the same if their bytes are; files of equal size are hashed.
    """
    by_size = defaultdict(list)
    for path in first:
        by_size[path.stat().st_size].append(path)
    # Uncompressed pictures are all of one size: each is hashed only once.
    digests: dict[int, set[str]] = {}
    found = []
    for path in second:
        size = path.stat().st_size
        if size not in by_size:
            continue
        if size not in digests:
            digests[size] = set(map(sha256, by_size[size]))
        if sha256(path) in digests[size]:
            found.append(path)
    return found


def labelled_paths(folder: Path, document: dict) -> list[Path]:
    """Return the pictures that annotations name.

    Raises:
        FileNotFoundError: If some of them do not exist.
    """
    paths = [folder / image['file_name'] for image in document['images']]
    missing = [path for path in paths if not path.is_file()]
    if missing:
        names = ', '.join(str(path) for path in missing[:_MOST_NAMED])
        raise FileNotFoundError(
            f'{len(missing)} of {len(paths)} labeled pictures do not exist '
            f'in {folder}: {names}'
        )
    return paths


def check_separate(pretraining: list[Path], validation: list[Path]) -> int:
    """Count the validation pictures that pretraining sees.

    Returns:
        Their number, which is 0.

    Raises:
        ValueError: If there are some; the message names them.
    """
    shared = same_pictures(pretraining, validation)
    if shared:
        names = ', '.join(path.name for path in shared[:_MOST_NAMED])
        raise ValueError(
            f'{len(shared)} of {len(validation)} validation pictures are '
            f'among the pictures for pretraining ({names}), so that the '
            'comparison would be worth nothing. Take them out, or set '
            'data.val_in_pretraining=True: the report then says so'
        )
    return 0
