"""Replace the proposals by random boxes, for ablations."""

import numpy as np

from mmsoco.registry import TRANSFORMS

from .geometry import draw_crop
from .views import check_count, check_range


@TRANSFORMS.register_module()
class RandomProposals:
    """Replace the proposals by random boxes.

    They are drawn anew in each epoch, with the sizes and shapes that the
    proposal filter allows (paper, ablation of proposals).

    Args:
        num_boxes: Number of boxes of an image.
        scale: Range of sqrt(box area) / sqrt(image area).
        aspect: Range of width / height.

    Raises:
        ValueError: If there is no box or a range is empty.
    """

    def __init__(
        self,
        num_boxes: int = 25,
        scale: tuple[float, float] = (0.3, 0.8),
        aspect: tuple[float, float] = (1 / 3, 3.0),
    ) -> None:
        self.num_boxes = check_count('num_boxes', num_boxes, 10_000)
        self.scale = check_range('scale', scale, upper=1.0)
        self.aspect = check_range('aspect', aspect)

    def __call__(self, results: dict) -> dict:
        """Replace ``bboxes`` of one sample."""
        height, width = results['img'].shape[:2]
        area = (self.scale[0] ** 2, self.scale[1] ** 2)
        rects = np.array(
            [
                draw_crop(results['rng'], height, width, area, self.aspect)
                for _ in range(self.num_boxes)
            ],
            np.float32,
        )
        results['bboxes'] = np.hstack(
            [rects[:, :2], rects[:, :2] + rects[:, 2:]]
        )
        return results

    def __repr__(self) -> str:
        return (
            f'RandomProposals(num_boxes={self.num_boxes}, '
            f'scale={self.scale}, aspect={self.aspect})'
        )
