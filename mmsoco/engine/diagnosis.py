"""Find where numbers stop being finite, and keep the batch for a replay."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.structures import BaseDataElement
from torch import Tensor, nn

from mmsoco.checkpoints.guard import not_finite
from mmsoco.checkpoints.io import load, save_atomic
from mmsoco.engine.optimizers.finite_steps import KeptBuffers
from mmsoco.engine.run_record import image_name

NO_LAYER = 'none: the gradients alone, in the backward pass'


def first_not_finite(model: nn.Module, batch: Any, context: Any = None) -> str:
    """Name the first layer whose output is not finite.

    Args:
        model: An mmengine model, not wrapped; one forward pass is run, and its
            buffers are restored.
        batch: What the data loader gave.
        context: Context of the forward pass, such as mixed precision.

    Returns:
        The name of a layer and the kind of value; or the name of a weight, or
        the images, if they are not finite themselves; or the name of a
        statistic of batch norm that overflows.
    """
    weights = not_finite(model.state_dict())
    if weights:
        return f'{weights[0]}, a weight'
    odd = set(not_finite(dict(model.named_buffers())))  # such as masks
    buffers = KeptBuffers(model)
    try:
        with (
            _watched_layers(model) as found,
            torch.no_grad(),
            context or nullcontext(),
        ):
            data = model.data_preprocessor(batch, True)
            if not_finite(plain(data)):
                return 'none: the images or boxes themselves'
            losses = model(**data, mode='loss')
        overflown = [
            name
            for name in not_finite(dict(model.named_buffers()))
            if name not in odd
        ]
    finally:
        buffers.put_back_if(torch.ones(()))
    if found:
        return found[0]
    if not_finite(losses):
        return 'none: the loss is computed outside of layers'
    if overflown:
        return f'{overflown[0]}, a statistic of finite outputs'
    return NO_LAYER


@contextmanager
def _watched_layers(model: nn.Module) -> Iterator[list[str]]:
    """Yield a list that gets the first layer whose output is not finite."""
    found: list[str] = []

    def watch(name: str, module: nn.Module, _: Any, output: Any) -> None:
        if not found and not_finite(output):
            found.append(f'{name} ({type(module).__name__})')

    handles = [
        module.register_forward_hook(partial(watch, name))
        for name, module in model.named_modules()
        if name
    ]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def keep_batch(path: Path, content: dict[str, Any]) -> None:
    """Write a batch and further values as tensors and plain values.

    Args:
        path: The file.
        content: Values by name; data elements become dicts.
    """
    save_atomic(plain(content), path)


def replay(path: str | Path, model: nn.Module) -> str:
    """Run a kept batch of `SoCo` again.

    Args:
        path: A file of `keep_batch`. Of several processes, only the first one
            keeps the weights; its file must lie beside those of others.
        model: The model of its config; it gets the kept weights.

    Returns:
        See `first_not_finite`.
    """
    content = load(path)
    state = content['state_dict'] or load(_of_first(path))['state_dict']
    model.load_state_dict(state)
    model.train()
    return first_not_finite(model, content['batch'])


def _of_first(path: str | Path) -> Path:
    """Return the file of the first process for that of another one."""
    path = Path(path)
    return path.with_name(re.sub(r'_rank\d+', '_rank0', path.name))


def image_names(batch: Any, dataset: Any) -> list[str]:
    """Name the images of a batch, as far as batch and data set allow.

    Args:
        batch: What the data loader gave.
        dataset: The data set that it was drawn from.
    """
    samples = batch.get('data_samples') if isinstance(batch, dict) else None
    if isinstance(samples, Mapping) and 'index' in samples:
        while hasattr(dataset, 'dataset'):  # the places are those inside
            dataset = dataset.dataset
        if hasattr(dataset, 'datasets'):  # they do not say in which of them
            return []
        indices = torch.as_tensor(samples['index']).tolist()
        names = [image_name(dataset, index) for index in indices]
        return [name for name in names if name]
    if isinstance(samples, list | tuple):
        return [str(getattr(s, 'img_path', 'unknown')) for s in samples]
    return []


def plain(value: Any) -> Any:
    """Turn a value into tensors and plain values."""
    if isinstance(value, Tensor):
        return value.detach().cpu().clone()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, BaseDataElement):
        return {key: plain(item) for key, item in value.all_items()}
    if isinstance(value, np.ndarray) and value.dtype.kind in 'biuf':
        return torch.from_numpy(value.copy())
    if hasattr(value, 'tensor'):  # mmdet's boxes
        return plain(value.tensor)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)
