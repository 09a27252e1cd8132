"""Record a run's settings and images, to compare them on resuming."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from mmengine.config import Config
from torch.utils.data import DataLoader

KEY = 'mmsoco_run'  # in a checkpoint's meta
_SAMPLED = 64  # images whose names stand for a data set
# A data set of up to so many images is compared as a whole. It is the rows of
# one batch of a proposal store, which is read as a whole anyway.
_FEW = 4096

# Settings that define a run. The place of the images may change, see
# `RunRecord.names`. The last two need a state that a run without them lacks.
_FIXED = re.compile(
    r'model|train_dataloader\.(dataset|sampler)|randomness'
    r'|optim_wrapper\.(constructor|paramwise_cfg)'
    r'|optim_wrapper\.optimizer\.(type|amsgrad|centered)'
)
_LOCATION = re.compile(
    r'train_dataloader\.dataset\.(.*\.)?'
    r'(image_root|proposals|data_root|ann_file|data_prefix|img_path)'
)
# Settings without effect on the course of a run, or on one that has begun.
_NEUTRAL = re.compile(
    r'work_dir|resume|overwrite|load_from|launcher|experiment_name|log_level'
    r'|visualizer|vis_backends|log_processor|runner_type|env_cfg|custom_imports'
    r'|randomness\.(deterministic|diff_rank_seed)|model\.init'
    r'|(.*\.)?init_cfg|(.*\.)?_scope_'
)
# Settings that the schedules of rate, momentum and decay depend on.
_SCHEDULED = re.compile(
    r'train_cfg|optim_wrapper|param_scheduler|auto_scale_lr'
    r'|train_dataloader\.(batch_size|batch_sampler|drop_last)'
    r'|images|processes|iterations of an epoch'
)


@dataclass(frozen=True)
class Change:
    """A setting that differs from that of the resumed run."""

    key: str
    was: Any
    now: Any

    def __str__(self) -> str:
        return f'{self.key} was {self.was}, is {self.now}'

    @property
    def is_scheduled(self) -> bool:
        """Whether a schedule depends on it."""
        return _matches(_SCHEDULED, self.key)


@dataclass(frozen=True)
class RunRecord:
    """What a run consists of.

    Attributes:
        settings: The config, flattened to ``a.b.0.c``.
        model: The model's class.
        images: Images of the data set.
        names: Fingerprint of their names; None if there are none.
        batch: Images of an iteration, of all processes.
        processes: Their number.
        epoch_length: Iterations of an epoch.
        boxes: Fingerprint of the proposals or labels of the images; None if
            there are none, and in checkpoints of earlier releases.
    """

    settings: dict[str, Any]
    model: str
    images: int
    names: str | None
    batch: int
    processes: int
    epoch_length: int
    boxes: str | None = None

    def to_meta(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)

    @classmethod
    def from_meta(cls, meta: Mapping[str, Any]) -> 'RunRecord | None':
        """Read it from a checkpoint's meta.

        Returns:
            The record, or None: checkpoints of earlier releases have none.
        """
        return cls(**meta[KEY]) if KEY in meta else None

    def changes_to(self, new: 'RunRecord') -> list[Change]:
        """List the differences of a new record, in the order of its config."""
        keys = dict.fromkeys([*new.settings, *self.settings])
        changes = [
            Change(
                key,
                self.settings.get(key, 'not set'),
                new.settings.get(key, 'not set'),
            )
            for key in keys
            if not _matches(_NEUTRAL, key)
        ]
        changes += [
            Change('images', self.images, new.images),
            Change('processes', self.processes, new.processes),
            Change(
                'iterations of an epoch', self.epoch_length, new.epoch_length
            ),
        ]
        return [change for change in changes if change.was != change.now]

    def refuse_other_run(self, new: 'RunRecord') -> None:
        """Refuse to continue with another model, data set or seed.

        Args:
            new: The record of the run that continues this one.

        Raises:
            ValueError: If something differs that makes it another run.
        """
        same_images = self.images == new.images and self.names == new.names
        refused = [
            str(change)
            for change in self.changes_to(new)
            if _matches(_FIXED, change.key)
            and not (same_images and _matches(_LOCATION, change.key))
            # a run without a seed continues with the one that it had drawn
            and not (change.key == 'randomness.seed' and change.now is None)
        ]
        if self.images == new.images and self.names != new.names:
            refused.append('the images have other names than before')
        elif same_images and self.boxes not in (None, new.boxes):
            refused.append(
                'the images have other proposals or labels than before'
            )
        if refused:
            raise ValueError(
                'This run cannot be continued with another model, data set, '
                'optimizer or seed: ' + '; '.join(refused) + '. Set them '
                'back, or begin a new run in another --work-dir.'
            )


def record_run(
    cfg: Config, model: object, loader: DataLoader, processes: int
) -> RunRecord:
    """Describe the run that a config makes.

    Args:
        cfg: The config.
        model: The model, not wrapped.
        loader: The training data.
        processes: Processes that train together.
    """
    return RunRecord(
        settings=dict(_flatten(cfg.to_dict(), '')),
        model=type(model).__name__,
        images=len(loader.dataset),
        names=names_of(loader.dataset),
        boxes=boxes_of(loader.dataset),
        batch=batch_size_of(loader) * processes,
        processes=processes,
        epoch_length=len(loader),
    )


def batch_size_of(loader: DataLoader) -> int:
    """Return the images that one process takes in an iteration."""
    return loader.batch_size or loader.batch_sampler.batch_size


def names_of(dataset: Any) -> str | None:
    """Make a fingerprint of the names of a data set's images.

    Args:
        dataset: `ProposalDataset`, or one of mmengine's kind.

    Returns:
        Hex digits, or None for a data set of another kind.
    """
    digest = hashlib.sha256()
    for index in _spread(len(dataset), _SAMPLED):
        name = image_name(dataset, index)
        if name is None:
            return None
        digest.update(f'{name}\n'.encode())
    return digest.hexdigest()[:16]


def boxes_of(dataset: Any) -> str | None:
    """Make a fingerprint of the boxes and labels of a data set's images.

    Args:
        dataset: `ProposalDataset`, or one of mmengine's kind.

    Returns:
        Hex digits, or None for a data set of another kind.
    """
    if not hasattr(dataset, 'get_data_info'):
        return None
    count = len(dataset)
    digest = hashlib.sha256()
    for index in _spread(count, count if count <= _FEW else _SAMPLED):
        info = dataset.get_data_info(index)
        for key in ('bboxes', 'instances'):
            if key in info:
                digest.update(repr(_exact(info[key])).encode())
    return digest.hexdigest()[:16]


def _exact(value: Any) -> Any:
    """Return a value with a complete ``repr``; that of arrays is abridged."""
    return value.tolist() if isinstance(value, np.ndarray) else value


def _spread(count: int, most: int) -> list[int]:
    """Pick indices that are evenly spread."""
    picked = [count * i // most for i in range(most)]
    return list(dict.fromkeys(picked)) if count else []


def image_name(dataset: Any, index: int) -> str | None:
    """Name an image of a data set; None if it has no names."""
    if not hasattr(dataset, 'get_data_info'):
        return None
    info = dataset.get_data_info(index)
    path = str(info.get('img_path', ''))
    return info.get('file_name') or path.rpartition('/')[2]


def _flatten(value: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    """Yield the leaves of a nested config with their keys."""
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _flatten(item, f'{prefix}.{key}' if prefix else key)
    elif isinstance(value, list | tuple) and any(
        isinstance(item, Mapping) for item in value
    ):
        for index, item in enumerate(value):
            yield from _flatten(item, f'{prefix}.{index}')
    else:
        yield prefix, _plain(value)


def _plain(value: Any) -> Any:
    """Make a leaf comparable, and plain for a checkpoint."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value)


def _matches(pattern: re.Pattern, key: str) -> bool:
    """Return whether a key, or a part of the config that it is in, matches."""
    return re.fullmatch(rf'(?:{pattern.pattern})(\..*)?', key) is not None
