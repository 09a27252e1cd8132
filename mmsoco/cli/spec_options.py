"""Make options from the parameters of the search and of the filter."""

import argparse
from typing import TypeVar

from mmsoco.cli.option_types import integer, number
from mmsoco.proposals.filters import FilterSpec
from mmsoco.proposals.search.spec import SearchSpec

Spec = TypeVar('Spec', FilterSpec, SearchSpec)

# The possible values of each option; the specs check whether values fit each
# other. Pictures, and so boxes, have sides of at most 65535 pixels.
TYPES = {
    'min_size': number(1, 65535),
    'min_ratio': number(0, above=True),
    'max_ratio': number(0, above=True),
    'min_scale': number(0, 1),
    'max_scale': number(0, above=True),
    'scale': number(0, above=True),
    'sigma': number(0.01, 100),
    'min_region_size': integer(0, 2**31 - 1),
}


MEANINGS = {
    'min_size': 'smallest width and height of a box, in pixels',
    'min_ratio': 'smallest width / height of a box',
    'max_ratio': 'largest width / height of a box',
    'min_scale': 'smallest sqrt(box area) / sqrt(picture area)',
    'max_scale': 'largest sqrt(box area) / sqrt(picture area)',
    'scale': 'how readily regions grow; larger values give larger regions',
    'sigma': 'standard deviation of the initial smoothing, in pixels',
    'min_region_size': 'smallest area of an initial region, in pixels',
}


def add_spec_options(
    parser: argparse.ArgumentParser, spec: FilterSpec | SearchSpec, title: str
) -> None:
    """Add an option for each parameter of a spec; its values are defaults."""
    group = parser.add_argument_group(title)
    for name, value in spec.as_dict().items():
        group.add_argument(
            f'--{name.replace("_", "-")}',
            type=TYPES[name],
            default=value,
            metavar='X',
            help=f'{MEANINGS[name]} (default: %(default).6g)',
        )


def spec_from(args: argparse.Namespace, kind: type[Spec]) -> Spec:
    """Build a spec from its parsed options.

    Raises:
        ValueError: If the values do not fit each other; the message names the
            options.
    """
    names = list(kind().as_dict())
    try:
        return kind(**{name: getattr(args, name) for name in names})
    except ValueError as error:
        options = [f'--{name.replace("_", "-")}' for name in names]
        text = str(error)
        for name, option in zip(names, options, strict=True):
            text = text.replace(name, option)
        raise ValueError(text) from None
