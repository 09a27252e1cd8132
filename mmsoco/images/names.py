"""Tell by the name of a file whether it is a picture, or hidden."""

import os
import re
import unicodedata
from pathlib import PurePath

from PIL import features

# Endings that Pillow reads only if it was built with a library.
_OPTIONAL = {
    'webp': '.webp',
    'avif': '.avif',
    'jpg_2000': '.jp2 .j2c .j2k .jpc .jpf .jpx',
}
EXTENSIONS = frozenset(
    '.apng .bmp .dib .gif .jfif .jpe .jpeg .jpg .mpo .pbm .pgm .pjpeg .png '
    '.pnm .ppm .tif .tiff'.split()
).union(
    *(
        endings.split()
        for library, endings in _OPTIONAL.items()
        if features.check(library)
    )
)
# Pictures that this Pillow cannot read.
UNREAD = (
    frozenset(
        '.avif .heic .heif .jp2 .j2c .j2k .jpc .jpf .jpx .jxl .webp .arw .cr2 '
        '.cr3 .dng .eps .exr .hdr .ico .nef .orf .pfm .psd .raf .rw2 .svg '
        '.tga'.split()
    )
    - EXTENSIONS
)
# Files that systems and programs create in folders of pictures; names that
# begin with a dot are left out too.
_SYSTEM = frozenset(
    '@eadir #recycle @recycle __macosx lost+found $recycle.bin thumbs.db '
    'desktop.ini'.split()
) | {'system volume information'}
HIDDEN = '{} that is hidden or of the system'


def is_image(name: str | PurePath) -> bool:
    """Return whether a file is an image, by its extension in any case."""
    return os.path.splitext(name)[1].lower() in EXTENSIONS


def is_hidden(name: str) -> bool:
    """Return whether a file or folder is left out because of its name."""
    return name.startswith('.') or name.lower() in _SYSTEM


def why_no_image(name: str) -> str:
    """Say why a name is not that of an image."""
    ending = os.path.splitext(name)[1].lower()
    if ending in UNREAD:
        return f'{ending} picture, which cannot be read: convert it to .png'
    if re.fullmatch(r'\.[a-z][a-z0-9]{0,5}', ending):
        return f'{ending} file: not a picture'
    return 'not a picture by its name'


def plain_form(text: str) -> str:
    """Return a text in one Unicode form, without capitals."""
    return unicodedata.normalize('NFC', text).casefold()
