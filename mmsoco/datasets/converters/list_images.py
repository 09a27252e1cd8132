"""List the images of some folders of a data set for proposals.

Pretraining takes one image root. Where only some of its folders are wanted,
such as COCO's train2017 and unlabeled2017 without val2017, this list names
their images for generate.py:

    python tools/dataset_converters/list_images.py data/coco \
        data/coco/pretraining.txt --folders train2017 unlabeled2017
    python tools/proposals/generate.py data/coco \
        data/coco/proposals_train2017_unlabeled2017.arrow \
        --ann-file data/coco/pretraining.txt
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from mmsoco.images.lists import find_images
from mmsoco.utils.files import write_text


def list_folders(root: Path, folders: Sequence[str]) -> dict[str, list[str]]:
    """Lists the images of each folder.

    Args:
        root: the image root.
        folders: folders below it.

    Returns:
        Names relative to ``root``, sorted, by folder.

    Raises:
        FileNotFoundError: a folder is missing or has no images.
    """
    found = {}
    for folder in folders:
        if not (root / folder).is_dir():
            raise FileNotFoundError(
                f'there is no folder {root / folder}; data/README.md shows '
                'the trees'
            )
        found[folder] = [
            f'{folder}/{n}' for n in find_images(root / folder).names
        ]
        if not found[folder]:
            raise FileNotFoundError(f'no images in {root / folder}')
    return found


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('root', type=Path, help='image root')
    parser.add_argument('out', type=Path, help='text file, a name per line')
    parser.add_argument(
        '--folders', nargs='+', required=True, help='folders below the root'
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Writes the list that the command line asks for."""
    args = parse_args(argv)
    try:
        found = list_folders(args.root, args.folders)
        names = [name for folder in found.values() for name in folder]
        write_text(args.out, '\n'.join(names) + '\n')
    except OSError as error:
        raise SystemExit(f'error: {error}') from None
    for folder, names in found.items():
        print(f'{folder}: {len(names)} images')


if __name__ == '__main__':
    main()
