"""Read the detector of a pretraining config: a dict, or a config's name."""

from pathlib import Path

from mmengine.config import Config

from mmsoco.config.reading import find_config, read_file


def read_detector(detector: dict | str) -> dict:
    """Return the config of a detector.

    A whole config cannot be inherited in addition to the data and the schedule
    of pretraining, because mmengine allows each key in only one base; by name,
    it can be used unchanged.

    Args:
        detector: The dict ``model`` of an mmdet config, which is returned as
            it is; or the name of a config whose ``model`` is taken: as in
            ``mmdet::retinanet/retinanet_r50_fpn_1x_coco.py``, or a path
            (relative to the current folder).

    Raises:
        TypeError: If it is neither.
        FileNotFoundError: If there is no such config.
        ValueError: If the config cannot be read, or has no ``model``.
    """
    if isinstance(detector, dict):
        return detector
    if not isinstance(detector, (str, Path)):
        raise TypeError(
            'SoCo.detector must be the config of an mmdet detector (a dict) '
            'or the name of a config that has one, got '
            f'{type(detector).__name__}'
        )
    cfg = _read(str(detector))
    if not isinstance(cfg.get('model'), dict):
        raise ValueError(
            f'The config {detector} has no `model`: SoCo.detector takes the '
            'whole config of a detector, or its dict `model`.'
        )
    return cfg.model.to_dict()


def _read(name: str) -> Config:
    try:
        return read_file(find_config(name))
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f'There is no config {name} to take SoCo.detector from. Expected '
            'PACKAGE::FOLDER/NAME.py of an installed package, such as '
            'mmdet::retinanet/retinanet_r50_fpn_1x_coco.py, or a path.'
        ) from error
