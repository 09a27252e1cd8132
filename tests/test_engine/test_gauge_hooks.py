"""The gauges in the log, and the alarms that read them."""

import logging
from types import SimpleNamespace

import pytest
from mmengine.logging import MessageHub

from mmsoco.engine.errors import TrainingFailedError
from mmsoco.engine.hooks import CollapseHook, ThroughputHook
from mmsoco.engine.hooks.throughput_hook import missing_workers

NAN = float('nan')


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
        train_dataloader=SimpleNamespace(num_workers=4, batch_size=8),
        cfg={},
    )


def feed(runner, hook, **values):
    """One iteration with these logged values."""
    for name, value in values.items():
        runner.message_hub.update_scalar(f'train/{name}', value)
    hook.after_train_iter(runner, runner.iter)
    runner.iter += 1


def current(runner, name):
    return runner.message_hub.get_scalar(f'train/{name}').current()


def start(runner, hook):
    """Training begins, and its first iteration."""
    hook.before_train(runner)
    feed(runner, hook, time=90.0, data_time=80.0)


def test_throughput_over_the_window_of_the_log(runner):
    hook = ThroughputHook()
    start(runner, hook)
    feed(runner, hook, time=9.0, data_time=9.0)  # leaves the window
    feed(runner, hook, time=1.0, data_time=0.2)
    feed(runner, hook, time=3.0, data_time=0.2)
    assert current(runner, 'images_per_s') == pytest.approx(2 * 2 * 8 / 4)
    assert current(runner, 'data_wait') == pytest.approx(0.4 / 4)


def test_starting_is_not_counted_but_said(runner, caplog):
    runner.cfg = dict(compile=True)
    hook = ThroughputHook()
    hook.before_train(runner)
    with caplog.at_level(logging.INFO):
        for seconds in (50.0, 20.0, 2.0, 2.0, 2.0, 4.0):
            feed(runner, hook, time=seconds, data_time=0.0)
    assert current(runner, 'images_per_s') == pytest.approx(2 * 8 / 4)
    assert 'Starting took 76.0 s' in caplog.text


def test_first_iteration_of_an_epoch_is_not_counted(runner):
    """Its data workers start anew."""
    hook = ThroughputHook()
    start(runner, hook)
    feed(runner, hook, time=2.0, data_time=0.0)
    runner.iter = 0  # the iteration within the epoch
    feed(runner, hook, time=60.0, data_time=58.0)
    assert current(runner, 'images_per_s') == pytest.approx(2 * 8 / 2)


def epoch(runner, hook, iterations, **times):
    for _ in range(iterations):
        feed(runner, hook, **times)
    hook.after_train_epoch(runner)


@pytest.mark.parametrize(
    ('workers', 'advice'),
    [
        (4, 'waited for data 50% of the time. About 4 more data workers'),
        (0, 'It loads the data itself'),
    ],
)
def test_advises_more_workers(runner, caplog, workers, advice):
    runner.train_dataloader.num_workers = workers
    hook = ThroughputHook()
    start(runner, hook)
    with caplog.at_level(logging.INFO):
        epoch(runner, hook, 10, time=2.0, data_time=1.0)
    assert advice in caplog.text


def test_gives_no_advice_from_an_epoch_that_only_started(runner, caplog):
    hook = ThroughputHook()
    start(runner, hook)
    epoch(runner, hook, 6, time=2.0, data_time=1.0)
    assert 'more data workers' not in caplog.text
    with caplog.at_level(logging.INFO):  # together they are enough
        epoch(runner, hook, 6, time=2.0, data_time=1.0)
    assert 'waited for data 50% of the time' in caplog.text


def test_is_silent_where_data_is_fast_enough(runner, caplog):
    hook = ThroughputHook()
    start(runner, hook)
    epoch(runner, hook, 10, time=2.0, data_time=0.01)
    caplog.clear()
    with caplog.at_level(logging.INFO):
        epoch(runner, hook, 10, time=2.0, data_time=0.01)
    assert not caplog.records


@pytest.mark.parametrize(
    ('data_wait', 'workers', 'missing'),
    [(0.0, 4, 0), (0.5, 4, 4), (0.75, 2, 6), (0.1, 8, 1)],
)
def test_missing_workers(data_wait, workers, missing):
    assert missing_workers(data_wait, workers) == missing


@pytest.mark.parametrize('tolerance', [-0.1, 2])
def test_a_tolerance_that_is_no_share_is_refused(tolerance):
    with pytest.raises(ValueError, match='tolerance from 0 to 1'):
        ThroughputHook(tolerance)


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


def test_a_spread_that_is_not_a_number_is_no_collapse(runner, caplog):
    looks(runner, CollapseHook(interval=2), [NAN, NAN, 0.9, NAN])
    assert not caplog.records
    looks(runner, CollapseHook(interval=2), [NAN, 0.02])
    assert 'embedding_std is 0.020' in caplog.text


def test_stops_after_some_collapsed_looks(runner):
    hook = CollapseHook(interval=1, stop=True, patience=2)
    looks(runner, hook, [0.01, 0.9, 0.01])
    with pytest.raises(
        TrainingFailedError, match='COLLAPSED(.|\n)*--resume WORK_DIR/epoch_N'
    ):
        looks(runner, hook, [0.01])


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(interval=0), 'interval expects a whole number of at least 1'),
        (dict(interval=2.5), 'got 2.5'),
        (dict(silence=0), 'silence'),
        (dict(patience=-1), 'patience'),
        (dict(threshold=2), 'threshold between 0 and 1'),
    ],
)
def test_arguments_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=f'CollapseHook.*{message}'):
        CollapseHook(**arguments)
