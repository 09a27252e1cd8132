"""Build a self-contained HTML report: one file, pictures embedded.

The functions do not depend on the content of a report: they embed pictures and
fill in a page of ``templates/``, which escapes every text.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from mmsoco.utils.extras import require_extra
from mmsoco.utils.files import write_text

from .curves import COLORS, Panel, draw_curves

if TYPE_CHECKING:
    from jinja2 import Environment


@dataclass(frozen=True)
class StepTime:
    """A step of a run, for the timeline.

    Attributes:
        name: Text of the legend.
        seconds: How long it took.
        anchor: Id of the section that describes it.
    """

    name: str
    seconds: float
    anchor: str


def data_uri(data: bytes, kind: str) -> str:
    """Encode bytes as a URI that needs no other file.

    Args:
        data: Contents of a file.
        kind: Its media type, such as ``image/png``.
    """
    return f'data:{kind};base64,{base64.b64encode(data).decode()}'


def image_uri(image: np.ndarray, quality: int = 88) -> str:
    """Embed a picture as JPEG.

    Args:
        image: (H, W, 3) uint8 RGB.
        quality: JPEG quality, 0 to 100.

    Raises:
        ValueError: If the array is not an RGB picture.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(
            f'expected a (H, W, 3) uint8 RGB picture, got shape {image.shape} '
            f'and {image.dtype}'
        )
    parameters = [cv2.IMWRITE_JPEG_QUALITY, quality]
    _, encoded = cv2.imencode('.jpg', image[..., ::-1], parameters)
    return data_uri(encoded.tobytes(), 'image/jpeg')


def file_uri(path: Path) -> str:
    """Embed a JPEG file."""
    return data_uri(path.read_bytes(), 'image/jpeg')


def curves_uri(panels: Sequence[Panel]) -> str:
    """Embed curves; see `draw_curves`."""
    return data_uri(draw_curves(panels), 'image/svg+xml')


def percent(value: float) -> str:
    """Return an average precision as papers print it; COCO's -1 is "none"."""
    return 'none' if not value >= 0 else f'{100 * value:.1f}'


def write_page(path: Path, template: str, **context: Any) -> None:
    """Fill in a page; the file appears only when it is complete.

    Args:
        path: File to write.
        template: Name of a template in ``templates/``.
        context: Values for the template; text is escaped.

    Raises:
        OSError: If it could not be written.
        jinja2.UndefinedError: If the template needs a value that ``context``
            lacks.
    """
    page = templates('mmsoco.visualization').get_template(template)
    write_text(path, page.render(colors=COLORS, **context))


def templates(
    package: str, folder: str = 'templates', escape: bool = True
) -> 'Environment':
    """Return the environment that fills in the templates of a package.

    Args:
        package: Name of the package.
        folder: Their folder in it.
        escape: Whether texts are escaped for HTML.

    Raises:
        ModuleNotFoundError: If Jinja2 is missing.
    """
    require_extra('report')
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader(package, folder),
        autoescape=escape,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
