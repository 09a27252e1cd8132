"""Hooks around training iterations, each with one task."""

from .checkpoint_hook import CheckpointHook
from .collapse_hook import CollapseHook
from .finite_hook import FiniteHook
from .input_convention_hook import InputConventionHook
from .load_report_hook import LoadReportHook
from .precise_bn_hook import PreciseBNHook
from .runtime_info_hook import DeferredRuntimeInfoHook
from .target_update_hook import TargetUpdateHook, target_momentum
from .throughput_hook import ThroughputHook

__all__ = [
    'CheckpointHook',
    'CollapseHook',
    'DeferredRuntimeInfoHook',
    'FiniteHook',
    'InputConventionHook',
    'LoadReportHook',
    'PreciseBNHook',
    'TargetUpdateHook',
    'ThroughputHook',
    'target_momentum',
]
