"""Color order, mean and deviation travel with the weights."""

import copy
from types import SimpleNamespace

import pytest
from mmengine.config import ConfigDict
from torch import nn

from mmsoco.engine.hooks import InputConventionHook
from mmsoco.structures import InputConvention

CAFFE = dict(mean=[103.53, 116.28, 123.675], std=[1, 1, 1], bgr_to_rgb=False)


def runner(preprocessor, load_from='weights.pth'):
    cfg = ConfigDict(model=dict(data_preprocessor=preprocessor))
    return SimpleNamespace(model=nn.Module(), cfg=cfg, _load_from=load_from)


def test_checkpoint_says_what_it_was_trained_on():
    checkpoint = dict(meta={})
    InputConventionHook().before_save_checkpoint(runner(CAFFE), checkpoint)
    assert checkpoint['meta']['input'] == dict(
        channels='BGR', mean=[103.53, 116.28, 123.675], std=[1.0, 1.0, 1.0]
    )
    InputConventionHook().after_load_checkpoint(runner(CAFFE), checkpoint)


@pytest.mark.parametrize(
    'change',
    [
        dict(bgr_to_rgb=True),
        dict(rgb_to_bgr=True),  # mmdet reverses the channels at both
        dict(to_rgb=True),  # mmcls
        dict(std=[58, 57, 57]),
        dict(mean=None),
    ],
)
def test_other_input_stops_the_run(change):
    checkpoint = dict(meta={})
    hook = InputConventionHook()
    hook.before_save_checkpoint(runner(CAFFE), checkpoint)
    with pytest.raises(ValueError, match=r'weights\.pth was trained on BGR'):
        hook.after_load_checkpoint(runner({**CAFFE, **change}), checkpoint)


def test_config_in_a_file_of_mmengine_is_read_and_not_run():
    text = (
        "model = dict(backbone=dict(type='ResNet'), data_preprocessor=dict("
        'bgr_to_rgb=False, mean=[103.53, 116.28, 123.675], std=[1.0, 1.0, '
        "1.0], type='DetDataPreprocessor'))\nopen('ran', 'w')\n"
    )
    hook, checkpoint = InputConventionHook(), dict(meta=dict(cfg=text))
    hook.after_load_checkpoint(runner(CAFFE), checkpoint)
    with pytest.raises(ValueError, match='trained on BGR'):
        hook.after_load_checkpoint(
            runner({**CAFFE, 'bgr_to_rgb': True}), checkpoint
        )


@pytest.mark.parametrize('meta', [None, {}, dict(cfg='x ='), dict(cfg='x=1')])
def test_files_that_do_not_say_pass(meta):
    checkpoint = dict(meta=meta)
    before = copy.deepcopy(checkpoint)
    InputConventionHook().after_load_checkpoint(runner(CAFFE), checkpoint)
    assert checkpoint == before
    assert InputConvention.of_meta(meta) is None
