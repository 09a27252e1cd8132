"""Storage backends for tests: in memory, and a web server of this machine."""

import contextlib
import functools
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from mmengine.fileio import BaseStorageBackend, register_backend

# Files by address; a test fills it. Forked workers have it too.
FILES: dict[str, bytes] = {}


@register_backend('memory', force=True)
class MemoryBackend(BaseStorageBackend):
    """Gives bytes by address, and cannot list: as LMDB does.

    Args:
        broken: Whether the connection is lost.
    """

    def __init__(self, broken: bool = False) -> None:
        self.broken = broken

    def get(self, filepath):
        """Return a file, None where there is none."""
        if self.broken:
            raise RuntimeError('connection lost')
        return FILES.get(filepath)

    def get_text(self, filepath):
        """Not used here."""
        raise NotImplementedError


@register_backend('listed-memory', force=True)
class ListedMemoryBackend(MemoryBackend):
    """The same with a listing: as petrel has."""

    def isfile(self, filepath):
        """Return whether there is such a file."""
        return filepath in FILES

    def list_dir_or_file(self, dir_path, list_dir=True, recursive=False):
        """Yield the names below a folder."""
        if self.broken:
            raise RuntimeError('connection lost')
        assert not list_dir and recursive
        for name in FILES:
            if name.startswith(f'{dir_path}/'):
                yield name.removeprefix(f'{dir_path}/')


def fill(root: Path, address: str) -> None:
    """Put the files of a folder into memory."""
    FILES.clear()
    for path in root.rglob('*'):
        if path.is_file():
            name = path.relative_to(root).as_posix()
            FILES[f'{address}/{name}'] = path.read_bytes()


class _Silent(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        """Say nothing."""


@contextlib.contextmanager
def web_server(root: Path):
    """Serve a folder on 127.0.0.1; yield its address."""
    handler = functools.partial(_Silent, directory=str(root))
    with ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f'http://127.0.0.1:{server.server_port}'
        finally:
            server.shutdown()
