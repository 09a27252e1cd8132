"""Files are complete or absent; fingerprints are those of the bytes."""

import contextlib
import errno
import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
import time

import pytest

from mmsoco.utils import files


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_sha256_is_that_of_the_bytes(tmp_path):
    path = tmp_path / 'file'
    path.write_bytes(b'soco' * 100_000)
    expected = hashlib.sha256(path.read_bytes()).hexdigest()
    assert files.sha256(path) == expected


def test_the_name_appears_when_the_file_is_complete(tmp_path):
    path = tmp_path / 'new' / 'a.txt'
    with files.atomic_path(path) as partial:
        partial.write_text('all')
        assert not path.exists()
        assert partial.parent == path.parent
    assert path.read_text() == 'all'
    assert names(path.parent) == ['a.txt']


# What torch says in place of the system's reason.
UNEXPECTED = RuntimeError('[enforce fail at inline_container.cc:672]')


@pytest.mark.parametrize(
    ('error', 'free', 'limit', 'reason'),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), 0, -1, 'No space'),
        (UNEXPECTED, 0, -1, 'No space'),
        (UNEXPECTED, 2**30, 1000, 'File too large'),
        (UNEXPECTED, 2**30, -1, 'enforce fail'),
    ],
)
def test_a_full_disk_keeps_the_old_file(
    tmp_path, monkeypatch, error, free, limit, reason
):
    usage = shutil.disk_usage(tmp_path)._replace(free=free)
    monkeypatch.setattr(shutil, 'disk_usage', lambda _: usage)
    monkeypatch.setattr(resource, 'getrlimit', lambda _: (limit, -1))
    path = tmp_path / 'a.txt'
    path.write_text('old')
    with pytest.raises(OSError, match=rf'a\.txt could not be .*{reason}'):
        with files.atomic_path(path) as partial:
            partial.write_text('half')
            raise error
    assert names(tmp_path) == ['a.txt']
    assert path.read_text() == 'old'


def test_other_errors_pass_unchanged_and_leave_nothing(tmp_path):
    with pytest.raises(ValueError, match='^mine$'):
        with files.atomic_path(tmp_path / 'a.txt') as partial:
            partial.write_text('half')
            raise ValueError('mine')
    assert names(tmp_path) == []


def test_the_kind_of_error_is_kept(tmp_path):
    (tmp_path / 'file').touch()
    with pytest.raises(OSError, match='file'):
        files.write_text(tmp_path / 'file' / 'a.txt', '')


def test_a_folder_appears_when_it_is_complete(tmp_path):
    with files.atomic_folder(tmp_path / 'new' / 'out') as partial:
        (partial / 'a').touch()
        assert not (tmp_path / 'new' / 'out').exists()
    assert names(tmp_path / 'new') == ['out']
    with pytest.raises(ValueError, match='mine'):
        with files.atomic_folder(tmp_path / 'other') as partial:
            (partial / 'a').touch()
            raise ValueError('mine')
    assert names(tmp_path) == ['new']


@pytest.mark.parametrize('door', [files.atomic_path, files.atomic_folder])
def test_what_a_killed_writer_left_is_removed(tmp_path, door):
    """The next call removes it, but nothing of a writer that lives."""
    code = (
        'import os, sys; from pathlib import Path\n'
        'from mmsoco.utils.files import partial_path\n'
        'partial_path(Path(sys.argv[1])).mkdir()\n'
        'if sys.argv[2] == "wait": print(flush=True); input()\n'
        'os.kill(os.getpid(), 9)'
    )
    command = [sys.executable, '-c', code, tmp_path / 'a[1]']
    subprocess.run([*command, 'die'])
    [dead] = names(tmp_path)
    pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with subprocess.Popen([*command, 'wait'], **pipes) as living:
        living.stdout.readline()
        [kept] = set(names(tmp_path)) - {dead}
        # The number of a process that lives, but began at another time.
        (tmp_path / f'.a[1].{living.pid}-7.part').touch()
        (tmp_path / '.a[1].b.12-7.part').touch()
        with door(tmp_path / 'a[1]') as partial:
            assert kept in names(tmp_path) and dead not in names(tmp_path)
            partial.mkdir(exist_ok=True)
        expected = {'a[1]', kept, '.a[1].b.12-7.part'}
        assert set(names(tmp_path)) == expected
        living.kill()


@pytest.mark.parametrize('letter', ['x', '\u00e9', '\u732b'])
def test_the_longest_name_of_a_system_is_written(tmp_path, letter):
    """255 bytes, of which nothing is left for the mark of a partial file."""
    size = len(letter.encode())
    name = letter * (254 // size)
    others = [f'{name[:-1]}{end}' for end in 'yz']
    with contextlib.ExitStack() as stack:
        for other in others:  # alike up to their last letter
            partial = stack.enter_context(files.atomic_path(tmp_path / other))
            partial.write_text(other)
        assert len(names(tmp_path)) == 2
    assert set(names(tmp_path)) == set(others)
    code = (
        'import os, sys; from pathlib import Path\n'
        'from mmsoco.utils.files import partial_path\n'
        'partial_path(Path(sys.argv[1])).touch(); os.kill(os.getpid(), 9)'
    )
    subprocess.run([sys.executable, '-c', code, tmp_path / name])
    assert len(names(tmp_path)) == 3
    files.write_text(tmp_path / name, 'whole')
    assert set(names(tmp_path)) == {name, *others}


@pytest.mark.parametrize('door', [files.atomic_path, files.atomic_folder])
def test_what_another_machine_writes_is_kept_for_a_day(
    tmp_path, monkeypatch, capsys, door
):
    """Its process has a number that means nothing here."""
    monkeypatch.setattr(files, 'machine_code', lambda: 'fedcba98')
    with door(tmp_path / 'a') as partial:
        partial.mkdir(exist_ok=True)
        (partial / 'inner').touch()
        monkeypatch.undo()
        monkeypatch.setattr(files, 'is_same', lambda *_: False)
        hours = [0, 23, 25]
        for kept in (True, True, False):
            changed = time.time() - 3600 * hours.pop(0)
            # A folder changes as what is in it does.
            os.utime(partial, (0, 0))
            os.utime(partial / 'inner', (changed, changed))
            files.remove_partials(tmp_path / 'a')
            assert partial.exists() == kept
        partial.mkdir()
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2  # the first is not repeated
    assert said[0].startswith(f'{partial} is being written by a process of an')
    assert said[1].startswith(f'removed {partial}, left by a process of anoth')


def test_json_is_read_back(tmp_path):
    content = {'a': [1, 2.5, None], 'ö': 'ü'}
    files.write_json(tmp_path / 'a.json', content, indent=2)
    assert json.loads((tmp_path / 'a.json').read_text('utf-8')) == content


@pytest.mark.parametrize(
    ('name', 'error', 'message'),
    [
        ('closed/a/b.txt', PermissionError, 'the folder .*closed takes no'),
        ('closed', PermissionError, 'closed cannot be written'),
        ('file/a', NotADirectoryError, 'file is a file, not a folder'),
        ('away', FileNotFoundError, 'away is a link to gone, which is not'),
        ('loop', FileNotFoundError, 'loop is a link to loop'),
        ('\udcff', ValueError, 'is not UTF-8'),
        ('x' * 300, OSError, 'name too long'),
    ],
)
def test_what_cannot_be_written(tmp_path, monkeypatch, name, error, message):
    (tmp_path / 'closed').mkdir()
    (tmp_path / 'file').touch()
    for link, target in (('away', 'gone'), ('loop', 'loop')):
        (tmp_path / link).symlink_to(target)
    # A superuser may write wherever the disk lets him.
    monkeypatch.setattr(
        files.os, 'access', lambda path, _: 'closed' not in str(path)
    )
    with pytest.raises(error, match=message):
        files.refuse_unwritable(tmp_path / name)


def test_what_can_be_written(tmp_path):
    (tmp_path / 'there').touch()
    (tmp_path / 'link').symlink_to('there')
    for name in ('there', 'link', 'new', 'new/er', 'ö 图/%20\n#'):
        files.refuse_unwritable(tmp_path / name)
    assert names(tmp_path) == ['link', 'there']
