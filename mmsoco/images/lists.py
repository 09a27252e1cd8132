"""Which images to work on: from a folder or from an annotation file.

The one reader of folders and lists. It says what it left out and why: nobody
should find out from a result that a third of the pictures was not there.
"""

import contextlib
import hashlib
import os
import posixpath
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from PIL import features

from mmsoco.images.reading import NOT_A_FILE
from mmsoco.utils.files import decode_text, parse_json
from mmsoco.utils.problems import Outcome, Problems

LOST, REPAIRED, NOTE = Outcome.LOST, Outcome.REPAIRED, Outcome.NOTE

# Endings that Pillow reads only where it was built with a library.
_OPTIONAL = {
    'webp': '.webp',
    'avif': '.avif',
    'jpg_2000': '.jp2 .j2c .j2k .jpc .jpf .jpx',
}
EXTENSIONS = frozenset(
    '.apng .bmp .dib .gif .jfif .jpe .jpeg .jpg .mpo .pbm .pgm .pjpeg .png '
    '.pnm .ppm .tif .tiff'.split()
).union(
    *(
        endings.split()
        for library, endings in _OPTIONAL.items()
        if features.check(library)
    )
)
# Pictures, but none that this Pillow reads.
_UNREAD = (
    frozenset(
        '.avif .heic .heif .jp2 .j2c .j2k .jpc .jpf .jpx .jxl .webp .arw .cr2 '
        '.cr3 .dng .eps .exr .hdr .ico .nef .orf .pfm .psd .raf .rw2 .svg '
        '.tga'.split()
    )
    - EXTENSIONS
)
# What systems and programs leave behind in folders of pictures; names that
# begin with a dot are left out too.
_SYSTEM = frozenset(
    '@eadir #recycle @recycle __macosx lost+found $recycle.bin thumbs.db '
    'desktop.ini'.split()
) | {'system volume information'}
_HIDDEN = '{} that is hidden or of the system'
_LABELLED = re.compile(
    r'(.+?(?:{}))["\']?(?:\s*[,;\t]\s*|\s+)\S.*'.format(
        '|'.join(re.escape(e) for e in sorted(EXTENSIONS | _UNREAD))
    ),
    re.IGNORECASE,
)
OTHER_SPELLING = (
    "name differs from the file's in capitals or Unicode form (NFC, NFD): "
    "the file's taken"
)
_DRIVE = re.compile('[A-Za-z]:/')


@dataclass(frozen=True)
class ImageList:
    """The images to work on.

    Attributes:
        root: The folder that the names are relative to.
        names: With ``/`` between the parts, sorted by code point (the order
            of the store), each once.
        problems: What was left out, changed or remarkable.
    """

    root: str
    names: list[str] = field(repr=False)
    problems: Problems = field(repr=False)

    def report(self) -> str:
        """Say how many images there are, and what was left out and why."""
        left_out = self.problems.count(LOST)
        first = f'{len(self.names)} images in {self.root!r}'
        if left_out:
            first += f', {left_out} entries left out'
        return '\n'.join(filter(None, [first, str(self.problems)]))


def is_image(name: str | PurePath) -> bool:
    """Return whether a file is an image, by its extension in any case."""
    return os.path.splitext(name)[1].lower() in EXTENSIONS


def find_images(
    root: str | os.PathLike, ann_file: str | os.PathLike | None = None
) -> ImageList:
    """Find the images to work on.

    Args:
        root: The image folder. Without ``ann_file`` it is searched
            recursively, links to folders included; hidden files and folders
            and those of systems are left out.
        ann_file: Names relative to ``root``, which they never leave: a text
            file with one per line, a label behind it or not; or a COCO-style
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
            f'image folder {root!r} does not exist; check the path, and quote '
            'one with spaces'
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


def find_some_images(
    root: str | os.PathLike, ann_file: str | os.PathLike | None = None
) -> ImageList:
    """Find the images to work on, at least one; see `find_images`.

    Raises:
        ValueError: If there is no image; the message says what was left out.
    """
    found = find_images(root, ann_file)
    refuse_none(found, ann_file)
    return found


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


def collect_names(
    root: str | os.PathLike, ann_file: str | os.PathLike | None = None
) -> list[str]:
    """Return the names that `find_some_images` finds."""
    return find_some_images(root, ann_file).names


def _walk(
    folder: str, prefix: str, above: frozenset, problems: Problems
) -> Iterator[str]:
    """Yield images below ``folder``; ``above`` breaks circles of links."""
    here = os.path.realpath(folder)
    if here in above:
        problems.add(LOST, 'link to a folder above itself', prefix)
        return
    try:
        with os.scandir(folder) as found:
            entries = list(found)
    except OSError as error:
        if not prefix:
            raise
        what = f'folder that cannot be read: {error.strerror}'
        problems.add(LOST, what, prefix)
        return
    for entry in entries:
        name = prefix + entry.name
        is_folder = _is_folder(entry)
        if why := _why_left_out(entry, is_folder):
            problems.add(LOST, why, name + '/' * is_folder)
        elif is_folder:
            yield from _walk(entry.path, f'{name}/', above | {here}, problems)
        else:
            yield name


def _why_left_out(entry: os.DirEntry, is_folder: bool) -> str | None:
    """Say why an entry of a folder is not looked at, if it is not."""
    if _is_hidden(entry.name):
        return _HIDDEN.format('folder' if is_folder else 'file')
    if is_folder:
        return None
    if not is_image(entry.name):
        return _why_no_image(entry.name)
    return None if _is_file(entry) else _why_no_file(entry.path)


def _is_folder(entry: os.DirEntry) -> bool:
    """Return whether an entry is a folder; see `_is_file`."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _is_file(entry: os.DirEntry) -> bool:
    """Return whether an entry is a file, or a link to one.

    Python raises an error for links that lead in a circle or to where one
    must not look. That is a reason to leave out the entry, not the folder.
    """
    try:
        return entry.is_file()
    except OSError:
        return False


def _why_no_file(path: str) -> str:
    """Say why a path leads to no file that can be read."""
    if os.path.exists(path):
        return NOT_A_FILE
    if os.path.islink(path):
        return 'link to a file that is not there'
    return 'listed, but not in the folder'


def _is_hidden(name: str) -> bool:
    """Return whether a file or folder is left out for its name."""
    return name.startswith('.') or name.lower() in _SYSTEM


def _why_no_image(name: str) -> str:
    ending = os.path.splitext(name)[1].lower()
    if ending in _UNREAD:
        return f'{ending} picture, which cannot be read: convert it to .png'
    if re.fullmatch(r'\.[a-z][a-z0-9]{0,5}', ending):
        return f'{ending} file: not a picture'
    return 'not a picture by its name'


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


def images_of_listing(
    names: Iterable[str], problems: Problems
) -> Iterator[str]:
    """Yield the images among all names of a place, as a folder's are taken.

    Args:
        names: With ``/`` between the parts.
        problems: Gets what was left out.
    """
    for name in names:
        if any(_is_hidden(part) for part in name.split('/')):
            problems.add(LOST, _HIDDEN.format('file'), name)
        elif is_image(name):
            yield name
        else:
            problems.add(LOST, _why_no_image(name), name)


def images_by_name(names: Iterable[str], problems: Problems) -> Iterator[str]:
    """Yield the names that may be images: also those without an ending."""
    for name in names:
        if posixpath.splitext(name)[1] and not is_image(name):
            problems.add(LOST, _why_no_image(name), name)
        else:
            yield name


def listed_names(
    ann_file: str | os.PathLike, root: str, problems: Problems
) -> list[str]:
    """Turn a list's entries into names below the root, each once.

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
            problems.add(NOTE, 'named twice: taken once', clean)
        names[clean] = None
    return list(names)


def _without_label(entry: str, problems: Problems) -> str:
    """Cut what surrounds a picture's name in a line."""
    bare = entry.strip('"\' \t,;')
    if is_image(bare):
        what = 'quotes around a name, or separators after it: cut'
        problems.add(NOTE, what, entry)
        return bare
    match = _LABELLED.fullmatch(entry)
    if not match:
        return entry
    problems.add(NOTE, 'label after the name: not used', entry)
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
        problems.add(REPAIRED, r'\ in a name: taken as /', name)
    if '\0' in clean:
        problems.add(LOST, 'name with a zero byte', repr(name))
        return None
    if posixpath.isabs(clean):
        clean = _relative(clean, root)
        if not clean.startswith('../'):
            problems.add(REPAIRED, 'absolute path: made relative', name)
    clean = posixpath.normpath(clean)
    if clean == '..' or clean.startswith('../') or _DRIVE.match(clean):
        problems.add(LOST, 'name that leaves the image folder', name)
        return None
    return clean


def _relative(path: str, root: str) -> str:
    """Make a path relative to a folder, by its name or what it links to."""
    ways = (
        posixpath.relpath(path, folder)
        for folder in (os.path.abspath(root), os.path.realpath(root))
    )
    return min(ways, key=lambda way: way.startswith('../'))


def _there(
    root: str, names: Iterable[str], problems: Problems
) -> Iterator[str]:
    """Yield the listed names whose files are there.

    A listing per folder takes a fraction of the time of a look per file.
    """
    below = FilesBelow(root)
    taken = set()
    for name in names:
        found = below.find(name)
        if posixpath.splitext(name)[1] and not is_image(name):
            problems.add(LOST, _why_no_image(name), name)
        elif found is None:
            problems.add(LOST, _why_no_file(os.path.join(root, name)), name)
        elif found in taken:
            problems.add(NOTE, 'named twice: taken once', name)
        else:
            if found != name:
                problems.add(REPAIRED, OTHER_SPELLING, name)
            taken.add(found)
            yield found


class FilesBelow:
    """Finds listed files below a folder, in whatever form they are written.

    A name that was written on a Mac may have its accents as characters of
    their own (Unicode's NFD), and one from Windows other capitals.

    Args:
        root: The folder.
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = os.fspath(root)
        self._files: dict[str, set[str]] = {}
        self._alike: dict[str, dict[str, list[str]]] = {}

    def find(self, name: str) -> str | None:
        """Find the file that a name means.

        Args:
            name: Relative to the folder, with ``/`` between the parts.

        Returns:
            The name as the folder has it: the same, or the only one that
            differs in its capitals or Unicode form alone. None without one.
        """
        if self._is_file(name):
            return name
        found = ''
        for part in name.split('/'):
            names = self._names_like(found, part)
            if len(names) != 1:
                return None
            found = posixpath.join(found, names[0])
        return found if self._is_file(found) else None

    def _is_file(self, name: str) -> bool:
        folder, base = posixpath.split(name)
        if folder not in self._files:
            self._files[folder] = files_in(os.path.join(self.root, folder))
        return base in self._files[folder]

    def _names_like(self, folder: str, part: str) -> list[str]:
        """Return the entries of a folder that a part of a name may mean."""
        if folder not in self._alike:
            alike: dict[str, list[str]] = {}
            with contextlib.suppress(OSError):
                for entry in os.listdir(os.path.join(self.root, folder)):
                    alike.setdefault(plain_form(entry), []).append(entry)
            self._alike[folder] = alike
        names = self._alike[folder].get(plain_form(part), [])
        return [part] if part in names else names


def plain_form(text: str) -> str:
    """Return a text without what capitals and Unicode's forms make of it."""
    return unicodedata.normalize('NFC', text).casefold()


def files_in(folder: str | os.PathLike[str]) -> set[str]:
    """Return the names of the files in a folder, and of links to files.

    Pipes, sockets and devices are left out: who opens one may wait for ever.
    There are none where the folder cannot be read.
    """
    try:
        with os.scandir(folder) as found:
            return {entry.name for entry in found if _is_file(entry)}
    except OSError:
        return set()


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
    if not int(count):
        raise ValueError(f'expected at least 1 shard, got {text!r}')
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
