"""Parse which views are compared with each other, and on which proposals.

The pipeline and the model read the same ``pairs`` of a config, and the order
in which boxes are passed between them is defined only here.
"""

from collections.abc import Sequence
from typing import NamedTuple


class ViewPair(NamedTuple):
    """Two views whose object embeddings are pulled together.

    Attributes:
        views: The two views, counted from 1 as in the paper.
        proposals_of: The pair whose draw of proposals this pair uses: itself,
            or an earlier pair (SoCo*: views 1 and 4 are compared on the
            proposals drawn for views 1 and 2).
    """

    views: tuple[int, int]
    proposals_of: tuple[int, int]


class RoISet(NamedTuple):
    """The identity of the K boxes of one draw of proposals on one view.

    The boxes themselves are tensors in the order of `roi_sets`. With their
    pyramid levels they are `AssignedRoIs`, pooled `PooledRoIs`.

    Attributes:
        view: The view that the boxes lie on, counted from 1.
        pair: The pair for which the proposals were drawn.
    """

    view: int
    pair: tuple[int, int]


def parse_pairs(cfg: Sequence[Sequence[int] | dict]) -> list[ViewPair]:
    """Read the ``pairs`` of a config.

    Args:
        cfg: One entry per pair: two view numbers, or a dict with ``views``
            and optionally ``proposals_of`` (two view numbers each).

    Returns:
        The pairs in the given order.

    Raises:
        TypeError: If an entry is neither two numbers nor such a dict.
        ValueError: If there is no pair, a pair is given twice, a view number
            is below 1 or paired with itself, or ``proposals_of`` does not name
            a pair with its own proposals.

    Examples:
        >>> parse_pairs([(1, 2), dict(views=(1, 4), proposals_of=(1, 2))])[1]
        ViewPair(views=(1, 4), proposals_of=(1, 2))
    """
    if not cfg:
        raise ValueError('pairs is empty; give at least one, e.g. [(1, 2)]')
    pairs = [_parse_pair(entry) for entry in cfg]
    views = [pair.views for pair in pairs]
    if len(set(views)) < len(views):
        raise ValueError(f'a pair of views occurs twice in pairs={views}')
    drawn = [pair.views for pair in pairs if pair.proposals_of == pair.views]
    for pair in pairs:
        if pair.proposals_of not in drawn:
            raise ValueError(
                f'pair {pair.views} takes the proposals of '
                f'{pair.proposals_of}, but only {drawn} draw their own'
            )
    return pairs


def roi_sets(pairs: Sequence[ViewPair]) -> list[RoISet]:
    """List the sets of boxes that the pairs need, each once.

    The order is that of the pairs and, within a pair, of its views; a set
    that an earlier pair has listed is not listed again. It is the order of
    ``data_samples['bboxes']``.

    Args:
        pairs: Pairs from `parse_pairs`.

    Returns:
        The sets; (1, 2), (1, 3) give (1, (1, 2)), (2, (1, 2)), (1, (1, 3)),
        (3, (1, 3)).
    """
    sets = [
        RoISet(view, pair.proposals_of)
        for pair in pairs
        for view in pair.views
    ]
    return list(dict.fromkeys(sets))


def describe_sets(sets: Sequence[RoISet]) -> str:
    """Describe RoI sets and their order as text, to be passed with a batch.

    Args:
        sets: From `roi_sets`.

    Examples:
        >>> describe_sets(roi_sets(parse_pairs([(1, 2)])))
        '1 of (1, 2), 2 of (1, 2)'
    """
    return ', '.join(f'{of.view} of {of.pair}' for of in sets)


def _parse_pair(entry: Sequence[int] | dict) -> ViewPair:
    if not isinstance(entry, dict):
        views = _two_views(entry)
        return ViewPair(views, views)
    unknown = set(entry) - {'views', 'proposals_of'}
    if unknown or 'views' not in entry:
        raise ValueError(
            'a pair has the keys "views" and optionally "proposals_of", '
            f'got {sorted(entry)}'
        )
    views = _two_views(entry['views'])
    return ViewPair(views, _two_views(entry.get('proposals_of', views)))


def _two_views(entry: Sequence[int]) -> tuple[int, int]:
    is_pair = isinstance(entry, (list, tuple)) and len(entry) == 2
    if not is_pair or not all(type(view) is int for view in entry):
        raise TypeError(
            f'a pair is two view numbers such as (1, 2), got {entry!r}'
        )
    if min(entry) < 1 or entry[0] == entry[1]:
        raise ValueError(
            f'a pair is two different views counted from 1, got {tuple(entry)}'
        )
    first, second = entry
    return first, second
