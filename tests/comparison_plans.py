"""Plans, pictures and labels small enough for tests."""

import json
from pathlib import Path

import coco_documents
import cv2
import numpy as np

from mmsoco.comparison.harness import Comparison
from mmsoco.comparison.plan_file import parse_plan

CONFIGS = Path(__file__).resolve().parent.parent / 'configs'
DETECTOR = CONFIGS / 'comparison' / '_base_' / 'faster-rcnn_r18-fpn_320.py'
SOCO = CONFIGS / 'comparison' / 'starts' / 'soco.py'
BYOL = CONFIGS / 'baselines' / 'byol_resnet18_1xb32-coslr-20e_custom.py'
CLASSES = ('disc', 'square')


def labels(count: int, offset: int = 0, classes=CLASSES) -> dict:
    """COCO annotations of pictures with one object each, classes in turn."""
    pictures = {
        f'{offset + i}.png': [(1 + i % len(classes), (8, 8, 40, 40))]
        for i in range(count)
    }
    return coco_documents.document(pictures, (64, 64), classes)


def pictures(folder: Path, count: int, offset: int = 0, size: int = 64):
    """Pictures of noise, each another one."""
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(offset, offset + count):
        noise = np.random.default_rng(i).integers(0, 255, (size, size, 3))
        cv2.imwrite(str(folder / f'{i}.png'), noise.astype(np.uint8))


def data_set(root: Path, train: int = 8, val: int = 2) -> Path:
    """A data set in the layout of a plan's defaults."""
    for name, count, offset in (('train', train, 0), ('val', val, 1000)):
        pictures(root / name, count, offset)
        (root / f'{name}.json').write_text(json.dumps(labels(count, offset)))
    return root


def plan(root: Path, **changes) -> dict:
    """Content of a plan with scratch and SoCo."""
    content = dict(
        name='tiny',
        data=dict(root=str(root)),
        detector=str(DETECTOR),
        pretraining=dict(samples=8, batch_size=4),
        finetuning=dict(steps=2),
        budgets=[dict(labels=4, seeds=[0, 1])],
        starts=[
            dict(name='scratch', kind='scratch'),
            dict(name='soco', kind='soco', config=str(SOCO)),
        ],
    )
    return content | changes


def comparison(content: dict, root: Path, out: Path) -> Comparison:
    """The comparison of a plan's content, with results and records in out."""
    return Comparison(
        parse_plan(content, root / 'plan.py'),
        out / 'out',
        out / 'records',
        ('mmsoco', 'compare', 'plan.py'),
    )
