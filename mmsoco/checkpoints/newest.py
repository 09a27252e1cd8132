"""Find the newest intact checkpoint of a run."""

import re
import sys
from pathlib import Path

from .integrity import damage

# The checkpoint that is saved between those that a config asks for.
INTERIM_NAME = 'interim.pth'
NOTE_NAME = 'last_checkpoint'
# The work dir in the folder that `mmsoco pretrain` and `finetune` write.
WORK_DIR_NAME = 'checkpoints'
_NUMBERED = re.compile(r'(?:epoch|iter)_(\d+)\.pth')


def checkpoints_of(work_dir: str | Path) -> list[Path]:
    """List the checkpoints from which a run can be continued.

    Args:
        work_dir: Folder of the run.

    Returns:
        The newest first: the noted one, then ``interim.pth``, which is removed
        when a later one is written, then by number. Times are not used: they
        change when a folder is copied.
    """
    work_dir = Path(work_dir)
    noted = _noted_name(work_dir)
    found = [
        path
        for path in work_dir.glob('*.pth')
        if path.name in (INTERIM_NAME, noted) or _NUMBERED.fullmatch(path.name)
    ]

    def age(path: Path) -> tuple:
        """Return the key that sorts checkpoints from old to new."""
        number = _NUMBERED.fullmatch(path.name)
        return (
            path.name == noted,
            number is None,
            int(number.group(1)) if number else 0,
            path.stat().st_mtime_ns,
        )

    return sorted(found, key=age, reverse=True)


def _noted_name(work_dir: Path) -> str | None:
    """Read which checkpoint was written last."""
    note = work_dir / NOTE_NAME
    if not note.is_file():
        return None
    return Path(note.read_text(encoding='utf-8').strip()).name


def newest_usable(work_dir: str | Path) -> tuple[Path | None, list[str]]:
    """Find the newest intact checkpoint.

    Args:
        work_dir: Folder of the run.

    Returns:
        The checkpoint, or None if there is none; and for each newer one that
        was skipped, its name and its damage.
    """
    passed: list[str] = []
    for path in checkpoints_of(work_dir):
        reason = damage(path)
        if reason is None:
            return path, passed
        passed.append(f'{path.name} ({reason})')
    return None, passed


def find_checkpoint(source: str | Path) -> Path:
    """Return the checkpoint that a path names: itself, or a run's newest.

    Damaged newer ones are skipped, and named on standard error.

    Args:
        source: A checkpoint, the work dir of a run, or the folder of a
            pretraining or a fine-tuning, which holds its work dir.

    Raises:
        FileNotFoundError: The folder has no checkpoint.
        ValueError: All of them are damaged.
    """
    source = Path(source)
    if not source.is_dir():
        return source
    inner = source / WORK_DIR_NAME
    if inner.is_dir() and not checkpoints_of(source):
        source = inner
    checkpoint, passed = newest_usable(source)
    for text in passed:
        print(f'Passed over: {text}.', file=sys.stderr)
    if checkpoint is None and passed:
        raise ValueError(
            f'no checkpoint in the folder {source} can be read: '
            f'{"; ".join(passed)}'
        )
    if checkpoint is None:
        raise FileNotFoundError(
            f'the folder {source} holds no checkpoint (epoch_N.pth, '
            'iter_N.pth); name the work dir of a run, or a checkpoint'
        )
    return checkpoint
