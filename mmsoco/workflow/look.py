"""Draw a run's proposals and views, to look at before the training."""

from pathlib import Path

from mmengine.config import Config
from mmengine.registry import DefaultScope

import mmsoco.registry  # noqa: F401  (makes the scope known)
from mmsoco.engine.explanations import explained_errors
from mmsoco.images.opening import open_images
from mmsoco.proposals.store import ProposalStore
from mmsoco.visualization.browse import choose_rows, draw_record
from mmsoco.visualization.browse_views import draw_views
from mmsoco.visualization.sheets import contact_sheet, save_picture

_PROPOSALS, _VIEWS = 12, 4
_SIZE = 320


def draw_look(store: Path, images: Path, cfg: Config, out: Path) -> None:
    """Draw ``proposals.jpg`` and ``views.jpg``.

    Args:
        store: The proposals.
        images: Folder or tar file of the pictures.
        cfg: Config of the pretraining.
        out: Folder to write to.

    Raises:
        OSError: If a picture could not be written.
        ValueError: If the config makes no views.
    """
    proposals = ProposalStore(store)
    rows = choose_rows(proposals, _PROPOSALS)
    source = open_images(images)
    drawn = [draw_record(proposals[row], source, _SIZE) for row in rows]
    save_picture(contact_sheet(drawn, columns=4), out / 'proposals.jpg')
    with (
        DefaultScope.overwrite_default_scope(cfg.default_scope),
        explained_errors(cfg),
    ):
        views = [picture for _, picture in draw_views(cfg, _VIEWS)]
    save_picture(contact_sheet(views, columns=2), out / 'views.jpg')
