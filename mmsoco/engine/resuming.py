"""Continue a run from its checkpoint, or refuse with the reason."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from mmengine.config import Config
from torch import nn

from mmsoco.checkpoints.guard import local_path
from mmsoco.checkpoints.newest import find_checkpoint, newest_usable
from mmsoco.engine.run_record import RunRecord
from mmsoco.engine.values import MAX_SEED

SAMPLER_SEED = 'mmsoco_sampler_seed'  # in a checkpoint's meta
_PARTS = ('meta', 'state_dict', 'optimizer', 'message_hub')
_NAMED = 3
# What unpacking raises if a file has another structure than a run writes.
_ODD = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
)


@contextmanager
def part_of(path: str, part: str) -> Iterator[None]:
    """Say which part of a checkpoint is not as a run writes it.

    Args:
        path: The file.
        part: What is read of it.

    Raises:
        ValueError: In place of what the code within raises on odd structures.
    """
    try:
        yield
    except _ODD as error:
        raise ValueError(
            f'{path} is the checkpoint of a training run, but its {part} is '
            f'not as this release writes it ({type(error).__name__}: {error})'
            '. Resume an earlier checkpoint (--resume CHECKPOINT), or one '
            'that was not edited, with the release that wrote it.'
        ) from error


def set_resume(cfg: Config, resume: str | None) -> None:
    """Let the run of a config continue from a checkpoint.

    A config that says ``resume=True`` and names ``load_from`` continues from
    that checkpoint, as mmengine understands it.

    Args:
        cfg: Changed: ``resume`` and, where there is a checkpoint,
            ``load_from``.
        resume: A checkpoint, a work dir (its newest checkpoint),
            ``'auto'`` for the newest one in the config's work dir, or None,
            which leaves it to the config.

    Raises:
        FileNotFoundError: If the named checkpoint does not exist.
        ValueError: If there are checkpoints, but none that can be read.
    """
    if resume is None and not cfg.get('resume'):
        return
    if resume is None and cfg.get('load_from'):
        resume = cfg.load_from
    if resume in (None, 'auto'):
        checkpoint, passed = newest_usable(cfg.work_dir)
        for text in passed:
            print(f'Passed over: {text}.')
    else:
        checkpoint, passed = find_checkpoint(local_path(resume)), []
        if not checkpoint.is_file():
            raise FileNotFoundError(
                f'There is no checkpoint {resume} to resume from. '
                '--resume without a name takes the newest one in the work '
                'dir.'
            )
    # Without a checkpoint the run starts, from load_from where it is set.
    cfg.resume = checkpoint is not None
    if checkpoint is not None:
        cfg.load_from = str(checkpoint)
    elif passed:
        raise ValueError(
            f'No checkpoint in {cfg.work_dir} can be read: '
            f'{"; ".join(passed)}. Start over in another --work-dir.'
        )
    else:
        print(f'Nothing to resume in {cfg.work_dir}: the run starts.')


def check_kind(checkpoint: Mapping, path: str, model: str) -> None:
    """Refuse a checkpoint that no run of this model has written.

    Args:
        checkpoint: What the file holds.
        path: The file.
        model: Class of the model that is to be continued.

    Raises:
        ValueError: If it holds weights alone, or is of another program or
            model.
    """
    missing = [part for part in _PARTS if part not in checkpoint]
    if missing:
        has = 'weights' if 'state_dict' in checkpoint else 'no weights'
        raise ValueError(
            f'{path} is not the checkpoint of a training run: it holds {has} '
            f'and lacks {", ".join(missing)}. --resume takes an epoch_N.pth, '
            'iter_N.pth or interim.pth of the same run; to begin a new run '
            'from weights, set load_from (detectors) or --init (pretraining).'
        )
    with part_of(path, 'meta'):
        record = _checked_record(checkpoint['meta'])
        _check_seeds(checkpoint['meta'])
    if record is not None and record.model != model:
        raise ValueError(
            f'{path} is the checkpoint of a run that trained '
            f'{record.model}, but this config trains {model}. Resume it with '
            'its own config.'
        )


def _checked_record(meta: Mapping) -> RunRecord | None:
    """Read the record of a run; raise TypeError on invalid numbers."""
    record = RunRecord.from_meta(meta)
    counts = {name: (meta[name], 0) for name in ('iter', 'epoch')}
    if record is not None:
        if not isinstance(record.settings, Mapping):
            raise TypeError(f'settings is {record.settings!r}')
        counts |= {
            name: (getattr(record, name), 1)
            for name in ('images', 'batch', 'processes', 'epoch_length')
        }
    for name, (value, least) in counts.items():
        if type(value) is not int or value < least:
            raise TypeError(
                f'{name} is {value!r}, expected an integer of {least} or more'
            )
    return record


def _check_seeds(meta: Mapping) -> None:
    """Raise TypeError on seeds that generators do not take."""
    for name in ('seed', SAMPLER_SEED):
        seed = meta.get(name)
        if seed is not None and not (
            type(seed) is int and 0 <= seed <= MAX_SEED
        ):
            raise TypeError(
                f'{name} is {seed!r}, expected an integer of 0 to {MAX_SEED}'
            )


def check_position(meta: Mapping, epoch_length: int | None) -> None:
    """Raise TypeError if epochs and iterations of a run contradict.

    Args:
        meta: Of a checkpoint of an epoch-based run.
        epoch_length: Its iterations of an epoch; None if that is not known.
    """
    epoch, iters = meta['epoch'], meta['iter']
    least = epoch * (epoch_length or 1)
    most = (epoch + 1) * epoch_length if epoch_length else iters
    if not least <= iters <= most:
        raise TypeError(
            f'after {epoch} epochs it has {iters} iterations, expected '
            f'{least} or more' + (f', up to {most}' if epoch_length else '')
        )


def load_weights(model: nn.Module, state: Mapping, path: str) -> None:
    """Load the weights of the same model.

    Args:
        model: Not wrapped.
        state: Tensors by name.
        path: Their file.

    Raises:
        ValueError: If a name or shape of model or file has no counterpart.
    """
    own = model.state_dict()
    problems = [
        *(f'{name} is not in the file' for name in own if name not in state),
        *(f'{name} is not in the model' for name in state if name not in own),
        *(
            f'{name} is {_outline(state[name])} in the file and '
            f'{_outline(tensor)} in the model'
            for name, tensor in own.items()
            # Torch would turn fractions into integers and back in silence.
            if name in state and _outline(state[name]) != _outline(tensor)
        ),
    ]
    if problems:
        more = len(problems) - _NAMED
        raise ValueError(
            f'{path} is of another model than this config: '
            + '; '.join(problems[:_NAMED])
            + (f'; and {more} more' if more > 0 else '')
            + '. Resume it with its own config.'
        )
    model.load_state_dict(state)


def _outline(tensor: torch.Tensor) -> str:
    """Describe the shape and type by which tensors may replace others."""
    kind = '' if tensor.layout is torch.strided else f', {tensor.layout}'
    return f'{tuple(tensor.shape)} of {tensor.dtype}{kind}'
