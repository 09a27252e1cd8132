"""mmsoco's registries: children of mmdet's, in the scope ``mmsoco``.

A pretraining model is built from a detector's own parts, so a name that
mmsoco does not know is looked up in mmdet and then in mmengine: under
``default_scope='mmsoco'`` the types of a detector config need no prefix.
mmselfsup's modules are reached as ``mmselfsup.NAME``.

A module registers where it is defined; the registry imports the room named by
``locations`` when the first of its names is asked for.
"""

from . import compat

for _package in ('torch', 'mmengine', 'mmcv', 'mmdet'):
    compat.require(_package)
compat.warn_untested()

from mmdet import registry as mmdet_registry  # noqa: E402
from mmengine.registry import Registry  # noqa: E402

__all__ = [
    'DATASETS',
    'DATA_SAMPLERS',
    'HOOKS',
    'LOOPS',
    'MODELS',
    'OPTIMIZERS',
    'OPTIM_WRAPPERS',
    'PARAM_SCHEDULERS',
    'RUNNERS',
    'TRANSFORMS',
]


def _child(name: str, parent: Registry, *locations: str) -> Registry:
    # A child does not make its parent import modules: it names their places.
    return Registry(
        name,
        parent=parent,
        scope='mmsoco',
        locations=[*locations, *parent._locations],
    )


MODELS = _child('model', mmdet_registry.MODELS, 'mmsoco.models')
DATASETS = _child(
    'dataset', mmdet_registry.DATASETS, 'mmsoco.datasets.proposal_dataset'
)
DATA_SAMPLERS = _child(
    'data sampler', mmdet_registry.DATA_SAMPLERS, 'mmsoco.datasets.samplers'
)
TRANSFORMS = _child(
    'transform', mmdet_registry.TRANSFORMS, 'mmsoco.datasets.transforms'
)
HOOKS = _child('hook', mmdet_registry.HOOKS, 'mmsoco.engine.hooks')
RUNNERS = _child('runner', mmdet_registry.RUNNERS, 'mmsoco.engine')
LOOPS = _child('loop', mmdet_registry.LOOPS, 'mmsoco.engine')
OPTIMIZERS = _child(
    'optimizer', mmdet_registry.OPTIMIZERS, 'mmsoco.engine.optimizers'
)
OPTIM_WRAPPERS = _child(
    'optim wrapper', mmdet_registry.OPTIM_WRAPPERS, 'mmsoco.engine.optimizers'
)
PARAM_SCHEDULERS = _child(
    'parameter scheduler',
    mmdet_registry.PARAM_SCHEDULERS,
    'mmsoco.engine.schedulers',
)

# mmsoco has no modules of these kinds: its scope hands their names on.
for _parent in (
    mmdet_registry.EVALUATOR,
    mmdet_registry.LOG_PROCESSORS,
    mmdet_registry.METRICS,
    mmdet_registry.MODEL_WRAPPERS,
    mmdet_registry.OPTIM_WRAPPER_CONSTRUCTORS,
    mmdet_registry.TASK_UTILS,
    mmdet_registry.VISBACKENDS,
    mmdet_registry.VISUALIZERS,
    mmdet_registry.WEIGHT_INITIALIZERS,
):
    _child(_parent.name, _parent)
