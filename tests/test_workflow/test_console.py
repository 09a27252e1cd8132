import io

import pytest

from mmsoco.workflow import console as module
from mmsoco.workflow.console import Console


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(module.time, 'monotonic', lambda: now[0])
    return now


def test_steps_and_details_are_aligned():
    stream = io.StringIO()
    console = Console(4, stream)
    console.step(1, 'proposals', '20 pictures')
    console.detail('filter', '--min-size 8')
    console.line('next: mmsoco')
    assert stream.getvalue().splitlines() == [
        '[1/4] proposals   20 pictures',
        '      filter      --min-size 8',
        'next: mmsoco',
    ]


def test_without_a_terminal_a_line_comes_from_time_to_time(clock):
    stream = io.StringIO()
    with Console(4, stream).progress('epoch', 100) as progress:
        for step in range(100):
            clock[0] = 1.0 * step
            progress.update(1, f'step {step}', f'epoch {step // 50}')
    lines = stream.getvalue().splitlines()
    assert [line.split() for line in lines] == [
        ['epoch', '0', 'step', '30'],
        ['epoch', '1', 'step', '60'],
        ['epoch', '1', 'step', '90'],
    ]


def test_a_task_of_one_part_is_named_before_it_is_done(clock):
    stream = io.StringIO()
    with Console(4, stream).progress('evaluate', 1) as progress:
        progress.show('171 pictures')
        assert stream.getvalue().split() == ['evaluate', '171', 'pictures']


def test_what_is_left_counts_at_the_speed_of_this_call(clock):
    stream = io.StringIO()
    with Console(stream=stream).progress('search', 300) as progress:
        progress.reach(100)  # those of an earlier call
        clock[0] = 50.0
        progress.reach(200)
    assert stream.getvalue().split() == [
        'search', '200', 'of', '300', '2/s', '50', 's', 'left',
    ]  # fmt: skip


def test_a_terminal_gets_a_bar_that_goes_away():
    stream = Terminal()
    console = Console(4, stream)
    with console.progress('search', 10) as progress:
        progress.update(5, '5 of [10]')
        console.detail('note', 'between [the] lines')
        progress.update(5, '10 of [10]')
    console.step(1, 'proposals', 'done')
    text = stream.getvalue()
    assert '50%' in text and '5 of [10]' in text
    assert 'note        between [the] lines' in text
    assert text.splitlines()[-1].endswith('[1/4] proposals   done')
