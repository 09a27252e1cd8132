"""The last transform: from named intermediate results to tensors."""

import numpy as np
import torch

from mmsoco.registry import TRANSFORMS
from mmsoco.structures import describe_sets

from .geometry import resize_image


@TRANSFORMS.register_module()
class PackViews:
    """Make the sample that mmengine's ``default_collate`` stacks to a batch.

    Resized views are made here, from the finished pixels of their original;
    where the device changes the colours, it makes them afterwards, and here
    they are tensors without channels. The sample is a dict of plain tensors
    rather than of data elements: a batch of 128 would otherwise pickle 128
    objects in every step.

    Returns of a call:

    - ``inputs``: list of (h, w, 3) uint8 tensors, RGB, one per view, or
      (h, w, 0) of a view that is still to be resized. The channels come
      first only on the device: as they lie, views are stacked row by row;
    - ``data_samples``: dict with ``bboxes``, a list of (K, 4) float32 tensors
      x1, y1, x2, y2 in the view's pixels, one per RoI set in the order of
      `mmsoco.structures.roi_sets`; ``cutout``, a list of (R, 4) float32
      tensors of rectangles, one per view (R = 0 without cutout); ``index``,
      the image's place in the dataset; ``roi_sets``, the text of
      `mmsoco.structures.describe_sets`, which the model compares with its
      own; and, where the device changes the
      colours, what `SoCoDataPreprocessor` needs for that: ``photometric``, a
      list of (11,) float32 rows, one per view ((0,) of a resized view), and
      ``originals``, for each view the view that it takes its pixels from.
    """

    def __call__(self, results: dict) -> dict:
        """Pack one sample; see the class."""
        rows = results.get('photometric')
        boxes = [torch.from_numpy(b) for b in results['view_bboxes']]
        cutout = results.get('cutout')
        data_samples = dict(
            bboxes=boxes,
            cutout=[torch.empty(0, 4)] * len(results['views'])
            if cutout is None
            else [torch.from_numpy(b) for b in cutout],
            index=results['index'],
            roi_sets=describe_sets(results['roi_sets']),
        )
        if rows is not None:
            none = np.empty(0, np.float32)
            data_samples['photometric'] = [
                torch.from_numpy(none if row is None else row) for row in rows
            ]
            data_samples['originals'] = results['originals']
        views = _finished_views(results, resize=rows is None)
        return dict(
            inputs=[torch.from_numpy(view) for view in views],
            data_samples=data_samples,
        )

    def __repr__(self) -> str:
        return 'PackViews()'


def _finished_views(results: dict, resize: bool) -> list[np.ndarray]:
    """Fill the places of resized views, or mark them by no channels."""
    views = results['views']
    return [
        view
        if view is not None
        else resize_image(views[of - 1], crop.size)
        if resize
        else np.empty((*crop.size, 0), np.uint8)
        for view, crop, of in zip(
            views, results['crops'], results['originals'], strict=True
        )
    ]
