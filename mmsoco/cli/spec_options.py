"""Options from the parameters of the search and of the filter."""

import argparse
from typing import TypeVar

from mmsoco.cli.common import integer, number
from mmsoco.proposals.filters import FilterSpec
from mmsoco.proposals.search.spec import SearchSpec

Spec = TypeVar('Spec', FilterSpec, SearchSpec)


def add_spec_options(
    parser: argparse.ArgumentParser, spec: FilterSpec | SearchSpec, title: str
) -> None:
    """Add an option per parameter of a spec, with its values as defaults."""
    group = parser.add_argument_group(title)
    for name, value in spec.as_dict().items():
        group.add_argument(
            f'--{name.replace("_", "-")}',
            type=integer(0) if isinstance(value, int) else number(0),
            default=value,
            metavar='X',
            help='default: %(default).6g',
        )


def spec_from(args: argparse.Namespace, kind: type[Spec]) -> Spec:
    """Build a spec from its parsed options.

    Raises:
        ValueError: The values do not fit each other; the message names the
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
