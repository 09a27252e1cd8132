"""The command `mmsoco`: find the verb, read its options and run it."""

import ast
import importlib
import importlib.util
import os
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from types import ModuleType

from mmsoco.cli.common import STATUS_USAGE, Parser, resolve_out
from mmsoco.cli.errors import INTERRUPTED, STATUS_ERROR, call_reported
from mmsoco.utils.machine import limit_spinning
from mmsoco.utils.names import near
from mmsoco.version import __version__

# By purpose, in the order in which a newcomer needs them. A verb's name is
# that of its module in mmsoco/cli, whose docstring is its help.
VERBS = {
    'From a folder of pictures to a detector': (
        'pretrain',
        'finetune',
        'detect',
        'demo',
    ),
    'Proposals and views': ('propose', 'recall', 'browse'),
    'Training with configs': ('train', 'test'),
    'Weights': ('export', 'inspect', 'publish'),
    'Data': ('convert', 'pack'),
    'Whether pretraining helps': ('pilot', 'compare'),
    'This machine': ('doctor',),
}
USAGE = 'usage: mmsoco VERB [arguments]   (mmsoco VERB --help for details)'
EXAMPLE = 'mmsoco pretrain "my pictures" --out out/mine'


@cache
def module_path(verb: str) -> Path | None:
    """Return the file of a verb, or None where there is no such verb."""
    if verb not in {name for names in VERBS.values() for name in names}:
        return None
    spec = importlib.util.find_spec(f'mmsoco.cli.{verb}')
    return None if spec is None else Path(str(spec.origin))


def known_verbs() -> list[str]:
    """Return the names of all verbs."""
    names = [name for group in VERBS.values() for name in group]
    return [name for name in names if module_path(name)]


def summary(verb: str) -> str:
    """Return the first line of a verb's help, without importing the verb."""
    source = Path(str(module_path(verb))).read_text(encoding='utf-8')
    return str(ast.get_docstring(ast.parse(source))).splitlines()[0]


def overview() -> str:
    """Return the text of `mmsoco --help`: the verbs by purpose."""
    lines = ['SoCo: pretraining of detectors on pictures without labels.']
    lines += ['', USAGE, '', 'Example:', f'  {EXAMPLE}']
    for purpose, names in VERBS.items():
        there = [name for name in names if module_path(name)]
        if there:
            lines += ['', f'{purpose}:']
            lines += [f'  {name:<10}{summary(name)}' for name in there]
    return '\n'.join(lines)


def parser_of(verb: str, module: ModuleType) -> Parser:
    """Build the parser of a verb's command line."""
    parser = Parser(prog=f'mmsoco {verb}', description=module.__doc__)
    module.add_arguments(parser)
    return parser


def _has_folder() -> bool:
    """Return whether the current folder is there: MKL aborts without one."""
    try:
        os.getcwd()
    except FileNotFoundError:
        return False
    return True


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line.

    Args:
        argv: Verb and arguments; those of the process if None.

    Returns:
        The exit status.

    Raises:
        SystemExit: After the help of a verb, or if an option is wrong.
    """
    words = sys.argv[1:] if argv is None else argv
    verb, *arguments = words or ['']
    if verb in ('-h', '--help', 'help', ''):
        print(overview(), file=sys.stdout if verb else sys.stderr)
        return 0 if verb else STATUS_USAGE
    if verb in ('-V', '--version'):
        print(f'mmsoco {__version__}')
        return 0
    if module_path(verb) is None:
        print(
            f'error: mmsoco has no verb {verb!r}{near(verb, known_verbs())}\n'
            f'{USAGE}\nverbs: {", ".join(known_verbs())}',
            file=sys.stderr,
        )
        return STATUS_USAGE
    if not _has_folder():
        print(
            'error: the current folder was removed; change to another one',
            file=sys.stderr,
        )
        return STATUS_ERROR
    limit_spinning(os.environ)  # before anything imports torch
    module = importlib.import_module(f'mmsoco.cli.{verb}')
    parser = parser_of(verb, module)
    args = parser.parse_args(arguments)
    resolve_out(parser, args)
    interrupted = getattr(module, 'INTERRUPTED', INTERRUPTED)
    return call_reported(module.run, args, interrupted)
