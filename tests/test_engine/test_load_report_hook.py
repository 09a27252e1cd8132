"""Weights that do not arrive stop the run."""

import logging
from types import SimpleNamespace

import pytest
import tiny_models
import torch
from mmengine.model import BaseTTAModel
from mmengine.runner import BaseLoop
from mmengine.runner.checkpoint import load_state_dict
from torch import nn

from mmsoco.checkpoints.load_report import read_reports
from mmsoco.engine.hooks import LoadReportHook


class Loop(BaseLoop):
    """A loop that was built: the run uses it."""

    def __init__(self, **metainfo):
        dataset = SimpleNamespace(metainfo=metainfo)
        self.dataloader = SimpleNamespace(dataset=dataset)

    def run(self):
        """Is not called."""


@pytest.fixture
def runner(tmp_path):
    model = nn.Module()
    model.backbone = nn.Linear(2, 3)
    model.neck = nn.Linear(3, 1)
    return SimpleNamespace(
        model=model,
        logger=logging.getLogger('load-report'),
        log_dir=str(tmp_path),
        _resume=False,
        _load_from='weights.pth',
        _train_loop=Loop(),
        _val_loop=None,
        _test_loop=None,
        cfg={},
    )


def weights(runner, **changes):
    state = {k: v + 1 for k, v in runner.model.state_dict().items()}
    return dict(state_dict={**state, **changes})


def load(hook, runner, checkpoint):
    """Does what mmengine's runner does, between the hook's two calls."""
    hook.after_load_checkpoint(runner, checkpoint)
    load_state_dict(runner.model, checkpoint['state_dict'])
    hook.before_train(runner)


def test_prints_a_table_by_part_and_writes_it(runner, caplog, tmp_path):
    with caplog.at_level(logging.INFO):
        load(LoadReportHook(), runner, weights(runner))
    assert 'weights.pth' in caplog.text
    rows = {
        line.split()[0]: line.split()[1:]
        for line in caplog.text.splitlines()
        if line
    }
    assert rows['backbone'] == ['2', '0', '0', '0']
    [written] = read_reports(tmp_path)
    assert written['door'] == 'load_from'
    assert written['source'] == 'weights.pth'
    assert written['parts']['neck'] == dict(
        loaded=2, new=0, left_out=0, mismatched=0, altered=0
    )


def test_half_a_part_stops(runner):
    checkpoint = weights(runner)
    del checkpoint['state_dict']['neck.bias']
    with pytest.raises(ValueError, match=r'neck: .*lacks 1 .*neck\.bias'):
        LoadReportHook().after_load_checkpoint(runner, checkpoint)
    load(LoadReportHook(['neck.bias']), runner, checkpoint)


def test_only_the_wanted_parts_are_loaded(runner, tmp_path):
    checkpoint = weights(runner)
    before = {k: v.clone() for k, v in runner.model.state_dict().items()}
    load(LoadReportHook(parts=['backbone']), runner, checkpoint)
    for name, tensor in runner.model.state_dict().items():
        step = 1 if name.startswith('backbone.') else 0
        assert torch.equal(tensor, before[name] + step), name
    [written] = read_reports(tmp_path)
    assert written['parts']['backbone']['loaded'] == 2
    assert written['parts']['neck']['new'] == 2


@pytest.mark.parametrize('parts', [['backbon'], []])
def test_a_part_that_the_file_lacks_is_refused(runner, parts):
    hook = LoadReportHook(parts=parts)
    with pytest.raises(ValueError, match='backbone, neck of weights.pth'):
        hook.after_load_checkpoint(runner, weights(runner))


def test_an_evaluation_takes_all_parts(runner):
    runner._train_loop, runner._test_loop = {}, Loop()
    checkpoint = weights(runner)
    offered = dict(checkpoint['state_dict'])
    hook = LoadReportHook(parts=['backbone'])
    hook.after_load_checkpoint(runner, checkpoint)
    assert checkpoint['state_dict'].keys() == offered.keys()
    for name, tensor in checkpoint['state_dict'].items():
        assert torch.equal(tensor, offered[name]), name


@pytest.fixture
def classifier(runner):
    """A runner of a model that tells classes apart."""
    runner.model.fc_cls = nn.Linear(2, 3)
    return runner


@pytest.mark.parametrize(
    'meta',
    [
        dict(dataset_meta=dict(classes=('dog', 'cat'))),
        dict(CLASSES=['dog', 'cat']),
    ],
)
def test_classes_of_an_evaluation_are_those_of_the_training(classifier, meta):
    """The shapes fit, and each detection would count for another class."""
    classifier._train_loop = {}
    classifier._test_loop = Loop(classes=('dog', 'cat'))
    checkpoint = dict(weights(classifier), meta=meta)
    LoadReportHook().after_load_checkpoint(classifier, dict(checkpoint))
    classifier._test_loop = Loop(classes=('cat', 'dog'))
    for odd in ('x', dict(classes=3), dict(classes=None)):
        other = dict(weights(classifier), meta=dict(dataset_meta=odd))
        LoadReportHook().after_load_checkpoint(classifier, other)
    with pytest.raises(
        ValueError, match='weights.pth was trained on .* dog, cat, but .*cat, '
    ):
        LoadReportHook().after_load_checkpoint(classifier, checkpoint)


class Augmented(BaseTTAModel):
    """A model with augmentation in tests."""

    def merge_preds(self, data_samples_list):
        """Is not called."""


def test_augmentation_in_tests_is_looked_through(runner):
    """mmengine loads into the model inside."""
    checkpoint = weights(runner)
    runner.model.test_step = None
    runner.model = Augmented(runner.model)
    runner._train_loop, runner._test_loop = {}, Loop()
    hook = LoadReportHook()
    hook.after_load_checkpoint(runner, checkpoint)
    load_state_dict(runner.model.module, checkpoint['state_dict'])
    hook.before_test(runner)
    [report] = read_reports(runner.log_dir)
    assert report['parts']['backbone']['loaded'] == 2


def test_an_evaluation_names_a_file_of_other_names(runner):
    runner._train_loop, runner._test_loop = {}, Loop()
    state = weights(runner)['state_dict']
    state = {f'model.{name}': tensor for name, tensor in state.items()}
    with pytest.raises(ValueError, match='no tensor .* has the parts model'):
        LoadReportHook().after_load_checkpoint(runner, dict(state_dict=state))


def test_a_training_on_other_classes_says_so(classifier, caplog):
    classifier._train_loop = Loop(classes=('cat', 'dog'))
    meta = dict(dataset_meta=dict(classes=('a', 'b')))
    load(LoadReportHook(), classifier, dict(weights(classifier), meta=meta))
    assert 'trained on the classes a, b, but' in caplog.text


def test_numbers_too_large_for_the_model_do_not_arrive(runner):
    """They were finite in the file, and are infinite in the model."""
    checkpoint = weights(runner)
    large = checkpoint['state_dict']['neck.bias'].double() + 1e300
    checkpoint['state_dict']['neck.bias'] = large
    with pytest.raises(ValueError, match=r'1 did not \(neck\.bias\)'):
        load(LoadReportHook(), runner, checkpoint)


def test_weights_below_model_arrive(runner):
    """mmengine knows no such layout: nothing arrived, the table said all."""
    checkpoint = dict(model=weights(runner)['state_dict'])
    expected = {k: v.clone() for k, v in checkpoint['model'].items()}
    load(LoadReportHook(), runner, checkpoint)
    for name, tensor in runner.model.state_dict().items():
        assert torch.equal(tensor, expected[name]), name


def test_table_counts_what_the_model_holds(runner):
    """A loader that copies nothing is noticed, whatever the names say."""
    hook = LoadReportHook()
    hook.after_load_checkpoint(runner, weights(runner))
    with pytest.raises(ValueError, match='no tensor of weights.pth fits'):
        hook.before_train(runner)
    hook.after_load_checkpoint(runner, weights(runner))
    hook_weights = weights(runner)
    hook.after_load_checkpoint(runner, hook_weights)
    load_state_dict(runner.model, hook_weights['state_dict'])
    runner.model.neck.bias.data += 1
    with pytest.raises(ValueError, match=r'neck: 1 .* 1 did not \(neck.bias'):
        hook.before_val(runner)


def test_mmengine_has_nothing_to_add(runner, capsys):
    runner.model.rpn_head = nn.Linear(1, 1)
    checkpoint = weights(runner)
    for name in ('weight', 'bias'):
        del checkpoint['state_dict'][f'rpn_head.{name}']
    load(LoadReportHook(), runner, checkpoint)
    assert 'do not match' not in capsys.readouterr().out


def test_weights_that_are_not_finite_stop(runner):
    checkpoint = weights(runner, **{'neck.bias': torch.tensor([torch.nan])})
    with pytest.raises(ValueError, match='weights.pth are not finite'):
        LoadReportHook().after_load_checkpoint(runner, checkpoint)


def test_detector_starts_a_pretraining_run(runner, tmp_path):
    """`load_from` a detector fitted 0 tensors and said "Load checkpoint"."""
    cfg = tiny_models.mask_rcnn_fpn()
    runner.model = tiny_models.soco(cfg, [(1, 2)])
    state = tiny_models.build_detector(cfg).state_dict()
    load(LoadReportHook(), runner, dict(state_dict=state))
    for network in (runner.model, runner.model.target):
        own = network.encoder.state_dict()
        assert all(torch.equal(own[n], state[n]) for n in own)
    [report] = read_reports(tmp_path)
    assert report['parts']['backbone']['loaded'] == 100


def detector_with_init_cfg(tmp_path, content, **init_cfg):
    torch.save(content, tmp_path / 'backbone.pth')
    cfg = tiny_models.faster_rcnn()
    cfg['backbone']['init_cfg'] = dict(
        type='Pretrained',
        checkpoint=str(tmp_path / 'backbone.pth'),
        **init_cfg,
    )
    model = tiny_models.build_detector(cfg)
    model.init_weights()
    return model


def test_init_cfg_is_compared_too(runner, tmp_path):
    plain = tiny_models.build_detector(tiny_models.faster_rcnn())
    state = {
        f'backbone.{k}': v for k, v in plain.backbone.state_dict().items()
    }
    runner._load_from = None
    runner.model = detector_with_init_cfg(
        tmp_path, dict(state_dict=state), prefix='backbone.'
    )
    LoadReportHook().before_train(runner)
    [report] = read_reports(tmp_path)
    assert report['door'] == 'init_cfg'
    assert report['parts']['backbone']['loaded'] == 100
    # Without the prefix, and in a layout that mmengine does not know.
    for content in (dict(state_dict=state), dict(model=state)):
        runner.model = detector_with_init_cfg(tmp_path, content)
        with pytest.raises(ValueError, match='init_cfg of backbone: no tens'):
            LoadReportHook().before_train(runner)
    half = {k: v for k, v in state.items() if 'layer3' not in k}
    runner.model = detector_with_init_cfg(
        tmp_path, dict(state_dict=half), prefix='backbone.'
    )
    with pytest.raises(ValueError, match='lacks 25 of its tensors.*layer3'):
        LoadReportHook().before_train(runner)


def test_init_cfg_of_another_input_stops(runner, tmp_path):
    bgr = dict(channels='BGR', mean=[0, 0, 0], std=[1, 1, 1])
    plain = tiny_models.build_detector(tiny_models.faster_rcnn())
    content = dict(
        state_dict=plain.backbone.state_dict(), meta=dict(input=bgr)
    )
    runner._load_from = None
    runner.model = detector_with_init_cfg(tmp_path, content)
    runner.cfg = dict(model=tiny_models.faster_rcnn())
    with pytest.raises(ValueError, match='trained on BGR, mean 0 0 0'):
        LoadReportHook().before_train(runner)


@pytest.mark.parametrize(
    'change',
    [{'neck.weight': torch.ones(5, 5)}, {'neck.conv.weight': torch.ones(1)}],
)
def test_stops_where_a_part_is_lost(runner, change):
    with pytest.raises(ValueError, match='neck'):
        LoadReportHook().after_load_checkpoint(
            runner, weights(runner, **change)
        )


def test_is_silent_when_resuming(runner, caplog):
    runner._resume = True
    with caplog.at_level(logging.INFO):
        LoadReportHook().after_load_checkpoint(
            runner, weights(runner, lost=torch.ones(1))
        )
    assert not caplog.records


def test_refuses_to_evaluate_untrained_parts(runner):
    checkpoint = weights(runner)
    LoadReportHook().after_load_checkpoint(runner, checkpoint)
    runner._train_loop = dict(max_epochs=1)  # not built: an evaluation
    runner._test_loop = Loop()
    LoadReportHook().after_load_checkpoint(runner, checkpoint)
    del checkpoint['state_dict']['neck.bias']
    with pytest.raises(ValueError, match='lacks weights of neck.*Fine-tune'):
        LoadReportHook().after_load_checkpoint(runner, checkpoint)
