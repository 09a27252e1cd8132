"""Open a place of images: a folder, a tar file or a backend."""

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from mmsoco.images import reading
from mmsoco.images.backend_source import BackendImages
from mmsoco.images.errors import UnreadableImageError
from mmsoco.images.lists import ImageList, find_images
from mmsoco.images.source import Extent, ImageSource
from mmsoco.images.stamps import FileStamp, read_stamped
from mmsoco.images.tar_source import ImageTar
from mmsoco.utils.files import link_note


def open_images(
    root: str | os.PathLike, backend_args: Mapping[str, Any] | None = None
) -> ImageSource:
    """Open a place of images.

    Args:
        root: A folder, a plain tar file, or what a backend puts before the
            names: an address such as ``s3://bucket/images``.
        backend_args: Arguments of `mmengine.fileio.get_file_backend`, such as
            ``dict(backend='petrel')``. Without them, the address decides.

    Raises:
        FileNotFoundError: If there is no such folder or file.
        ValueError: If a file is not a plain tar file, or the arguments are
            not those of a backend.
    """
    args = dict(backend_args or {})
    if args.get('backend', 'local') != 'local' or '://' in os.fspath(root):
        return BackendImages(root, args)
    unused = sorted(set(args) - {'backend'})
    if unused:
        raise ValueError(
            f'backend_args {", ".join(unused)} without the name of a storage '
            f'backend, such as backend=petrel, changes nothing: '
            f'{os.fspath(root)!r} is read from the local disk'
        )
    if os.path.isfile(root) or str(root).lower().endswith('.tar'):
        if not os.path.isdir(root):
            return ImageTar(root)
    if not os.path.exists(root):
        raise FileNotFoundError(
            f'image folder {os.fspath(root)!r} does not exist'
            f'{link_note(root)}; check the path, and quote one with spaces'
        )
    return ImageFolder(root)


class ImageFolder(ImageSource):
    """The images of a folder; see `ImageSource`."""

    def where(self, name: str) -> str:
        """Return the path of an image."""
        return os.path.join(self.root, name)

    def find(self, ann_file: str | os.PathLike | None = None) -> ImageList:
        """See `find_images`."""
        return find_images(self.root, ann_file)

    def holds(self, name: str, extent: Extent | None = None) -> bool:
        """See `ImageSource.holds`."""
        path = self.where(name)
        return os.path.isfile(path) and os.access(path, os.R_OK)

    def read(self, name: str, extent: Extent | None = None) -> bytes:
        """See `ImageSource.read`."""
        return reading.read_data(self.where(name))

    def read_stamped(
        self, name: str, extent: Extent | None = None
    ) -> tuple[bytes, FileStamp]:
        """See `ImageSource.read_stamped`."""
        path = self.where(name)
        try:
            return read_stamped(path)
        except FileNotFoundError:
            reason = 'no such file'
            raise UnreadableImageError(path, reason) from None
        except OSError as e:
            reason = e.strerror or str(e)
            raise UnreadableImageError(path, reason) from e

    def stamp_of_same(
        self, stamp: FileStamp, name: str, extent: Extent | None = None
    ) -> FileStamp | None:
        """See `ImageSource.stamp_of_same`."""
        return stamp.of_same(self.where(name))

    def read_rgb(self, name: str, extent: Extent | None = None) -> np.ndarray:
        """See `ImageSource.read_rgb`."""
        return reading.read_rgb(self.where(name))

    def read_size(
        self, name: str, extent: Extent | None = None
    ) -> tuple[int, int]:
        """Read only the header; see `ImageSource.read_size`."""
        return reading.read_size(self.where(name))
