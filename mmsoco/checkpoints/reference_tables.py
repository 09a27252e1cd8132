"""Translate between mmsoco's names of layers and those of SoCo's authors.

SoCo and SoCo* have the same names; SoCo C4 keeps the last residual stage in
its ``encoder``, while mmdet has it in the RoI head.
"""

from collections.abc import Iterable, Mapping

from torch import Tensor

from .layouts import (
    NUM_HEAD_CONVS,
    NUM_PYRAMID_LEVELS,
    Layer,
    ResNet,
    Table,
    find_resnet,
    inverse,
    rename,
    table_of,
)


def reference_tables(names: Iterable[str]) -> dict[str, Table]:
    """Return the table from the authors' names to ours, by part of the model.

    Args:
        names: Names of either layout, which show the ResNet, and FPN or C4.
    """
    names = list(names)
    resnet = find_resnet(names)
    has_fpn = any('neck.' in name for name in names)
    encoder = [*_backbone(resnet, has_fpn)]
    if has_fpn:
        encoder += [*_neck(), *_box_head()]
    encoder_table = table_of(encoder)
    projector_table = table_of(_mlp('projector'))
    return dict(
        encoder=encoder_table,
        projector=projector_table,
        predictor=table_of(_mlp('predictor')),
        target={
            _target_name(source): f'target.{target}'
            for source, target in {**encoder_table, **projector_table}.items()
        },
    )


def _target_name(name: str) -> str:
    module, _, rest = name.partition('.')
    return f'{module}_k.{rest}'


def _backbone(resnet: ResNet, has_fpn: bool) -> Iterable[Layer]:
    for name, kind in resnet.layers():
        in_head = not has_fpn and name.startswith('layer4.')
        part = 'roi_head.shared_head' if in_head else 'backbone'
        yield Layer(f'encoder.{name}', f'encoder.{part}.{name}', kind)


def _neck() -> Iterable[Layer]:
    for convs in ('lateral_convs', 'fpn_convs'):
        for level in range(NUM_PYRAMID_LEVELS):
            for name, kind in (('conv', 'conv'), ('bn', 'norm')):
                layer = f'neck.{convs}.{level}.{name}'
                yield Layer(layer, f'encoder.{layer}', kind)


def _box_head() -> Iterable[Layer]:
    head = 'encoder.roi_head.bbox_head'
    for i in range(NUM_HEAD_CONVS):
        conv = f'{head}.shared_convs.{i}'
        yield Layer(f'head.conv{i + 1}', f'{conv}.conv', 'conv')
        yield Layer(f'head.bn{i + 1}', f'{conv}.bn', 'norm')
    yield Layer('head.fc1', f'{head}.shared_fcs.0', 'linear')


def _mlp(name: str) -> Iterable[Layer]:
    yield Layer(f'{name}.linear1', f'{name}.fc0', 'linear')
    yield Layer(f'{name}.bn1', f'{name}.bn0', 'norm')
    yield Layer(f'{name}.linear2', f'{name}.fc1', 'linear')


def rename_reference(
    state: Mapping[str, Tensor], to: str, online_only: bool = False
) -> dict[str, Tensor]:
    """Rename weights between the authors' layout and ours.

    Args:
        state: Tensors in the authors' layout or in ours, without the prefix
            ``module.``. Projector, predictor and target may each be absent
            as a whole.
        to: ``'mmsoco'`` or ``'reference'``.
        online_only: Leave out predictor and target.

    Returns:
        The tensors in the layout ``to``.

    Raises:
        ValueError: If a tensor is unknown, or a part is incomplete.
    """
    tables = reference_tables(state)
    source = 'reference' if to == 'mmsoco' else 'mmsoco'
    if source == 'mmsoco':
        tables = {part: inverse(table) for part, table in tables.items()}
    present = {
        part: table
        for part, table in tables.items()
        if part == 'encoder' or any(name in state for name in table)
    }
    whole = {k: v for table in present.values() for k, v in table.items()}
    renamed = rename(state, whole, source)
    if online_only:
        dropped = {**tables['predictor'], **tables['target']}.values()
        renamed = {k: v for k, v in renamed.items() if k not in set(dropped)}
    return renamed
