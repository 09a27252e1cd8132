"""Pack the results of the other transforms as tensors."""

import numpy as np
import torch

from mmsoco.registry import TRANSFORMS
from mmsoco.structures import describe_sets

from .geometry import resize_image


@TRANSFORMS.register_module()
class PackViews:
    """Make a sample that mmengine's ``default_collate`` stacks to a batch.

    The sample is a dict of plain tensors rather than of data elements: a
    batch of 128 would otherwise pickle 128 objects in every step. Resized
    views have no pixels here; `SoCoDataPreprocessor` makes them.

    Returns of a call:

    - ``inputs``: list of (h, w, C) tensors, uint8 RGB unless the dataset
      says otherwise (see `PixelFormat`), one per view with
      its own pixels, in the order of the views. The channels come first
      only on the device: as they lie, views are stacked row by row;
    - ``data_samples``: dict with ``bboxes``, a list of (K, 4) float32 tensors
      x1, y1, x2, y2 in the view's pixels, one per RoI set in the order of
      `mmsoco.structures.roi_sets`; ``cutout``, a list of (R, 4) float32
      tensors of rectangles, one per view (R = 0 without cutout); ``index``,
      the image's place in the dataset; ``roi_sets``, the text of
      `mmsoco.structures.describe_sets`, which the model compares with its
      own; where views are resized from others, ``sources``, for each view an
      (of, height, width) int64 tensor with the view that it takes its pixels
      from; where the device changes the colors, ``photometric``, a list of
      (11,) float32 rows, one per element of ``inputs``; and after
      `ShowProposals` its ``proposals`` and ``num_proposals``.
    """

    def __call__(self, results: dict) -> dict:
        """Pack one sample; see the class."""
        cutout = results.get('cutout')
        originals = results['originals']
        data_samples = dict(
            bboxes=[torch.from_numpy(b) for b in results['view_bboxes']],
            cutout=[torch.empty(0, 4)] * len(originals)
            if cutout is None
            else [torch.from_numpy(b) for b in cutout],
            index=results['index'],
            roi_sets=describe_sets(results['roi_sets']),
        )
        if len(results['views']) < len(originals):
            data_samples['sources'] = [
                torch.tensor((of, *crop.size))
                for of, crop in zip(originals, results['crops'], strict=True)
            ]
        if 'photometric' in results:
            rows = results['photometric'].values()
            data_samples['photometric'] = [torch.from_numpy(r) for r in rows]
        if 'proposals' in results:
            rows, counts = results['proposals'], results['num_proposals']
            data_samples['proposals'] = {
                view: torch.from_numpy(own) for view, own in rows.items()
            }
            data_samples['num_proposals'] = dict(counts)
        inputs = [torch.from_numpy(v) for v in results['views'].values()]
        return dict(inputs=inputs, data_samples=data_samples)

    def __repr__(self) -> str:
        return 'PackViews()'


def view_pixels(sample: dict, view: int) -> np.ndarray:
    """Return the pixels of a view of a packed sample, resized ones too.

    Args:
        sample: What `PackViews` makes.
        view: The view, counted from 1.

    Returns:
        (h, w, 3) uint8, RGB.
    """
    sources = sample['data_samples'].get('sources')
    if sources is None:
        return _visible(sample['inputs'][view - 1].numpy())
    layout = [row.tolist() for row in sources]
    own = [number for number, row in enumerate(layout, 1) if row[0] == number]
    of, *size = layout[view - 1]
    pixels = sample['inputs'][own.index(of)].numpy()
    if of != view:
        pixels = resize_image(pixels, tuple(size))
    return _visible(pixels)


def _visible(pixels: np.ndarray) -> np.ndarray:
    """Turn pixels of any format into (h, w, 3) uint8 RGB."""
    if pixels.shape[2] == 1:
        pixels = pixels.repeat(3, axis=2)
    if pixels.dtype != np.uint8:
        pixels = pixels.round().astype(np.uint8)
    return pixels[..., :3]
