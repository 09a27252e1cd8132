"""The gauges in the log, and the alarms that read them."""

import logging
from types import SimpleNamespace

import pytest
from mmengine.logging import MessageHub

from mmsoco.engine.hooks import CollapseHook, ThroughputHook
from mmsoco.engine.hooks.throughput_hook import missing_workers


@pytest.fixture
def runner(request):
    logger = logging.getLogger(request.node.name)
    logger.setLevel(logging.INFO)
    return SimpleNamespace(
        message_hub=MessageHub.get_instance(request.node.name),
        logger=logger,
        log_processor=SimpleNamespace(window_size=2),
        world_size=2,
        iter=0,
        train_dataloader=SimpleNamespace(
            num_workers=4, batch_sampler=SimpleNamespace(batch_size=8)
        ),
    )


def feed(runner, hook, **values):
    """One iteration with these logged values."""
    for name, value in values.items():
        runner.message_hub.update_scalar(f'train/{name}', value)
    hook.after_train_iter(runner, runner.iter)
    runner.iter += 1


def current(runner, name):
    return runner.message_hub.get_scalar(f'train/{name}').current()


def test_throughput_over_the_window_of_the_log(runner):
    hook = ThroughputHook()
    hook.before_train(runner)
    hook.before_train_epoch(runner)
    feed(runner, hook, time=9.0, data_time=9.0)  # leaves the window
    feed(runner, hook, time=1.0, data_time=0.2)
    feed(runner, hook, time=3.0, data_time=0.2)
    assert current(runner, 'images_per_s') == pytest.approx(2 * 2 * 8 / 4)
    assert current(runner, 'data_wait') == pytest.approx(0.4 / 4)


def test_says_how_many_workers_are_missing(runner, caplog):
    hook = ThroughputHook()
    hook.before_train(runner)
    hook.before_train_epoch(runner)
    feed(runner, hook, time=2.0, data_time=1.0)
    with caplog.at_level(logging.INFO):
        hook.after_train_epoch(runner)
    assert 'waited for data 50% of the time' in caplog.text
    assert 'About 4 more data workers' in caplog.text


def test_advises_workers_where_there_are_none(runner, caplog):
    runner.train_dataloader.num_workers = 0
    hook = ThroughputHook()
    hook.before_train(runner)
    hook.before_train_epoch(runner)
    feed(runner, hook, time=2.0, data_time=1.0)
    with caplog.at_level(logging.INFO):
        hook.after_train_epoch(runner)
    assert 'It loads the data itself' in caplog.text


def test_is_silent_where_data_is_fast_enough(runner, caplog):
    hook = ThroughputHook()
    hook.before_train(runner)
    hook.before_train_epoch(runner)
    feed(runner, hook, time=2.0, data_time=0.01)
    with caplog.at_level(logging.INFO):
        hook.after_train_epoch(runner)
    assert not caplog.records


@pytest.mark.parametrize(
    ('data_wait', 'workers', 'missing'),
    [(0.0, 4, 0), (0.5, 4, 4), (0.75, 2, 6), (0.1, 8, 1)],
)
def test_missing_workers(data_wait, workers, missing):
    assert missing_workers(data_wait, workers) == missing


def looks(runner, hook, spreads):
    for spread in spreads:
        feed(runner, hook, embedding_std=spread, pair_cosine=0.99)


def test_collapse_is_told_with_its_remedy(runner, caplog):
    looks(runner, CollapseHook(interval=2), [0.05, 0.03])
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert 'HAVE COLLAPSED: embedding_std is 0.040' in record.message
    assert 'pair_cosine is 0.990' in record.message
    assert 'smaller learning rate' in record.message


def test_collapse_is_not_told_every_time(runner, caplog):
    looks(runner, CollapseHook(interval=1, silence=3), [0.01] * 7)
    assert len(caplog.records) == 3  # at looks 1, 4 and 7


def test_a_new_collapse_is_told_at_once(runner, caplog):
    looks(runner, CollapseHook(interval=1), [0.01, 0.01, 0.9, 0.01])
    assert len(caplog.records) == 2


def test_spread_embeddings_raise_no_alarm(runner, caplog):
    looks(runner, CollapseHook(interval=1), [0.9, 0.5, 0.1])
    assert not caplog.records
