"""Bring ImageNet-1k into the layout that configs expect, and list it.

Unpack into ROOT/train/WNID/ and ROOT/val/WNID/. A run that was killed resumes
where it stopped: a class appears when it is complete. Without archives, the
folders that already exist are used. Then write ROOT/meta/train.txt and
val.txt, which list images and labels (the classes in the order of their WNIDs)
for linear classification and kNN, and compare the numbers of classes and
images with those of ImageNet-1k. This is `mmsoco convert imagenet`.
"""

import io
import tarfile
from collections.abc import Sequence
from pathlib import Path

from scipy.io import loadmat

from mmsoco.images.lists import find_images
from mmsoco.utils.files import atomic_folder, write_text
from mmsoco.utils.problems import Problems

# Classes and images of ILSVRC 2012.
EXPECTED = {'train': (1000, 1281167), 'val': (1000, 50000)}
TRUTH = 'data/ILSVRC2012_validation_ground_truth.txt'


def unpack_train(archive: Path, folder: Path) -> None:
    """Unpack the archive of archives, one class after the other.

    Args:
        archive: ILSVRC2012_img_train.tar, which holds WNID.tar files.
        folder: gets a folder per class.
    """
    with tarfile.open(archive) as classes:
        for member in classes:
            wnid = Path(member.name).stem
            # macOS puts ._WNID.tar next to each; no name leaves the folder.
            if not member.isfile() or wnid.startswith('.'):
                continue
            if not (folder / wnid).is_dir():
                images = io.BytesIO(_content(classes, member))
                with (
                    atomic_folder(folder / wnid) as unfinished,
                    tarfile.open(fileobj=images) as tar,
                ):
                    tar.extractall(unfinished, filter='data')


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    """Return the bytes of a regular file in an archive."""
    file = tar.extractfile(member)
    assert file is not None  # None is for folders and devices
    return file.read()


def val_classes(devkit: Path) -> list[str]:
    """Return the WNIDs of the validation images in their order.

    Args:
        devkit: ILSVRC2012_devkit_t12.tar.gz.

    Returns:
        One WNID per image; image i has the number i + 1 in its name.

    Raises:
        ValueError: If the archive lacks a file.
    """
    with tarfile.open(devkit) as tar:
        files = {
            '/'.join(m.name.split('/')[-2:]): m for m in tar if m.isfile()
        }
        missing = {TRUTH, 'data/meta.mat'} - files.keys()
        if missing:
            raise ValueError(f'{devkit} lacks {sorted(missing)}')
        truth = _content(tar, files[TRUTH]).split()
        meta = io.BytesIO(_content(tar, files['data/meta.mat']))
    synsets = loadmat(meta, squeeze_me=True)['synsets']
    wnids = {int(row[0]): str(row[1]) for row in synsets}
    try:
        return [wnids[int(number)] for number in truth]
    except (KeyError, ValueError) as error:
        raise ValueError(
            f'{devkit} is damaged: {TRUTH} has an entry ({error}) that is '
            'not the number of a class of data/meta.mat'
        ) from None


def unpack_val(archive: Path, folder: Path, classes: Sequence[str]) -> None:
    """Unpack the validation images into a folder per class.

    Args:
        archive: ILSVRC2012_img_val.tar.
        folder: appears when it is whole.
        classes: see :func:`val_classes`.

    Raises:
        ValueError: If a name has no number, or one without a label.
    """
    if folder.is_dir():
        return
    with atomic_folder(folder) as unfinished, tarfile.open(archive) as tar:
        for wnid in set(classes):
            (unfinished / wnid).mkdir()
        for member in tar:
            name = Path(member.name)
            if not member.isfile() or name.name.startswith('.'):
                continue
            number = name.stem.rpartition('_')[2]
            if not number.isdecimal() or not 1 <= int(number) <= len(classes):
                raise ValueError(
                    f'{archive} holds {member.name!r}; expected names such '
                    'as ILSVRC2012_val_00000001.JPEG, with numbers of 1 to '
                    f'{len(classes)}, as many as the development kit labels'
                )
            member.name = f'{classes[int(number) - 1]}/{name.name}'
            tar.extract(member, unfinished, filter='data')


def write_list(folder: Path, path: Path) -> tuple[int, int, Problems]:
    """Name the images of a folder of classes, with their labels.

    Args:
        folder: has one folder per class.
        path: text file, "CLASS/NAME LABEL" per line.

    Returns:
        The number of classes and of images, and what was left out.

    Raises:
        ValueError: If images are outside the folder of a class.
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


def prepare(
    root: Path,
    train_tar: Path | None = None,
    val_tar: Path | None = None,
    devkit: Path | None = None,
) -> list[str]:
    """Unpack the given archives and list the parts of the data set.

    Args:
        root: folder of the data set.
        train_tar: archive of training images.
        val_tar: archive of validation images.
        devkit: development kit, with the labels of ``val_tar``.

    Returns:
        Lines that say what was found.

    Raises:
        OSError: If an archive or folder cannot be used.
        ValueError: If its content is not that of ImageNet.
    """
    try:
        if train_tar:
            unpack_train(train_tar, root / 'train')
        if val_tar:
            if not devkit:
                raise ValueError(
                    'the archive of validation images has no labels: name '
                    'the development kit with --devkit'
                )
            unpack_val(val_tar, root / 'val', val_classes(devkit))
    except tarfile.TarError as error:
        raise ValueError(
            f'an archive cannot be read ({error}); compare its size and '
            'checksum with the source, and download it again'
        ) from error
    splits = [split for split in EXPECTED if (root / split).is_dir()]
    if not splits:
        raise FileNotFoundError(
            f'there is neither {root}/train nor {root}/val; name the '
            'archives, or link the folders there'
        )
    return [line for split in splits for line in _list_split(root, split)]


def _list_split(root: Path, split: str) -> list[str]:
    """Write the list of a split; say how it compares with ImageNet-1k."""
    path = root / 'meta' / f'{split}.txt'
    *found, left_out = write_list(root / split, path)
    verdict = 'as expected'
    if tuple(found) != EXPECTED[split]:
        verdict = 'ImageNet-1k has {} and {}'.format(*EXPECTED[split])
    line = f'{path}: {found[0]} classes, {found[1]} images ({verdict})'
    return [line, str(left_out)] if left_out else [line]
