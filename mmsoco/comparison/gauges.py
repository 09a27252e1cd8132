"""Measure two gauges of pretrained weights that need no labels.

They are the same for all starts and use features of the backbone's last map,
in random boxes of the pretraining pictures, in two views each: how often the
nearest box of the other view is the same object, and how many dimensions the
features use.
"""

from pathlib import Path

import torch
from mmengine.dataset import default_collate

from mmsoco.datasets.proposal_dataset import ProposalDataset
from mmsoco.datasets.samplers import SampleKey
from mmsoco.evaluation.encoders import build_encoder, load_weights
from mmsoco.evaluation.object_features import ModuleFeatures
from mmsoco.evaluation.picture_batches import Batch
from mmsoco.models.data_preprocessor import SoCoDataPreprocessor
from mmsoco.models.gauges import effective_rank, retrieval_hit_rate
from mmsoco.models.roi_pooling import index_boxes
from mmsoco.structures import InputConvention

PICTURES = 64
BOXES = 4
_VIEW = 128
_BATCH = 16
_PIPELINE = (
    dict(type='RandomProposals'),
    dict(
        type='DrawViews',
        views=[
            dict(type='WholeImageView', size=_VIEW),
            dict(type='RandomCropView', size=_VIEW, area=(0.5, 1.0)),
        ],
        pairs=[(1, 2)],
        num_proposals=BOXES,
    ),
    # SoCo's own colors would favor methods that were trained on them.
    dict(
        type='PhotometricJitter', gray_prob=0.0, blur_prob=0.0,
        solarize_prob=0.0,
    ),
    dict(type='PackViews'),
)  # fmt: skip


@torch.no_grad()
def measure(detector: dict, weights: Path, images: Path) -> dict[str, float]:
    """Measure the gauges of a detector's weights.

    Args:
        detector: Config of the detector.
        weights: Exported weights, which have a backbone at least.
        images: Folder of pictures.

    Returns:
        ``hit_rate`` of the retrieval, from 0 to 1, and ``effective_rank``.
    """
    encoder = build_encoder(detector)
    # A detector without this entry gets the input of its pretraining.
    convention = InputConvention.of_detector(detector) or InputConvention()
    load_weights(encoder, weights, convention)
    features = ModuleFeatures(encoder)
    dataset = ProposalDataset(str(images), None, _PIPELINE)
    number = min(PICTURES, len(dataset))
    preprocessor = SoCoDataPreprocessor(**convention.to_preprocessor())
    views: tuple[list, list] = ([], [])
    for first in range(0, number, _BATCH):
        # Evenly spread pictures; the sample of each depends only on its index.
        picked = [
            i * len(dataset) // number
            for i in range(first, min(first + _BATCH, number))
        ]
        samples = [dataset[SampleKey(0, 0, index)] for index in picked]
        batch = preprocessor(default_collate(samples))
        for own, view, boxes in zip(
            views, batch['inputs'], batch['data_samples']['bboxes'],
            strict=True,
        ):  # fmt: skip
            found = features(Batch(view, index_boxes(boxes)))
            own.append(found[last_stage(found)])
    one, two = (torch.cat(own) for own in views)
    return dict(
        hit_rate=round(float(retrieval_hit_rate(one, two)), 4),
        effective_rank=round(float(effective_rank(one)), 2),
    )


def last_stage(features: dict[str, torch.Tensor]) -> str:
    """Return the name of the backbone's last map among the features."""
    return max(name for name in features if name.startswith('backbone.'))
