"""Boxes of a detector's RPN, as proposals of pictures."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmengine.config import ConfigDict
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import DefaultScope
from torch import nn

import mmsoco.registry  # noqa: F401  (makes the scope known)
from mmsoco.checkpoints import io
from mmsoco.checkpoints.incoming import to_mmdet
from mmsoco.checkpoints.load_report import compare, preview
from mmsoco.checkpoints.locations import load_weights
from mmsoco.config.literals import parse_config
from mmsoco.config.reading import read_config
from mmsoco.datasets.transforms.geometry import resize_image
from mmsoco.registry import MODELS
from mmsoco.structures import InputConvention
from mmsoco.utils.files import sha256

from .detector_config import read_detector

# What the boxes of an RPN depend on.
_NEEDED = ('backbone', 'neck', 'rpn_head')
# mmdet's number of boxes of a level that meet the suppression.
_MOST_OF_LEVEL = 2000


class InputSize(NamedTuple):
    """What images are resized to.

    Attributes:
        sides: (height, width) of every image; or the longer and the shorter
            side that it fits into, in any order.
        keeps_aspect: Whether it is the latter.
    """

    sides: tuple[int, int]
    keeps_aspect: bool = True

    def fit(self, height: int, width: int) -> tuple[int, int]:
        """Return the new (h, w) of an image."""
        if not self.keeps_aspect:
            return self.sides
        zoom = min(
            max(self.sides) / max(height, width),
            min(self.sides) / min(height, width),
        )
        return max(round(height * zoom), 1), max(round(width * zoom), 1)


@dataclass(frozen=True)
class RPNFinder:
    """Find boxes by the RPN of a detector, the best ones first.

    It takes the place of `SearchSpec` in a `Job`, so that all that holds of
    the search holds here: filters, parts, resuming, unreadable images. Every
    image is looked at by itself, and the boxes are rounded to pixels, so that
    they do not depend on how the work is cut up.

    Attributes:
        weights: Checkpoint of a detector or of a pretraining with
            `RPNPretext`.
        config: Config of the detector; by default the one that the file
            carries.
        size: Longest side that an image is resized to, pixels; by default
            the size of the first view that a pretraining saw, with which the
            aspect is not kept, or the size of a detector's tests.
        number: Most boxes of an image.
        nms: IoU from which a box suppresses those that score less.

    Raises:
        ValueError: A number is out of its range.
    """

    weights: str
    config: str | None = None
    size: int | None = None
    number: int = 100
    nms: float = 0.7

    def __post_init__(self) -> None:
        """Check the numbers."""
        if self.number < 1 or not 0 < self.nms <= 1:
            raise ValueError(
                'expected 1 box or more and an overlap in (0, 1], got '
                f'number={self.number} and nms={self.nms}'
            )
        if self.size is not None and self.size < 32:
            raise ValueError(
                f'size must be 32 pixels or more, got {self.size}'
            )

    def as_dict(self) -> dict[str, Any]:
        """Return where the boxes come from, for a store's metadata."""
        return dict(
            detector=Path(self.weights).name,
            sha256=_hash_of(self.weights),
            size=self.size,
            number=self.number,
            nms=self.nms,
        )

    def prepare(self) -> None:
        """Load the weights, to find errors before the work is shared out.

        Raises:
            FileNotFoundError: A file is not there.
            ValueError: There is no config, the detector has no RPN, or the
                file lacks weights of it.
        """
        _load(self)

    def find(self, rgb: np.ndarray) -> np.ndarray:
        """Find the boxes of an image.

        Args:
            rgb: (H, W, 3) uint8.

        Returns:
            (N, 4) float32 xyxy, absolute, whole pixels within the image, by
            falling score.
        """
        detector, size = _ready(self)
        height, width = rgb.shape[:2]
        h, w = size.fit(height, width)
        image = resize_image(rgb, (h, w))[..., ::-1]  # mmdet loads BGR
        sample = DetDataSample(
            metainfo=dict(
                img_shape=(h, w),
                ori_shape=(height, width),
                scale_factor=(w / width, h / height),
            )
        )
        pixels = torch.from_numpy(np.ascontiguousarray(image))
        batch = dict(inputs=[pixels.permute(2, 0, 1)], data_samples=[sample])
        with torch.inference_mode():
            batch = detector.data_preprocessor(batch, False)
            maps = detector.extract_feat(batch['inputs'])
            [found] = detector.rpn_head.predict(
                maps, batch['data_samples'], rescale=True
            )
        boxes = found.bboxes.float().cpu().numpy()
        boxes = np.rint(boxes).clip(0, [width, height] * 2)
        has_area = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
        return boxes[has_area].astype(np.float32)


@functools.cache
def _hash_of(path: str) -> str:
    return sha256(path)


@functools.cache
def _load(finder: RPNFinder) -> tuple[nn.Module, InputSize]:
    """Build the detector with its weights, and find its input's size."""
    path = finder.weights
    checkpoint = load_weights(path)
    cfg = _config_of(finder, checkpoint.get('meta') or {})
    detector = _detector_in(cfg, finder)
    _check_detector(detector, path)
    # Without a preprocessor of its own, it gets the pixels as they are.
    preprocessor = detector.get('data_preprocessor') or {}
    convention = InputConvention.of_detector(
        dict(detector, data_preprocessor=preprocessor)
    )
    assert convention is not None  # there is a preprocessor
    convention.check_file(checkpoint.get('meta'), path)
    with DefaultScope.overwrite_default_scope('mmsoco'):
        model = MODELS.build(ConfigDict(_with_many_boxes(detector, finder)))
    model = revert_sync_batchnorm(model)
    state, _ = to_mmdet(io.weights_of(checkpoint, path))
    _check_weights(state, model, path)
    own = model.state_dict()
    fitting = {
        name: tensor
        for name, tensor in state.items()
        if name in own and own[name].shape == tensor.shape
    }
    model.load_state_dict(fitting, strict=False)
    if finder.size is not None:
        return model.eval(), InputSize((finder.size, finder.size))
    return model.eval(), _input_size(cfg)


def _check_detector(detector: Mapping, path: str) -> None:
    """Refuse a detector without an RPN, or for other pictures than RGB."""
    if not detector.get('rpn_head'):
        raise ValueError(
            f'{path}: the detector {detector.get("type")} has no rpn_head '
            'whose boxes could be proposals; take a two-stage detector'
        )
    channels = detector['backbone'].get('in_channels', 3)
    if channels != 3:
        raise ValueError(
            f'{path}: the detector looks at {channels} channels, and boxes '
            'are proposed on RGB pictures alone'
        )


def _with_many_boxes(detector: Mapping, finder: RPNFinder) -> dict:
    """Return a detector's config whose RPN gives as many boxes as are asked.

    Training and testing a detector need fewer boxes than a search does.
    """
    test_cfg = dict(detector.get('test_cfg') or {})
    test_cfg['rpn'] = dict(
        test_cfg.get('rpn') or {},
        nms_pre=_MOST_OF_LEVEL,
        max_per_img=finder.number,
        nms=dict(type='nms', iou_threshold=finder.nms),
        min_bbox_size=0,
    )
    return dict(detector, test_cfg=test_cfg)


@functools.cache
def _ready(finder: RPNFinder) -> tuple[nn.Module, InputSize]:
    """Put the detector where this process computes."""
    model, size = _load(finder)
    if torch.cuda.is_available():
        return model.cuda(), size
    torch.set_num_threads(1)  # each core has its own process
    return model, size


def _config_of(finder: RPNFinder, meta: Mapping) -> Mapping[str, Any]:
    """Return the config of the run that made the weights."""
    if finder.config is not None:
        return read_config(finder.config, {})
    text = meta.get('cfg') or meta.get('config')
    cfg = parse_config(text) if isinstance(text, str) else {}
    if not isinstance(cfg.get('model'), Mapping):
        raise ValueError(
            f'{finder.weights} does not carry the config of its detector; '
            'name it with --detector-config'
        )
    return cfg


def _detector_in(cfg: Mapping[str, Any], finder: RPNFinder) -> dict:
    """Return the detector of a fine-tuning or of a pretraining."""
    model = cfg.get('model')
    if not isinstance(model, Mapping):
        raise ValueError(f'{finder.config} has no `model`')
    if model.get('detector'):
        return dict(read_detector(model['detector']))
    return dict(model)


def _check_weights(
    state: Mapping[str, torch.Tensor], model: nn.Module, path: str
) -> None:
    """Refuse a file that leaves a part of the RPN's way at random.

    Raises:
        ValueError: A part, or a piece of it, is missing.
    """
    report = compare(state, model.state_dict())
    for name in _NEEDED:
        part = report.parts.get(name)
        if part is None:
            continue
        absent = [*part.new, *part.mismatched]
        if not absent:
            continue
        remedy = 'name the config that they were trained with'
        if name == 'rpn_head' and not part.loaded:
            remedy = (
                'pretrain with the RPN (`mmsoco pretrain --rpn`, or the '
                'pretext RPNPretext), or take the weights of a whole detector'
            )
        raise ValueError(
            f'{path} has no weights of {name} that fit the detector '
            f'({preview(absent)}): {remedy}'
        )


def _input_size(cfg: Mapping[str, Any]) -> InputSize:
    """Find the size of input that the weights were trained for.

    Raises:
        ValueError: The config does not say it.
    """
    loaders = ('train_dataloader', 'test_dataloader', 'val_dataloader')
    for name in loaders:
        dataset = (cfg.get(name) or {}).get('dataset') or {}
        while 'dataset' in dataset:
            dataset = dataset['dataset']
        for step in dataset.get('pipeline') or ():
            if step.get('views'):
                return InputSize(_sides(step['views'][0]['size']), False)
            if step.get('scale') and name != 'train_dataloader':
                return InputSize(_sides(step['scale']))
    raise ValueError(
        'the config does not say which size its images have; name the '
        'longest side with --size'
    )


def _sides(size: int | Sequence[int]) -> tuple[int, int]:
    first, second = (size, size) if isinstance(size, int) else size
    return first, second
