"""Report which weights arrived in a model, part by part."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mmsoco.utils.files import write_json

REPORT_NAME = 'load_report.json'

# Longest first: the name of a part is the last component of its prefix.
PART_PREFIXES = (
    'roi_head.shared_head',
    'roi_head.bbox_head',
    'roi_head.mask_head',
    'backbone',
    'neck',
    'rpn_head',
)
# Layers whose shape depends on the number of classes. A detector with other
# classes initializes them on purpose.
_CLASS_LAYERS = ('fc_cls', 'fc_reg', 'conv_logits', 'retina_cls', 'conv_cls')
# Layers that a recipe adds to a pretrained part on purpose: the norm after
# res5 of SoCo's C4 detectors (`ResLayerExtraNorm` of mmselfsup).
NEW_LAYERS = ('roi_head.shared_head.norm.',)
# Columns of the table, and the lists of `PartReport` that they count.
COLUMNS = (
    ('loaded', 'loaded'),
    ('new', 'new'),
    ('left out', 'left_out'),
    ('other form', 'mismatched'),
    ('other value', 'altered'),
)
DETECTOR_REMEDY = (
    'Give the model the layers that were pretrained (inherit the same '
    'detector from configs/_base_/models in both configs, for instance a box '
    'head of type Shared4Conv1FCBBoxHead with norm_cfg), or export a '
    'checkpoint without these parts (`mmsoco export --parts`). Layers '
    'that are new on purpose: '
    "default_hooks.load_report.may_be_new=['neck.fpn_convs.4']."
)


@dataclass
class PartReport:
    """The tensors of one part, by what happened to them.

    Attributes:
        loaded: In the checkpoint and in the model with the same shape, and
            with the same values if the report was made after loading.
        new: Only in the model; they keep their initial values.
        left_out: Only in the checkpoint.
        mismatched: In both with different shapes, or integers instead of
            floats; they keep their initial values.
        altered: In both with the same shape, but the model has other values
            after loading.
    """

    loaded: list[str] = field(default_factory=list)
    new: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    mismatched: list[str] = field(default_factory=list)
    altered: list[str] = field(default_factory=list)

    @property
    def is_offered(self) -> bool:
        """Whether the checkpoint has tensors of the part."""
        return bool(
            self.loaded or self.left_out or self.mismatched or self.altered
        )

    @property
    def num_of_model(self) -> int:
        """The number of tensors that the model has of the part."""
        absent = self.new + self.mismatched + self.altered
        return len(self.loaded) + len(absent)

    @property
    def lost(self) -> list[str]:
        """The checkpoint's tensors that should have arrived and did not."""
        reshaped = [n for n in self.mismatched if not depends_on_classes(n)]
        return self.left_out + reshaped + self.altered

    def gaps(self, may_be_new: Collection[str] = ()) -> list[str]:
        """Return tensors of the model that a part of a checkpoint lacks.

        Args:
            may_be_new: Layers that may be new, in addition to those that
                depend on the classes.

        Returns:
            Their names; none if the checkpoint lacks the whole part.
        """
        if not self.is_offered:
            return []
        return [
            name
            for name in self.new
            if not depends_on_classes(name)
            and not name.startswith((*NEW_LAYERS, *may_be_new))
        ]


@dataclass
class LoadReport:
    """What happened to the tensors of a checkpoint; see `compare`.

    Attributes:
        parts: The report of each part by its name, sorted.
        source: The file.
        door: How the weights were loaded, such as ``load_from`` or ``init``.
        layout: The layout of the file's names, if it was converted.
    """

    parts: dict[str, PartReport]
    source: str = ''
    door: str = ''
    layout: str = ''

    def table(self) -> str:
        """Return the number of tensors of each part as lines of text."""
        is_altered = any(part.altered for part in self.parts.values())
        columns = COLUMNS if is_altered else COLUMNS[:-1]
        rows = [('part', *(title for title, _ in columns))]
        for name, part in self.parts.items():
            counts = [str(len(getattr(part, key))) for _, key in columns]
            rows.append((name, *counts))
        return '\n'.join(
            f'{row[0]:<14}' + ''.join(f'{cell:>13}' for cell in row[1:])
            for row in rows
        )

    def summary(self) -> str:
        """Return the share of each part that arrived, in one line."""
        return ', '.join(
            f'{name} {len(part.loaded)}/{part.num_of_model}'
            for name, part in self.parts.items()
            if part.is_offered
        )

    def to_json(self) -> dict:
        """Return the report in plain values, as `load_report.json` has it."""
        return dict(
            door=self.door,
            source=self.source,
            layout=self.layout,
            parts={
                name: {key: len(getattr(part, key)) for _, key in COLUMNS}
                for name, part in self.parts.items()
            },
        )

    def check(
        self, may_be_new: Collection[str] = (), remedy: str = DETECTOR_REMEDY
    ) -> None:
        """Stop if weights of the checkpoint did not arrive.

        mmengine loads what fits and continues, so that a head with another
        layout, or a stage that the file lacks, silently starts from scratch.

        Args:
            may_be_new: Layers (starts of tensor names) that the checkpoint
                may lack, though it has others of their part.
            remedy: What the user can do, for the message.

        Raises:
            ValueError: If no tensor arrived, or a part of the checkpoint did
                not arrive completely. The message names the parts, their
                tensors, and the remedy.
        """
        if not any(part.loaded for part in self.parts.values()):
            reshaped = [
                n for part in self.parts.values() for n in part.mismatched
            ]
            if reshaped:
                raise ValueError(
                    f'no tensor of {self._source()} fits the model: it has '
                    f'{len(reshaped)} of the names, all with other shapes '
                    f'({preview(reshaped)}), so it belongs to a detector of '
                    f'another width. {remedy}'
                )
            raise ValueError(
                f'no tensor of {self._source()} fits the model: the '
                f'checkpoint has {self._offered()}. Weights of a pretraining '
                'run reach a detector through '
                '`mmsoco export`.'
            )
        problems = [
            f'{name}: {problem}'
            for name, part in self.parts.items()
            for problem in _problems(part, may_be_new)
        ]
        if problems:
            raise ValueError(
                f'parts of {self._source()} did not arrive whole. '
                f'{"; ".join(problems)}. {remedy}'
            )

    def _source(self) -> str:
        return self.source or 'the checkpoint'

    def _offered(self) -> str:
        offered = [n for n, part in self.parts.items() if part.is_offered]
        return 'the parts ' + ', '.join(offered) if offered else 'no tensors'


def _problems(part: PartReport, may_be_new: Collection[str]) -> Iterator[str]:
    """Say which tensors of a part did not arrive, and which it lacks."""
    if part.lost:
        yield (
            f'{len(part.loaded)} tensors arrived, {len(part.lost)} did not '
            f'({preview(part.lost)})'
        )
    gaps = part.gaps(may_be_new)
    if gaps:
        yield (
            f'the file lacks {len(gaps)} of its tensors, which would start '
            f'from scratch ({preview(gaps)})'
        )


def compare(
    checkpoint: Mapping[str, Tensor],
    model: Mapping[str, Tensor],
    by_value: bool = False,
    **origin: str,
) -> LoadReport:
    """Compare the tensors of a checkpoint with those of a model.

    Counters of batch norm (``num_batches_tracked``) are not counted: whether
    a file has them depends on the program that wrote it.

    Args:
        checkpoint: State dict of the file, in the model's names.
        model: State dict of the model.
        by_value: Whether the model has been loaded: then a tensor counts as
            loaded only if the model holds its values.
        origin: ``source``, ``door`` and ``layout`` of the report.

    Returns:
        The report by part: backbone, neck, rpn_head, shared_head, bbox_head,
        mask_head, and the first component of the name for all others.
    """
    parts: dict[str, PartReport] = {}
    for name in sorted({**checkpoint, **model}):
        if is_counter(name):
            continue
        part = parts.setdefault(part_of(name), PartReport())
        if name not in model:
            part.left_out.append(name)
        elif name not in checkpoint:
            part.new.append(name)
        elif not _fits(checkpoint[name], model[name]):
            part.mismatched.append(name)
        elif by_value and not _is_same(checkpoint[name], model[name]):
            part.altered.append(name)
        else:
            part.loaded.append(name)
    return LoadReport(dict(sorted(parts.items())), **origin)


def _fits(offered: Tensor, held: Tensor) -> bool:
    """Return whether a tensor can take the place of another one.

    Rounding to another precision is acceptable, but integers are the weights
    of a quantized model without their scales.
    """
    is_float = offered.is_floating_point(), held.is_floating_point()
    return offered.shape == held.shape and is_float[0] == is_float[1]


def _is_same(offered: Tensor, held: Tensor) -> bool:
    """Return whether a model holds a tensor, rounded to the model's type.

    Numbers that are too large for that type have become infinite.
    """
    rounded = offered.to(held.dtype).cpu()
    is_same = torch.equal(rounded, held.detach().cpu())
    return is_same and bool(torch.isfinite(rounded).all())


def write_reports(reports: Iterable[LoadReport], folder: str | Path) -> None:
    """Write `load_report.json` into the log folder of a run.

    Args:
        reports: What became of the checkpoints that the run loaded.
        folder: The folder.

    Raises:
        OSError: If the file could not be written.
    """
    content = [report.to_json() for report in reports]
    write_json(Path(folder, REPORT_NAME), content, indent=1)


def read_reports(folder: str | Path) -> list[dict]:
    """Read `load_report.json`; see `write_reports` and `LoadReport.to_json`.

    Args:
        folder: The log folder of a run.

    Raises:
        FileNotFoundError: If the run loaded no checkpoint.
    """
    return json.loads(Path(folder, REPORT_NAME).read_text(encoding='utf-8'))


def is_counter(name: str) -> bool:
    """Return whether a tensor is a counter of batch norm."""
    return name.endswith('num_batches_tracked')


def part_of(name: str) -> str:
    """Return the part of a detector that a tensor belongs to.

    Examples:
        >>> part_of('roi_head.bbox_head.shared_fcs.0.weight')
        'bbox_head'
        >>> part_of('data_preprocessor.mean')
        'data_preprocessor'
    """
    for prefix in PART_PREFIXES:
        if name.startswith(f'{prefix}.'):
            return prefix.rpartition('.')[2]
    return name.partition('.')[0]


def depends_on_classes(name: str) -> bool:
    """Return whether a tensor's shape follows the number of classes."""
    return any(layer in name.split('.') for layer in _CLASS_LAYERS)


def classes_of(meta: Any) -> tuple[str, ...]:
    """Return the names of the classes of a detector.

    Args:
        meta: ``meta`` of its checkpoint, as mmdet 3 or mmdet 2 writes it.

    Returns:
        The names in the order of the labels; none if it does not say.
    """
    if not isinstance(meta, Mapping):
        return ()
    described = meta.get('dataset_meta') or meta
    if not isinstance(described, Mapping):
        return ()
    found = described.get('classes') or described.get('CLASSES') or ()
    found = [found] if isinstance(found, str) else found
    return tuple(found) if isinstance(found, list | tuple) else ()


def preview(names: Iterable[str], most: int = 4) -> str:
    """Return the first of many names, for a message."""
    names = list(names)
    rest = f', and {len(names) - most} more' if len(names) > most else ''
    return ', '.join(names[:most]) + rest
