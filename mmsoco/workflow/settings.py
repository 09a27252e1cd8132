"""What a call of `mmsoco pretrain` asks for, and how it is checked."""

import os
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any

from mmsoco.utils.durations import MOST_SECONDS
from mmsoco.utils.names import near

PRECISIONS = ('fp32', 'bf16', 'fp16')
# Trials with fewer steps had features no better than untrained ones; the
# shortest one with better features took 625 steps
# (docs/research/small_data.md).
LEAST_STEPS = 600
# What some options set in the config.
_KEYS = {
    'epochs': 'train_cfg.max_epochs',
    'time': 'train_cfg.max_epochs',
    'batch_size': 'train_dataloader.batch_size',
    'seed': 'randomness.seed',
    'init': 'model.init',
    'workers': 'train_dataloader.num_workers',
}
# The lowest values of integers.
_LEAST = dict(epochs=1, devices=1, batch_size=1, workers=1, labels=1, seed=0)
# These change how fast a run is, not its result.
_FREE = ('workers',)
# The limits of the proposals' filter, which are options of the command line.
FILTERS = ('min_size', 'min_ratio', 'max_ratio', 'min_scale', 'max_scale')


@dataclass(frozen=True)
class PretrainSettings:
    """The options of a pretraining; None means "not given".

    Attributes:
        images: Folder or tar file of the pictures.
        out: Folder of the run.
        check: COCO-style JSON with labels of some of the pictures.
        init: Weights to start from: a file, a location that mmengine knows,
            or ``scratch``; None takes what the detector's config says.
        detector: Config of the detector: a path, or ``PACKAGE::PATH``.
        epochs: Passes over the pictures.
        time: Seconds that the training may take, instead of ``epochs``.
        devices: GPUs, or processes on a machine without one.
        cfg_options: Values of the config by dotted key.
        proposals: Proposal store to use instead of a new one.
        filters: Limits of the proposals' filter by name, see `FilterSpec`;
            those not given are chosen.
        batch_size: Pictures of a batch, per device.
        seed: Seed of the run.
        precision: ``fp32``, ``bf16`` or ``fp16``.
        workers: Processes that search proposals, and that load pictures.
        rpn: Whether the detector's RPN is trained, too, see `RPNPretext`;
            None lets the recipe decide, see `Training.trains_rpn`.
    """

    images: Path
    out: Path
    check: Path | None = None
    init: str | None = None
    detector: str | None = None
    epochs: int | None = None
    time: float | None = None
    devices: int | None = None
    cfg_options: dict[str, Any] = field(default_factory=dict)
    proposals: Path | None = None
    filters: dict[str, float] = field(default_factory=dict)
    batch_size: int | None = None
    seed: int | None = None
    precision: str | None = None
    workers: int | None = None
    rpn: bool | None = None

    def __post_init__(self) -> None:
        """Check the options as far as possible without reading a file."""
        if self.epochs is not None and self.time is not None:
            raise ValueError(
                'both --epochs and --time were given; each of them sets the '
                'length of the training, so give one'
            )
        check_numbers(vars(self), self.cfg_options)
        check_flags(vars(self), ['rpn'])
        for name in ('init', 'detector'):
            if getattr(self, name) is not None:
                as_path(name, getattr(self, name))
        if self.time is not None and not (
            is_number(self.time) and 0 < self.time <= MOST_SECONDS
        ):
            raise ValueError(
                '--time must be a number of seconds above 0, got '
                f'{self.time!r} (at most {MOST_SECONDS})'
            )
        if self.precision not in (None, *PRECISIONS):
            raise ValueError(
                f'--precision must be one of {", ".join(PRECISIONS)}, got '
                f'{self.precision!r}'
            )
        refuse_set_twice(vars(self), self.cfg_options)
        self._check_filters()

    def _check_filters(self) -> None:
        """Refuse limits of the filter that are invalid or not used."""
        self._check_types_of_filters()
        if not self.filters:
            return
        from mmsoco.proposals.filters import FilterSpec

        names = {name: as_option(name) for name in FilterSpec().as_dict()}
        if self.proposals is not None:
            given = ', '.join(names[name] for name in self.filters)
            raise ValueError(
                f'{given} filters the boxes of a search, and --proposals '
                'replaces it; filter the regions of a search with `mmsoco '
                'convert regions`, or leave one of the two out'
            )
        try:
            FilterSpec(**self.filters)
        except ValueError as error:
            text = str(error)
            for name, option in names.items():
                text = text.replace(name, option)
            raise ValueError(text) from None

    def _check_types_of_filters(self) -> None:
        if not isinstance(self.filters, Mapping):
            raise TypeError(
                "filters must be a dict such as {'min_size': 8}, got "
                f'{self.filters!r}'
            )
        for name, value in self.filters.items():
            if name not in FILTERS:
                meant = near(str(name), FILTERS)
                raise TypeError(
                    f'filters has no limit {name!r}'
                    f'{meant or "; it has " + ", ".join(FILTERS)}'
                )
            if not is_number(value):
                raise TypeError(
                    f'filters[{name!r}] must be a number, got {value!r}'
                )

    def given(self) -> dict[str, Any]:
        """Return the options that were given and decide the result.

        Returns:
            Plain values by name, without the folders and without what only
            changes the speed.
        """
        skipped = ('images', 'out', *_FREE)
        values = {
            f.name: getattr(self, f.name)
            for f in fields(self)
            if f.name not in skipped
        }
        return {
            name: plain(value)
            for name, value in values.items()
            if value is not None and value != {}
        }


def plain(value: Any) -> Any:
    """Turn paths into absolute text and tuples into lists, as JSON has."""
    if isinstance(value, Path):
        return str(value.absolute())
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, such as "1 step" or "20 steps"."""
    return f'{number} {noun}{"" if number == 1 else "s"}'


def is_number(value: object) -> bool:
    """Return whether a value is an integer or a float, and no bool."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def check_numbers(given: Mapping[str, Any], cfg_options: object) -> None:
    """Refuse options of a call in Python that a command line cannot have.

    Args:
        given: Options by name; None means "not given".
        cfg_options: Must be values by dotted key, or None.

    Raises:
        ValueError: If a number is no integer, or too low.
        TypeError: If ``cfg_options`` is something else.
    """
    for name in given.keys() & _LEAST.keys():
        value, least = given[name], _LEAST[name]
        if value is not None and (type(value) is not int or value < least):
            raise ValueError(
                f'{as_option(name)} must be an integer of {least} or more, '
                f'got {value!r}'
            )
    if not isinstance(cfg_options, Mapping | None):
        raise TypeError(
            'cfg_options must be a dict such as '
            f"{{'randomness.seed': 1}}, got {cfg_options!r}"
        )


def check_names(verb: str, given: Iterable[str], settings: type) -> None:
    """Refuse options of a call in Python that a verb does not have.

    Args:
        verb: Name of the function.
        given: Names of the options.
        settings: The dataclass whose fields with a default are the options.

    Raises:
        TypeError: If one is unknown; the message suggests the nearest one.
    """
    known = [
        f.name
        for f in fields(settings)
        if f.default is not MISSING or f.default_factory is not MISSING
    ]
    for name in given:
        if name in known:
            continue
        meant = near(name, known)
        if 'filters' in known and name in FILTERS:
            meant = f'; give filters={{{name!r}: ...}}'
        raise TypeError(
            f'{verb}() has no option {name!r}'
            f'{meant or "; it has " + ", ".join(known)}'
        )


def as_path(name: str, value: object) -> Path:
    """Return the path that a call in Python gave.

    Args:
        name: Of the argument, for the message.
        value: What was given.

    Raises:
        TypeError: If it is neither a text nor a `Path`.
        ValueError: If it is empty.
    """
    if not isinstance(value, (str, os.PathLike)):
        raise TypeError(
            f'{name} must be a path, as a text or a Path, got {value!r}'
        )
    if not os.fspath(value):
        raise ValueError(f'{name} must be a path, got an empty text')
    return Path(value)


def check_flags(given: Mapping[str, Any], names: Iterable[str]) -> None:
    """Refuse values other than True and False; None means "not given".

    Raises:
        TypeError: If there is one, such as the text ``'no'``.
    """
    for name in names:
        if not isinstance(given[name], bool | None):
            raise TypeError(
                f'{name} must be True or False, got {given[name]!r}'
            )


def as_option(name: str) -> str:
    """Return a setting's name as the option that sets it."""
    return f'--{name.replace("_", "-")}'


def refuse_set_twice(
    given: Mapping[str, Any], cfg_options: Mapping[str, Any] | None
) -> None:
    """Refuse options and ``--cfg-options`` that set a key to two values.

    Args:
        given: Options by name; None means "not given".
        cfg_options: Values by dotted key.

    Raises:
        ValueError: If one of them would be without effect.
    """
    for name, key in _KEYS.items():
        value, other = given.get(name), (cfg_options or {}).get(key)
        if None not in (value, other) and value != other:
            raise ValueError(
                f'{as_option(name)} {value} and --cfg-options {key}={other} '
                'set the same; give one of the two'
            )


def next_command(
    out: str | Path, images: str | Path, check: str | Path | None
) -> str:
    """Return the command line that fine-tunes a run's detector.

    Args:
        out: Folder of the run.
        images: Folder of its pictures, or the tar file of them.
        check: Labels of them, if there are any.
    """
    # Detectors read loose files.
    images = 'TRAIN_IMAGES' if os.path.isfile(images) else str(images)
    words = (
        'mmsoco', 'finetune', str(out), '--train', str(check or 'train.json'),
        '--train-images', images, '--val', 'val.json', '--val-images',
    )  # fmt: skip
    return f'{shlex.join(words)} VAL_IMAGES'
