"""Convert data sets, proposals and checkpoints into other layouts.

`mmsoco convert WHAT --help` describes each conversion.

Examples:
  mmsoco convert voc data/bccd --out data/bccd/train.json --split train
  mmsoco convert proposals a.arrow --out a.json
"""

import argparse
import importlib

# Conversions, and their modules in mmsoco/cli/conversions, which have
# `add_arguments` and `run` like those of verbs.
CONVERSIONS = {
    'voc': 'voc',
    'mini-coco': 'mini_coco',
    'imagenet': 'imagenet',
    'bins': 'bins',
    'proposals': 'proposals',
    'shards': 'shards',
    'regions': 'regions',
    'checkpoint': 'checkpoint',
}
INTERRUPTED = 'interrupted; no partial output is left, run it again'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add a subcommand for each conversion."""
    conversions = parser.add_subparsers(
        title='conversions', metavar='WHAT', required=True
    )
    for name, module_name in CONVERSIONS.items():
        module = importlib.import_module(
            f'mmsoco.cli.conversions.{module_name}'
        )
        own = conversions.add_parser(
            name,
            help=str(module.__doc__).splitlines()[0].replace('%', '%%'),
            description=module.__doc__,
        )
        module.add_arguments(own)
        own.set_defaults(convert=module.run)


def run(args: argparse.Namespace) -> int | None:
    """Run the chosen conversion."""
    return args.convert(args)
