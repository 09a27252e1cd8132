"""Build a detector's network up to its box head, and load weights."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from mmengine.registry import DefaultScope
from torch import Tensor

from mmsoco.checkpoints import io
from mmsoco.checkpoints.load_report import (
    compare,
    depends_on_classes,
    part_of,
)
from mmsoco.checkpoints.newest import find_checkpoint
from mmsoco.models.object_encoder import ObjectEncoder
from mmsoco.structures import InputConvention

# Prefix of the detector's tensors in a pretraining model.
ENCODER = 'encoder.'
# mmdet's default for finest_scale of SingleRoIExtractor.
FINE_TUNING_SCALE = 56


def build_encoder(detector: dict, seed: int = 0) -> ObjectEncoder:
    """Build the untrained network of a detector's config.

    Args:
        detector: Config of an mmdet detector (its whole ``model``). Boxes
            go to pyramid levels as fine-tuning assigns them.
        seed: Seed of the initial weights.

    Returns:
        The encoder in evaluation mode.

    Raises:
        TypeError: See `ObjectEncoder`.
        ValueError: See `ObjectEncoder`.
    """
    extractor = (detector.get('roi_head') or {}).get('bbox_roi_extractor', {})
    if isinstance(extractor, (list, tuple)):
        extractor = extractor[0]
    scale = extractor.get('finest_scale', FINE_TUNING_SCALE)
    with (
        torch.random.fork_rng(devices=[]),
        DefaultScope.overwrite_default_scope('mmsoco'),
        _quiet(),
    ):
        torch.manual_seed(seed)
        encoder = ObjectEncoder(detector, 'assigned', scale)
        encoder.init_weights()
    return encoder.eval()


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence mmengine's log of the initialization of each tensor."""
    before = logging.root.manager.disable
    logging.disable(logging.INFO)
    try:
        yield
    finally:
        logging.disable(before)


def load_weights(
    encoder: ObjectEncoder,
    weights: str | Path | Mapping[str, Tensor],
    convention: InputConvention,
) -> dict[str, int]:
    """Load weights into an encoder; parts without weights stay untrained.

    Args:
        encoder: From `build_encoder`.
        weights: A pretraining checkpoint, an exported or fine-tuned
            detector's, or such a state dict. Heads that the encoder does not
            have (RPN, masks, classifier, regressor) are left out.
        convention: The input that the encoder gets.

    Returns:
        Number of tensors that were loaded, by part.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file has no weights, or was trained on another
            input, or a part of it does not fit completely.
    """
    if isinstance(weights, Mapping):
        state = dict(weights)
    else:
        path = find_checkpoint(weights)
        checkpoint = io.load_run(path)
        convention.check_file(checkpoint.get('meta'), path)
        state = io.weights_of(checkpoint, path)
    if any(name.startswith(ENCODER) for name in state):
        state = {
            name.removeprefix(ENCODER): tensor
            for name, tensor in state.items()
            if name.startswith(ENCODER)
        }
    own = encoder.state_dict()
    own_parts = {part_of(name) for name in own}
    state = {
        name: tensor
        for name, tensor in state.items()
        if part_of(name) in own_parts and not depends_on_classes(name)
    }
    report = compare(state, own)
    report.check()
    encoder.load_state_dict(state, strict=False)
    return {name: len(part.loaded) for name, part in report.parts.items()}
