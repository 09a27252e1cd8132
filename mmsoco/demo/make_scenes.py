"""Make the demo's data: small labeled scenes, without any download.

Backgrounds are crops of photographs that ship inside scikit-image and
scikit-learn, with textured shapes on them at many scales. A class is a shape
*and* a texture ("striped disc", "dotted disc", ...): neither one is enough,
and colors are random, so they carry no information. Backgrounds of the
validation scenes come from photographs that training never shows.

Written to OUT:

- ``train/``: images for pretraining, whose labels pretraining never reads;
- ``val/``: images for validation;
- ``annotations/train.json``, ``train_few.json`` (the first few images of
  ``train/``: the labels that fine-tuning gets) and ``val.json``: COCO
  annotations with instance masks of the visible part of each object.

The same settings give the same scenes. OUT appears only when it is complete.

Example::

    python -m mmsoco.demo.make_scenes data/demo
"""

import argparse
import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np

from mmsoco.demo.scenes import (
    CLASSES,
    OBJECT_SIZES,
    Instance,
    draw_scene,
    read_photo,
)
from mmsoco.utils.files import atomic_folder

TRAIN_PHOTOS = (
    'astronaut.png', 'brick.png', 'chelsea.png', 'coins.png', 'grass.png',
    'gravel.png', 'hubble_deep_field.jpg', 'ihc.png', 'moon.png',
    'motorcycle_left.png', 'retina.jpg', 'rocket.jpg', 'china.jpg',
)  # fmt: skip
VAL_PHOTOS = ('camera.png', 'clock_motion.png', 'coffee.png', 'flower.jpg')


@dataclass(frozen=True)
class SceneSpec:
    """Settings that determine the scenes.

    Attributes:
        seed: Seed of all random numbers.
        train: Number of training scenes.
        few: How many of them are labeled in ``train_few.json``.
        val: Number of validation scenes.
        height: Height of a scene in pixels.
        width: Width of a scene in pixels.
    """

    seed: int = 0
    train: int = 240
    few: int = 32
    val: int = 60
    height: int = 192
    width: int = 256

    def __post_init__(self) -> None:
        if not 0 < self.few <= self.train or self.val < 1:
            raise ValueError(
                'expected 1 <= few <= train and val >= 1, got '
                f'few={self.few}, train={self.train}, val={self.val}'
            )
        if min(self.height, self.width) < OBJECT_SIZES[1]:
            raise ValueError(
                f'a scene of {self.width}x{self.height} has no room for '
                f'objects of up to {OBJECT_SIZES[1]:.0f} pixels'
            )


def coco_annotation(
    instance: Instance, image_id: int, annotation_id: int
) -> dict:
    """Describe an instance in COCO's format (box as x, y, width, height)."""
    from pycocotools import mask as mask_api

    rle = mask_api.encode(np.asfortranarray(instance.mask.astype(np.uint8)))
    return dict(
        id=annotation_id,
        image_id=image_id,
        category_id=instance.label + 1,
        bbox=[float(value) for value in mask_api.toBbox(rle)],
        area=float(mask_api.area(rle)),
        segmentation=dict(size=rle['size'], counts=rle['counts'].decode()),
        iscrowd=0,
    )


def coco_document(images: list[dict], annotations: list[dict]) -> dict:
    """Join images and their annotations to a COCO document."""
    kept = {image['id'] for image in images}
    return dict(
        images=images,
        annotations=[a for a in annotations if a['image_id'] in kept],
        categories=[
            dict(id=index + 1, name=name) for index, name in enumerate(CLASSES)
        ],
    )


def scenes_of(
    spec: SceneSpec, photos: tuple[str, ...], count: int, stream: int
) -> Iterator[tuple[np.ndarray, list[Instance]]]:
    """Draw the scenes of a split; scene i depends only on i."""
    pictures = [read_photo(name) for name in photos]
    for index in range(count):
        rng = np.random.default_rng((spec.seed, stream, index))
        photo = pictures[index % len(pictures)]
        yield draw_scene(photo, spec.height, spec.width, rng)


def write_split(
    folder: Path,
    scenes: Iterator[tuple[np.ndarray, list[Instance]]],
) -> tuple[list[dict], list[dict]]:
    """Write a split's images; return COCO's images and annotations."""
    folder.mkdir()
    images: list[dict] = []
    annotations: list[dict] = []
    for image_id, (picture, instances) in enumerate(scenes, start=1):
        name = f'{image_id:04d}.jpg'
        height, width = picture.shape[:2]
        _, encoded = cv2.imencode(
            '.jpg', picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92]
        )
        # tofile does not say why it failed, such as a full disk.
        (folder / name).write_bytes(encoded.tobytes())
        images.append(
            dict(id=image_id, file_name=name, height=height, width=width)
        )
        for instance in instances:
            annotations.append(
                coco_annotation(instance, image_id, len(annotations) + 1)
            )
    return images, annotations


def write_scenes(root: Path, spec: SceneSpec) -> None:
    """Write all splits and their annotations below an existing folder."""
    (root / 'annotations').mkdir()
    train, train_labels = write_split(
        root / 'train', scenes_of(spec, TRAIN_PHOTOS, spec.train, 0)
    )
    val, val_labels = write_split(
        root / 'val', scenes_of(spec, VAL_PHOTOS, spec.val, 1)
    )
    documents = {
        'train': coco_document(train, train_labels),
        'train_few': coco_document(train[: spec.few], train_labels),
        'val': coco_document(val, val_labels),
    }
    for name, document in documents.items():
        path = root / 'annotations' / f'{name}.json'
        path.write_text(json.dumps(document))
    (root / 'scenes.json').write_text(json.dumps(asdict(spec), indent=2))


def is_made(out: Path, spec: SceneSpec) -> bool:
    """Return whether a folder holds exactly these scenes.

    Raises:
        FileExistsError: If the folder holds something else.
    """
    if not out.exists():
        return False
    described = out / 'scenes.json'
    if described.is_file() and json.loads(described.read_text()) == asdict(
        spec
    ):
        return True
    raise FileExistsError(
        f'{out} exists and does not hold scenes of these settings; name '
        'another folder, or pass --overwrite to replace it'
    )


def make_scenes(out: Path, spec: SceneSpec, overwrite: bool = False) -> bool:
    """Make the scenes unless they exist.

    Args:
        out: Folder to make; it appears only when it is complete.
        spec: What to make.
        overwrite: Whether to replace an existing folder of scenes.

    Returns:
        Whether anything was made.

    Raises:
        FileExistsError: If ``out`` exists and must not be replaced.
    """
    if overwrite and (out / 'scenes.json').is_file():
        shutil.rmtree(out)
    if is_made(out, spec):
        return False
    with atomic_folder(out) as partial:
        write_scenes(partial, spec)
    return True


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('out', type=Path, help='folder to make')
    for name, default in asdict(SceneSpec()).items():
        parser.add_argument(
            f'--{name}', type=int, default=default, help='%(default)s'
        )
    parser.add_argument(
        '--overwrite', action='store_true', help='replace scenes that exist'
    )
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Make the scenes that the command line asks for."""
    args = vars(parse_args(argv))
    out, overwrite = args.pop('out'), args.pop('overwrite')
    try:
        spec = SceneSpec(**args)
        made = make_scenes(out, spec, overwrite)
    except (OSError, ValueError) as error:
        sys.exit(f'make_scenes: {error}')
    print(
        f'{"made" if made else "found"} {spec.train} training scenes '
        f'({spec.few} labeled) and {spec.val} validation scenes of '
        f'{len(CLASSES)} classes in {out}'
    )


if __name__ == '__main__':
    main()
