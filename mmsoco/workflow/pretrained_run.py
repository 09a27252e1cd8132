"""Check and read the run of a pretraining that a fine-tuning starts from."""

from pathlib import Path
from typing import TYPE_CHECKING

from mmsoco.utils.files import sha256
from mmsoco.workflow.run_folder import read_pretraining

if TYPE_CHECKING:
    from mmengine.config import Config


def refuse_unfinished(run: Path) -> None:
    """Refuse a pretraining that is not finished.

    Args:
        run: Its folder.

    Raises:
        FileNotFoundError: If it is not finished.
    """
    if 'export' not in read_pretraining(run)['steps']:
        raise FileNotFoundError(
            f'the pretraining in {run} is not finished; run `mmsoco '
            'pretrain` again with the same folder to continue it'
        )


def read_config(run: Path) -> 'Config':
    """Return the config of a pretraining.

    Args:
        run: Its folder.

    Raises:
        FileNotFoundError: If it is missing.
        ValueError: If it has been replaced by another.
    """
    from mmsoco.config.reading import read_file

    path = run / 'pretrain.py'
    if not path.is_file():
        raise FileNotFoundError(
            f'{path} is missing, the config of the pretraining: restore it'
        )
    cfg = read_file(path)
    if 'detector' not in (cfg.get('model') or {}):
        raise ValueError(
            f'{path} has no model.detector: it is not the config that '
            '`mmsoco pretrain` wrote; restore it'
        )
    return cfg


def refuse_other_weights(run: Path) -> None:
    """Refuse weights other than those that a pretraining exported.

    Args:
        run: Folder of the pretraining.

    Raises:
        FileNotFoundError: If they are missing.
        ValueError: If the file is another one.
    """
    path = run / 'detector.pth'
    again = 'run `mmsoco pretrain` again with the same folder to export it'
    if not path.is_file():
        raise FileNotFoundError(f'{path} is missing; {again}')
    # Earlier releases did not record it.
    noted = read_pretraining(run).get('detector_sha256')
    if noted is not None and sha256(path) != noted:
        raise ValueError(
            f'{path} is not the file that this pretraining exported: remove '
            f'it, and {again}. To fine-tune other weights, name them as '
            'load_from in a config for `mmsoco train`'
        )
