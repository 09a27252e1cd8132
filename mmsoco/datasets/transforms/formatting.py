"""The last transform: from named intermediate results to tensors."""

import numpy as np
import torch

from mmsoco.registry import TRANSFORMS

from .geometry import resize_image


@TRANSFORMS.register_module()
class PackViews:
    """Make the sample that mmengine's ``default_collate`` stacks to a batch.

    Resized views are made here, from the finished pixels of their original.
    The sample is a dict of plain tensors rather than of data elements: a
    batch of 128 would otherwise pickle 128 objects in every step.

    Returns of a call:

    - ``inputs``: list of (3, h, w) uint8 tensors, RGB, one per view;
    - ``data_samples``: dict with ``bboxes``, a list of (K, 4) float32 tensors
      x1, y1, x2, y2 in the view's pixels, one per RoI set in the order of
      `mmsoco.structures.roi_sets`; ``cutout``, a list of (R, 4) float32
      tensors of rectangles, one per view (R = 0 without cutout); and
      ``index``, the image's place in the dataset.
    """

    def __call__(self, results: dict) -> dict:
        """Pack one sample; see the class."""
        views = results['views']
        finished = [
            resize_image(views[of - 1], crop.size) if view is None else view
            for view, crop, of in zip(
                views, results['crops'], results['originals'], strict=True
            )
        ]
        nothing = [np.empty((0, 4), np.float32)] * len(views)
        cutout = results.get('cutout', nothing)
        return dict(
            # The collating step copies anyway and puts the channels first.
            inputs=[torch.from_numpy(v).permute(2, 0, 1) for v in finished],
            data_samples=dict(
                bboxes=[torch.from_numpy(b) for b in results['view_bboxes']],
                cutout=[torch.from_numpy(b) for b in cutout],
                index=results['index'],
            ),
        )

    def __repr__(self) -> str:
        return 'PackViews()'
