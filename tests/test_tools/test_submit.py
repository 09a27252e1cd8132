"""Proposals by several jobs: submitted, killed, continued and joined."""

import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from generator_helpers import assert_same_stores, make_job
from generator_helpers import run as generate
from proposal_samples import save_blocks

from mmsoco.proposals.store import ProposalStore

SCRIPT = Path(__file__).parents[2] / 'tools' / 'proposals' / 'submit.py'


@pytest.fixture(scope='module')
def submit():
    spec = importlib.util.spec_from_file_location('submit', SCRIPT)
    module = importlib.util.module_from_spec(spec)
    # By its name the class of the jobs is unpickled.
    sys.modules['submit'] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules['submit']


def expected(images, folder):
    """Make the store in one go."""
    path = folder / 'whole.arrow'
    generate(make_job(images, path))
    return ProposalStore(path)


def test_jobs_make_the_store_of_one_process(submit, image_root, tmp_path):
    out = tmp_path / 'out.arrow'
    words = [str(image_root), '--out', str(out), '--jobs', '2']
    args = submit.parse_args([*words, '--cores', '1', '--max-ratio', '3'])
    args.cluster = 'debug'  # submitit's executor within this process
    assert submit.run(args) == 0
    assert_same_stores(ProposalStore(out), expected(image_root, tmp_path))


def test_a_failed_job_is_named(submit, tmp_path, capfd):
    (tmp_path / 'images').mkdir()
    (tmp_path / 'images' / 'bad.jpg').write_text('no image')
    words = [str(tmp_path / 'images'), '--out', str(tmp_path / 'out.arrow')]
    args = submit.parse_args([*words, '--jobs', '1', '--cores', '1'])
    args.cluster = 'debug'
    assert submit.run(args) == 1
    assert '1 of 1 jobs failed' in capfd.readouterr().err
    assert not (tmp_path / 'out.arrow').exists()


def test_a_misspelt_option_ends_before_the_jobs(submit, capsys):
    words = ['images', '--out', 'out.arrow', '--jobs', '2', '--min-sise', '8']
    with pytest.raises(SystemExit):
        submit.parse_args(words)
    assert '--min-size' in capsys.readouterr().err


def test_an_older_store_is_left_alone(submit, tmp_path, capsys):
    out = tmp_path / 'out.arrow'
    out.write_text('something')
    words = [str(tmp_path), '--out', str(out), '--jobs', '2']
    assert submit.main(words) == 1
    assert 'exists' in capsys.readouterr().err
    assert out.read_text() == 'something'


def processes_of(folder: Path) -> list[int]:
    """Return the processes whose command line names a folder."""
    found = []
    for entry in Path('/proc').glob('[0-9]*'):
        try:
            words = (entry / 'cmdline').read_bytes()
        except OSError:
            continue
        if str(folder).encode() in words and int(entry.name) != os.getpid():
            found.append(int(entry.name))
    return found


@pytest.mark.slow
def test_killed_jobs_are_continued(tmp_path):
    """Two local workers, all of them killed in the middle."""
    images = tmp_path / 'images'
    for i in range(64):
        save_blocks(images / f'{i:02d}.png', i, 240)
    out = tmp_path / 'out.arrow'
    command = [sys.executable, str(SCRIPT), str(images), '--out', str(out)]
    command += ['--jobs', '2', '--cores', '1']
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    shards = [Path(f'{out}.shards', f'shard-0000{i}.arrow') for i in (0, 1)]
    deadline = time.monotonic() + 600
    while not all(
        list(Path(f'{shard}.parts').glob('part-*.arrow')) for shard in shards
    ):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.02)
    # The jobs name the folder of their logs, below that of the shards.
    for pid in [process.pid, *processes_of(tmp_path)]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    process.wait()
    assert not out.exists()

    done = subprocess.run(command, capture_output=True, text=True)

    assert done.returncode == 0, done.stdout + done.stderr
    logs = Path(f'{out}.shards', 'logs').glob('*.out')
    assert any('continuing after' in path.read_text() for path in logs)
    assert_same_stores(ProposalStore(out), expected(images, tmp_path))
