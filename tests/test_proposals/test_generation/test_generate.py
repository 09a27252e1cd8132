import errno
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from generator_helpers import assert_same_stores, make_job, run
from proposal_samples import save_blocks

from mmsoco.images.lists import collect_names
from mmsoco.images.reading import read_rgb
from mmsoco.proposals.filters import FilterSpec, filter_regions
from mmsoco.proposals.generation import parts as parts_module
from mmsoco.proposals.generation import worker as worker_module
from mmsoco.proposals.generation.parts import exclusive
from mmsoco.proposals.search.selective_search import (
    SearchSpec,
    selective_search,
)
from mmsoco.proposals.store import ProposalStore

BAD = ['b/bad half.png', 'bad empty.jpg', 'bad text.jpg']


def test_store_holds_what_a_plain_loop_finds(image_root, tmp_path):
    out = tmp_path / 'out.arrow'
    summary, _ = run(make_job(image_root, out))
    names = [n for n in collect_names(image_root) if n not in BAD]
    assert summary.made == len(names) + len(BAD)
    store = ProposalStore(out)
    assert [record.file_name for record in store] == names
    for record in store:
        rgb = read_rgb(image_root / record.file_name)
        assert rgb.shape[:2] == (record.height, record.width)
        bboxes, fallback = filter_regions(
            selective_search(rgb).bboxes, *rgb.shape[:2], FilterSpec()
        )
        np.testing.assert_array_equal(record.bboxes, bboxes)
        assert record.fallback == fallback
    assert store[store.index_of('one pixel.png')].fallback == 3
    metadata = store.metadata
    assert [u['file_name'] for u in metadata['unreadable']] == BAD
    assert metadata['image_root'] == str(image_root)
    assert metadata['image_list']['count'] == 10
    assert metadata['filter'] == FilterSpec().as_dict()
    assert sorted(os.listdir(tmp_path)) == ['my images', 'out.arrow']


def test_complete_store_is_left_alone(image_root, tmp_path):
    job = make_job(image_root, tmp_path / 'out.arrow')
    run(job)
    before = os.stat(job.out)
    summary, _ = run(job)
    assert summary.made == 0 and len(summary.store) == 7
    assert os.stat(job.out).st_mtime_ns == before.st_mtime_ns


@pytest.mark.parametrize(
    'changed, text',
    [
        (dict(filters=FilterSpec(min_size=20)), 'filter is .*min_size'),
        (dict(search=SearchSpec(scale=99)), 'search is'),
        (dict(shard=(0, 2)), 'shard is'),
        (dict(keep_regions=True), 'regions.arrow. is missing'),
    ],
)
def test_other_store_is_not_overwritten(image_root, tmp_path, changed, text):
    out = tmp_path / 'out.arrow'
    run(make_job(image_root, out))
    before = out.read_bytes()
    with pytest.raises(FileExistsError, match=f'{text}.*--overwrite'):
        run(make_job(image_root, out, **changed))
    assert out.read_bytes() == before
    summary, _ = run(make_job(image_root, out, **changed), overwrite=True)
    assert summary.made


def fail_on(name, monkeypatch, error):
    """Make writing one part fail, in the workers too since they are forked."""
    writer = worker_module.ProposalStoreWriter

    def failing(path, *args):
        if str(path).endswith(name):
            raise error
        return writer(path, *args)

    monkeypatch.setattr(worker_module, 'ProposalStoreWriter', failing)


def test_goes_on_after_a_full_disk(image_root, tmp_path, monkeypatch):
    job = make_job(image_root, tmp_path / 'out.arrow', keep_regions=True)
    fail_on('part-000004.arrow', monkeypatch, OSError(errno.ENOSPC, 'full'))
    with pytest.raises(OSError, match='full'):
        run(job)
    assert not job.out_path.exists()
    finished = os.listdir(tmp_path / 'out.arrow.parts')
    assert 'part-000003.arrow' in finished
    assert 'part-000004.arrow' not in finished
    monkeypatch.undo()
    summary, lines = run(job, workers=1)
    assert 0 < summary.made < 10
    assert 'going on after' in lines[0]
    whole, _ = run(make_job(image_root, tmp_path / 'w.arrow'))
    assert_same_stores(summary.store, whole.store)
    assert sorted(os.listdir(tmp_path)) == [
        'my images',
        'out.arrow',
        'out.regions.arrow',
        'w.arrow',
    ]


def test_parts_of_another_job_are_refused(image_root, tmp_path, monkeypatch):
    out = tmp_path / 'out.arrow'
    fail_on('part-000002.arrow', monkeypatch, OSError(errno.ENOSPC, 'full'))
    with pytest.raises(OSError):
        run(make_job(image_root, out))
    monkeypatch.undo()
    other = make_job(image_root, out, filters=FilterSpec(min_size=20))
    with pytest.raises(FileExistsError, match='another job.*min_size'):
        run(other)
    save_blocks(image_root / 'new.png', 9)
    with pytest.raises(FileExistsError, match="another job.*'count': 10"):
        run(make_job(image_root, out))
    summary, _ = run(other, overwrite=True)
    assert summary.made == 10


def test_kill_at_the_very_end_leaves_a_store_and_parts(
    image_root, tmp_path, monkeypatch
):
    job = make_job(image_root, tmp_path / 'out.arrow')

    def killed(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(parts_module.shutil, 'rmtree', killed)
    with pytest.raises(KeyboardInterrupt):
        run(job)
    monkeypatch.undo()
    summary, _ = run(job)
    assert summary.made == 0
    assert not (tmp_path / 'out.arrow.parts').exists()


def test_damaged_part_is_named(image_root, tmp_path, monkeypatch):
    job = make_job(image_root, tmp_path / 'out.arrow')
    fail_on('part-000005.arrow', monkeypatch, OSError(errno.ENOSPC, 'full'))
    with pytest.raises(OSError):
        run(job)
    monkeypatch.undo()
    part = tmp_path / 'out.arrow.parts' / 'part-000000.arrow'
    part.write_bytes(b'short')
    with pytest.raises(ValueError, match='part-000000.arrow.*delete it'):
        run(job)
    part.unlink()
    assert len(run(job)[0].store) == 7


def test_killed_worker_is_reported(image_root, tmp_path, monkeypatch):
    def die(*args):
        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(worker_module, 'find_regions', die)
    with pytest.raises(ChildProcessError, match='want of memory.*are kept'):
        run(make_job(image_root, tmp_path / 'out.arrow'))


@pytest.mark.parametrize(
    'sent, code',
    [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)],
)
def test_ended_parent_takes_its_workers_along(
    image_root, tmp_path, sent, code
):
    # Nobody writes to this pipe, so the last image is never read to its end.
    held = image_root / 'zz held.png'
    os.mkfifo(held)
    for seed in range(50):
        save_blocks(image_root / f'more {seed:03d}.png', seed)
    command = [sys.executable, 'tools/proposals/generate.py', '--workers=2']
    out = tmp_path / 'out.arrow'
    process = subprocess.Popen(
        [*command, str(image_root), str(out)],
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        # A shell that runs the tests in the background has it ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    parts = tmp_path / 'out.arrow.parts'
    wait_for(lambda: any(parts.glob('part-*')))
    process.send_signal(sent)
    # After Ctrl-C parts that were begun are finished.
    wait_for(lambda: let_go(held) or process.poll() is not None)
    assert process.wait(60) == code
    wait_for(lambda: not group_is_alive(process.pid))
    assert not out.exists()
    held.unlink()
    save_blocks(held, 50)
    summary, lines = run(make_job(image_root, out))
    assert 'going on after' in lines[0]
    assert len(summary.store) == 58


def test_second_ctrl_c_ends_workers_that_hang(image_root, tmp_path):
    held = image_root / '00 held.png'  # the first to be begun
    os.mkfifo(held)
    command = [sys.executable, 'tools/proposals/generate.py', '--workers=2']
    process = subprocess.Popen(
        [*command, str(image_root), str(tmp_path / 'out.arrow')],
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    parts = tmp_path / 'out.arrow.parts'
    wait_for(lambda: any(parts.glob('part-*')))
    os.killpg(process.pid, signal.SIGINT)
    time.sleep(0.3)
    assert process.poll() is None  # waits for the part that was begun
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(60) == 130
    wait_for(lambda: not group_is_alive(process.pid))
    assert not list(parts.glob('.*.part')), 'half a part is left'


def let_go(pipe):
    """End what reads from a pipe; tell whether anything did."""
    try:
        os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
    except OSError:
        return False
    return True


def wait_for(condition):
    for _ in range(1200):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError('waited a minute in vain')


def group_is_alive(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_two_at_once_are_refused(image_root, tmp_path):
    job = make_job(image_root, tmp_path / 'out.arrow')
    with exclusive(job.out_path):
        with pytest.raises(BlockingIOError, match='another process'):
            run(job)


def test_leftovers_of_a_kill_are_cleared(image_root, tmp_path):
    (tmp_path / '.out.arrow.123.tmp').touch()
    (tmp_path / '.other.arrow.123.tmp').touch()
    run(make_job(image_root, tmp_path / 'out.arrow'))
    assert sorted(os.listdir(tmp_path)) == [
        '.other.arrow.123.tmp',
        'my images',
        'out.arrow',
    ]


def test_all_unreadable(tmp_path):
    root = tmp_path / 'images'
    root.mkdir()
    (root / 'a.jpg').touch()
    job = make_job(root, tmp_path / 'out.arrow')
    with pytest.raises(ValueError, match="none of the 1 images.*'a.jpg'"):
        run(job)
    assert os.listdir(tmp_path) == ['images']
    save_blocks(root / 'a.png', 0)
    (root / 'a.png').rename(root / 'a.jpg')
    assert len(run(job)[0].store) == 1


def test_names_that_are_not_utf8_are_skipped(tmp_path):
    root = tmp_path / 'images'
    save_blocks(root / 'good.png', 0)
    os.rename(root / 'good.png', os.fsencode(root) + b'/b\xff.png')
    save_blocks(root / 'good.png', 0)
    summary, _ = run(make_job(root, tmp_path / 'out.arrow'))
    assert len(summary.store) == 1
    (entry,) = summary.store.metadata['unreadable']
    assert entry['reason'] == 'its name is not UTF-8'


def test_missing_output_folder(image_root, tmp_path):
    job = make_job(image_root, tmp_path / 'no' / 'out.arrow')
    with pytest.raises(FileNotFoundError, match='create it first'):
        run(job)


def test_no_workers(image_root, tmp_path):
    with pytest.raises(ValueError, match='got 0'):
        run(make_job(image_root, tmp_path / 'out.arrow'), workers=0)


def test_room_imports_no_deep_learning():
    code = (
        'import sys, mmsoco.proposals.convert\n'
        'import mmsoco.proposals.generation.generate\n'
        'rooms = {"torch", "mmdet", "mmcv", "mmengine", "skimage"}\n'
        'sys.exit(", ".join(rooms & set(sys.modules)) or 0)'
    )
    done = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
