"""A resumed run is the same run, or there is a clear no."""

import math
import os
import random
import shutil
import signal
import socket
import time
from functools import reduce
from operator import getitem

import numpy as np
import pytest
import seeded_ranks
import torch
from saved_states import differences
from small_runs import (
    NamedPoints,
    at_iteration,
    diary,
    log_of,
    small_runner,
)

from mmsoco.checkpoints.io import load_run
from mmsoco.engine.hooks import target_momentum
from mmsoco.engine.resuming import set_resume
from mmsoco.engine.rng import seed_iteration
from mmsoco.engine.schedulers import warmup_cosine
from mmsoco.utils.stop_signals import StoppedError

COSINE = dict(
    type='WarmupCosineLR', warmup=1, convert_to_iter_based=True, minimum=0.0
)
ADAM = dict(_delete_=True, type='Adam', lr=0.1, amsgrad=True)


@pytest.fixture(scope='module')
def finished(tmp_path_factory):
    """The work dir of a whole run with a schedule."""
    work_dir = tmp_path_factory.mktemp('finished')
    small_runner(work_dir, param_scheduler=COSINE).train()
    return work_dir


def resumed(source, work_dir, **settings):
    """A runner that resumes from a checkpoint."""
    return small_runner(
        work_dir,
        load_from=str(source),
        resume=True,
        **dict(dict(param_scheduler=COSINE), **settings),
    )


def test_unchanged_is_equal_bit_for_bit(finished, tmp_path):
    """Dropout and batch norm too: generators and statistics continue."""
    resumed(finished / 'epoch_1.pth', tmp_path).train()
    assert differences(finished, tmp_path) == []
    assert 'have changed' not in log_of(tmp_path)


def kill(number):
    os.kill(os.getpid(), number)


@pytest.mark.parametrize('workers', [0, 2])
@pytest.mark.parametrize('stop_at', [1, 4, 6, 7])
def test_ctrl_c_within_an_epoch_loses_nothing(
    finished, tmp_path, stop_at, workers
):
    settings = dict(
        train_dataloader=dict(num_workers=workers),
        param_scheduler=COSINE,
    )
    runner = small_runner(tmp_path, **settings)
    at_iteration(runner, stop_at, lambda: kill(signal.SIGINT))
    with pytest.raises(
        StoppedError, match=f'after iteration {stop_at + 1} of 12.*--resume'
    ):
        runner.train()
    assert load_run(tmp_path / 'interim.pth')['meta']['iter'] == stop_at + 1
    again = small_runner(tmp_path, resume=True, **settings)
    again.train()
    assert min(diary(again).rates) == stop_at + 1
    assert differences(finished, tmp_path) == []
    assert not (tmp_path / 'interim.pth').exists()


def test_second_ctrl_c_stops_at_once(tmp_path):
    def press(runner):
        signal.raise_signal(signal.SIGINT)
        time.sleep(0.15)  # what comes sooner is an echo of the first
        signal.raise_signal(signal.SIGINT)

    runner = small_runner(tmp_path)
    diary(runner).on_iter = press
    with pytest.raises(KeyboardInterrupt):
        runner.train()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert not list(tmp_path.glob('*.pth'))


@pytest.mark.parametrize(
    ('sent', 'code'), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_signals_of_the_system_save_too(tmp_path, sent, code):
    """Echoes do not cut short what the first has begun."""

    def end():
        # Not os.kill: another thread may take that, in another order.
        for number in (sent, signal.SIGHUP, signal.SIGTERM):
            signal.raise_signal(number)

    runner = small_runner(tmp_path)
    at_iteration(runner, 2, end)
    with pytest.raises(SystemExit) as ended:
        runner.train()
    assert ended.value.code == code
    assert load_run(tmp_path / 'interim.pth')['meta']['iter'] == 3


@pytest.mark.parametrize('stop_at', [4, 5])
def test_a_stop_waits_for_the_whole_step(tmp_path, stop_at):
    """The gradients of half a step would be lost."""
    settings = dict(
        param_scheduler=COSINE, optim_wrapper=dict(accumulative_counts=3)
    )
    small_runner(tmp_path / 'whole', **settings).train()
    runner = small_runner(tmp_path / 'cut', **settings)
    at_iteration(runner, stop_at, lambda: kill(signal.SIGTERM))
    with pytest.raises(SystemExit):
        runner.train()
    interim = tmp_path / 'cut' / 'interim.pth'
    assert load_run(interim)['meta']['iter'] == 6
    small_runner(tmp_path / 'cut', resume=True, **settings).train()
    assert differences(tmp_path / 'whole', tmp_path / 'cut') == []


def test_a_longer_run_goes_on_by_the_longer_schedule(finished, tmp_path):
    runner = resumed(
        finished / 'epoch_2.pth', tmp_path, train_cfg=dict(max_epochs=6)
    )
    runner.train()
    assert diary(runner).rates == pytest.approx(
        {
            step: warmup_cosine(step, 24, 4, 0.5, minimum=0.0)
            for step in range(8, 24)
        }
    )
    assert 'train_cfg.max_epochs was 3, is 6' in log_of(tmp_path)


def test_rate_and_target_momentum_agree_in_a_longer_run(tmp_path):
    """8 epochs, then 12: both stand at two thirds of the new schedules."""
    progress = 8 / 12
    momentum = target_momentum(8, 12, 0.99)
    assert momentum == pytest.approx(
        1 - 0.01 * (math.cos(math.pi * progress) + 1) / 2
    )
    settings = dict(param_scheduler=dict(COSINE, warmup=0))
    small_runner(tmp_path, train_cfg=dict(max_epochs=8), **settings).train()
    runner = small_runner(
        tmp_path, resume=True, train_cfg=dict(max_epochs=12), **settings
    )
    runner.train()
    first = diary(runner).rates[32]
    assert first == pytest.approx(0.5 * (1 + math.cos(math.pi * progress)) / 2)
    assert (runner.iter, runner.max_iters) == (48, 48)


def test_a_new_rate_takes_effect(finished, tmp_path):
    runner = resumed(
        finished / 'epoch_1.pth',
        tmp_path,
        optim_wrapper=dict(optimizer=dict(lr=0.05, weight_decay=1e-3)),
    )
    runner.train()
    assert diary(runner).rates == pytest.approx(
        {
            step: warmup_cosine(step, 12, 4, 0.05, minimum=0.0)
            for step in range(4, 12)
        }
    )
    [group] = runner.optim_wrapper.param_groups
    assert group['weight_decay'] == 1e-3
    assert 'optim_wrapper.optimizer.lr was 0.5, is 0.05' in log_of(tmp_path)


def test_without_a_schedule_a_new_rate_takes_effect(tmp_path):
    small_runner(tmp_path, train_cfg=dict(max_epochs=1)).train()
    runner = small_runner(
        tmp_path,
        resume=True,
        train_cfg=dict(max_epochs=2),
        optim_wrapper=dict(optimizer=dict(lr=0.01)),
    )
    runner.train()
    assert set(diary(runner).rates.values()) == {0.01}


CHAIN = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=3),
    dict(type='MultiStepLR', by_epoch=True, milestones=[2, 4], gamma=0.1),
]


def test_schedules_of_mmengine_that_build_on_the_last_value(tmp_path):
    """As if the run had had its new length and rate from the start."""
    new = dict(
        param_scheduler=CHAIN,
        train_cfg=dict(max_epochs=5),
        optim_wrapper=dict(optimizer=dict(lr=0.2)),
    )
    whole = small_runner(tmp_path / 'whole', **new)
    whole.train()
    small_runner(tmp_path / 'cut', param_scheduler=CHAIN).train()
    runner = small_runner(tmp_path / 'cut', resume=True, **new)
    runner.train()
    assert diary(runner).rates == {
        step: rate for step, rate in diary(whole).rates.items() if step >= 12
    }


@pytest.mark.parametrize(
    ('loader', 'count', 'stands', 'length'),
    [
        (dict(batch_size=4), 8, 2, 6),  # half the iterations
        (dict(), 16, 4, 24),  # half an epoch of the new set
        (dict(), 4, 4, 6),  # two epochs of it
        (dict(num_workers=1), 8, 4, 12),
        (dict(dataset=dict(ann_file='moved.json')), 8, 4, 12),
    ],
)
def test_the_run_stands_at_the_same_sample(
    finished, tmp_path, monkeypatch, loader, count, stands, length
):
    monkeypatch.setattr(NamedPoints, 'count', count)
    runner = resumed(
        finished / 'epoch_1.pth', tmp_path, train_dataloader=loader
    )
    runner.train()
    rates = diary(runner).rates
    assert (min(rates), max(rates) + 1) == (stands, length)
    [schedule] = runner.param_schedulers
    assert schedule.end == length
    expected = warmup_cosine(stands, length, length // 3, 0.5, minimum=0.0)
    assert rates[stands] == pytest.approx(expected)


@pytest.mark.parametrize(
    ('settings', 'option', 'value'),
    [
        (dict(optim_wrapper=dict(optimizer=dict(foreach=True))), 'foreach', 1),
        (
            dict(
                param_scheduler=[
                    COSINE, dict(type='ConstantMomentum', factor=0.5, end=99),
                ]
            ),
            'initial_momentum',
            0.9,
        ),
    ],
)  # fmt: skip
def test_options_that_the_old_run_did_not_have(
    finished, tmp_path, settings, option, value
):
    """They were refused as "the optimizer of other parameters"."""
    runner = resumed(finished / 'epoch_1.pth', tmp_path, **settings)
    runner.train()
    [group] = runner.optim_wrapper.param_groups
    assert group[option] == value
    assert min(diary(runner).rates) == 4


def test_momentum_of_rmsprop_may_be_turned_on(tmp_path):
    """Its state lacks the buffer: torch ended in a bare KeyError."""
    plain = dict(_delete_=True, type='RMSprop', lr=0.01)
    for momentum, epochs in ((0, 1), (0.9, 2)):
        runner = small_runner(
            tmp_path,
            resume=epochs > 1,
            optim_wrapper=dict(optimizer=dict(plain, momentum=momentum)),
            train_cfg=dict(max_epochs=epochs),
        )
        runner.train()
    for parameter in runner.model.parameters():
        state = runner.optim_wrapper.optimizer.state[parameter]
        assert state['momentum_buffer'].shape == parameter.shape
        assert state['momentum_buffer'].any()


def test_precision_may_change(finished, tmp_path):
    runner = resumed(
        finished / 'epoch_1.pth',
        tmp_path,
        optim_wrapper=dict(
            type='MixedPrecisionOptimWrapper', precision='bf16'
        ),
    )
    runner.train()
    assert 'type was OptimWrapper, is MixedPrecision' in log_of(tmp_path)


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        (dict(model=dict(width=3)), 'model.width was not set, is 3'),
        (dict(randomness=dict(seed=1)), 'randomness.seed was 0, is 1'),
        (
            dict(train_dataloader=dict(dataset=dict(names='y'))),
            'dataset.names was not set, is y; the images have other names',
        ),
        (
            dict(optim_wrapper=dict(optimizer=dict(type='LARS'))),
            'optimizer.type was SGD, is LARS',
        ),
        (
            dict(optim_wrapper=dict(optimizer=ADAM)),
            'type was SGD, is Adam; .*amsgrad was not set, is True',
        ),
        (
            dict(train_dataloader=dict(sampler=dict(shuffle=False))),
            'sampler.shuffle was True, is False',
        ),
    ],
)
def test_another_run_is_refused(finished, tmp_path, settings, message):
    with pytest.raises(ValueError, match=f'cannot be continued.*{message}'):
        resumed(finished / 'epoch_1.pth', tmp_path, **settings).train()


def test_a_finished_run_says_so(finished, tmp_path):
    runner = resumed(finished / 'epoch_3.pth', tmp_path)
    runner.train()
    assert 'This run is finished: 12 of 12' in log_of(tmp_path)
    assert not diary(runner).rates
    assert not list(tmp_path.glob('*.pth'))


@pytest.mark.parametrize('what', ['labels', 'proposals'])
def test_boxes_that_were_changed_in_place(tmp_path, monkeypatch, what):
    """The names are the same: what is learned from them is not."""
    box = [1.0, 2.0, 3.0, 4.0]

    def info(self, index):
        told = dict(img_path=f'{index}.jpg')
        if what == 'labels':
            return told | dict(instances=[dict(bbox=box, bbox_label=0)])
        return told | dict(bboxes=np.array([box] * 2000, np.float32))

    monkeypatch.setattr(NamedPoints, 'get_data_info', info)
    small_runner(tmp_path, train_cfg=dict(max_epochs=1)).train()
    small_runner(tmp_path, resume=True, train_cfg=dict(max_epochs=2)).train()
    box[2] += 0.5
    with pytest.raises(ValueError, match='other proposals or labels'):
        small_runner(tmp_path, resume=True).train()


def test_a_checkpoint_beyond_the_end_says_so(finished, tmp_path):
    path = tmp_path / 'epoch_3.pth'
    shutil.copy(finished / 'epoch_3.pth', path)
    beyond = {'meta/iter': 400, 'meta/epoch': 100}
    change(path, {**beyond, 'meta/mmsoco_sha256': GONE})
    runner = resumed(path, tmp_path)
    runner.train()
    assert 'is at iteration 400, beyond the end at 12' in log_of(tmp_path)
    assert not diary(runner).rates


GONE = object()
BIAS = 'state_dict/layers.0.bias'
STATE, GROUP = 'optimizer/state', 'optimizer/param_groups/0'
SCHEDULE, RUN = 'param_schedulers/0', 'meta/mmsoco_run'


def change(path, edits):
    """Set values of a checkpoint, by the keys that lead to them."""
    content = load_run(path)
    for place, value in edits.items():
        keys = [int(k) if k.isdigit() else k for k in place.split('/')]
        node = reduce(getitem, keys[:-1], content)
        if value is GONE:
            del node[keys[-1]]
        else:
            node[keys[-1]] = value
    torch.save(content, path)


@pytest.mark.parametrize(
    ('edits', 'message'),
    [
        ({'optimizer': GONE, 'message_hub': GONE},
         'holds weights and lacks optimizer, message_hub.*load_from'),
        ({'state_dict': GONE}, 'holds no weights'),
        ({f'{RUN}/model': 'MaskRCNN'},
         'a run that trained MaskRCNN, but this config trains SmallReg'),
        ({BIAS: GONE}, 'of another model.*layers.0.bias is not in the file'),
        ({'state_dict/x': torch.ones(1)}, 'x is not in the model'),
        ({BIAS: torch.full((2,), math.nan)}, 'not finite.*layers.0.bias'),
        ({'optimizer/param_groups': []}, 'the optimizer of other parameters'),
        ({f'{STATE}/0/momentum_buffer': torch.ones(7, 2)},
         r'momentum_buffer of layers.0.weight is \(7, 2\), expected '
         r'\(2, 2\).*its own config'),
        # Torch would broadcast it.
        ({f'{STATE}/1/momentum_buffer': torch.ones(1)},
         r'momentum_buffer of layers.0.bias is \(1,\), expected \(2,\)'),
        ({f'{STATE}/1/momentum_buffer': 'x'},
         'momentum_buffer of layers.0.bias is a str'),
        ({STATE: {}}, 'other parameters: it has no state of any parameter'),
        ({f'{STATE}/99': {}}, 'parameter 99 of its state'),
        ({f'{GROUP}/lr': GONE},
         'lr of group 0 is None, expected a finite number of at least 0'),
        ({f'{GROUP}/lr': 'x'}, "lr of group 0 is 'x'"),
        ({BIAS: torch.ones(2, dtype=torch.int64)},
         'layers.0.bias is .*int64 in the file and .*float32 in the model'),
        ({BIAS: None}, 'its state_dict is not as this release writes it'),
        ({BIAS: torch.empty(2, device='meta')}, 'layers.0.bias'),
        ({f'{STATE}/1': {}}, 'momentum_buffer of layers.0.bias is missing'),
        ({f'{STATE}/{i}': {} for i in range(6)},
         'it has no state of any parameter'),
        ({f'{GROUP}/lr': -1.0},
         'lr of group 0 is -1.0, expected a finite number'),
        ({f'{GROUP}/nesterov': 0.5},
         'nesterov of group 0 is 0.5, expected True or False'),
        ({'meta': None}, 'its meta is not'),
        ({'meta/iter': GONE}, "its meta is not.*'iter'"),
        ({'meta/iter': '4'}, "its meta is not.*iter is '4'"),
        ({'meta/epoch': -1}, 'its meta is not.*epoch is -1'),
        ({'meta/epoch': 99},
         'after 99 epochs it has 4 iterations, expected 396 or more'),
        ({'meta/epoch': 0, 'meta/iter': 8},
         'after 0 epochs it has 8 iterations, expected 0 or more, up to 4'),
        ({RUN: GONE, 'meta/epoch': 9}, 'after 9 epochs it has 4 iterations'),
        ({'meta/seed': 'x'}, "its meta is not.*seed is 'x'"),
        ({'meta/mmsoco_sampler_seed': -1},
         'its meta is not.*sampler_seed is -1'),
        ({f'{RUN}/settings': []}, r'its meta is not.*settings is \[\]'),
        ({f'{RUN}/of_next_release': 1},
         'its meta is not.*of_next_release.*release that wrote it'),
        ({f'{RUN}/epoch_length': 0}, 'its meta is not.*epoch_length is 0'),
        ({RUN: [1]}, 'its meta is not'),
        ({'optimizer': None}, 'its optimizer is not'),
        ({'message_hub': None}, 'its message_hub is not'),
        ({'param_schedulers': 3}, 'its param_schedulers is not'),
        ({'param_schedulers': []},
         'its param_schedulers is not.*0 schedules, expected 1'),
        ({'param_schedulers': [dict(x=1)]},
         'its param_schedulers is not.*a schedule of x'),
        ({f'{SCHEDULE}/last_step': 'x'},
         "its param_schedulers is not.*last_step of a schedule is 'x'"),
        ({f'{SCHEDULE}/base_values': [math.nan]},
         'its param_schedulers is not.*base_values of a schedule'),
        # What fits in its form, and would go on as another run.
        ({f'{STATE}/1': GONE}, 'has been edited since the run wrote it'),
        ({f'{GROUP}/momentum': 0.1}, 'has been edited'),
        ({f'{SCHEDULE}/last_step': 1}, 'has been edited'),
        ({'state_dict/layers.1.running_var': -torch.ones(2)},
         'has been edited'),
        ({'meta/seed': 5}, 'has been edited'),
    ],
)  # fmt: skip
def test_a_checkpoint_of_another_kind(finished, tmp_path, edits, message):
    path = tmp_path / 'epoch_1.pth'
    shutil.copy(finished / 'epoch_1.pth', path)
    change(path, edits)
    with pytest.raises(ValueError, match=f'epoch_1.pth.*{message}'):
        resumed(path, tmp_path).train()


def empty(path):
    path.write_bytes(b'')


def cut(path):
    path.write_bytes(path.read_bytes()[:-300])


def flip(path):
    content = bytearray(path.read_bytes())
    weight = load_run(path)['state_dict']['layers.0.weight']
    place = content.index(weight.numpy().tobytes())
    content[place] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize('damage', [empty, cut, flip])
def test_a_damaged_newest_checkpoint_is_passed_over(
    finished, tmp_path, damage
):
    for epoch in (1, 2):
        shutil.copy(finished / f'epoch_{epoch}.pth', tmp_path)
    damage(tmp_path / 'epoch_2.pth')
    small_runner(tmp_path, resume=True, param_scheduler=COSINE).train()
    assert 'Passed over: epoch_2.pth (' in log_of(tmp_path)
    assert 'epoch_1.pth after 4 of 12' in log_of(tmp_path)
    assert differences(finished, tmp_path) == []


def test_only_damaged_checkpoints(tmp_path):
    (tmp_path / 'epoch_1.pth').touch()
    with pytest.raises(ValueError, match=r'can be read: epoch_1.pth \(it is'):
        small_runner(tmp_path, resume=True).train()


def test_named_damaged_checkpoint(finished, tmp_path):
    path = tmp_path / 'epoch_1.pth'
    shutil.copy(finished / 'epoch_1.pth', path)
    flip(path)
    with pytest.raises(
        ValueError, match='epoch_1.pth is damaged: .*have changed'
    ):
        resumed(path, tmp_path).train()


def test_set_resume_takes_the_newest_usable(finished, tmp_path, capsys):
    from mmengine.config import Config

    cfg = Config(dict(work_dir=str(tmp_path), load_from='weights.pth'))
    set_resume(cfg, 'auto')
    assert (cfg.load_from, cfg.resume) == ('weights.pth', False)
    shutil.copy(finished / 'epoch_1.pth', tmp_path)
    (tmp_path / 'epoch_2.pth').touch()
    set_resume(cfg, 'auto')
    assert cfg.load_from == str(tmp_path / 'epoch_1.pth')
    assert cfg.resume
    assert 'Passed over: epoch_2.pth (it is empty).' in capsys.readouterr().out
    for place in (tmp_path, f'file://{tmp_path}/epoch_1.pth'):
        cfg.load_from = None
        set_resume(cfg, str(place))
        assert cfg.load_from == str(tmp_path / 'epoch_1.pth')
    for missing in ('nowhere.pth', 'http://localhost/nowhere.pth'):
        with pytest.raises(FileNotFoundError, match=f'checkpoint {missing}'):
            set_resume(cfg, missing)


def test_a_seed_that_was_drawn_goes_on(tmp_path):
    unseeded = dict(randomness=dict(seed=None))
    small_runner(tmp_path, **unseeded).train()
    seed = load_run(tmp_path / 'epoch_1.pth')['meta']['seed']
    runner = small_runner(
        tmp_path / 'again',
        resume=True,
        load_from=str(tmp_path / 'epoch_1.pth'),
        **unseeded,
    )
    runner.train()
    assert runner.seed == seed
    assert differences(tmp_path, tmp_path / 'again') == []


@pytest.mark.slow
def test_ranks_with_dropout_go_on_bit_for_bit(tmp_path):
    """Each rank draws other masks, since it has its own seed."""
    settings = dict(
        train_cfg=dict(max_epochs=2),
        randomness=dict(diff_rank_seed=True),
        find_unused_parameters=True,
    )

    def run(folder, **changes):
        with socket.socket() as probe:
            probe.bind(('127.0.0.1', 0))
            port = probe.getsockname()[1]
        arguments = (folder, port, dict(settings, **changes))
        torch.multiprocessing.spawn(seeded_ranks.train, arguments, nprocs=2)

    run(tmp_path / 'whole')
    (tmp_path / 'cut').mkdir()
    shutil.copy(tmp_path / 'whole' / 'epoch_1.pth', tmp_path / 'cut')
    run(tmp_path / 'cut', resume=True)
    whole, cut = tmp_path / 'whole', tmp_path / 'cut'
    assert differences(whole, cut, 'epoch_2.pth') == []


@pytest.mark.parametrize('by_epoch', [True, False])
def test_data_that_draw_in_the_process_itself(tmp_path, by_epoch, monkeypatch):
    """Stopped within the second epoch, with numbers from all generators."""
    get = NamedPoints.__getitem__

    def get_shifted(self, key):
        sample = get(self, key)
        sample['inputs'] += float(np.random.rand() + torch.rand(1))
        return sample

    monkeypatch.setattr(NamedPoints, '__getitem__', get_shifted)
    settings = dict(
        train_dataloader=dict(sampler=dict(type='DefaultSampler')),
        train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=3),
    )
    last = 'epoch_3.pth'
    if not by_epoch:
        loop = dict(type='IterBasedTrainLoop', max_iters=12, _delete_=True)
        settings['train_cfg'] = loop
        settings['default_hooks'] = dict(checkpoint=dict(by_epoch=False))
        last = 'iter_12.pth'

    small_runner(tmp_path / 'whole', **settings).train()
    runner = small_runner(tmp_path / 'cut', **settings)
    at_iteration(runner, 5, lambda: kill(signal.SIGINT))
    with pytest.raises(StoppedError):
        runner.train()
    small_runner(tmp_path / 'cut', resume=True, **settings).train()
    assert differences(tmp_path / 'whole', tmp_path / 'cut', last) == []


def test_seeds_of_iterations():
    def draw(seed, iteration):
        seed_iteration(seed, iteration)
        return random.random(), np.random.rand(), float(torch.rand(1))

    assert draw(3, 5) == draw(3, 5)
    found = [draw(s, i) for s, i in ((3, 5), (3, 6), (4, 5), (5, 3), (0, 0))]
    for numbers in zip(*found, strict=True):
        assert len(set(numbers)) == len(found)


def test_a_moving_average_is_not_taken_for_the_weights(tmp_path):
    """A checkpoint has it in their place; EMAHook puts them back."""
    average = dict(custom_hooks=[dict(type='Diary'), dict(type='EMAHook')])
    small_runner(tmp_path, **average).train()
    longer = dict(resume=True, train_cfg=dict(max_epochs=4))
    with pytest.raises(ValueError, match='a moving average.*EMAHook'):
        small_runner(tmp_path, **longer).train()
    runner = small_runner(tmp_path, **longer, **average)
    runner.train()
    assert runner.iter == 16
