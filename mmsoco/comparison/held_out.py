"""Hold out labeled pictures, to choose settings without the test set."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from mmsoco.datasets.coco_document import read_document
from mmsoco.datasets.converters.mini_coco import take_images
from mmsoco.utils.files import atomic_folder, sha256, write_json

from .pictures import labelled_paths
from .plan import Plan

_SEED = 0


def with_held_out(plan: Plan, out: Path) -> Plan:
    """Evaluate a plan on a part of its labeled pictures.

    The held-out pictures replace the validation set; the other labeled
    pictures are used for pretraining and fine-tuning. The validation set of
    the data is not read.

    Args:
        plan: The plan.
        out: Its folder, which gets the two annotation files and folders with
            links to the pictures.

    Returns:
        The plan with the data of that folder; the plan itself if its
        ``data.held_out`` is 0.

    Raises:
        FileNotFoundError: If a labelled picture does not exist.
        ValueError: If no labelled picture would be left.
    """
    data = plan.data
    if not data.held_out:
        return plan
    document = read_document(data.path('labels'))
    ids = sorted(image['id'] for image in document['images'])
    if data.held_out >= len(ids):
        raise ValueError(
            f'{plan.file}: data.held_out={data.held_out} leaves none of the '
            f'{len(ids)} pictures of {data.path("labels")} to learn from'
        )
    order = np.random.default_rng(_SEED).permutation(ids).tolist()
    chosen = dict(
        train=set(order[data.held_out :]), val=set(order[: data.held_out])
    )
    # Other labels or another number give another split.
    version = sha256(data.path('labels'))[:8]
    root = out / f'held_out_{data.held_out}-{version}'
    for name, own in chosen.items():
        part = take_images(document, own)
        write_json(root / f'{name}.json', part)
        if not (root / name).is_dir():
            _link(data.path('images'), part, root / name)
    return replace(
        plan,
        data=replace(
            data,
            root=str(root),
            labels='train.json',
            images='train',
            pictures='train',
            val_labels='val.json',
            val_images='val',
        ),
    )


def _link(images: Path, document: dict, folder: Path) -> None:
    """Fill a folder with links to the pictures of annotations."""
    with atomic_folder(folder) as partial:
        for source in labelled_paths(images, document):
            link = partial / source.relative_to(images)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(source.resolve())
