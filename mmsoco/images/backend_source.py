"""Read images from a storage backend of mmengine.

`mmengine.fileio` has backends for local disks, petrel (Ceph and S3),
memcached, LMDB and HTTP, and users can register more. They return bytes by
name; some can also list names and tell whether a name exists.
"""

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from mmsoco.images.listed_names import listed_names
from mmsoco.images.lists import (
    ImageList,
    images_by_name,
    images_of_listing,
)
from mmsoco.images.source import Extent, FetchedImages
from mmsoco.utils.problems import Problems

if TYPE_CHECKING:
    from mmengine.fileio.backends import BaseStorageBackend


class BackendImages(FetchedImages):
    """The images of a storage backend; see `ImageSource`.

    Args:
        root: The text before the names, with a ``/`` between: an address such
            as ``s3://bucket/images``; ``.`` if names are complete, like the
            keys of LMDB.
        backend_args: Arguments of `mmengine.fileio.get_file_backend`.

    Raises:
        ValueError: If there is no such backend, or the arguments are not
            its own.
    """

    def __init__(
        self, root: str | os.PathLike, backend_args: Mapping[str, Any]
    ) -> None:
        super().__init__(root)
        self.backend_args = dict(backend_args)
        # The process that opened the backend, and the backend: connections
        # and LMDB's environment must not be used by a forked child.
        self._opened: tuple[int, BaseStorageBackend] | None = None
        self.backend()  # report wrong arguments before workers start

    @property
    def address(self) -> str:
        """The text before the names."""
        return self.root

    @property
    def kind(self) -> str:
        """The backend's name."""
        return str(self.backend_args.get('backend') or self.root)

    def backend(self) -> 'BaseStorageBackend':
        """Return this process's backend.

        Raises:
            ValueError: See the class.
        """
        if self._opened is None or self._opened[0] != os.getpid():
            self._opened = os.getpid(), self._open()
        return self._opened[1]

    def _open(self) -> 'BaseStorageBackend':
        from mmengine.fileio import get_file_backend  # late: it imports torch

        # mmengine removes its name from the arguments.
        args = dict(self.backend_args)
        try:
            return get_file_backend(self.root, backend_args=args or None)
        except Exception as e:  # backends can raise anything
            raise ValueError(
                f'cannot open the backend {self.kind!r} for {self.root!r} '
                f'with backend_args={self.backend_args!r} '
                f'({type(e).__name__}: {e}); expected arguments of '
                'mmengine.fileio.get_file_backend, such as '
                "dict(backend='petrel')"
            ) from e

    def where(self, name: str) -> str:
        """Return an image's address, or key."""
        root = self.root.rstrip('/')
        return name if root in ('', '.') else f'{root}/{name}'

    def _key(self, name: str) -> str:
        """Return the backend's name of an image."""
        is_web = self.root.startswith(('http://', 'https://'))
        return self.where(quote(name) if is_web else name)

    def fetch(
        self, name: str, extent: Extent | None = None
    ) -> tuple[bytes, int]:
        """See `FetchedImages.fetch`; backends give no modification time."""
        backend = self.backend()
        try:
            data = backend.get(self._key(name))
        except MemoryError:
            raise
        except Exception as e:  # backends can raise anything
            raise OSError(
                f'backend {self.kind!r} failed: {type(e).__name__}: {e}'
            ) from e
        if data is None:  # LMDB's sign for a missing file
            raise OSError(f'backend {self.kind!r} has no such file')
        return bytes(data), 0

    def find(self, ann_file: str | os.PathLike | None = None) -> ImageList:
        """See `ImageSource.find`.

        Whether a file named by ``ann_file`` exists is only noticed when it is
        read, because a check would take equally long.
        """
        problems = Problems()
        if ann_file is None:
            taken = images_of_listing(self._listing(), problems)
        else:
            listed = listed_names(ann_file, self.root, problems)
            taken = images_by_name(listed, problems)
        return ImageList(self.root, sorted(taken), problems)

    def _listing(self) -> Iterator[str]:
        """Yield all names.

        Raises:
            ValueError: If the backend cannot list them.
            OSError: If listing fails.
        """
        backend = self.backend()
        if not hasattr(backend, 'list_dir_or_file'):
            raise ValueError(
                f'the backend {self.kind!r} cannot list what is in '
                f'{self.root!r}; name the images in a file, one per line '
                '(--ann-file of `mmsoco propose`, ann_file of the dataset)'
            )
        try:
            yield from backend.list_dir_or_file(
                self.root, list_dir=False, recursive=True
            )
        except Exception as e:  # backends can raise anything
            raise OSError(
                f'the backend {self.kind!r} cannot list {self.root!r}: '
                f'{type(e).__name__}: {e}'
            ) from e

    def holds(self, name: str, extent: Extent | None = None) -> bool:
        """See `ImageSource.holds`; some backends need a read to tell."""
        exists = getattr(self.backend(), 'isfile', None)
        try:
            if exists is not None:
                return bool(exists(self._key(name)))
            self.fetch(name)
        except Exception:  # backends can raise anything
            return False
        return True

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, '_opened': None}

    def __repr__(self) -> str:
        return f'BackendImages({self.root!r}, {self.backend_args!r})'
