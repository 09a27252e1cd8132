"""Find files by listed names, which may be spelled in another way."""

import contextlib
import os
import posixpath

from mmsoco.images.names import plain_form

OTHER_SPELLING = (
    "name differs from the file's in capitals or Unicode form (NFC, NFD): "
    "replaced by the file's"
)


class FilesBelow:
    """Finds listed files below a folder, however their names are spelled.

    A name written on a Mac may have its accents as separate characters
    (Unicode's NFD), and one written on Windows may differ in capitals.

    Args:
        root: The folder.
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = os.fspath(root)
        self._files: dict[str, set[str]] = {}
        self._alike: dict[str, dict[str, list[str]]] = {}

    def find(self, name: str) -> str | None:
        """Find the file that a name means.

        Args:
            name: Relative to the folder, with ``/`` between the parts.

        Returns:
            The name as the folder has it: the same, or the only one that
            differs in nothing but capitals or Unicode form; None if there is
            no such file.
        """
        if self._is_file(name):
            return name
        found = ''
        for part in name.split('/'):
            names = self._names_like(found, part)
            if len(names) != 1:
                return None
            found = posixpath.join(found, names[0])
        return found if self._is_file(found) else None

    def _is_file(self, name: str) -> bool:
        folder, base = posixpath.split(name)
        if folder not in self._files:
            self._files[folder] = files_in(os.path.join(self.root, folder))
        return base in self._files[folder]

    def _names_like(self, folder: str, part: str) -> list[str]:
        """Return the entries of a folder that match one part of a name."""
        if folder not in self._alike:
            alike: dict[str, list[str]] = {}
            with contextlib.suppress(OSError):
                for entry in os.listdir(os.path.join(self.root, folder)):
                    alike.setdefault(plain_form(entry), []).append(entry)
            self._alike[folder] = alike
        names = self._alike[folder].get(plain_form(part), [])
        return [part] if part in names else names


def files_in(folder: str | os.PathLike[str]) -> set[str]:
    """Return the names of the files in a folder, and of links to files.

    Pipes, sockets and devices are left out: opening one may block forever.
    A folder that cannot be read counts as empty.
    """
    try:
        with os.scandir(folder) as found:
            return {entry.name for entry in found if is_file(entry)}
    except OSError:
        return set()


def is_file(entry: os.DirEntry) -> bool:
    """Return whether an entry is a file, or a link to one.

    Python raises an error for links that lead in a circle or to a place
    without permission. Then the entry is left out, not the whole folder.
    """
    try:
        return entry.is_file()
    except OSError:
        return False
