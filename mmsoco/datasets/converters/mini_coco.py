"""Take 1, 2, 5 and 10 % of COCO's training images for fine-tuning.

The images are shuffled once, by a fixed seed; each part takes the first of
them. So everybody gets the same parts, and a smaller part lies in every larger
one. Only annotation files are written:

    python tools/dataset_converters/mini_coco.py \
        data/coco/annotations/instances_train2017.json \
        data/coco/annotations/mini

makes instances_train2017_1pct.json and so on. Images without objects count
too, as in the whole set.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmsoco.utils.files import write_json

PERCENTS = (1, 2, 5, 10)
SEED = 0


def shuffled_ids(document: dict, seed: int) -> list[int]:
    """The image ids in the order in which parts take them.

    Args:
        document: COCO annotations.
        seed: of the shuffle.

    Returns:
        All ids. The order depends on the ids and the seed, not on the order
        within the file.
    """
    ids = np.array(sorted(image['id'] for image in document['images']))
    return np.random.default_rng(seed).permutation(ids).tolist()


def take_part(document: dict, ids: Sequence[int], percent: float) -> dict:
    """The annotations of the first images of an order.

    Args:
        document: COCO annotations.
        ids: all image ids in their order.
        percent: share of the images, in (0, 100].

    Returns:
        COCO annotations of at least one image, with all categories.
    """
    chosen = set(ids[: max(1, round(len(ids) * percent / 100))])
    return dict(
        document,
        images=[i for i in document['images'] if i['id'] in chosen],
        annotations=[
            a for a in document['annotations'] if a['image_id'] in chosen
        ],
    )


def read_coco(path: Path) -> dict:
    """Reads COCO annotations.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it holds something else.
    """
    try:
        document = json.loads(path.read_text(encoding='utf-8'))
        names = document.keys()
    except (json.JSONDecodeError, UnicodeDecodeError, AttributeError) as error:
        raise ValueError(f'{path} is no COCO annotation: {error}') from None
    missing = {'images', 'annotations', 'categories'} - names
    if missing:
        raise ValueError(
            f'{path} is no COCO annotation: {sorted(missing)} are missing'
        )
    return document


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('annotations', type=Path, help='COCO JSON file')
    parser.add_argument('out', type=Path, help='folder of the parts')
    parser.add_argument(
        '--percents',
        nargs='+',
        type=float,
        default=PERCENTS,
        help='default: 1 2 5 10',
    )
    parser.add_argument(
        '--seed', type=int, default=SEED, help='default: %(default)s'
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Writes the parts that the command line asks for."""
    args = parse_args(argv)
    try:
        if not all(0 < percent <= 100 for percent in args.percents):
            raise ValueError(
                f'--percents lie above 0 and up to 100, got {args.percents}'
            )
        document = read_coco(args.annotations)
        ids = shuffled_ids(document, args.seed)
        for percent in args.percents:
            part = take_part(document, ids, percent)
            name = f'{args.annotations.stem}_{percent:g}pct.json'
            write_json(args.out / name, part)
            print(
                f'{args.out / name}: {len(part["images"])} images, '
                f'{len(part["annotations"])} objects'
            )
    except (OSError, ValueError) as error:
        raise SystemExit(f'error: {error}') from None


if __name__ == '__main__':
    main()
