"""Checkpoints by epochs, and by minutes between them."""

import shutil

import pytest
from mmengine.evaluator import BaseMetric
from small_runs import SmallRegressor, diary, fill_disk, small_runner

from mmsoco.checkpoints.io import load_run
from mmsoco.engine.hooks import CheckpointHook, checkpoint_hook
from mmsoco.registry import METRICS, MODELS

ONE = dict(default_hooks=dict(checkpoint=dict(max_keep_ckpts=1)))


class Clock:
    """Stands still between the iterations of a test."""

    def __init__(self):
        self.seconds = 0.0

    def monotonic(self):
        """As the module time."""
        return self.seconds


def test_saves_after_a_minute_and_then_ever_more_seldom(tmp_path, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(checkpoint_hook, 'time', clock)
    runner = small_runner(
        tmp_path,
        train_cfg=dict(max_epochs=10),
        default_hooks=dict(checkpoint=dict(interval=10, interim_minutes=4)),
    )
    saved = {}

    def note(runner):
        interim = tmp_path / 'interim.pth'
        if interim.is_file():
            saved.setdefault(load_run(interim)['meta']['iter'], clock.seconds)
        clock.seconds += 30

    diary(runner).on_iter = note
    runner.train()
    # After 1, 2, 4, and then every 4 minutes, counted in halves of them.
    assert list(saved) == [2, 6, 14, 22, 30, 38]
    assert sorted(p.name for p in tmp_path.glob('*.pth')) == ['epoch_10.pth']


def test_none_saves_nothing_in_between(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint_hook, '_FIRST_SECONDS', 0)
    runner = small_runner(
        tmp_path, default_hooks=dict(checkpoint=dict(interim_minutes=None))
    )
    diary(runner).on_iter = lambda _: None
    runner.train()
    assert not (tmp_path / 'interim.pth').exists()


def test_the_only_checkpoint_stays_until_the_next_is_written(
    tmp_path, monkeypatch
):
    fill_disk(monkeypatch, 'epoch_2')
    with pytest.raises(OSError, match='epoch_2.pth could not be written'):
        small_runner(tmp_path, **ONE).train()
    assert [p.name for p in tmp_path.glob('*.pth')] == ['epoch_1.pth']
    monkeypatch.undo()
    small_runner(tmp_path, resume=True, **ONE).train()
    assert [p.name for p in tmp_path.glob('*.pth')] == ['epoch_3.pth']


def test_keeps_as_many_as_it_is_told(tmp_path):
    small_runner(
        tmp_path,
        train_cfg=dict(max_epochs=5),
        default_hooks=dict(checkpoint=dict(max_keep_ckpts=2)),
    ).train()
    names = sorted(p.name for p in tmp_path.glob('*.pth'))
    assert names == ['epoch_4.pth', 'epoch_5.pth']
    ids = load_run(tmp_path / 'epoch_5.pth')['message_hub']['runtime_info']
    assert ids['keep_ckpt_ids'] == [4, 5]


@METRICS.register_module()
class Rising(BaseMetric):
    """Each evaluation is better than the last one, in one or two ways."""

    seen = 0

    def process(self, data_batch, data_samples):
        """Nothing is measured."""
        self.results.append(0)

    def compute_metrics(self, results):
        """Count the evaluations."""
        self.seen += 1
        return dict(good=self.seen, fine=self.seen)


@MODELS.register_module()
class Evaluated(SmallRegressor):
    """Predicts nothing."""

    def forward(self, inputs, mode):
        """The loss, or no predictions."""
        return super().forward(inputs, mode) if mode == 'loss' else [{}]


def run_with_best(work_dir, names, **settings):
    small_runner(
        work_dir,
        model=dict(type='Evaluated'),
        val_dataloader=dict(
            dataset=dict(type='NamedPoints'),
            sampler=dict(type='DefaultSampler', shuffle=False),
        ),
        val_cfg=dict(),
        val_evaluator=dict(type='Rising'),
        default_hooks=dict(
            checkpoint=dict(interval=9, save_best=names, rule='greater')
        ),
        **settings,
    ).train()


def best_of(work_dir):
    return sorted(p.name for p in work_dir.glob('best_*'))


@pytest.mark.parametrize('names', [['good'], ['good', 'fine']])
def test_the_best_checkpoint_stays_until_a_better_one_is_written(
    tmp_path, monkeypatch, names
):
    with monkeypatch.context() as patched:
        fill_disk(patched, 'good_epoch_2')
        with pytest.raises(OSError, match='epoch_2.pth could not be written'):
            run_with_best(tmp_path / 'full', names)
    assert best_of(tmp_path / 'full') == sorted(
        f'best_{name}_epoch_1.pth' for name in names
    )
    run_with_best(tmp_path / 'run', names)
    assert best_of(tmp_path / 'run') == sorted(
        f'best_{name}_epoch_3.pth' for name in names
    )


def test_a_copy_of_a_run_leaves_the_best_checkpoint_of_the_run(
    tmp_path, monkeypatch
):
    run_with_best(tmp_path / 'run', 'good')
    shutil.copytree(tmp_path / 'run', tmp_path / 'copy')
    monkeypatch.setattr(Rising, 'seen', 9)
    run_with_best(
        tmp_path / 'copy', 'good', resume=True, train_cfg=dict(max_epochs=4)
    )
    assert best_of(tmp_path / 'copy') == ['best_good_epoch_4.pth']
    assert best_of(tmp_path / 'run') == ['best_good_epoch_3.pth']


@pytest.mark.parametrize(
    'arguments',
    [dict(interval=0), dict(max_keep_ckpts=0), dict(interim_minutes=0)],
)
def test_arguments_out_of_range_are_refused(arguments):
    [name] = arguments
    with pytest.raises(ValueError, match=f'CheckpointHook.*{name}'):
        CheckpointHook(**arguments)
