import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from real_processes import wait_for

from mmsoco.utils.processes import is_alive
from mmsoco.workflow.steps import Job, Step, StepError, last_line, read_records


class Log:
    """Steps that append their name to a file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.calls = folder / 'calls'

    def step(self, name: str, **kwargs):
        code = (
            f'open({str(self.calls)!r}, "a").write("{name} ");'
            f'open({str(self.folder / name)!r}, "w").write("done")'
        )
        return self.custom(name, code, **kwargs)

    def custom(self, name: str, code: str, **kwargs):
        return Step(
            name=name,
            title=f'do {name}',
            command=('python', '-c', code),
            outputs=(self.folder / name,),
            **kwargs,
        )

    def run(self, *steps) -> list[str]:
        self.calls.unlink(missing_ok=True)
        self.job(*steps).run()
        return self.calls.read_text().split() if self.calls.exists() else []

    def job(self, *steps):
        return Job(self.folder / 'job', steps, {})


@pytest.fixture
def log(tmp_path):
    return Log(tmp_path)


def test_done_steps_are_skipped(log):
    both = log.step('a'), log.step('b')
    assert log.run(*both) == ['a', 'b']
    assert log.run(*both) == []


def test_nothing_is_imported_from_the_working_directory(log, monkeypatch):
    (log.folder / 'random.py').write_text('raise SystemExit("not this one")')
    monkeypatch.chdir(log.folder)
    code = f'import random; open({str(log.folder / "a")!r}, "w").close()'
    log.job(log.custom('a', code)).run()
    assert (log.folder / 'a').is_file()


def test_a_missing_output_redoes_all_that_follows(log):
    three = log.step('a'), log.step('b'), log.step('c')
    log.run(*three)
    (log.folder / 'b').unlink()
    assert log.run(*three) == ['b', 'c']


def test_a_changed_input_redoes_its_step(log):
    config = log.folder / 'config.py'
    config.write_text('x = 1')
    both = log.step('a'), log.step('b', inputs=(config,))
    log.run(*both)
    config.write_text('x = 2')
    assert log.run(*both) == ['b']


def test_a_failure_stops_with_its_log_and_keeps_what_is_done(log):
    bad = log.custom('b', 'print("no such thing"); raise SystemExit(3)')
    with pytest.raises(StepError) as caught:
        log.run(log.step('a'), bad, log.step('c'))
    assert '| no such thing' in str(caught.value)
    assert 'status 3' in str(caught.value)
    assert str(log.job().log_path(bad)) in str(caught.value)
    assert log.calls.read_text().split() == ['a']
    assert log.run(log.step('a'), log.step('b'), log.step('c')) == ['b', 'c']


def test_an_interrupted_step_goes_on_a_stale_one_starts_over(log):
    begun, out = log.folder / 'begun', log.folder / 'b'
    code = (
        f'import pathlib; p = pathlib.Path({str(begun)!r}); '
        'old = p.exists(); p.touch(); '
        f'open({str(log.calls)!r}, "a").write("on " if old else "start "); '
        f'open({str(out)!r}, "w"); raise SystemExit(0 if old else 1)'
    )
    config = log.folder / 'config.py'
    config.write_text('x = 1')
    both = (
        log.step('a'),
        log.custom('b', code, stale=(begun,), inputs=(config,)),
    )
    with pytest.raises(StepError):
        log.run(*both)
    assert log.run(*both) == ['on']
    config.write_text('x = 2')
    with pytest.raises(StepError):
        log.run(*both)
    assert log.calls.read_text().split() == ['start']


def test_the_record_tells_time_and_memory(log):
    busy = log.custom(
        'a',
        'import time\nblock = bytearray(200 << 20)\n'
        'end = time.process_time() + 0.3\n'
        'while time.process_time() < end: pass\n'
        f'open({str(log.folder / "a")!r}, "w")',
    )
    log.run(busy)
    record = read_records(log.folder / 'job')['a']
    assert record.seconds >= 0.3
    assert record.cpu_seconds >= 0.3
    assert record.peak_mib >= 200
    assert record.command.startswith('python -c')


def test_commands_get_the_environment_and_this_python(log):
    out = log.folder / 'a'
    code = (
        'import os, sys; '
        f'open({str(out)!r}, "w").write(os.environ["WORD"] + sys.executable)'
    )
    job = Job(log.folder / 'job', [log.custom('a', code)], {'WORD': 'hello '})
    job.run()
    assert out.read_text() == f'hello {sys.executable}'


def test_last_line_of_a_progress_bar(tmp_path):
    path = tmp_path / 'log'
    path.write_text('first\n10%\r20%\n\n')
    assert last_line(path) == '20%'
    path.write_text('')
    assert last_line(path) == ''
    path.write_text('12/01 01:09:47 - mmengine - INFO - Iter(train) [8/385]')
    assert last_line(path) == 'Iter(train) [8/385]'


@pytest.mark.parametrize('text', ['', '[1]', '{"a": {"b": 1}}'])
def test_damaged_records_are_named(tmp_path, text):
    (tmp_path / 'steps.json').write_text(text)
    with pytest.raises(ValueError, match=r'steps\.json is damaged.*remove it'):
        read_records(tmp_path)


def test_records_are_plain_json(log):
    log.run(log.step('a'))
    text = (log.folder / 'job' / 'steps.json').read_text()
    assert set(json.loads(text)) == {'a'}
    assert read_records(log.folder / 'nowhere') == {}


SLEEPER = """
import os, pathlib, sys, time
pathlib.Path(sys.argv[1]).write_text(str(os.getpid()))
time.sleep(200)
"""
KILLED_JOB = """
import sys
from pathlib import Path
from mmsoco.workflow.steps import Job, Step
out = Path(sys.argv[1])
command = ('python', '-m', 'sleeper', str(out / 'pid'))
Job(out, [Step('a', 'Sleep', command, ())], {}).run()
"""


def test_a_step_does_not_outlive_its_job(tmp_path):
    (tmp_path / 'sleeper.py').write_text(SLEEPER)
    (tmp_path / 'job.py').write_text(KILLED_JOB)
    places = [str(tmp_path), os.environ.get('PYTHONPATH', '')]
    job = subprocess.Popen(
        [sys.executable, tmp_path / 'job.py', tmp_path],
        env=dict(os.environ, PYTHONPATH=os.pathsep.join(places)),
    )
    try:
        pid = tmp_path / 'pid'
        wait_for(lambda: pid.is_file() and pid.read_text())
    finally:
        job.kill()
        job.wait()
    step = int(pid.read_text())
    wait_for(lambda: not is_alive(step))
    assert not is_alive(step)
