"""Let one process at a time work in a folder."""

import fcntl
import getpass
import json
import os
import platform
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from mmsoco.utils.processes import is_alive

LOCK_NAME = '.lock'
_ENDING_SECONDS = 10


class FolderLock:
    """The right to work in a folder, held until `release`.

    The system releases the lock when its owner ends in whatever way, so that
    a killed process leaves none behind. The file says who the owner is.

    Args:
        folder: The folder; it is made.
        work: What is done there, for the message to others.
    """

    def __init__(self, folder: str | os.PathLike, work: str) -> None:
        self.path = Path(folder, LOCK_NAME)
        self.work = work
        self._file: Any = None

    def acquire(self) -> None:
        """Take the lock.

        Raises:
            BlockingIOError: If another process has it; the message names it.
        """
        # What an owner that was killed has just forked may hold the lock for
        # a moment: it has not yet come to let it go.
        for _ in range(_ENDING_SECONDS * 10):
            if self._try() or self._owner_is_alive():
                break
            time.sleep(0.1)
        if self._file is None:
            raise BlockingIOError(
                f'{self.path.parent} is in use: {self._describe_owner()}. '
                'Wait for it or end it first, or choose another folder '
                '(--work-dir).'
            )

    def _try(self) -> bool:
        """Take the lock if nobody has it; return whether it was taken."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # Not 'w': that would empty the note of another owner.
        file = open(self.path, 'a+', encoding='utf-8')  # noqa: SIM115
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return False
        except OSError:  # a file system without locks
            pass
        # A forked child, such as a data worker that outlives a kill for some
        # seconds, must not hold it.
        os.register_at_fork(after_in_child=file.close)
        file.truncate(0)
        file.write(json.dumps(self._note()))
        file.flush()
        self._file = file
        return True

    def release(self) -> None:
        """Give the lock back.

        The file stays: a process that had just opened it would otherwise
        hold a file without a name, in addition to the owner of a new one.
        """
        if self._file is not None:
            self._file.truncate(0)
            self._file.close()
            self._file = None

    def __enter__(self) -> 'FolderLock':
        self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    def _note(self) -> dict[str, Any]:
        """Say who this process is."""
        return dict(
            work=self.work,
            pid=os.getpid(),
            user=_user(),
            host=platform.node(),
            since=time.strftime('%Y-%m-%d %H:%M:%S'),
        )

    def _read_note(self) -> dict[str, Any]:
        """Read who the owner is, as far as the file says."""
        try:
            return json.loads(self.path.read_text(encoding='utf-8'))
        except (OSError, ValueError):
            return {}

    def _owner_is_alive(self) -> bool:
        """Return whether the owner lives, or may live on another machine."""
        note = self._read_note()
        is_here = note.get('host') == platform.node()
        return not is_here or is_alive(note['pid'])

    def _describe_owner(self) -> str:
        """Name the process that wrote the note."""
        note = self._read_note()
        if not note:
            return 'another process works there'
        return (
            f'process {note["pid"]} of {note["user"]} (on {note["host"]}, '
            f'since {note["since"]}) is {note["work"]} there'
        )


def _user() -> str:
    """Name the user, or give the number of one without a name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
