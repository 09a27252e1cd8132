"""The choice of settings whose speed is measured before a pretraining."""

import pytest

from mmsoco.workflow import measure


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still, and steps that move it."""
    now = [0.0]
    monkeypatch.setattr(measure.time, 'monotonic', lambda: now[0])
    monkeypatch.setattr(measure.time, 'perf_counter', lambda: now[0])
    return now


@pytest.fixture
def asked(clock, monkeypatch):
    """The settings that are tried, each of which takes the same time."""
    made = []

    class Model:
        def init_weights(self):
            pass

        def to(self, device):
            return self

        def train(self):
            pass

        def train_step(self, batch, wrapper):
            made[-1][2] += 1
            clock[0] += made[0][3]

    def set_precision(cfg, precision):
        threads = measure.torch.get_num_threads()
        made.append([threads, precision, 0, cfg.step_seconds])

    monkeypatch.setattr(measure, 'build_model', lambda cfg: Model())
    monkeypatch.setattr(measure, 'build_optim_wrapper', lambda *args: None)
    # Threads are set after the precision: note both at the second call.
    real = measure.torch.get_num_threads()
    monkeypatch.setattr(
        measure.torch,
        'set_num_threads',
        lambda number: made[-1].__setitem__(0, number),
    )
    monkeypatch.setattr(measure, 'set_precision', set_precision)
    monkeypatch.setattr(
        measure.DATASETS, 'build', lambda cfg: [dict(views=0)] * 4
    )
    yield made
    assert measure.torch.get_num_threads() == real


def config(step_seconds):
    return measure.Config(
        dict(
            default_scope='mmsoco',
            step_seconds=step_seconds,
            train_dataloader=dict(dataset={}, batch_size=2),
            optim_wrapper={},
        )
    )


def test_all_settings_are_tried_on_an_idle_machine(asked):
    found = measure.measure(config(0.5), ['fp32', 'bf16'], [2, 1])
    tried = [(threads, precision, n) for threads, precision, n, _ in asked]
    steps = measure.WARM_UP + measure.STEPS
    # 16 steps of half a second are far below the limit.
    assert tried == [
        (1, 'fp32', steps), (1, 'bf16', steps),
        (2, 'fp32', steps), (2, 'bf16', steps),
    ]  # fmt: skip
    assert [step['seconds'] for step in found['steps']] == [0.5] * 4


@pytest.mark.parametrize(
    ('seconds', 'settings', 'steps'),
    [
        # The second setting begins at 4 x 16 = 64 s, after the limit of 60.
        (16, 1, 4),
        # A second step that counts would begin at 62 s.
        (31, 1, 2),
        # However slow, one step that counts is made.
        (1000, 1, 2),
        # 4 x 12 = 48 s, then one of 12 s to warm up and one that counts.
        (12, 2, 6),
    ],
)
def test_a_busy_machine_is_not_measured_for_long(
    asked, seconds, settings, steps
):
    found = measure.measure(config(seconds), ['fp32', 'bf16'], [2, 1])
    assert len(found['steps']) == settings
    assert sum(number for *_, number, _ in asked) == steps
    assert all(step['threads'] == 1 for step in found['steps'])


@pytest.mark.parametrize(
    ('times', 'sign'),
    [
        ([(0.50, 0.55), (1.0, 1.1)], None),
        ([(0.50, 0.55), (1.0, 1.6)], 'took 1 to 1.6 s'),
        ([(20.0, 21.0)], 'only 1 of 2 settings'),
    ],
)
def test_a_busy_machine_is_told(times, sign):
    steps = [dict(seconds=best, slowest=worst) for best, worst in times]
    text = measure.describe_disturbance(steps, settings=2)
    if sign is None:
        assert text is None
    else:
        assert sign in text
        assert 'set it with --precision' in text


def step(precision, threads, seconds):
    return dict(precision=precision, threads=threads, seconds=seconds)


@pytest.mark.parametrize(
    ('times', 'best'),
    [
        ([('fp32', 2, 0.8), ('bf16', 2, 0.6)], ('bf16', 2)),
        # not worth its coarser numbers
        ([('fp32', 2, 0.8), ('bf16', 2, 0.78)], ('fp32', 2)),
        ([('fp32', 2, 5.0), ('fp32', 1, 1.0), ('bf16', 2, 9.0)], ('fp32', 1)),
        ([('bf16', 8, 0.1)], ('bf16', 8)),
    ],
)
def test_the_fastest_setting_is_taken(times, best):
    found = measure.fastest([step(*entry) for entry in times])
    assert (found['precision'], found['threads']) == best


def test_loading_shares_the_cores_or_runs_beside_a_gpu(monkeypatch):
    monkeypatch.setattr(measure, 'available_cores', lambda: 4)
    measured = dict(seconds=0.5, sample_seconds=0.025, batch_size=20)
    # a batch takes half a second of loading: 0.125 s on four cores
    assert measure.images_per_second(measured, 2, 1, False) == 20 / 0.625
    # two workers load a batch in 0.25 s, while the GPU computes for 0.5 s
    assert measure.images_per_second(measured, 2, 1, True) == 40
    # ... and one worker of a slow disk decides
    slow = dict(measured, sample_seconds=0.1)
    assert measure.images_per_second(slow, 1, 8, True) == pytest.approx(8 * 10)
