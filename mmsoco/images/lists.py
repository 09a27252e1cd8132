"""Find the images to work on, in a folder or by an annotation file.

All commands find images this way. What is left out is reported with the
reason: nobody should learn from a result that a third of the pictures was
missing.
"""

import hashlib
import os
import posixpath
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from mmsoco.images.errors import NOT_A_FILE
from mmsoco.images.files_below import OTHER_SPELLING, FilesBelow, is_file
from mmsoco.images.listed_names import listed_names
from mmsoco.images.names import HIDDEN, is_hidden, is_image, why_no_image
from mmsoco.utils.files import link_note
from mmsoco.utils.problems import Outcome, Problems


@dataclass(frozen=True)
class ImageList:
    """The images to work on.

    Attributes:
        root: The folder that the names are relative to.
        names: With ``/`` between the parts, sorted by code point (the order
            of the store), each once.
        problems: What was left out, changed or is remarkable.
    """

    root: str
    names: list[str] = field(repr=False)
    problems: Problems = field(repr=False)

    def report(self) -> str:
        """Say how many images there are, and what was left out and why."""
        left_out = self.problems.count(Outcome.LOST)
        first = f'{len(self.names)} images in {self.root!r}'
        if left_out:
            first += f', {left_out} entries left out'
        return '\n'.join(filter(None, [first, str(self.problems)]))


def find_images(
    root: str | os.PathLike, ann_file: str | os.PathLike | None = None
) -> ImageList:
    """Find the images to work on.

    Args:
        root: The image folder. Without ``ann_file`` it is searched
            recursively, links to folders included; hidden files and folders
            and those of systems are left out.
        ann_file: Names relative to ``root``, which they never leave: a text
            file with one per line, with or without a label; or a COCO-style
            ``.json``.

    Returns:
        The images, possibly none.

    Raises:
        FileNotFoundError: If the folder or the file is not there.
        NotADirectoryError: If ``root`` is not a folder.
        PermissionError: If ``root`` cannot be read.
        ValueError: If the file is malformed.
    """
    root = os.fspath(root)
    if not os.path.exists(root):
        raise FileNotFoundError(
            f'image folder {root!r} does not exist{link_note(root)}; check '
            'the path, and quote one with spaces'
        )
    if not os.path.isdir(root):
        raise NotADirectoryError(
            f'expected a folder of images, but {root!r} is a file'
        )
    problems = Problems()
    if ann_file is None:
        names = _walk(root, '', frozenset(), problems)
    else:
        listed = listed_names(ann_file, root, problems)
        names = _there(root, listed, problems)
    return ImageList(root, sorted(names), problems)


def refuse_none(
    found: ImageList, ann_file: str | os.PathLike | None = None
) -> None:
    """Raise ValueError if there is no image.

    Args:
        found: What was found.
        ann_file: The file that named the images, if there is one.
    """
    if found.names:
        return
    where = f'in {found.root!r} or below'
    if ann_file is not None:
        where = f'named by {str(ann_file)!r} that are in {found.root!r}'
    message = f'no images {where}; expected files such as .jpg or .png'
    raise ValueError('\n'.join(filter(None, [message, str(found.problems)])))


def _walk(
    folder: str, prefix: str, above: frozenset, problems: Problems
) -> Iterator[str]:
    """Yield images below ``folder``; ``above`` stops cycles of links."""
    here = os.path.realpath(folder)
    if here in above:
        problems.add(Outcome.LOST, 'link to a folder above itself', prefix)
        return
    try:
        with os.scandir(folder) as found:
            entries = list(found)
    except OSError as error:
        if not prefix:
            raise
        what = f'folder that cannot be read: {error.strerror}'
        problems.add(Outcome.LOST, what, prefix)
        return
    for entry in entries:
        name = prefix + entry.name
        is_folder = _is_folder(entry)
        if why := _why_left_out(entry, is_folder):
            problems.add(Outcome.LOST, why, name + '/' * is_folder)
        elif is_folder:
            yield from _walk(entry.path, f'{name}/', above | {here}, problems)
        else:
            yield name


def _why_left_out(entry: os.DirEntry, is_folder: bool) -> str | None:
    """Say why an entry of a folder is left out, None if it is not."""
    if is_hidden(entry.name):
        return HIDDEN.format('folder' if is_folder else 'file')
    if is_folder:
        return None
    if not is_image(entry.name):
        return why_no_image(entry.name)
    return None if is_file(entry) else _why_no_file(entry.path)


def _is_folder(entry: os.DirEntry) -> bool:
    """Return whether an entry is a folder; see `is_file`."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _why_no_file(path: str) -> str:
    """Say why a path is not a file that can be read."""
    if os.path.exists(path):
        return NOT_A_FILE
    if os.path.islink(path):
        return 'link to a file that is not there'
    return 'listed, but not in the folder'


def images_of_listing(
    names: Iterable[str], problems: Problems
) -> Iterator[str]:
    """Yield the images among all names of a place, by the rules for folders.

    Args:
        names: With ``/`` between the parts.
        problems: Gets what was left out.
    """
    for name in names:
        if any(is_hidden(part) for part in name.split('/')):
            problems.add(Outcome.LOST, HIDDEN.format('file'), name)
        elif is_image(name):
            yield name
        else:
            problems.add(Outcome.LOST, why_no_image(name), name)


def images_by_name(names: Iterable[str], problems: Problems) -> Iterator[str]:
    """Yield names that may be images, including those without an ending."""
    for name in names:
        if posixpath.splitext(name)[1] and not is_image(name):
            problems.add(Outcome.LOST, why_no_image(name), name)
        else:
            yield name


def _there(
    root: str, names: Iterable[str], problems: Problems
) -> Iterator[str]:
    """Yield the listed names whose files are there.

    Listing each folder is much faster than checking each file.
    """
    below = FilesBelow(root)
    taken = set()
    for name in names:
        found = below.find(name)
        if posixpath.splitext(name)[1] and not is_image(name):
            problems.add(Outcome.LOST, why_no_image(name), name)
        elif found is None:
            problems.add(
                Outcome.LOST, _why_no_file(os.path.join(root, name)), name
            )
        elif found in taken:
            problems.add(Outcome.NOTE, 'named twice: taken once', name)
        else:
            if found != name:
                problems.add(Outcome.REPAIRED, OTHER_SPELLING, name)
            taken.add(found)
            yield found


def fingerprint(names: Iterable[str]) -> str:
    """Return the SHA-256 of a list of names, hexadecimal."""
    digest = hashlib.sha256()
    for name in names:
        digest.update(name.encode('utf-8', 'surrogateescape') + b'\0')
    return digest.hexdigest()
