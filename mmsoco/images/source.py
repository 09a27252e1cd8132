"""Base classes of places of images, which are read by name.

Images are read, and changed ones recognized by a stamp, in the same way for
files of a folder, members of a tar file, and objects of a storage backend.
"""

import os
from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import numpy as np

from mmsoco.images.errors import UnreadableImageError
from mmsoco.images.lists import ImageList
from mmsoco.images.reading import decode_rgb, decode_size
from mmsoco.images.stamps import FileStamp, stamp_of


class Extent(NamedTuple):
    """Where the bytes of an image are in a tar file.

    Attributes:
        offset: Position of the first byte.
        size: Number of bytes.
    """

    offset: int
    size: int


class ImageSource(ABC):
    """A place of images.

    Pickling keeps only the place; a process opens it when it first reads.

    Args:
        root: The folder, the file or the address.

    Attributes:
        root: As it was given.
    """

    def __init__(self, root: str | os.PathLike) -> None:
        self.root = os.fspath(root)

    @property
    def address(self) -> str:
        """The place in a form that is valid in any working directory."""
        return os.path.abspath(self.root)

    @abstractmethod
    def where(self, name: str) -> str:
        """Return where an image is, for messages."""

    @abstractmethod
    def find(self, ann_file: str | os.PathLike | None = None) -> ImageList:
        """Find the images, or those that a file names; see `find_images`.

        Raises:
            OSError: If the place or the file cannot be read.
            ValueError: If the file is malformed, or needed because the place
                cannot be listed.
        """

    @abstractmethod
    def holds(self, name: str, extent: Extent | None = None) -> bool:
        """Return whether an image is there and may be read; see `read`."""

    @abstractmethod
    def read(self, name: str, extent: Extent | None = None) -> bytes:
        """Read the bytes of an image.

        Args:
            name: The image.
            extent: Its position in a tar file, which saves a search; other
                places do not look at it.

        Raises:
            UnreadableImageError: If it is missing or cannot be read.
        """

    @abstractmethod
    def read_stamped(
        self, name: str, extent: Extent | None = None
    ) -> tuple[bytes, FileStamp]:
        """Read an image with its stamp; see `read`."""

    @abstractmethod
    def stamp_of_same(
        self, stamp: FileStamp, name: str, extent: Extent | None = None
    ) -> FileStamp | None:
        """Return the stamp that an image has now; see `FileStamp.of_same`."""

    def extent(self, name: str) -> Extent | None:
        """Return the position of an image in a tar file, None elsewhere."""
        return None

    def identity(self) -> dict[str, Any] | None:
        """Return a mark that distinguishes the place from others of its name.

        Returns:
            Plain values for the metadata of a store; None where every image
            is recognized by itself.
        """
        return None

    def read_rgb(self, name: str, extent: Extent | None = None) -> np.ndarray:
        """Read an image upright; see `decode_rgb`."""
        return decode_rgb(self.read(name, extent), self.where(name))

    def read_size(
        self, name: str, extent: Extent | None = None
    ) -> tuple[int, int]:
        """Read the (height, width) that `read_rgb` would return."""
        return decode_size(self.read(name, extent), self.where(name))

    def __repr__(self) -> str:
        return f'{type(self).__name__}({self.root!r})'


class FetchedImages(ImageSource):
    """Images that are fetched as bytes, with or without a time of change."""

    @abstractmethod
    def fetch(
        self, name: str, extent: Extent | None = None
    ) -> tuple[bytes, int]:
        """Fetch the bytes of an image, and the time of its last change.

        Returns:
            The bytes, and nanoseconds since 1970, 0 if unknown.

        Raises:
            OSError: If it cannot be read; the message says why.
        """

    def read(self, name: str, extent: Extent | None = None) -> bytes:
        """See `ImageSource.read`."""
        return self._fetch_named(name, extent)[0]

    def read_stamped(
        self, name: str, extent: Extent | None = None
    ) -> tuple[bytes, FileStamp]:
        """See `ImageSource.read_stamped`."""
        data, mtime_ns = self._fetch_named(name, extent)
        return data, stamp_of(data, mtime_ns)

    def stamp_of_same(
        self, stamp: FileStamp, name: str, extent: Extent | None = None
    ) -> FileStamp | None:
        """Compare the bytes, because the time may be unknown."""
        try:
            now = stamp_of(*self.fetch(name, extent))
        except OSError:
            return None
        same = (now.size, now.digest) == (stamp.size, stamp.digest)
        return now if same else None

    def _fetch_named(
        self, name: str, extent: Extent | None
    ) -> tuple[bytes, int]:
        """Fetch an image; an error names it."""
        try:
            return self.fetch(name, extent)
        except OSError as e:
            reason = e.strerror or str(e)
            raise UnreadableImageError(self.where(name), reason) from e
