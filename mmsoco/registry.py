"""mmsoco's registries: children of mmdet's, in the scope ``mmsoco``.

A pretraining model is built from a detector's own parts, so a name that
mmsoco does not know is looked up in mmdet and then in mmengine: under
``default_scope='mmsoco'`` the types of a detector config need no prefix.
mmselfsup's modules are reached as ``mmselfsup.NAME``.

A module registers where it is defined; the registry imports the package named
by ``locations`` when the first of its names is asked for.
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
    'EVALUATOR',
    'HOOKS',
    'LOG_PROCESSORS',
    'LOOPS',
    'METRICS',
    'MODELS',
    'MODEL_WRAPPERS',
    'OPTIMIZERS',
    'OPTIM_WRAPPERS',
    'OPTIM_WRAPPER_CONSTRUCTORS',
    'PARAM_SCHEDULERS',
    'RUNNERS',
    'RUNNER_CONSTRUCTORS',
    'TASK_UTILS',
    'TRANSFORMS',
    'VISBACKENDS',
    'VISUALIZERS',
    'WEIGHT_INITIALIZERS',
]


def _child(name: str, parent: Registry, *locations: str) -> Registry:
    # A child registry does not make its parent import modules, so it lists the
    # parent's locations too.
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


# mmsoco has no modules of these kinds. Its scope passes their names on to
# mmdet's, and a package that extends mmsoco finds a registry for each kind.
EVALUATOR = _child('evaluator', mmdet_registry.EVALUATOR)
LOG_PROCESSORS = _child('log_processor', mmdet_registry.LOG_PROCESSORS)
METRICS = _child('metric', mmdet_registry.METRICS)
MODEL_WRAPPERS = _child('model_wrapper', mmdet_registry.MODEL_WRAPPERS)
OPTIM_WRAPPER_CONSTRUCTORS = _child(
    'optimizer wrapper constructor', mmdet_registry.OPTIM_WRAPPER_CONSTRUCTORS
)
RUNNER_CONSTRUCTORS = _child(
    'runner constructor', mmdet_registry.RUNNER_CONSTRUCTORS
)
TASK_UTILS = _child('task util', mmdet_registry.TASK_UTILS)
VISBACKENDS = _child('vis_backend', mmdet_registry.VISBACKENDS)
VISUALIZERS = _child('visualizer', mmdet_registry.VISUALIZERS)
WEIGHT_INITIALIZERS = _child(
    'weight initializer', mmdet_registry.WEIGHT_INITIALIZERS
)
