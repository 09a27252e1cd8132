"""Checksums: what they cost where stores and checkpoints are opened.

A store is read once in its order, so that each part is compared with its
checksum, and once more without that. A checkpoint's bytes are compared with
the checksums inside of the file, and the file is loaded.
"""

import argparse
import tempfile
from pathlib import Path

import torch
from harness import Row, alternate, median_rows
from store_speed import synthetic_records

from mmsoco.checkpoints.integrity import damage
from mmsoco.proposals.store import ProposalStore, ProposalStoreWriter

ROUNDS = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the benchmark's arguments."""
    parser.add_argument('--images', type=int, default=200000)
    parser.add_argument(
        '--megabytes', type=int, default=500, help='size of the checkpoint'
    )


def measure(args: argparse.Namespace) -> list[Row]:
    """Time the check and the work that is done anyway."""
    with tempfile.TemporaryDirectory() as folder:
        return [
            *_of_store(Path(folder, 'store.arrow'), args.images),
            *_of_checkpoint(Path(folder, 'epoch_1.pth'), args.megabytes),
        ]


def _of_store(path: Path, images: int) -> list[Row]:
    with ProposalStoreWriter(path) as writer:
        writer.write(synthetic_records(images))
    opened = ProposalStore(path)
    _read_all(opened)
    seconds = alternate(
        {
            'store, read again': lambda: _read_all(opened),
            'store, read for the first time': lambda: _read_all(
                ProposalStore(path)
            ),
        },
        ROUNDS,
    )
    return median_rows(seconds, 'store, read again', 'store')


def _read_all(store: ProposalStore) -> None:
    for index in range(len(store)):
        store[index]


def _of_checkpoint(path: Path, megabytes: int) -> list[Row]:
    state = {
        f'layer{i}.weight': torch.rand(250, 1000) for i in range(megabytes)
    }
    torch.save(dict(state_dict=state), path)
    seconds = alternate(
        {
            'checkpoint, loaded': lambda: torch.load(path, weights_only=True),
            'checkpoint, compared': lambda: damage(path),
        },
        ROUNDS,
    )
    return median_rows(seconds, 'checkpoint, loaded', 'file')
