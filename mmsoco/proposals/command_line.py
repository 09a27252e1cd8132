"""What the proposal tools' command lines have in common."""

import argparse
import sys
from collections.abc import Callable

import numpy as np

from mmsoco.proposals.filters import FALLBACK_NAMES, FilterSpec
from mmsoco.proposals.search.selective_search import SearchSpec
from mmsoco.proposals.store import ProposalStore

_MOST_NAMED = 20


def add_spec_options(
    parser: argparse.ArgumentParser, spec: FilterSpec | SearchSpec, title: str
) -> None:
    """Add an option per parameter of a spec, with its values as defaults."""
    group = parser.add_argument_group(title)
    for name, value in spec.as_dict().items():
        group.add_argument(
            f'--{name.replace("_", "-")}',
            type=type(value),
            default=value,
            metavar='X',
            help='default: %(default).6g',
        )


def spec_from(
    args: argparse.Namespace, kind: type[FilterSpec] | type[SearchSpec]
) -> FilterSpec | SearchSpec:
    """Build a spec from its parsed options."""
    return kind(**{name: getattr(args, name) for name in kind().as_dict()})


def describe(store: ProposalStore) -> str:
    """Describe a store in lines: images, boxes, fallbacks, unreadable."""
    metadata = store.metadata
    counts = store.box_counts()
    lines = [f'images: {len(store)}']
    if len(store):
        lines.append(
            f'boxes per image: median {np.median(counts):g}, '
            f'mean {counts.mean():.1f}, {counts.min()} to {counts.max()}'
        )
    if metadata.get('filter'):
        fallbacks = ', '.join(
            f'{name} {count}'
            for name, count in zip(
                FALLBACK_NAMES, metadata['fallbacks'], strict=True
            )
        )
        lines.append(f'images by filter that found boxes: {fallbacks}')
    unreadable = metadata.get('unreadable', [])
    lines.append(f'unreadable images: {len(unreadable)}')
    lines += [
        f'  {entry["file_name"]}: {entry["reason"]}'
        for entry in unreadable[:_MOST_NAMED]
    ]
    if len(unreadable) > _MOST_NAMED:
        lines.append(
            f'  ... and {len(unreadable) - _MOST_NAMED} more, all named in '
            "the store's metadata"
        )
    return '\n'.join(lines)


def run(main: Callable[[], None]) -> None:
    """Run a tool; a user's error ends it with a line, not a traceback.

    Exits with 1 after such an error and 130 after Ctrl-C.
    """
    try:
        main()
    except KeyboardInterrupt:
        print('interrupted; finished parts are kept', file=sys.stderr)
        sys.exit(130)
    except (OSError, ValueError) as e:
        message = e.strerror if isinstance(e, OSError) else None
        name = getattr(e, 'filename', None)
        text = f'{message}: {name!r}' if message and name else message or e
        print(f'error: {text}', file=sys.stderr)
        sys.exit(1)
