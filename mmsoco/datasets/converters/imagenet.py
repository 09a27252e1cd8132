"""Bring ImageNet-1k into the layout that configs expect, and list it.

    python tools/dataset_converters/imagenet.py data/imagenet \
        --train-tar ILSVRC2012_img_train.tar --val-tar ILSVRC2012_img_val.tar \
        --devkit ILSVRC2012_devkit_t12.tar.gz

unpacks into data/imagenet/train/WNID/ and data/imagenet/val/WNID/. A run that
was killed goes on where it stopped: a class appears when it is whole. Without
archives, folders that are there are taken as they are. Then

- data/imagenet/meta/train.txt and val.txt name images and labels (the classes
  in the order of their WNIDs), for linear classification and kNN;
- the numbers of classes and images are compared with those of ImageNet-1k.

Pretraining needs data/imagenet/train alone.
"""

import argparse
import io
import shutil
import tarfile
from collections.abc import Sequence
from pathlib import Path

from scipy.io import loadmat

from mmsoco.images.lists import find_images
from mmsoco.utils.files import write_text
from mmsoco.utils.problems import Problems

# Classes and images of ILSVRC 2012.
EXPECTED = {'train': (1000, 1281167), 'val': (1000, 50000)}
TRUTH = 'data/ILSVRC2012_validation_ground_truth.txt'


def unpack_train(archive: Path, folder: Path) -> None:
    """Unpacks the archive of archives, one class after the other.

    Args:
        archive: ILSVRC2012_img_train.tar, which holds WNID.tar files.
        folder: gets a folder per class.
    """
    with tarfile.open(archive) as classes:
        for member in classes:
            wnid = Path(member.name).stem
            if not (folder / wnid).is_dir():
                images = io.BytesIO(classes.extractfile(member).read())
                unfinished = _fresh(folder / f'.{wnid}.part')
                with tarfile.open(fileobj=images) as tar:
                    tar.extractall(unfinished, filter='data')
                unfinished.rename(folder / wnid)


def _fresh(folder: Path) -> Path:
    """Makes an empty folder, without what a killed run left in it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def val_classes(devkit: Path) -> list[str]:
    """The WNIDs of the validation images in their order.

    Args:
        devkit: ILSVRC2012_devkit_t12.tar.gz.

    Returns:
        One WNID per image; image i has the number i + 1 in its name.

    Raises:
        ValueError: the archive lacks a file.
    """
    with tarfile.open(devkit) as tar:
        files = {'/'.join(m.name.split('/')[-2:]): m for m in tar}
        missing = {TRUTH, 'data/meta.mat'} - files.keys()
        if missing:
            raise ValueError(f'{devkit} lacks {sorted(missing)}')
        truth = tar.extractfile(files[TRUTH]).read().split()
        meta = io.BytesIO(tar.extractfile(files['data/meta.mat']).read())
    synsets = loadmat(meta, squeeze_me=True)['synsets']
    wnids = {int(row[0]): str(row[1]) for row in synsets}
    return [wnids[int(number)] for number in truth]


def unpack_val(archive: Path, folder: Path, classes: Sequence[str]) -> None:
    """Unpacks the validation images into a folder per class.

    Args:
        archive: ILSVRC2012_img_val.tar.
        folder: appears when it is whole.
        classes: see :func:`val_classes`.
    """
    if folder.is_dir():
        return
    unfinished = _fresh(folder.with_name(f'.{folder.name}.part'))
    for wnid in set(classes):
        (unfinished / wnid).mkdir()
    with tarfile.open(archive) as tar:
        for member in tar:
            name = Path(member.name)
            number = int(name.stem.rpartition('_')[2])
            member.name = f'{classes[number - 1]}/{name.name}'
            tar.extract(member, unfinished, filter='data')
    unfinished.rename(folder)


def write_list(folder: Path, path: Path) -> tuple[int, int, Problems]:
    """Names the images of a folder of classes, with their labels.

    Args:
        folder: has one folder per class.
        path: text file, "CLASS/NAME LABEL" per line.

    Returns:
        The number of classes and of images, and what was left out.

    Raises:
        ValueError: images lie outside of a folder of a class.
    """
    found = find_images(folder)
    names = found.names
    loose = [name for name in names if name.count('/') != 1]
    if loose:
        raise ValueError(
            f'expected {folder}/CLASS/IMAGE, found {folder / loose[0]}; '
            'unpack the validation images with --val-tar and --devkit'
        )
    classes = sorted({name.split('/')[0] for name in names})
    labels = {wnid: label for label, wnid in enumerate(classes)}
    lines = [f'{name} {labels[name.split("/")[0]]}\n' for name in names]
    write_text(path, ''.join(lines))
    return len(classes), len(names), found.problems


def prepare(args: argparse.Namespace) -> None:
    """Unpacks what is given and lists what is there.

    Args:
        args: the command line.

    Raises:
        OSError: an archive or folder cannot be used.
        ValueError: its content is not that of ImageNet.
    """
    if args.train_tar:
        unpack_train(args.train_tar, args.root / 'train')
    if args.val_tar:
        if not args.devkit:
            raise ValueError(
                'the archive of validation images has no labels: name the '
                'development kit with --devkit'
            )
        classes = val_classes(args.devkit)
        unpack_val(args.val_tar, args.root / 'val', classes)
    splits = [split for split in EXPECTED if (args.root / split).is_dir()]
    if not splits:
        raise FileNotFoundError(
            f'there is neither {args.root}/train nor {args.root}/val; name '
            'the archives, or link the folders there'
        )
    for split in splits:
        path = args.root / 'meta' / f'{split}.txt'
        *found, left_out = write_list(args.root / split, path)
        verdict = 'as expected'
        if tuple(found) != EXPECTED[split]:
            verdict = 'ImageNet-1k has {} and {}'.format(*EXPECTED[split])
        print(f'{path}: {found[0]} classes, {found[1]} images ({verdict})')
        if left_out:
            print(left_out)


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('root', type=Path, help='such as data/imagenet')
    parser.add_argument('--train-tar', type=Path, help='training images')
    parser.add_argument('--val-tar', type=Path, help='validation images')
    parser.add_argument('--devkit', type=Path, help='development kit')
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Does what the command line asks for."""
    try:
        prepare(parse_args(argv))
    except (OSError, ValueError, tarfile.TarError) as error:
        raise SystemExit(f'error: {error}') from None


if __name__ == '__main__':
    main()
