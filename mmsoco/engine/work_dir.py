"""A work dir: its checkpoints, and to whom it belongs."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmsoco.checkpoints.integrity import damage
from mmsoco.utils.locks import FolderLock

# What is saved between the checkpoints that a config asks for.
INTERIM_NAME = 'interim.pth'
NOTE_NAME = 'last_checkpoint'
_NUMBERED = re.compile(r'(?:epoch|iter)_(\d+)\.pth')
_NAMED = 3


def checkpoints_of(work_dir: str | Path) -> list[Path]:
    """List the checkpoints that a run can be continued from.

    Args:
        work_dir: Folder of the run.

    Returns:
        The newest first: the noted one, then by time.
    """
    work_dir = Path(work_dir)
    found = [
        path
        for path in work_dir.glob('*.pth')
        if path.name == INTERIM_NAME or _NUMBERED.fullmatch(path.name)
    ]
    noted = _noted_name(work_dir)

    def age(path: Path) -> tuple:
        number = _NUMBERED.fullmatch(path.name)
        return (
            path.name == noted,
            path.stat().st_mtime_ns,
            int(number.group(1)) if number else 0,
        )

    return sorted(found, key=age, reverse=True)


def _noted_name(work_dir: Path) -> str | None:
    """Read which checkpoint was written last."""
    note = work_dir / NOTE_NAME
    if not note.is_file():
        return None
    return Path(note.read_text(encoding='utf-8').strip()).name


def newest_usable(work_dir: str | Path) -> tuple[Path | None, list[str]]:
    """Find the newest checkpoint that is whole.

    Args:
        work_dir: Folder of the run.

    Returns:
        The checkpoint, or None where there is none; and for each newer one
        that was passed over, its name and what is wrong with it.
    """
    passed: list[str] = []
    for path in checkpoints_of(work_dir):
        reason = damage(path)
        if reason is None:
            return path, passed
        passed.append(f'{path.name} ({reason})')
    return None, passed


def refuse_used(work_dir: str | Path) -> None:
    """Refuse to begin a run where another one has left checkpoints.

    Args:
        work_dir: Folder of the new run.

    Raises:
        FileExistsError: If there are checkpoints.
    """
    names = [path.name for path in checkpoints_of(work_dir)]
    if names:
        more = ', ...' if len(names) > _NAMED else ''
        raise FileExistsError(
            f'{work_dir} holds a run already ({", ".join(names[:_NAMED])}'
            f'{more}). Continue it with --resume, choose another folder with '
            '--work-dir, or remove its checkpoints with --overwrite '
            '(overwrite=True in a config).'
        )


def clear(work_dir: str | Path) -> None:
    """Remove the checkpoints of an old run; its logs stay.

    Args:
        work_dir: Folder of the run.
    """
    work_dir = Path(work_dir)
    for path in [*checkpoints_of(work_dir), *work_dir.glob('best_*.pth')]:
        path.unlink()
    (work_dir / NOTE_NAME).unlink(missing_ok=True)


@contextmanager
def claimed(work_dir: str | Path, begins: bool, overwrite: bool) -> Iterator:
    """Hold a work dir for one training.

    Args:
        work_dir: Folder of the run.
        begins: Whether a new run begins, rather than one is continued.
        overwrite: Whether the checkpoints of an old run are removed then.

    Raises:
        BlockingIOError: If another training works there.
        FileExistsError: If an old run is there, and is not to be overwritten.
    """
    with FolderLock(work_dir, 'training'):
        if begins and overwrite:
            clear(work_dir)
        elif begins:
            refuse_used(work_dir)
        yield
