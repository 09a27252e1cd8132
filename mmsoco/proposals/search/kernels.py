"""Check whether the compiled search kernels are in numba's cache."""

from mmsoco.proposals.search import (
    edge_costs,
    grouping,
    segmentation,
    texture,
)

ROOMS = (edge_costs, grouping, segmentation, texture)


def kernels() -> list:
    """Return the compiled functions of the search."""
    return [
        value
        for room in ROOMS
        for value in vars(room).values()
        if hasattr(value, 'stats')
    ]


def are_cached() -> bool:
    """Return whether all kernels were compiled on this machine before.

    numba has no public function for this; if its private one has changed, the
    kernels are assumed to be cached.
    """
    try:
        return all(k._cache._cache_file._load_index() for k in kernels())
    except (AttributeError, OSError):
        return True


def compiled_now() -> int:
    """Count the kernels that this process compiled instead of loading."""
    return sum(sum(k.stats.cache_misses.values()) for k in kernels())
