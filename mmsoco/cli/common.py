"""The parser and common options of all verbs.

Importing this module imports only the standard library.
"""

from __future__ import annotations

import argparse
import copy
import os
import sys
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar, overload

from mmsoco.cli.option_types import path
from mmsoco.utils.files import refuse_unwritable
from mmsoco.utils.names import near

_Namespace = TypeVar('_Namespace')
# Where an option --out is kept until `resolve_out` sets ``out``.
_OUT_OPTION = 'out_option'
# Of a path whose blanks were not quoted.
_MOST_WORDS = 8
# Names of files that a message lists, where a pattern gave thousands.
_MOST_UNKNOWN = 3
STATUS_USAGE = 2  # the exit status of argparse
# Options of files and folders that a verb writes.
_OUTPUTS = ('out', 'work_dir', 'records')


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Keep the lines of descriptions, and names with hyphens in one piece.

    The usage shows an option that `resolve_out` requires without brackets.
    """

    def add_usage(
        self,
        usage: str | None,
        actions: Iterable[argparse.Action],
        groups: Iterable[Any],
        prefix: str | None = None,
    ) -> None:
        """Add the usage of some arguments."""
        shown = [
            _as_required(action) if action.dest == _OUT_OPTION else action
            for action in actions
        ]
        super().add_usage(usage, shown, groups, prefix)

    def _split_lines(self, text: str, width: int) -> list[str]:
        return textwrap.wrap(
            ' '.join(text.split()),
            width,
            break_on_hyphens=False,
            break_long_words=False,
        )


def _as_required(action: argparse.Action) -> argparse.Action:
    """Return a copy of an option that the usage shows without brackets."""
    action = copy.copy(action)
    action.required = True
    return action


class Parser(argparse.ArgumentParser):
    """An argument parser that refuses abbreviations and suggests names.

    Args:
        kwargs: See `argparse.ArgumentParser`; the description keeps its
            lines.
    """

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault('allow_abbrev', False)
        kwargs.setdefault('formatter_class', HelpFormatter)
        super().__init__(**kwargs)
        self._typed: Sequence[str] = ()

    def add_argument(self, *args: Any, **kwargs: Any) -> argparse.Action:
        """Add an argument; placeholders are written in capitals."""
        if not args[0].startswith('-'):
            kwargs.setdefault('metavar', args[0].upper())
        return super().add_argument(*args, **kwargs)

    @overload
    def parse_known_args(
        self, args: Iterable[str] | None = None, namespace: None = None
    ) -> tuple[argparse.Namespace, list[str]]: ...

    @overload
    def parse_known_args(
        self, args: Iterable[str] | None, namespace: _Namespace
    ) -> tuple[_Namespace, list[str]]: ...

    @overload
    def parse_known_args(
        self, *, namespace: _Namespace
    ) -> tuple[_Namespace, list[str]]: ...

    def parse_known_args(
        self,
        args: Iterable[str] | None = None,
        namespace: _Namespace | None = None,
    ) -> tuple[_Namespace | argparse.Namespace, list[str]]:
        """Parse the command line; exit with 2 at an unknown argument."""
        self._typed = sys.argv[1:] if args is None else list(args)
        parsed, unknown = super().parse_known_args(self._typed, namespace)
        if unknown:
            name = unknown[0].partition('=')[0]
            if name.startswith('-'):
                hint = near(name, self._option_string_actions)
            else:
                hint = self.unquoted(name)
            shown = ' '.join(unknown[:_MOST_UNKNOWN])
            if len(unknown) > _MOST_UNKNOWN:
                shown += f' and {len(unknown) - _MOST_UNKNOWN} more'
            self.error(f'unknown argument: {shown}{hint}')
        return parsed, []

    def unquoted(self, word: str) -> str:
        """Say how to type a path that a word and its neighbors are."""
        words = list(self._typed)
        for begin in range(len(words)):
            for end in range(begin + 2, begin + _MOST_WORDS + 1):
                name = ' '.join(words[begin:end])
                if word in words[begin:end] and os.path.exists(name):
                    return f'; quote a path with spaces: "{name}"'
        if os.path.isfile(word):  # from a pattern such as images/*.jpg
            return '; in place of many files, name their folder'
        return ''

    def error(self, message: str) -> NoReturn:
        """Exit with 2; say how to type a name that begins with a hyphen."""
        for word in self._typed:
            if word.startswith('-') and os.path.lexists(word):
                message += f'; the file or folder {word} is typed ./{word}'
                break
        self.exit(
            STATUS_USAGE,
            f'error: {message}\n`{self.prog} --help` explains the arguments\n',
        )


def add_out(
    parser: argparse.ArgumentParser, what: str, positional: bool = True
) -> None:
    """Add ``--out``, the path of the output of a verb.

    The path may also be the last positional argument, as users of OpenMMLab's
    tools type it. Call this after the other positional arguments are added.

    Args:
        parser: The parser to add to.
        what: The output, for the help.
        positional: Whether the path may be given without ``--out``.
    """
    if positional:
        parser.add_argument(
            'out_positional',
            nargs='?',
            type=path,
            metavar='OUT',
            help=argparse.SUPPRESS,
        )
    parser.add_argument(
        '--out',
        type=path,
        required=not positional,
        metavar='PATH',
        dest=_OUT_OPTION,
        help=what,
    )


def resolve_out(parser: Parser, args: argparse.Namespace) -> None:
    """Set ``args.out`` from either spelling; refuse none or both.

    Outputs that cannot be written are refused before anything is done.
    """
    if _OUT_OPTION in args:
        option = args.out_option
        positional = getattr(args, 'out_positional', None)
        if option and positional:
            parser.error(
                f'the output was named twice: {positional} and {option}'
                f'{parser.unquoted(str(positional))}'
            )
        args.out = option or positional
        if args.out is None:
            parser.error('the following arguments are required: --out')
    for name in _OUTPUTS:
        output = getattr(args, name, None)
        try:
            if output is not None:
                refuse_unwritable(output)
                _refuse_input(output, args)
        except (OSError, ValueError) as error:
            text = getattr(error, 'strerror', None) or error
            parser.error(f'argument --{name.replace("_", "-")}: {text}')


def _refuse_input(output: Path, args: argparse.Namespace) -> None:
    """Raise ValueError if an output is also an input file."""
    inputs = [
        path
        for name, value in vars(args).items()
        if name not in (*_OUTPUTS, 'out_option', 'out_positional')
        for path in (value if isinstance(value, list) else [value])
        if isinstance(path, Path) and path.exists()
    ]
    if output.is_file() and any(map(output.samefile, inputs)):
        raise ValueError(
            f'{output} is an input, which would be lost; choose another name'
        )


def add_overwrite(parser: argparse.ArgumentParser) -> None:
    """Add ``--overwrite``; without it, existing files are never replaced."""
    parser.add_argument(
        '--overwrite',
        action='store_true',
        help='replace an existing output of the same name',
    )


class OptionsAction(argparse.Action):
    """Read KEY=VALUE; a plain value such as a path keeps its spaces.

    mmengine's action removes all spaces, so that a folder "my pictures" would
    not be found.
    """

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        """Add the values to the namespace; refuse one without ``=``."""
        options = dict(getattr(namespace, self.dest))
        for text in [values] if isinstance(values, str) else values or ():
            key, equals, value = text.partition('=')
            if not equals or not key.strip():
                parser.error(
                    f'{option_string} expects KEY=VALUE, but got {text!r}; '
                    'quote a value with spaces'
                )
            try:
                options[key.strip()] = option_value(value)
            except AssertionError as error:  # brackets that do not close
                parser.error(f'{option_string} {text}: {error}')
            except RecursionError:  # mmengine, on a list of dicts
                parser.error(
                    f'{option_string} {text}: only numbers, texts, lists and '
                    'tuples can be given here; put the rest in a config file'
                )
        setattr(namespace, self.dest, options)


def option_value(text: str) -> Any:
    """Return the value of a KEY=VALUE: a number, list, tuple, bool, text."""
    from mmengine.config import DictAction

    plain = text.strip('\'"')
    is_list = plain.startswith(('[', '(')) or ',' in plain
    if is_list and not os.path.exists(plain):  # a folder may be "a, b"
        return DictAction._parse_iterable(text)
    return DictAction._parse_int_float_bool(plain)


def add_cfg_options(
    parser: argparse.ArgumentParser | argparse._ArgumentGroup,
) -> None:
    """Add ``--cfg-options``."""
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=OptionsAction,
        default={},
        metavar='KEY=VALUE',
        help='settings that override the config, such as '
        'train_dataloader.batch_size=64',
    )
