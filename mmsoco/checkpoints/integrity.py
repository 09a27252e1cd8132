"""Check that a checkpoint's tensors are finite and were not changed."""

import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .load_report import preview

# The entry of `meta` that holds the checksum of a checkpoint's tensors.
CHECKSUM = 'tensors_sha256'
# The same for what a run continues from, see `run_sha256`.
RUN_CHECKSUM = 'mmsoco_sha256'
_RUN_PARTS = ('state_dict', 'optimizer', 'param_schedulers')
# What a model computes with; its counters are whole numbers.
_COMPUTED = ('weight', 'bias', 'running_mean', 'running_var')
_RUN_META = ('epoch', 'iter', 'seed', 'mmsoco_run', 'mmsoco_sampler_seed')


def tensors_sha256(state: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of the names, types, shapes and bytes of tensors.

    Unlike the hash of the file, it does not depend on how the tensors are
    written, and it can be stored inside the file.

    Args:
        state: Tensors by name, in any order.

    Returns:
        64 hex digits.
    """
    digest = hashlib.sha256()
    for name in sorted(state):
        digest.update(f'{name} '.encode())
        _update_tensor(digest, state[name])
    return digest.hexdigest()


def run_sha256(checkpoint: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the state that a training run continues from.

    That is its weights, optimizer, schedules, position, seeds and record; not
    the history of its log.

    Args:
        checkpoint: What the file of a run holds, with tensors on the CPU.

    Returns:
        64 hex digits.
    """
    meta = checkpoint['meta']
    content = {part: checkpoint.get(part) for part in _RUN_PARTS}
    content |= {name: meta[name] for name in _RUN_META if name in meta}
    digest = hashlib.sha256()
    _update(digest, content)
    return digest.hexdigest()


def _update(digest: Any, content: Any) -> None:
    """Add nested values to a digest, with separators."""
    if isinstance(content, Mapping):
        digest.update(f'dict {len(content)}\n'.encode())
        for key in sorted(content, key=repr):
            digest.update(f'{key!r}\n'.encode())
            _update(digest, content[key])
    elif isinstance(content, list | tuple):
        digest.update(f'list {len(content)}\n'.encode())
        for item in content:
            _update(digest, item)
    elif isinstance(content, Tensor) and not content.is_meta:
        _update_tensor(digest, content)
    else:
        digest.update(f'{content!r}\n'.encode())


def _update_tensor(digest: Any, tensor: Tensor) -> None:
    """Add type, shape and bytes of a tensor to a digest."""
    tensor = tensor.detach().cpu()
    if tensor.layout is not torch.strided:
        tensor = tensor.to_dense()
    tensor = tensor.contiguous()
    digest.update(f'{tensor.dtype} {tuple(tensor.shape)}\n'.encode())
    digest.update(tensor.reshape(-1).view(torch.uint8).numpy())


def check_bytes(path: str | Path) -> None:
    """Compare each record of a file of `torch.save` with its own checksum.

    `torch.load` does not do this: a flipped bit would silently change a
    weight. Files of other formats have no checksums and pass.

    Args:
        path: The file.

    Raises:
        ValueError: If a record differs from what was written.
    """
    reason = damage(path)
    if reason is not None:
        raise ValueError(
            f'{path} is damaged: {reason}. Copy or download it again, or take '
            'an earlier checkpoint.'
        )


def damage(path: str | Path) -> str | None:
    """Describe the damage to the bytes of a checkpoint file.

    Args:
        path: A local file.

    Returns:
        What is wrong, or None. Files in the format before torch 1.6 have no
        checksums and pass.
    """
    path = Path(path)
    try:
        with path.open('rb') as file:
            start = file.read(4)
        if not start:
            return 'it is empty'
        if start != b'PK\x03\x04':
            return None
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
    except Exception as error:  # broken bytes lead to errors of any type
        return f'it is cut short or changed: {error}'
    return f'the bytes of {broken} have changed' if broken else None


def is_finite(tensor: Tensor) -> bool:
    """Return whether no value of a tensor of any type is NaN or infinite."""
    if tensor.is_nested:
        return all(is_finite(part) for part in tensor.unbind())
    if is_expanded(tensor):  # the values of its storage are all that it has
        tensor = tensor.as_strided((_stored(tensor),), (1,), 0)
    if tensor.layout is not torch.strided:
        tensor = tensor.to_dense()
    if tensor.is_floating_point() and tensor.element_size() == 1:
        tensor = tensor.float()  # of float8 torch knows little
    is_number = tensor.is_floating_point() or tensor.is_complex()
    return not is_number or bool(torch.isfinite(tensor).all())


def is_expanded(tensor: Tensor) -> bool:
    """Return whether a tensor repeats its values without storing them."""
    if tensor.is_meta or tensor.is_quantized or tensor.is_nested:
        return False
    if tensor.layout is not torch.strided:
        return False
    return tensor.numel() > _stored(tensor)


def _stored(tensor: Tensor) -> int:
    """Return how many values the storage of a strided tensor has."""
    return tensor.untyped_storage().nbytes() // tensor.element_size()


def check_finite(state: Mapping[str, Tensor], source: object) -> None:
    """Refuse weights that are not finite numbers.

    Args:
        state: Tensors by name.
        source: The file or model that they come from, for the message.

    Raises:
        ValueError: If a tensor holds NaN or an infinite number.
    """
    bad = [name for name, tensor in state.items() if not is_finite(tensor)]
    if bad:
        raise ValueError(
            f'{len(bad)} of {len(state)} tensors of {source} are not finite '
            f'(NaN or infinite): {preview(bad)}. The training that made them '
            'failed; take an earlier checkpoint of the run.'
        )


def check_real(state: Mapping[str, Tensor], source: object) -> None:
    """Refuse weights that torch would convert, or that no detector can take.

    Args:
        state: Tensors by name.
        source: The file or model that they come from, for the message.

    Raises:
        ValueError: If a tensor that a model computes with is of whole or
            complex numbers, or a tensor is not stored value by value.
    """
    bad = [
        name
        for name, tensor in state.items()
        if name.endswith(_COMPUTED) and not tensor.is_floating_point()
    ]
    if bad:
        kinds = ', '.join(sorted({str(state[name].dtype) for name in bad}))
        raise ValueError(
            f'{len(bad)} weights of {source} are of type {kinds}, as in a '
            f'quantized model: {preview(bad)}; expected floating point. Take '
            'the file that it was made from.'
        )
    odd = {name: form for name in state if (form := _form(state[name]))}
    if odd:
        forms = ', '.join(sorted(set(odd.values())))
        raise ValueError(
            f'{len(odd)} tensors of {source} are {forms}: '
            f'{preview(list(odd))}; expected dense tensors with all their '
            'values. Save them again after to_dense() or contiguous(), or '
            'take the file that it was made from.'
        )


def _form(tensor: Tensor) -> str | None:
    """Return in which form a tensor is stored, or None for a dense one."""
    if tensor.is_meta:
        return 'without values (torch\'s device "meta")'
    if tensor.is_nested:
        return 'nested'
    if tensor.layout is not torch.strided:
        return f'sparse ({str(tensor.layout).removeprefix("torch.")})'
    if is_expanded(tensor):
        return 'expanded (fewer values in the file than in the tensor)'
    return None


def check_checksum(
    state: Mapping[str, Tensor], meta: Mapping, source: object
) -> None:
    """Compare tensors with their checksum in the meta.

    Args:
        state: All tensors of the checkpoint by name.
        meta: Its ``meta``; without a checksum there is nothing to compare.
        source: The file, for the message.

    Raises:
        ValueError: If the tensors have changed.
    """
    expected = meta.get(CHECKSUM)
    if expected is None:
        return
    if not isinstance(expected, str):
        raise ValueError(
            f'{source}: expected the text of a SHA-256 under {CHECKSUM} of '
            f'its meta, got {expected!r}. Export or download it again'
        )
    found = tensors_sha256(state)
    if found != expected:
        raise ValueError(
            f'the tensors of {source} are not those that were exported: '
            f'expected {CHECKSUM} {expected[:16]}..., got {found[:16]}.... '
            'Export or download it again; to change weights on purpose, '
            f"remove {CHECKSUM} from the file's meta."
        )
