"""Let one process at a time work in a folder, or on a file."""

import fcntl
import getpass
import json
import os
import platform
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from mmsoco.utils.processes import is_same, machine_code, start_of

LOCK_NAME = '.lock'
_ENDING_SECONDS = 10


class FileLock:
    """The right to do some work, held until `release`.

    The system releases the lock when its owner ends in whatever way, so that
    a killed process leaves none behind. The file says who the owner is. On
    file systems without locks that note alone decides.

    Args:
        path: The lock's own file; its folder is made.
        place: What is worked on, for the message to others.
        work: What is done with it, for the same message.
        remedy: What others may do instead of waiting.
        stays: Whether the file stays when the lock is given back.
    """

    def __init__(
        self,
        path: Path,
        place: Path,
        work: str,
        remedy: str = 'choose another name',
        stays: bool = False,
    ) -> None:
        self.path = path
        self.place = place
        self.work = work
        self.remedy = remedy
        self.stays = stays
        self._file: Any = None

    def acquire(self) -> None:
        """Take the lock.

        Raises:
            BlockingIOError: If another process has it; the message names it.
        """
        # What an owner that was killed has just forked may hold the lock for
        # a moment: it has not yet come to let it go.
        for _ in range(_ENDING_SECONDS * 10):
            if self._try() or self._owner_may_live():
                break
            time.sleep(0.1)
        if self._file is None:
            raise BlockingIOError(
                f'{self.place} is in use: {self._describe_owner()}. Wait for '
                f'it or end it first, or {self.remedy}.'
                f'{self._advice_on_absent()}'
            )

    def _try(self) -> bool:
        """Take the lock if nobody has it; return whether it was taken."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            # Not 'w': that would empty the note of another owner.
            file = open(self.path, 'a+', encoding='utf-8')  # noqa: SIM115
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.close()
                return False
            except OSError:  # a file system without locks
                if self._read_note() and self._owner_may_live():
                    file.close()
                    return False
            if self._is_there(file.fileno()):
                break
            file.close()  # its owner has removed it meanwhile
        # A forked child, such as a data worker that outlives a kill for some
        # seconds, must not hold it.
        os.register_at_fork(after_in_child=file.close)
        file.truncate(0)
        file.write(json.dumps(self._note()))
        file.flush()
        self._file = file
        return True

    def _is_there(self, descriptor: int) -> bool:
        """Return whether an open file still has the lock's name."""
        try:
            named = os.stat(self.path)
        except FileNotFoundError:
            return False
        return os.path.samestat(os.fstat(descriptor), named)

    def release(self) -> None:
        """Give the lock back."""
        if self._file is not None:
            self._file.truncate(0)
            if not self.stays:
                self.path.unlink(missing_ok=True)
            self._file.close()
            self._file = None

    def __enter__(self) -> 'FileLock':
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
        """Describe this process."""
        return dict(
            work=self.work,
            pid=os.getpid(),
            start=start_of(os.getpid()),
            user=_user(),
            host=platform.node(),
            machine=machine_code(),
            since=time.strftime('%Y-%m-%d %H:%M:%S'),
        )

    def _read_note(self) -> dict[str, Any]:
        """Read who the owner is, as far as the file says."""
        try:
            return json.loads(self.path.read_text(encoding='utf-8'))
        except (OSError, ValueError):
            return {}

    def _owner_may_live(self) -> bool:
        """Return whether the owner lives, as far as it is known here."""
        note = self._read_note()
        # Releases before this one noted neither start nor machine.
        return not self._is_here(note) or is_same(
            note['pid'], note.get('start')
        )

    @staticmethod
    def _is_here(note: dict[str, Any]) -> bool:
        """Return whether a note is of this machine or container."""
        is_here = note.get('machine') in (None, machine_code())
        return is_here and note.get('host') == platform.node()

    def _advice_on_absent(self) -> str:
        """Advise where an owner on another machine may be gone."""
        note = self._read_note()
        if not note or self._is_here(note):
            return ''
        return f' If that machine or container is gone, remove {self.path}.'

    def _describe_owner(self) -> str:
        """Name the process that wrote the note."""
        note = self._read_note()
        if not note:
            return 'another process has it'
        return (
            f'process {note["pid"]} of {note["user"]} (on {note["host"]}, '
            f'since {note["since"]}) is {note["work"]}'
        )


class FolderLock(FileLock):
    """The right to work in a folder; see `FileLock`.

    Args:
        folder: The folder; it is made.
        work: What is done there, for the message to others.
        option: The option that chooses the folder, for the same message.
    """

    def __init__(
        self,
        folder: str | os.PathLike,
        work: str,
        option: str = '--work-dir',
    ) -> None:
        super().__init__(
            Path(folder, LOCK_NAME),
            Path(folder),
            f'{work} there',
            remedy=f'choose another folder ({option})',
            stays=True,
        )


def _user() -> str:
    """Name the user, or give the number of one without a name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
