"""Write the whole config of a pretraining: recipe, detector, pictures."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.registry import DefaultScope

from mmsoco.config.keys import RUN_KEYS
from mmsoco.config.reading import apply_options, read_config, set_precision
from mmsoco.models.detector_config import read_detector
from mmsoco.models.object_encoder import ObjectEncoder
from mmsoco.utils.files import atomic_path

# Recipe and detector for a machine with a GPU, and for one without.
LARGE = (
    'soco/soco_mask-rcnn_r50-fpn_1xb32-coslr-400e_custom.py',
    '_base_/models/mask-rcnn_r50-fpn.py',
)
SMALL = (
    'demo/soco_mask-rcnn_r18-fpn_1xb16-coslr-8e_custom.py',
    'demo/mask-rcnn_r18-fpn.py',
)
# SoCo's recipe for detectors without a pyramid has two views, since the third
# one moves objects to other levels.
WITHOUT_PYRAMID = 'soco/soco_mask-rcnn_r50-c4_16xb128-coslr-100e_in1k.py'
_WARMUP_SHARE = 0.1


@dataclass(frozen=True)
class Plan:
    """All choices of a training.

    Attributes:
        detector: The detector's name in words, such as ``R18-FPN``.
        batch_size: Pictures of a batch, per device.
        steps_per_epoch: Iterations of an epoch.
        epochs: Passes over the pictures.
        precision: ``fp32``, ``bf16`` or ``fp16``.
        threads: Threads of a process; None leaves them to torch.
        images_per_s: Measured speed; None if it was not measured.
        view_size: Side of the first view, pixels.
    """

    detector: str
    batch_size: int
    steps_per_epoch: int
    epochs: int
    precision: str
    threads: int | None
    images_per_s: float | None
    view_size: int

    @property
    def steps(self) -> int:
        """Iterations of the whole training."""
        return self.epochs * self.steps_per_epoch


def shipped_config(name: str) -> Path:
    """Return the path of a config that comes with the package."""
    return Path(str(resources.files('mmsoco'))) / '.mim' / 'configs' / name


def load_recipe(is_large: bool) -> Config:
    """Read the pretraining recipe for a machine with or without a GPU."""
    return Config.fromfile(shipped_config((LARGE if is_large else SMALL)[0]))


def read_detector_config(name: str | None, is_large: bool) -> Config:
    """Read the file that describes a detector; see `load_detector`."""
    if name is None:
        name = str(shipped_config((LARGE if is_large else SMALL)[1]))
    try:
        return read_config(name, {})
    except (OSError, ValueError) as error:
        raise type(error)(f'--detector {name}: {error}') from error


def load_detector(name: str | None, is_large: bool) -> dict:
    """Read the config of a detector.

    Args:
        name: A config file, or ``PACKAGE::PATH`` of a package's config; None
            takes the default of the machine.
        is_large: Which default.

    Returns:
        The dict ``model`` of the config.

    Raises:
        FileNotFoundError: If there is no such config.
        ValueError: If it cannot be read, or describes no detector.
    """
    cfg = read_detector_config(name, is_large)
    model = cfg.get('model')
    if not isinstance(model, dict) or 'type' not in model:
        raise ValueError(
            f'--detector {name}: expected a config with a detector under '
            f'`model`, got the keys {sorted(cfg)[:8]}'
        )
    if model.get('detector'):  # a pretraining config names its detector
        model = ConfigDict(read_detector(model['detector']))
    return model.to_dict()


def build_encoder(
    detector: Mapping, recipe: Config, name: str
) -> ObjectEncoder:
    """Build the parts of a detector for pretraining, to find errors early.

    Args:
        detector: The detector's config.
        recipe: The pretraining recipe.
        name: How the user named the detector, for messages.

    Returns:
        The online encoder, without its initial weights.

    Raises:
        ValueError: If it cannot be pretrained.
    """
    model = recipe.model
    scope = recipe.get('default_scope', 'mmsoco')
    try:
        with DefaultScope.overwrite_default_scope(scope):
            return ObjectEncoder(
                ConfigDict(detector),
                model.get('roi_levels', 'all'),
                model.get('finest_scale', 24),
            )
    except (ValueError, TypeError, KeyError, AssertionError) as error:
        text = str(error.args[0] if error.args else error)
        text = ' '.join(text.split())
        raise ValueError(f'--detector {name}: {text}') from error


def drop_variables(cfg: Config) -> None:
    """Remove the variables of the config's files, which no run reads."""
    for key in [key for key in cfg if key not in RUN_KEYS]:
        cfg.pop(key)


def describe_detector(detector: Mapping) -> str:
    """Name a detector in a few words, such as ``Mask R-CNN R18-FPN``."""
    backbone = detector['backbone']
    kind = backbone['type'].rpartition('.')[2]
    if kind in ('ResNet', 'ResNeXt'):
        kind = f'{"R" if kind == "ResNet" else "X"}{backbone.get("depth", "")}'
    neck = detector.get('neck')
    if isinstance(neck, dict):
        kind += f'-{neck["type"].rpartition(".")[2]}'
    if backbone.get('base_channels', 64) != 64:
        kind += f' of {backbone["base_channels"]} channels'
    name = detector['type'].rpartition('.')[2]
    return f'{name.replace("RCNN", " R-CNN").strip()} {kind}'


def build_config(
    recipe: Config,
    detector: Mapping,
    images: Path,
    proposals: Path,
    work_dir: Path,
    options: Mapping[str, Any],
    rpn: bool = False,
    imports: Mapping | None = None,
) -> Config:
    """Combine recipe, detector and data.

    Args:
        recipe: See `load_recipe`; it is not changed.
        detector: See `load_detector`.
        images: Folder of the pictures.
        proposals: Their store.
        work_dir: Folder of checkpoints and logs.
        options: Further values by dotted key, which take precedence.
        rpn: Whether the detector's RPN is trained too.
        imports: ``custom_imports`` of the detector's config, which register
            parts of it.

    Returns:
        The config; `apply_plan` sets the values that are measured.

    Raises:
        ValueError: If an option does not fit the config.
    """
    cfg = copy.deepcopy(recipe)  # Config.copy is shallow
    cfg.model.detector = ConfigDict(detector)
    if not detector.get('neck'):
        _take_views(cfg, Config.fromfile(shipped_config(WITHOUT_PYRAMID)))
    if rpn:
        add_rpn(cfg)
    dataset = cfg.train_dataloader.dataset
    dataset.image_root = str(images.absolute())
    dataset.proposals = str(proposals.absolute())
    cfg.work_dir = str(work_dir.absolute())
    # The share holds for runs of any length.
    cfg.param_scheduler.pop('warmup', None)
    cfg.param_scheduler.warmup_share = _WARMUP_SHARE
    cfg.default_hooks.checkpoint.max_keep_ckpts = 3
    drop_variables(cfg)
    if imports:
        cfg.custom_imports = ConfigDict(imports)
    apply_options(cfg, options)
    return cfg


def _take_views(cfg: Config, other: Config) -> None:
    """Use the views of another recipe, at the sizes of this one.

    Args:
        cfg: The config; its pairs and its pipeline are changed. Where the
            colors are changed (workers or device) stays.
        other: The config of the other recipe, with no more views.
    """
    sizes = [view.size for view in _transform(cfg, 'DrawViews').views]
    on_device = _transform(cfg, 'PhotometricJitter').on_device
    cfg.model.pairs = other.model.pairs
    cfg.train_dataloader.dataset.pipeline = (
        other.train_dataloader.dataset.pipeline
    )
    views = _transform(cfg, 'DrawViews').views
    for view, size in zip(views, sizes[: len(views)], strict=True):
        view.size = size
    _transform(cfg, 'PhotometricJitter').on_device = on_device


def _transform(cfg: Config, kind: str) -> ConfigDict:
    """Return the settings of a transform of the training's pipeline."""
    pipeline = cfg.train_dataloader.dataset.pipeline
    return next(entry for entry in pipeline if entry.type == kind)


def add_rpn(cfg: Config) -> None:
    """Add the training of the detector's RPN on all proposals.

    Args:
        cfg: Config with two views or more; it is changed.
    """
    views = [1, 2]
    cfg.model.pretexts = [ConfigDict(type='RPNPretext', views=views)]
    dataset = cfg.train_dataloader.dataset
    *steps, pack = dataset.pipeline
    show = ConfigDict(type='ShowProposals', views=views)
    dataset.pipeline = [*steps, show, pack]


def apply_plan(
    cfg: Config, plan: Plan, options: Mapping[str, Any], devices: int = 1
) -> Config:
    """Set length, precision and intervals in a config.

    Args:
        cfg: See `build_config`; it is not changed.
        plan: What to set.
        options: Values of the user, which take precedence.
        devices: Number of GPUs, or of processes on a machine without one.
    """
    cfg = copy.deepcopy(cfg)
    cfg.train_dataloader.batch_size = plan.batch_size
    cfg.train_cfg = ConfigDict(
        type='EpochBasedTrainLoop', max_epochs=plan.epochs
    )
    set_precision(cfg, plan.precision)
    # Often enough for a moving bar, and for curves of short runs.
    interval = max(1, min(10, plan.steps_per_epoch // 2))
    cfg.default_hooks.logger.interval = interval
    cfg.log_processor.window_size = interval
    cfg.default_hooks.checkpoint.interval = checkpoint_interval(plan, devices)
    apply_options(cfg, options)
    return cfg


def pictures_of_epoch(plan: Plan, devices: int) -> int:
    """Return the pictures that an epoch trains on, on all devices."""
    return plan.steps_per_epoch * plan.batch_size * devices


# A killed run loses at most about this, and the first checkpoint is not later.
_CHECKPOINT_SECONDS = 120


def checkpoint_interval(plan: Plan, devices: int) -> int:
    """Return the epochs between two checkpoints; see `apply_plan`."""
    if not plan.images_per_s:
        return 1
    epoch_seconds = pictures_of_epoch(plan, devices) / plan.images_per_s
    return max(1, min(plan.epochs, int(_CHECKPOINT_SECONDS / epoch_seconds)))


PRETRAIN_DOCSTRING = """Pretraining with SoCo, as `mmsoco pretrain` wrote it.

The complete config: it inherits nothing.

command:   mmsoco train pretrain.py --work-dir NEW_FOLDER
           mim train mmsoco pretrain.py --work-dir NEW_FOLDER
"""


def write_config(cfg: Config, path: Path, docstring: str) -> None:
    """Write a whole config, which inherits nothing.

    Args:
        cfg: The config.
        path: The file.
        docstring: A description, and the command that runs it.

    Raises:
        OSError: If it could not be written.
    """
    text = f'"""{docstring.strip()}\n"""\n\n{cfg.pretty_text}'
    with atomic_path(path) as partial:
        partial.write_text(text, encoding='utf-8')
