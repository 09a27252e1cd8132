"""Read one PASCAL VOC annotation, and repair it by its picture.

VOC's corners are 1-based and inclusive: a box (xmin, ymin, xmax, ymax) covers
x from xmin - 1 to xmax.
"""

import math
import posixpath
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mmsoco.datasets.picture_size import (
    TURNED,
    is_of_stored_picture,
    report_other_size,
)
from mmsoco.utils.problems import Outcome, Problems

REPAIRED, LOST = Outcome.REPAIRED, Outcome.LOST
CORNERS = ('xmin', 'ymin', 'xmax', 'ymax')
_DECLARATION = re.compile(r'\s*<\?xml[^>]*?\?>')
_ENCODING = re.compile(rb'<\?xml[^>]*?encoding=["\']([\w.:-]+)["\']')
# An & that does not begin an entity, which label tools forget to escape.
_BARE_AMPERSAND = re.compile(r'&(?!#?\w+;)')
OTHER_PICTURE = (
    '<filename> names a missing or another picture: that of the same name '
    'as the annotation taken'
)
_DIFFICULT = {
    **dict.fromkeys(('', '0', '0.0', 'false', 'no', 'unspecified'), False),
    **dict.fromkeys(('1', '1.0', 'true', 'yes'), True),
}
# Where nothing is declared: the commonest first. Latin-1 reads anything.
_GUESSES = ('gb18030', 'latin-1')


class AnnotationError(ValueError):
    """A VOC file that cannot be used.

    Attributes:
        what: Why, the same words for all files of the kind.
        detail: What was found in this file.
    """

    def __init__(self, what: str, detail: str = '') -> None:
        super().__init__(f'{what}: {detail}' if detail else what)
        self.what = what
        self.detail = detail


@dataclass(frozen=True)
class VocObject:
    """An object of a VOC annotation.

    Attributes:
        name: Its class.
        bbox: x, y, width, height in pixels, absolute, continuous (COCO).
        difficult: Whether VOC leaves it out of the evaluation.
    """

    name: str
    bbox: tuple[float, float, float, float]
    difficult: bool


@dataclass(frozen=True)
class VocImage:
    """A VOC annotation.

    Attributes:
        file_name: Name of the picture.
        height: Its height in pixels.
        width: Its width in pixels.
        objects: What is on it.
    """

    file_name: str
    height: int
    width: int
    objects: tuple[VocObject, ...]


def parse(path: Path, problems: Problems) -> ElementTree.Element:
    """Read an XML file in any encoding that Python knows.

    Args:
        path: The file.
        problems: Gets what was repaired.

    Raises:
        AnnotationError: If it is not XML.
    """
    data = path.read_bytes()
    text = _decode(data, path, problems)
    text = _DECLARATION.sub('', text, count=1)
    try:
        return ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        escaped = _BARE_AMPERSAND.sub('&amp;', text)
        if escaped != text:
            problems.add(
                REPAIRED, '& without escape: taken as a letter', str(path)
            )
            return _parse_again(escaped)
        raise AnnotationError('not XML', str(error)) from None


def _parse_again(text: str) -> ElementTree.Element:
    try:
        return ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise AnnotationError('not XML', str(error)) from None


def _decode(data: bytes, path: Path, problems: Problems) -> str:
    """Decode a file as it declares, or as it can be read."""
    declared = _ENCODING.search(data[:200])
    encodings = ['utf-8-sig']
    if data[:2] in (b'\xff\xfe', b'\xfe\xff'):
        encodings = ['utf-16']
    elif declared:
        name = declared[1].decode('ascii').lower()
        # Files that declare the old set use letters of the new one too.
        name = 'gb18030' if name in ('gb2312', 'gbk') else name
        encodings.insert(name not in ('utf-8', 'utf8'), name)
        encodings.reverse()
    for encoding in [*encodings, *_GUESSES]:
        try:
            text = data.decode(encoding)
        except (UnicodeDecodeError, LookupError):
            continue
        if encoding not in encodings:
            what = f'not in the encoding it declares: read as {encoding}'
            problems.add(REPAIRED, what, str(path))
        return text
    raise AnnotationError('not text in any known encoding')


def read_names(path: Path) -> set[str]:
    """Return the classes of an annotation, without checking the rest.

    Raises:
        AnnotationError: If it is not XML.
    """
    objects = parse(path, Problems()).iterfind('object')
    return {_class_of(node) for node in objects} - {''}


def read_annotation(
    path: Path,
    find_picture: Callable[[str], str],
    read_size: Callable[[str], tuple[int, int]],
    is_turned: Callable[[str], bool],
    problems: Problems,
) -> VocImage:
    """Read a VOC annotation; take name and size from its picture.

    An object that cannot be read makes the whole picture unusable: without
    its box a detector would learn that there is nothing.

    Args:
        path: The XML file.
        find_picture: Gives a picture's name by the name that the annotation
            has for it ('' if none); raises AnnotationError if it is not
            there.
        read_size: Gives the (height, width) of a picture; raises
            AnnotationError if it is not readable.
        is_turned: Returns whether EXIF turns a picture by a quarter.
        problems: Gets what was repaired, and boxes that were left out.

    Raises:
        AnnotationError: If the annotation cannot be used.
    """
    root = parse(path, problems)
    if root.tag != 'annotation':
        raise AnnotationError(
            'not a PASCAL VOC annotation',
            f'expected <annotation>, got <{root.tag}>',
        )
    named = (root.findtext('filename') or '').strip()
    picture = find_picture(named)
    if not named:
        what = 'no <filename>: the picture of the same name taken'
        problems.add(REPAIRED, what, str(path))
    height, width = read_size(picture)
    reported = _reported_size(root)
    if named and not _is_name_of(named, picture):
        where = f'{path}: {base_of(named)}, taken {picture}'
        if min(reported) > 0 and reported != (height, width):
            raise AnnotationError(
                'neither <filename> nor <size> is that of the picture of the '
                'same name',
                f'{base_of(named)} for {picture}',
            )
        problems.add(REPAIRED, OTHER_PICTURE, where)
    size = height, width
    if is_of_stored_picture(reported, size, lambda: is_turned(picture)):
        raise AnnotationError(TURNED)
    usable = reported if min(reported) > 0 else None
    report_other_size(usable, size, str(path), problems)
    objects = [
        _read_object(node, height, width, path, problems)
        for node in root.findall('object')
    ]
    return VocImage(
        file_name=picture,
        height=height,
        width=width,
        objects=tuple(filter(None, objects)),
    )


def base_of(named: str) -> str:
    """Return the last part of a path, in either spelling."""
    return posixpath.basename(named.replace('\\', '/'))


def _is_name_of(named: str, picture: str) -> bool:
    """Return whether a name means a picture, with or without its ending."""
    base = base_of(named).casefold()
    picture = picture.casefold()
    return base in (picture, posixpath.splitext(picture)[0])


def _reported_size(root: ElementTree.Element) -> tuple[int, int]:
    """Return the (height, width) that an annotation reports, or zeros."""
    height, width = (
        root.findtext(f'size/{side}') or '' for side in ('height', 'width')
    )
    try:
        return int(float(height)), int(float(width))
    except (ValueError, OverflowError):
        return (0, 0)


def _read_object(
    node: ElementTree.Element,
    height: int,
    width: int,
    path: Path,
    problems: Problems,
) -> VocObject | None:
    """Read an ``<object>``, None if its box lies outside of the picture.

    Raises:
        AnnotationError: If a part is missing or not a number.
    """
    name = _class_of(node)
    if not name:
        raise AnnotationError('an <object> has no <name>')
    boxes = node.findall('bndbox')
    if len(boxes) != 1:
        number = 'more than one' if boxes else 'no'
        raise AnnotationError(f'an <object> has {number} <bndbox>')
    x1, y1, x2, y2 = corners = [_corner(boxes[0], tag) for tag in CORNERS]
    if max(map(abs, corners)) <= 1 and any(c % 1 for c in corners):
        raise AnnotationError(
            'corners of a box are fractions of the picture, expected pixels',
            str(corners),
        )
    if x2 < x1 or y2 < y1:
        x1, x2, y1, y2 = *sorted((x1, x2)), *sorted((y1, y2))
        if x1 < 0 or y1 < 0 or x2 > width or y2 > height:
            raise AnnotationError(
                'corners of a box are neither in order nor in the picture'
            )
        what = 'corners of a box are swapped: put in order'
        problems.add(REPAIRED, what, str(path))
    left, top = max(x1 - 1, 0.0), max(y1 - 1, 0.0)
    right, bottom = min(x2, width), min(y2, height)
    if right <= left or bottom <= top:
        problems.add(LOST, 'box lies outside of the picture', str(path))
        return None
    # Tools that count from 0 write boxes that begin at 0.
    if x1 < 0 or y1 < 0 or x2 > width or y2 > height:
        problems.add(REPAIRED, 'box leaves the picture: clipped', str(path))
    return VocObject(
        name=name,
        bbox=(left, top, right - left, bottom - top),
        difficult=_is_difficult(node, path, problems),
    )


def _class_of(node: ElementTree.Element) -> str:
    """Return the class of an ``<object>`` on one line, '' if it has none."""
    return ' '.join((node.findtext('name') or '').split())


def _is_difficult(
    node: ElementTree.Element, path: Path, problems: Problems
) -> bool:
    """Return whether an ``<object>`` is marked as difficult."""
    text = (node.findtext('difficult') or '').strip().lower()
    if text not in _DIFFICULT:
        what = '<difficult> is neither 0 nor 1: taken as 0'
        problems.add(REPAIRED, what, f'{path}: {text!r}')
    return _DIFFICULT.get(text, False)


def _corner(box: ElementTree.Element, tag: str) -> float:
    found = box.findall(tag)
    text = ((found[0].text if found else None) or '').strip()
    if not text:
        raise AnnotationError('a <bndbox> lacks a corner', f'<{tag}>')
    if len(found) > 1:
        raise AnnotationError('a <bndbox> has a corner twice', f'<{tag}>')
    try:
        value = math.nan if '_' in text else float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise AnnotationError(
            'a corner of a box is not a number', f'<{tag}> is {text!r}'
        )
    return value
