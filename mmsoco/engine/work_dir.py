"""Lock a work dir, and check whether a run may begin there."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmsoco.checkpoints.newest import NOTE_NAME, checkpoints_of
from mmsoco.utils.locks import FolderLock

_NAMED = 3


def refuse_used(work_dir: str | Path) -> None:
    """Refuse to begin a run in a folder with checkpoints of another one.

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
def claimed(work_dir: str | Path, may_be_used: bool) -> Iterator:
    """Lock a work dir for one training.

    Args:
        work_dir: Folder of the run.
        may_be_used: Whether a run may be there: it is continued, or its
            checkpoints are removed as soon as the new one trains.

    Raises:
        BlockingIOError: If another training works there.
        FileExistsError: If an old run is there without ``may_be_used``.
    """
    with FolderLock(work_dir, 'training'):
        if not may_be_used:
            refuse_used(work_dir)
        yield
