r"""Pack the pictures of a folder into one plain tar file.

A million files are slow to copy, to list and to open on network disks. OUT is
one file, which `tar` reads and which propose and pretrain accept in place of
a folder. If it is interrupted, run it again to continue.

Examples:
  mmsoco pack "my pictures" --out pictures.tar
  mmsoco propose pictures.tar --out proposals.arrow
"""

from __future__ import annotations

import argparse

from mmsoco.cli.backend_options import add_backend_args, add_images
from mmsoco.cli.common import add_out, add_overwrite

INTERRUPTED = 'interrupted; run the same command to continue packing'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    add_images(
        parser,
        'image folder, searched recursively, or the address of a '
        'storage backend',
    )
    add_out(parser, 'the tar file to write, such as pictures.tar')
    add_overwrite(parser)
    add_backend_args(parser)


def run(args: argparse.Namespace) -> None:
    """Write the tar file, and print a summary."""
    from mmsoco.images.lists import refuse_none
    from mmsoco.images.opening import open_images
    from mmsoco.images.packing import pack
    from mmsoco.utils.files import refuse_existing
    from mmsoco.workflow.console import Console

    refuse_existing(args.out, args.overwrite)
    source = open_images(args.images, args.backend_args)
    found = source.find(args.ann_file)
    refuse_none(found, args.ann_file)
    print(found.report())
    with Console().progress('pack', len(found.names)) as progress:
        packed = pack(source, found.names, args.out, progress.reach)
    if packed.problems:
        print(packed.problems)
    kept = f', {packed.kept} of them by earlier calls' if packed.kept else ''
    size = packed.path.stat().st_size / 2**20
    print(f'{packed.path}: {packed.images} images{kept}, {size:.1f} MiB')
