"""Draw the README's picture from photographs that come with scikit-image.

The program itself makes all that is shown: proposals by selective search,
views by the pipeline of the recipe for your own folders, and the pyramid
level of each box by the encoder. No label is used.

The photographs may be redistributed: `coffee.png` is CC0 by the photographer
(Rachel Michetti, courtesy of Pikolo Espresso Bar), `astronaut.png` is NASA's,
in the public domain; the docstrings of `skimage.data` say so.

Example:
    python docs/make_pictures.py
"""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from mmengine.registry import DefaultScope
from PIL import Image

from mmsoco.config.reading import read_config
from mmsoco.datasets.samplers import SampleKey
from mmsoco.datasets.transforms import DrawViews
from mmsoco.datasets.transforms.formatting import view_pixels
from mmsoco.demo.scenes import read_photo
from mmsoco.images.reading import read_rgb
from mmsoco.proposals.generation.generate import generate
from mmsoco.proposals.generation.job import Job
from mmsoco.proposals.store import ProposalStore
from mmsoco.registry import DATASETS
from mmsoco.utils.files import atomic_path
from mmsoco.visualization.browse_views import names_of_config
from mmsoco.visualization.proposals import draw_proposals
from mmsoco.visualization.sheets import add_title, grid
from mmsoco.visualization.views import LevelNames, draw_view

REPO = Path(__file__).resolve().parent.parent
RECIPE = 'soco_mask-rcnn_r50-fpn_1xb32-coslr-400e_custom.py'
OUT = REPO / 'docs' / 'images' / 'overview.jpg'
PHOTOS = ('astronaut.png', 'coffee.png')
# Its random numbers draw views that are easy to recognize.
EPOCH = 8
# Of a cell, pixels: the size of the recipe's views.
SIDE = 224
TITLES = ('picture', 'proposals', 'view 1, levels', 'view 2, same objects')
QUALITY = 85


def overview(folder: Path) -> np.ndarray:
    """Draw the picture.

    Args:
        folder: An empty folder for photographs and proposals.

    Returns:
        (H, W, 3) uint8 RGB: a row for each photograph.
    """
    images, store = folder / 'images', folder / 'proposals.arrow'
    images.mkdir()
    for name in PHOTOS:
        Image.fromarray(square(read_photo(name))).save(images / name)
    generate(Job(str(images), list(PHOTOS), str(store)), workers=1)
    return grid([*rows(images, store)])


def square(rgb: np.ndarray) -> np.ndarray:
    """Cut the largest square out of the middle of a picture."""
    height, width = rgb.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return rgb[top : top + side, left : left + side]


def rows(images: Path, store: Path) -> Iterator[list[np.ndarray]]:
    """Draw the cells of each photograph, in the order of the store."""
    cfg = read_config(
        REPO / 'configs' / 'soco' / RECIPE,
        {
            'train_dataloader.dataset.image_root': str(images),
            'train_dataloader.dataset.proposals': str(store),
        },
    )
    # There is no model here that would change the colors.
    cfg.train_dataloader.dataset.pipeline[1].on_device = False
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        level_names = names_of_config(cfg)
        dataset = DATASETS.build(cfg.train_dataloader.dataset)
    drawing = dataset.pipeline.transforms[0]
    for index, record in enumerate(ProposalStore(store)):
        rgb = read_rgb(images / record.file_name)
        small = cv2.resize(rgb, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        boxes = record.bboxes * (SIDE / len(rgb))
        key = SampleKey(0, EPOCH, index)
        cells = [
            small,
            draw_proposals(small, boxes),
            *views(drawing, dataset[key], level_names),
        ]
        yield [
            add_title(cell, title)
            for cell, title in zip(cells, TITLES, strict=True)
        ]


def views(
    drawing: DrawViews, sample: dict, level_names: LevelNames
) -> Iterator[np.ndarray]:
    """Draw the views of the first pair, with their boxes."""
    data = sample['data_samples']
    boxes = dict(zip(drawing.roi_sets, data['bboxes'], strict=True))
    pair = drawing.pairs[0]
    for view in pair.views:
        yield draw_view(
            view_pixels(sample, view),
            boxes[view, pair.proposals_of].numpy(),
            data['cutout'][view - 1].numpy(),
            scale=1,
            level_names=level_names,
        )


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        '--out', type=Path, default=OUT, help='default: %(default)s'
    )
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        picture = overview(Path(folder))
    with atomic_path(args.out) as partial:
        Image.fromarray(picture).save(
            partial, 'JPEG', quality=QUALITY, optimize=True
        )
    print(f'wrote {args.out}')


if __name__ == '__main__':
    main()
