"""What arrived when weights were loaded into a model, part by part."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from torch import Tensor

# Longest first: the name of a part is the last component of its prefix.
PART_PREFIXES = (
    'roi_head.shared_head',
    'roi_head.bbox_head',
    'roi_head.mask_head',
    'backbone',
    'neck',
    'rpn_head',
)
# Layers whose shape follows the number of classes. A detector of other
# classes starts them afresh on purpose.
CLASS_LAYERS = ('fc_cls', 'fc_reg', 'conv_logits', 'retina_cls', 'conv_cls')


@dataclass
class PartReport:
    """The names of one part's tensors by what became of them.

    Attributes:
        loaded: In the checkpoint and in the model, with one shape.
        new: In the model alone; they keep their start values.
        left_out: In the checkpoint alone.
        mismatched: In both with different shapes; they keep their start
            values.
    """

    loaded: list[str] = field(default_factory=list)
    new: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    mismatched: list[str] = field(default_factory=list)

    @property
    def is_offered(self) -> bool:
        """Whether the checkpoint has tensors of the part."""
        return bool(self.loaded or self.left_out or self.mismatched)

    @property
    def lost(self) -> list[str]:
        """The checkpoint's tensors that should have arrived and did not."""
        return self.left_out + [
            name for name in self.mismatched if not depends_on_classes(name)
        ]


@dataclass
class LoadReport:
    """What became of a checkpoint's tensors; see `compare`.

    Attributes:
        parts: The report of each part by its name, sorted.
    """

    parts: dict[str, PartReport]

    def table(self) -> str:
        """Shows the number of tensors of each part as lines of text."""
        rows = [('part', 'loaded', 'new', 'left out', 'other shape')]
        for name, part in self.parts.items():
            groups = (part.loaded, part.new, part.left_out, part.mismatched)
            rows.append((name, *(str(len(group)) for group in groups)))
        return '\n'.join(
            f'{row[0]:<14}' + ''.join(f'{cell:>13}' for cell in row[1:])
            for row in rows
        )

    def check(self) -> None:
        """Stops where weights that were offered did not arrive.

        mmengine loads what fits and carries on, so that a head with another
        layout silently starts from scratch.

        Raises:
            ValueError: No tensor arrived, or a part of the checkpoint
                arrived not at all or in pieces. The message names the parts,
                tensors of theirs, and the remedy.
        """
        if not any(part.loaded for part in self.parts.values()):
            raise ValueError(
                'no tensor of the checkpoint fits the model: the checkpoint '
                f'has {self._offered()}. Weights of a pretraining run reach '
                'a detector through '
                'tools/model_converters/export_detector.py.'
            )
        lost = {name: p.lost for name, p in self.parts.items() if p.lost}
        if lost:
            details = '; '.join(
                f'{name}: {len(self.parts[name].loaded)} tensors arrived, '
                f'{len(keys)} did not ({preview(keys)})'
                for name, keys in lost.items()
            )
            raise ValueError(
                f'parts of the checkpoint did not arrive. {details}. Give '
                'the model the layers that were pretrained (inherit the same '
                'detector from configs/_base_/models in both configs, for '
                'instance a box head of type Shared4Conv1FCBBoxHead with '
                'norm_cfg), or export a checkpoint without these parts '
                '(export_detector.py --parts).'
            )

    def _offered(self) -> str:
        offered = [n for n, part in self.parts.items() if part.is_offered]
        return 'the parts ' + ', '.join(offered) if offered else 'no tensors'


def compare(
    checkpoint: Mapping[str, Tensor], model: Mapping[str, Tensor]
) -> LoadReport:
    """Compares the tensors of a checkpoint with those of a model.

    Counters of batch norm (``num_batches_tracked``) are not counted: whether
    a file has them depends on the program that wrote it.

    Args:
        checkpoint: State dict of the file, in the model's names.
        model: State dict of the model.

    Returns:
        The report by part: backbone, neck, rpn_head, shared_head, bbox_head,
        mask_head, and the first component of the name for all others.
    """
    parts: dict[str, PartReport] = {}
    for name in sorted({**checkpoint, **model}):
        if name.endswith('num_batches_tracked'):
            continue
        part = parts.setdefault(part_of(name), PartReport())
        if name not in model:
            part.left_out.append(name)
        elif name not in checkpoint:
            part.new.append(name)
        elif checkpoint[name].shape != model[name].shape:
            part.mismatched.append(name)
        else:
            part.loaded.append(name)
    return LoadReport(dict(sorted(parts.items())))


def part_of(name: str) -> str:
    """The part of a detector that a tensor belongs to.

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
    """Whether a tensor's shape follows the number of classes."""
    return any(layer in name.split('.') for layer in CLASS_LAYERS)


def preview(names: Iterable[str], most: int = 4) -> str:
    """The first of many names, for a message."""
    names = list(names)
    rest = f', and {len(names) - most} more' if len(names) > most else ''
    return ', '.join(names[:most]) + rest
