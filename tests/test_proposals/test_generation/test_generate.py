import errno
import io
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from generator_helpers import assert_same_stores, make_job, run
from PIL import Image
from proposal_samples import save_blocks
from real_processes import PATIENCE, wait_for

from mmsoco.images.lists import find_images
from mmsoco.images.reading import read_rgb
from mmsoco.images.stamps import FileStamp
from mmsoco.proposals.filters import FilterSpec, filter_regions
from mmsoco.proposals.generation import generate as generate_module
from mmsoco.proposals.generation import parts as parts_module
from mmsoco.proposals.generation import pool as pool_module
from mmsoco.proposals.generation import worker as worker_module
from mmsoco.proposals.generation.job import Job
from mmsoco.proposals.generation.memory import MemoryLimit, needed_mib
from mmsoco.proposals.generation.parts import Parts, exclusive
from mmsoco.proposals.search.selective_search import (
    SearchSpec,
    selective_search,
)
from mmsoco.proposals.store import ProposalStore
from mmsoco.proposals.summary import describe

BAD = ['b/bad half.png', 'bad empty.jpg', 'bad text.jpg']


def test_store_holds_what_a_plain_loop_finds(image_root, tmp_path):
    out = tmp_path / 'out.arrow'
    summary, _ = run(make_job(image_root, out))
    names = [n for n in find_images(image_root).names if n not in BAD]
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


@pytest.fixture
def run_until(monkeypatch):
    """Run a job until the disk is full: at the part of a number."""
    writer = worker_module.ProposalStoreWriter

    def run_until_full(job, number):
        def failing(path, *args):
            if str(path).endswith(f'part-{number:06d}.arrow'):
                raise OSError(errno.ENOSPC, 'full')
            return writer(path, *args)

        with monkeypatch.context() as patch:
            # in the workers too, since they are forked
            patch.setattr(worker_module, 'ProposalStoreWriter', failing)
            with pytest.raises(OSError, match='full'):
                run(job)

    return run_until_full


def test_goes_on_after_a_full_disk(image_root, tmp_path, run_until):
    job = make_job(image_root, tmp_path / 'out.arrow', keep_regions=True)
    run_until(job, 4)
    assert not job.out_path.exists()
    finished = os.listdir(tmp_path / 'out.arrow.parts')
    assert 'part-000003.arrow' in finished
    assert 'part-000004.arrow' not in finished
    summary, lines = run(job, workers=1)
    assert 0 < summary.made < 10
    assert 'continuing after' in lines[0]
    whole, _ = run(make_job(image_root, tmp_path / 'w.arrow'))
    assert_same_stores(summary.store, whole.store)
    assert sorted(os.listdir(tmp_path)) == [
        'my images',
        'out.arrow',
        'out.regions.arrow',
        'w.arrow',
    ]


def test_parts_of_another_job_are_refused(image_root, tmp_path, run_until):
    out = tmp_path / 'out.arrow'
    run_until(make_job(image_root, out), 2)
    other = make_job(image_root, out, filters=FilterSpec(min_size=20))
    with pytest.raises(FileExistsError, match='another job.*min_size'):
        run(other)
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


def flip_bit(path, at):
    data = bytearray(path.read_bytes())
    data[at] ^= 4
    path.write_bytes(data)


@pytest.mark.parametrize('keep_regions', [False, True])
def test_damaged_parts_are_made_anew(
    image_root, tmp_path, run_until, keep_regions
):
    job = make_job(
        image_root, tmp_path / 'out.arrow', keep_regions=keep_regions
    )
    run_until(job, 5)
    folder = tmp_path / 'out.arrow.parts'
    (folder / 'part-000000.arrow').write_bytes(b'short')
    # in the middle, where the boxes are
    flip_bit(folder / 'part-000001.arrow', 700)
    if keep_regions:
        flip_bit(folder / 'part-000002.regions.arrow', 700)
    summary, lines = run(job)
    assert sum('part is damaged' in line for line in lines) == (
        2 + keep_regions
    )
    whole = make_job(image_root, tmp_path / 'w.arrow', keep_regions=True)
    assert_same_stores(summary.store, run(whole)[0].store)
    if keep_regions:
        stores = [ProposalStore(j.regions_path) for j in (job, whole)]
        assert_same_stores(*stores)


def test_damaged_store_is_named(image_root, tmp_path):
    job = make_job(image_root, tmp_path / 'out.arrow')
    run(job)
    flip_bit(job.out_path, 1200)
    with pytest.raises(ValueError, match='out.arrow. is damaged'):
        run(job)
    assert run(job, overwrite=True)[0].made == 10


def test_a_long_search_shows_life_and_names_its_image(
    image_root, tmp_path, monkeypatch
):
    """An image of 81 megapixels was searched for minutes silently."""
    find_regions = worker_module.find_regions

    def slow(*args):
        time.sleep(0.2)
        return find_regions(*args)

    monkeypatch.setattr(worker_module, 'find_regions', slow)
    monkeypatch.setattr(pool_module, '_BEAT_SECONDS', 0.01)
    monkeypatch.setattr(generate_module, '_SLOW_SECONDS', 0.02)
    beats = []
    job = make_job(image_root, tmp_path / 'out.arrow')
    summary, lines = run(job, workers=1, progress=beats.append)
    assert len(beats) > 2 * summary.made
    told = [re.match('(.*) has been searched', line) for line in lines]
    expected = {
        f'{record.file_name} ({record.width} x {record.height} pixels)'
        for record in summary.store
    }
    named = [match[1] for match in told if match]
    assert len(set(named)) == len(named) > 0
    assert expected & set(named)


def test_a_stop_signal_in_a_kernel_is_no_failure_of_the_search(monkeypatch):
    """Ctrl-C while `mmsoco pretrain` samples said "the search failed"."""

    def interrupted(rgb, search):
        raise SystemError('with an exception set') from KeyboardInterrupt()

    monkeypatch.setattr(worker_module, '_find', interrupted)
    png = io.BytesIO()
    Image.new('RGB', (40, 40), 'white').save(png, 'PNG')
    stamp, limit = FileStamp(0, 0, 0), MemoryLimit(1000)
    with pytest.raises(KeyboardInterrupt):
        worker_module.find_regions(
            png.getvalue(), stamp, 'a.png', 'a.png', SearchSpec(), limit
        )


def test_killed_worker_is_reported_with_its_image(
    image_root, tmp_path, monkeypatch
):
    find_regions = worker_module.find_regions

    def die(data, stamp, path, name, *args):
        if name == 'c d.png':
            os.kill(os.getpid(), signal.SIGKILL)
        return find_regions(data, stamp, path, name, *args)

    monkeypatch.setattr(worker_module, 'find_regions', die)
    out = tmp_path / 'out.arrow'
    with pytest.raises(
        ChildProcessError, match="killed at image 'c d.png', most.*are kept"
    ):
        run(make_job(image_root, out))
    assert not list(tmp_path.rglob('*.in-hand'))
    monkeypatch.undo()
    assert len(run(make_job(image_root, out))[0].store) == 7


def change_nothing(root):
    pass


def add_one(root):
    save_blocks(root / 'new.png', 9)


def remove_one(root):
    (root / 'c d.png').unlink()


def change_one(root):
    save_blocks(root / 'c d.png', 77, 100)


def repair_one(root):
    save_blocks(root / 'bad empty.png', 5)
    (root / 'bad empty.png').rename(root / 'bad empty.jpg')


def copy_all(root):
    """The same bytes at another time."""
    for path in root.rglob('*.png'):
        os.utime(path, ns=(1, 1))


@pytest.mark.parametrize(
    'change, made, word',
    [
        (change_nothing, 0, ''),
        (add_one, 1, 'continuing after 10 of 11'),
        (remove_one, 0, ''),
        (change_one, 1, "1 images have changed.*'c d.png'"),
        (repair_one, 1, "1 images have changed.*'bad empty.jpg'"),
        (copy_all, 0, ''),
    ],
)
@pytest.mark.parametrize('finished', [True, False])
def test_images_that_changed_are_done_anew_and_no_others(
    image_root, tmp_path, monkeypatch, change, made, word, finished
):
    job = make_job(image_root, tmp_path / 'out.arrow', keep_regions=True)
    if not finished:
        monkeypatch.setattr(Parts, 'join', lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run(job)
        monkeypatch.undo()
    else:
        run(job)
    change(image_root)
    job = make_job(image_root, tmp_path / 'out.arrow', keep_regions=True)
    summary, lines = run(job)
    assert summary.made == made
    assert re.search(word, ' '.join(lines))
    whole = make_job(image_root, tmp_path / 'w.arrow', keep_regions=True)
    assert_same_stores(summary.store, run(whole)[0].store)
    stores = [ProposalStore(j.regions_path) for j in (job, whole)]
    assert_same_stores(*stores)
    before = os.stat(job.out)
    assert run(job)[0].made == 0
    assert os.stat(job.out).st_mtime_ns == before.st_mtime_ns


def test_images_that_change_under_way_are_done_anew(
    image_root, tmp_path, monkeypatch
):
    """One is changed, another removed, after they were searched."""
    job = make_job(image_root, tmp_path / 'out.arrow')
    add_image = worker_module.add_image

    def change_after(found, root, name, *args):
        add_image(found, root, name, *args)
        if name == 'f.png' and not (tmp_path / 'once').exists():
            (tmp_path / 'once').touch()
            save_blocks(image_root / 'c d.png', 77, 100)
            (image_root / 'f.png').unlink()

    monkeypatch.setattr(worker_module, 'add_image', change_after)
    summary, _ = run(job, workers=1)
    monkeypatch.undo()
    names = [record.file_name for record in summary.store]
    assert 'c d.png' in names and 'f.png' not in names
    entries = summary.store.metadata['unreadable']
    assert {'f.png', *BAD} == {entry['file_name'] for entry in entries}
    whole, _ = run(make_job(image_root, tmp_path / 'w.arrow'))
    rows = [list(map(as_row, s)) for s in (summary.store, whole.store)]
    assert rows[0] == rows[1]
    assert run(job)[0].made == 0


def as_row(record):
    return record.file_name, record.bboxes.tolist(), record.stamp


def test_store_of_other_images_is_not_overwritten(image_root, tmp_path):
    out = tmp_path / 'out.arrow'
    names = find_images(image_root).names
    run(Job(str(image_root), names[:6], str(out)))
    with pytest.raises(FileExistsError, match='3 of its images are not in'):
        run(Job(str(image_root), names[6:], str(out)))
    # The larger part of them is there: the list has changed.
    summary, lines = run(Job(str(image_root), names[1:], str(out)))
    assert summary.made == 4 and '1 images are gone and left out' in lines


def test_images_that_were_moved_are_not_searched_again(image_root, tmp_path):
    out = tmp_path / 'out.arrow'
    run(make_job(image_root, out))
    rows = list(map(as_row, ProposalStore(out)))
    moved = image_root.rename(tmp_path / 'moved')
    summary, lines = run(make_job(moved, out))
    assert summary.made == 0
    assert lines == [f"the images were in '{image_root}' before"]
    assert list(map(as_row, summary.store)) == rows
    assert summary.store.metadata['image_root'] == str(moved)
    assert run(make_job(moved, out))[1] == []


def test_parts_of_images_that_were_moved(image_root, tmp_path, run_until):
    out = tmp_path / 'out.arrow'
    run_until(make_job(image_root, out), 4)
    moved = image_root.rename(tmp_path / 'moved')
    summary, lines = run(make_job(moved, out), workers=1)
    assert 0 < summary.made < 10
    assert f"in '{image_root}' before" in ''.join(lines)
    whole, _ = run(make_job(moved, tmp_path / 'w.arrow'))
    assert_same_stores(summary.store, whole.store)


def test_other_images_of_the_same_names(image_root, tmp_path):
    out = tmp_path / 'out.arrow'
    run(make_job(image_root, out))
    before = out.read_bytes()
    other = tmp_path / 'other'
    shutil.copytree(image_root, other)
    for i, name in enumerate(find_images(other).names):
        if name not in BAD[1:]:
            save_blocks(other / name, 200 + i, 90)
    with pytest.raises(FileExistsError, match='are not the same in'):
        run(make_job(other, out))
    assert out.read_bytes() == before


def test_images_beyond_the_memory_are_left_out_and_named(image_root, tmp_path):
    save_blocks(image_root / 'large.png', 3, 200, 160)
    out = tmp_path / 'out.arrow'
    limit = needed_mib(150, 160)
    summary, _ = run(make_job(image_root, out, memory_mib=limit))
    entries = summary.store.metadata['unreadable']
    (entry,) = [e for e in entries if e['file_name'] == 'large.png']
    assert re.search('160 x 200 pixels .* 4 MiB.*limit of 3', entry['reason'])
    assert run(make_job(image_root, out, memory_mib=limit))[0].made == 0
    # With more memory that image is done, and no other.
    summary, _ = run(make_job(image_root, out, memory_mib=2 * limit))
    assert summary.made == 1
    assert 'large.png' in [record.file_name for record in summary.store]


def test_images_beyond_the_memory_are_searched_smaller(tmp_path):
    root = tmp_path / 'images'
    save_blocks(root / 'large.png', 3, 200, 160)
    limit = needed_mib(100, 130)
    job = make_job(root, tmp_path / 'out.arrow', memory_mib=limit, shrink=True)
    (record,) = run(job)[0].store
    assert (record.height, record.width) == (200, 160) and len(record.bboxes)
    # blocks are 40 pixels wide: the boxes keep to their grid
    off = np.abs((record.bboxes + 20) % 40 - 20)
    assert off.max() <= 6
    text = describe(ProposalStore(job.out))
    assert re.search(r'large.png: searched at \d\d% of its size', text)


def test_nearly_black_images_are_remarked_upon(tmp_path):
    root = tmp_path / 'images'
    save_blocks(root / 'good.png', 0)
    # 12 bits in 16, as many cameras and microscopes write them
    samples = np.random.default_rng(0).integers(0, 4096, (60, 60))
    Image.fromarray(samples.astype(np.uint16)).save(root / 'dark.png')
    summary, _ = run(make_job(root, tmp_path / 'out.arrow'))
    assert len(summary.store) == 2
    text = describe(summary.store)
    assert 'dark.png: nearly black: empty, or of 12-bit samples' in text
    assert 'good.png' not in text


def test_a_filter_that_keeps_nothing_is_warned_of(image_root, tmp_path):
    job = make_job(
        image_root, tmp_path / 'a.arrow', filters=FilterSpec(min_size=9999)
    )
    assert 'WARNING: no image has a prop' in describe(run(job)[0].store)


def begin(image_root, out):
    """Begin the command as the first process of a group of its own.

    Returns:
        The process, when it has written a part, and the folder of the parts.
    """
    command = [sys.executable, 'tools/proposals/generate.py', '--workers=2']
    process = subprocess.Popen(
        [*command, str(image_root), str(out)],
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        # A shell that runs the tests in the background has it ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    parts = out.with_name(f'{out.name}.parts')
    wait_for(lambda: any(parts.glob('part-*.arrow')))
    return process, parts


@pytest.mark.parametrize(
    'sent, code',
    [
        (signal.SIGKILL, -signal.SIGKILL),
        (signal.SIGINT, 130),
        (signal.SIGTERM, 143),
        (signal.SIGHUP, 129),
    ],
)
def test_ended_parent_takes_its_workers_along(
    image_root, tmp_path, sent, code
):
    # Nobody writes to this pipe, so the last image is never read to its end.
    held = image_root / 'zz held.png'
    os.mkfifo(held)
    for seed in range(50):
        save_blocks(image_root / f'more {seed:03d}.png', seed)
    out = tmp_path / 'out.arrow'
    process, _ = begin(image_root, out)
    if sent == signal.SIGKILL:
        process.kill()
    else:  # as a terminal and `timeout` do: to the workers, too
        os.killpg(process.pid, sent)
        os.killpg(process.pid, sent)
    # Parts that were begun are finished.
    wait_for(lambda: let_go(held) or process.poll() is not None)
    assert process.wait(PATIENCE) == code
    wait_for(lambda: not group_is_alive(process.pid))
    assert not out.exists()
    held.unlink()
    save_blocks(held, 50)
    summary, lines = run(make_job(image_root, out))
    assert 'continuing after' in lines[0]
    assert len(summary.store) == 58


@pytest.mark.parametrize(
    ('first', 'second', 'code'),
    [
        (signal.SIGINT, signal.SIGINT, 130),
        (signal.SIGHUP, signal.SIGHUP, 129),
        (signal.SIGINT, signal.SIGTERM, 130),
    ],
)
def test_second_signal_ends_workers_that_hang(
    image_root, tmp_path, first, second, code
):
    noise = np.random.default_rng(0).integers(0, 256, (3000, 3000, 3))
    # The first to be begun; its search takes far longer than the test.
    Image.fromarray(noise.astype(np.uint8)).save(image_root / '00 held.png')
    process, parts = begin(image_root, tmp_path / 'out.arrow')
    os.killpg(process.pid, first)
    time.sleep(1.3)  # what comes sooner is an echo of the first
    assert process.poll() is None  # waits for the part that was begun
    os.killpg(process.pid, second)
    assert process.wait(PATIENCE) == code
    wait_for(lambda: not group_is_alive(process.pid))
    assert not list(parts.glob('.*.part')), 'half a part is left'


def test_a_stopped_generator_keeps_its_store_and_goes_on(image_root, tmp_path):
    """As by Ctrl-Z or a suspended job, to the workers too."""
    held = image_root / 'zz held.png'
    os.mkfifo(held)
    out = tmp_path / 'out.arrow'
    process, _ = begin(image_root, out)
    os.killpg(process.pid, signal.SIGSTOP)
    with pytest.raises(
        BlockingIOError, match=f'in use: process {process.pid} of'
    ):
        run(make_job(image_root, out))
    os.killpg(process.pid, signal.SIGCONT)
    wait_for(lambda: let_go(held) or process.poll() is not None)
    assert process.wait(PATIENCE) == 0
    assert len(ProposalStore(out)) == 7


def let_go(pipe):
    """End what reads from a pipe; tell whether anything did."""
    try:
        os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
    except OSError:
        return False
    return True


def group_is_alive(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_two_at_once_are_refused(image_root, tmp_path):
    job = make_job(image_root, tmp_path / 'out.arrow')
    with exclusive(job.out_path):
        with pytest.raises(
            BlockingIOError, match=f'in use: process {os.getpid()} of'
        ):
            run(job)


def test_leftovers_of_a_kill_are_cleared(image_root, tmp_path):
    (tmp_path / f'.out.arrow.{os.getpid()}-7.part').touch()
    (tmp_path / '.other.arrow.1-7.part').touch()
    run(make_job(image_root, tmp_path / 'out.arrow'))
    assert sorted(os.listdir(tmp_path)) == [
        '.other.arrow.1-7.part',
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
    assert run(make_job(root, tmp_path / 'out.arrow'))[0].made == 0


def test_missing_output_folder(image_root, tmp_path):
    job = make_job(image_root, tmp_path / 'no' / 'out.arrow')
    with pytest.raises(FileNotFoundError, match='create it first'):
        run(job)


def test_no_workers(image_root, tmp_path):
    with pytest.raises(ValueError, match='got 0'):
        run(make_job(image_root, tmp_path / 'out.arrow'), workers=0)
