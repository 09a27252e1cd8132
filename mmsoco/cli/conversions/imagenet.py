r"""Unpack ImageNet-1k into the layout that configs expect, and list it.

Unpacks into ROOT/train/WNID/ and ROOT/val/WNID/; a run that was killed resumes
where it stopped. Without archives, it uses the folders that already exist.
Then it writes ROOT/meta/train.txt and val.txt, which list images and labels.
Pretraining needs only ROOT/train.

Example:
  mmsoco convert imagenet data/imagenet \
      --train-tar ILSVRC2012_img_train.tar --val-tar ILSVRC2012_img_val.tar \
      --devkit ILSVRC2012_devkit_t12.tar.gz
"""

import argparse

from mmsoco.cli.option_types import path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the conversion."""
    parser.add_argument(
        'root',
        type=path,
        help='folder for the images, such as data/imagenet',
    )
    for option, what in (
        ('--train-tar', 'archive of the training images'),
        ('--val-tar', 'archive of the validation images'),
        ('--devkit', 'development kit, which has the labels of --val-tar'),
    ):
        parser.add_argument(option, type=path, metavar='FILE', help=what)


def run(args: argparse.Namespace) -> None:
    """Unpack the given archives, and list the images."""
    from mmsoco.datasets.converters.imagenet import prepare

    lines = prepare(args.root, args.train_tar, args.val_tar, args.devkit)
    print('\n'.join(lines))
