"""The parts of a pretrained detector that are worth loading."""

import pytest

from mmsoco.workflow.parts import useful_parts


def pretraining(**changes):
    """The manifest of a short pretraining from random weights."""
    return (
        dict(
            plan=dict(epochs=5, steps_per_epoch=125),
            exported=dict(backbone=100, bbox_head=22, neck=40),
            settings={},
        )
        | changes
    )


def test_the_head_of_a_short_pretraining_is_left_out():
    assert useful_parts(pretraining()) == ['backbone', 'neck']


@pytest.mark.parametrize(
    'changes',
    [
        dict(plan=dict(epochs=10, steps_per_epoch=600)),  # 6,000 steps
        dict(settings=dict(init='coco.pth')),  # its head knew objects before
        dict(settings=dict(cfg_options={'model.init': 'coco.pth'})),
        dict(exported=dict(backbone=100)),  # there is none
        dict(plan=None),
    ],
)
def test_otherwise_all_parts_are_loaded(changes):
    assert useful_parts(pretraining(**changes)) is None
