"""Check and repair ids of a COCO document, and the names that go with them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from mmsoco.images.names import plain_form
from mmsoco.utils.problems import Outcome, Problems

# pycocotools keeps ids in float64.
_LARGEST_ID = 2**53


def keep_unique(
    entries: list[dict], kind: str, name_key: str, problems: Problems
) -> None:
    """Drop exact repetitions in place; report unusable ids and names.

    Args:
        entries: Categories or images; changed.
        kind: ``'category'`` or ``'image'``, for the report.
        name_key: The key of their names.
        problems: Changed.
    """
    unique: list[dict] = []
    seen: dict[str, dict] = {}
    for entry in entries:
        key = repr(entry['id'])
        where = f'{kind} {entry["id"]}, {entry[name_key]!r}'
        if seen.get(key) == entry:
            what = f'the same {kind} twice: kept once'
            problems.add(Outcome.REPAIRED, what, where)
            continue
        if not _is_id(entry['id']):
            what = f'{kind} id is not a whole number or text'
            problems.add(Outcome.STOP, what, where)
            entry['id'] = key  # lets the other checks continue
        elif key in seen:
            what = f'{kind} id is used more than once'
            problems.add(Outcome.STOP, what, where)
        name = entry[name_key]
        if not isinstance(name, str) or not name.strip():
            problems.add(Outcome.STOP, f'{kind} {name_key} is not text', where)
        seen[key] = entry
        unique.append(entry)
    entries[:] = unique


def drop_empty_twins(document: dict, problems: Problems) -> None:
    """Drop categories without objects that share their name with another one.

    Roboflow adds a category for the whole project, which may be named like a
    class. A detector would have one class too many.

    Args:
        document: The COCO document; changed.
        problems: Changed.
    """
    used = {str(thing['category_id']) for thing in document['annotations']}
    names = Counter(str(c['name']) for c in document['categories'])
    kept = []
    for category in document['categories']:
        name = str(category['name'])
        if names[name] > 1 and str(category['id']) not in used:
            names[name] -= 1
            what = 'category without objects, named like another one: dropped'
            where = f'category {category["id"]}, {name!r}'
            problems.add(Outcome.REPAIRED, what, where)
        else:
            kept.append(category)
    document['categories'] = kept


def check_class_names(categories: list[dict], problems: Problems) -> None:
    """Report names of categories that are equal or nearly so.

    Two categories of one name give a detector one class too many.
    """
    names = Counter(str(category['name']) for category in categories)
    plain = Counter(map(_without_blanks, names))
    alike = [name for name in names if plain[_without_blanks(name)] > 1]
    if alike:
        what = (
            'categories that differ only by capitals or blanks, or by their '
            'Unicode form (NFC, NFD): kept apart'
        )
        problems.add(Outcome.NOTE, what, ' / '.join(map(repr, alike)))
    for name, count in names.items():
        if count > 1:
            what = f'category name is there {count} times'
            problems.add(Outcome.STOP, what, name)


def check_file_names(images: list[dict], problems: Problems) -> None:
    """Note file names that several images have."""
    names = Counter(str(image['file_name']) for image in images)
    for name, count in names.items():
        if count > 1:
            what = f'image file_name is there {count} times'
            problems.add(Outcome.NOTE, what, name)


def _without_blanks(name: str) -> str:
    return ' '.join(plain_form(name).split())


def _is_id(value: Any) -> bool:
    """Return whether a value can name an image or category; True is not 1."""
    return isinstance(value, int | str) and not isinstance(value, bool)


def repair_whole_ids(
    entries: list[dict], keys: Sequence[str], problems: Problems
) -> None:
    """Turn an id of 1.0, as written by tables with gaps, into 1."""
    for entry in entries:
        for key in keys:
            value = entry[key]
            if isinstance(value, float) and value.is_integer():
                entry[key] = int(value)
                what = f'{key} has a decimal point: made a whole number'
                problems.add(Outcome.REPAIRED, what, str(value))


def repair_references(
    annotations: list[dict],
    key: str,
    listed: Mapping[Any, dict],
    problems: Problems,
) -> None:
    """Replace '1' by 1 where only the number is listed, and vice versa."""
    by_text: dict[str, list] = {}
    for known in listed:
        by_text.setdefault(str(known), []).append(known)
    for annotation in annotations:
        value = annotation[key]
        if not _is_id(value):
            annotation[key] = repr(value)
            continue
        meant = by_text.get(str(value), ())
        if value not in listed and len(meant) == 1:
            annotation[key] = meant[0]
            what = f'{key} is a {_kind(value)}: changed to the listed '
            what += _kind(meant[0])
            problems.add(Outcome.REPAIRED, what, repr(value))


def _kind(value: int | str) -> str:
    return 'text' if isinstance(value, str) else 'number'


def renumber(annotations: list[dict], problems: Problems) -> None:
    """Give the objects new ids unless all ids are unique.

    An id of 0 counts as no match in pycocotools' evaluation.
    """
    ids = [annotation.get('id') for annotation in annotations]
    if all(isinstance(i, int) and 0 < i < _LARGEST_ID for i in ids):
        twice = [i for i, count in Counter(ids).items() if count > 1]
        if not twice:
            return
        what, where = 'object id comes twice: renumbered', str(twice[0])
    else:
        what, where = 'object id is missing or 0, or too large: renumbered', ''
    for number, annotation in enumerate(annotations, start=1):
        annotation['id'] = number
    problems.add(Outcome.REPAIRED, what, where and f'id {where}')
