"""`mmsoco train` from a folder of images to checkpoints, on CPUs."""

import os
import shutil
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest
import torch
from command import Outcome, assert_refused, call, state_of
from mmengine.config import Config
from real_processes import PATIENCE
from saved_states import differences
from small_runs import log_of

from mmsoco.checkpoints.io import load_run
from mmsoco.engine.resuming import set_resume
from mmsoco.models.target_network import TargetNetwork
from mmsoco.proposals.store import ProposalRecord, ProposalStoreWriter
from mmsoco.workflow import finish
from mmsoco.workflow.pretrain_config import load_detector, write_config
from mmsoco.workflow.run_folder import RunFolder
from mmsoco.workflow.settings import PretrainSettings

# SoCo at its smallest, without batch statistics, so that processes with parts
# of a batch compute what one process does with the whole. Each rank leaves
# its weights behind.
CONFIG = """
_base_ = [
    '{repo}/configs/soco/'
    'soco_mask-rcnn_r50-fpn_1xb32-coslr-400e_custom.py',
]

custom_imports = dict(imports=['rank_dump'])
custom_hooks = [dict(type='RankDump')]
channels = 16
norm_cfg = dict(type='GN', num_groups=4, requires_grad=True)
neck = dict(hid_channels=32, out_channels=16, norm_cfg=dict(type='LN'))
model = dict(
    detector=dict(
        backbone=dict(depth=18, base_channels=16, norm_cfg=norm_cfg),
        neck=dict(
            in_channels=[16, 32, 64, 128],
            out_channels=channels,
            norm_cfg=norm_cfg,
        ),
        roi_head=dict(
            bbox_roi_extractor=dict(out_channels=channels),
            bbox_head=dict(
                in_channels=channels,
                conv_out_channels=channels,
                fc_out_channels=32,
                norm_cfg=norm_cfg,
            ),
        ),
    ),
    projector=neck,
    predictor=dict(neck, in_channels=16),
    roi_levels='assigned',
)
draw_views = dict(
    type='DrawViews',
    views=[
        dict(type='WholeImageView', size=64, jitter_prob=0.5),
        dict(type='RandomCropView', size=64),
        dict(type='RandomCropView', size=32),
    ],
    pairs=_base_.pairs,
    num_proposals=4,
)
train_dataloader = dict(
    batch_size=4,
    num_workers=0,
    persistent_workers=False,
    pin_memory=False,
    dataset=dict(
        image_root='{data}/images',
        proposals='{data}/proposals.arrow',
        pipeline=[draw_views, _base_.photometric, _base_.pack_views],
    ),
)
train_cfg = dict(max_epochs=2)
param_scheduler = dict(warmup=0, warmup_share=None)
auto_scale_lr = dict(base_batch_size=4)
default_hooks = dict(
    logger=dict(interval=1), checkpoint=dict(interval=1)
)
"""
RANK_DUMP = """
import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmsoco.registry import HOOKS


@HOOKS.register_module()
class RankDump(Hook):
    def after_train(self, runner):
        model = runner.model
        model = model.module if is_model_wrapper(model) else model
        path = f'{runner.work_dir}/rank{get_rank()}.pt'
        torch.save(model.state_dict(), path)
"""


@pytest.fixture(scope='module')
def config(tmp_path_factory, repo_dir):
    """A config next to eight images and their proposals."""
    data = tmp_path_factory.mktemp('data')
    (data / 'images').mkdir()
    rng = np.random.default_rng(0)
    records = []
    for i in range(8):
        cells = rng.integers(0, 256, (8, 10, 3), np.uint8)
        image = cv2.resize(cells, (100, 80), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(data / 'images' / f'{i}.png'), image)
        boxes = np.array([[5, 5, 60, 50], [30, 20, 95, 75]], np.float32)
        records.append(ProposalRecord(f'{i}.png', 80, 100, boxes))
    with ProposalStoreWriter(data / 'proposals.arrow') as writer:
        writer.write(records)
    (data / 'rank_dump.py').write_text(RANK_DUMP)
    path = data / 'tiny.py'
    path.write_text(CONFIG.format(repo=repo_dir, data=data))
    sys.path.insert(0, str(data))
    yield path
    sys.path.remove(str(data))


def attempt(config, work_dir, *arguments, options=()) -> Outcome:
    """Trains in this process; its own name keeps the logs apart."""
    return call(
        'train',
        config,
        f'--work-dir={work_dir}',
        *arguments,
        '--cfg-options',
        f'experiment_name=tiny-{time.monotonic_ns()}',
        *options,
    )


def run(config, work_dir, *arguments, options=()):
    """Trains, and returns the work dir."""
    outcome = attempt(config, work_dir, *arguments, options=options)
    assert outcome.status == 0, outcome.err
    return work_dir


@pytest.fixture(scope='module')
def finished(config, tmp_path_factory):
    """The work dir of two epochs of two iterations."""
    return run(config, tmp_path_factory.mktemp('finished'))


def test_logs_what_a_newcomer_needs(finished):
    log = log_of(finished)
    assert 'Batch of a step: 4 = 1 processes x 4 images x 1' in log
    (line,) = [row for row in log.splitlines() if '[2][2/2]' in row]
    for name in (
        'eta',
        'lr',
        'loss_12',
        'loss_13',
        'embedding_std',
        'pair_cosine',
        'retrieval',
        'images_per_s',
        'data_wait',
        'target_momentum',
    ):
        assert f'{name}: ' in line
    assert list(finished.glob('**/events.out.tfevents*'))


def test_an_old_run_is_seen_before_anything_is_built(
    config, finished, monkeypatch
):
    monkeypatch.setattr(
        'mmsoco.engine.run_config.run_config',
        lambda *args: pytest.fail('built'),
    )
    before = sorted(finished.rglob('*'))
    outcome = attempt(config, finished)
    assert outcome.status == 1
    assert 'holds a run already' in outcome.err
    after = {*finished.rglob('*')} - {*before}
    assert not after


def test_learns_and_saves(finished):
    first = load_run(finished / 'epoch_1.pth')['state_dict']
    second = load_run(finished / 'epoch_2.pth')['state_dict']
    moved = {
        name.split('.')[0]
        for name, tensor in first.items()
        if not torch.equal(tensor, second[name])
    }
    assert moved >= {'encoder', 'projector', 'predictor', 'target'}
    assert not list(finished.glob('.*.part'))


def test_resumed_run_equals_the_uninterrupted_one(config, finished, tmp_path):
    shutil.copy(finished / 'epoch_1.pth', tmp_path)
    run(config, tmp_path, '--resume')
    assert '[1][1/2]' not in log_of(tmp_path)
    assert differences(finished, tmp_path, 'epoch_2.pth') == []


def test_workers_do_not_change_the_run(config, finished, tmp_path):
    options = ['train_dataloader.num_workers=2', 'train_cfg.max_epochs=2']
    run(config, tmp_path, options=options)
    assert differences(finished, tmp_path, 'epoch_2.pth') == []


def test_resume_without_a_checkpoint_starts(config, tmp_path):
    outcome = attempt(
        config, tmp_path, '--resume', options=['train_cfg.max_epochs=1']
    )
    assert outcome.status == 0
    assert 'Nothing to resume' in outcome.out
    assert (tmp_path / 'epoch_1.pth').is_file()


def test_config_that_resumes_from_a_checkpoint_does(tmp_path):
    """mmengine's meaning of ``resume`` with ``load_from``."""
    torch.save({}, tmp_path / 'epoch_3.pth')
    other = tmp_path / 'other.pth'
    cfg = Config(
        dict(work_dir=str(tmp_path), resume=True, load_from=str(other))
    )
    with pytest.raises(FileNotFoundError, match='no checkpoint .*other.pth'):
        set_resume(cfg, None)
    torch.save({}, other)
    set_resume(cfg, None)
    assert (cfg.load_from, cfg.resume) == (str(other), True)
    cfg = Config(dict(work_dir=str(tmp_path), resume=True))
    set_resume(cfg, None)
    assert cfg.load_from == str(tmp_path / 'epoch_3.pth')


def test_bf16_trains_on_a_cpu(config, finished, tmp_path):
    run(config, tmp_path, '--amp', options=['train_cfg.max_epochs=1'])
    half = load_run(tmp_path / 'epoch_1.pth')['state_dict']
    full = load_run(finished / 'epoch_1.pth')['state_dict']
    key = 'encoder.backbone.conv1.weight'
    assert half[key].dtype == torch.float32
    assert torch.isfinite(half[key]).all()
    assert not torch.equal(half[key], full[key])


def test_accumulated_gradients_move_the_target_once(
    config, tmp_path, monkeypatch
):
    momenta = []
    update = TargetNetwork.update

    def noted(self, momentum):
        momenta.append(momentum)
        update(self, momentum)

    monkeypatch.setattr(TargetNetwork, 'update', noted)
    options = [
        'optim_wrapper.accumulative_counts=2',
        'train_dataloader.batch_size=2',
        'train_cfg.max_epochs=1',
    ]
    run(config, tmp_path, options=options)
    # 4 iterations, 2 steps: half-way and at the end of the cosine.
    assert momenta == pytest.approx([0.995, 1.0])
    assert 'x 2 images x 2 accumulated' in log_of(tmp_path)


def same(found, expected, **tolerance):
    return all(
        torch.allclose(found[name].float(), tensor.float(), **tolerance)
        for name, tensor in expected.items()
    )


# Four starts of Python with torch. Faster: tests/test_models/
# test_distributed.py has the gradients of two processes, tests/test_faults/
# test_processes.py what the script hands to torchrun.
@pytest.mark.slow
def test_two_processes_train_as_one(config, finished, tmp_path, repo_dir):
    subprocess.run(
        [
            'bash',
            str(repo_dir / 'tools' / 'dist_train.sh'),
            str(config),
            '2',
            f'--work-dir={tmp_path}',
            '--cfg-options',
            'train_dataloader.batch_size=2',
        ],
        env=dict(
            os.environ,
            PYTHON=sys.executable,
            PYTHONPATH=os.pathsep.join(
                [str(config.parent), os.environ.get('PYTHONPATH', '')]
            ),
            PORT=str(20000 + os.getpid() % 20000),
            OMP_NUM_THREADS='1',
        ),
        check=True,
        capture_output=True,
        timeout=PATIENCE,
    )
    first, second = (torch.load(tmp_path / f'rank{i}.pt') for i in (0, 1))
    assert same(first, second, rtol=0, atol=0)
    alone = torch.load(finished / 'rank0.pt')
    assert same(first, alone, rtol=1e-3, atol=1e-5)


def test_traceback_lies_in_the_work_dir_of_the_config(
    config, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    outcome = call(
        'train', config, '--cfg-options', 'work_dir=mine',
        'train_dataloader.dataset.proposals=none.arrow',
    )  # fmt: skip
    assert_refused(outcome, 'none.arrow')
    assert [p.name for p in tmp_path.iterdir()] == ['mine']
    assert 'Traceback' in (tmp_path / 'mine' / 'error.txt').read_text()


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['--resume=none.pth'], 'no checkpoint none.pth'),
        (['--resume', '--overwrite'], 'give one of the two'),
        (['--overwrite', '--cfg-options', 'load_from=none.pth'], 'none.pth'),
    ],
)
def test_a_refused_call_leaves_a_run_as_it_is(
    config, finished, words, message
):
    before = state_of(finished)
    outcome = call('train', config, '--work-dir', finished, *words)
    assert_refused(outcome, message)
    assert state_of(finished) == before


@pytest.fixture
def pretraining(tmp_path):
    """What the export of a pretraining leaves, without labels."""
    folder = RunFolder(tmp_path / 'my run', 'pretraining')
    folder.begin({}, {})
    detector = load_detector(None, is_large=False)
    write_config(
        Config(dict(model=dict(detector=detector))),
        folder.path / 'pretrain.py',
        'A pretraining.',
    )
    weights = folder.path / 'detector.pth'
    weights.touch()
    settings = PretrainSettings(tmp_path / 'images', folder.path)
    finish._write_finetune_config(folder, settings, None, weights)
    return folder.path


@pytest.mark.parametrize(
    ('words', 'split'),
    [(['train'], 'train'), (['test', 'detector.pth'], 'test')],
)
def test_finetune_config_of_a_pretraining_wants_labels(
    pretraining, words, split, monkeypatch
):
    monkeypatch.chdir(pretraining)
    before = sorted(pretraining.rglob('*'))
    config = pretraining / 'finetune.py'
    outcome = call(words[0], config, *words[1:])
    key = f'{split}_dataloader.dataset.ann_file'
    assert_refused(outcome, f'{key} is .*data/custom/annotations/')
    assert f"`mmsoco finetune '{pretraining}' --train" in outcome.err
    assert 'num_classes' in outcome.err
    # A traceback would keep `mmsoco finetune` out of the folder.
    assert sorted(pretraining.rglob('*')) == before
    named = pretraining / 'labels.json'
    named.write_text('{}')
    outcome = call(
        words[0], config, *words[1:], '--cfg-options', f'{key}={named}'
    )
    assert_refused(outcome, "labels.json.*'images'")
