"""What every run has: logs, checkpoints, seed, processes."""

default_scope = 'mmsoco'
runner_type = 'mmsoco.Runner'

default_hooks = dict(
    runtime_info=dict(type='DeferredRuntimeInfoHook'),
    timer=dict(type='IterTimerHook'),
    load_report=dict(type='LoadReportHook'),
    input_convention=dict(type='InputConventionHook'),
    throughput=dict(type='ThroughputHook'),
    logger=dict(type='LoggerHook', interval=50),
    param_scheduler=dict(type='ParamSchedulerHook'),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    # Statistics of batch norm differ between processes where it is not
    # synchronized (on CPUs); the checkpoint gets their mean.
    sync_buffers=dict(type='SyncBuffersHook'),
    # In addition, interim.pth is written between them, see the hook.
    checkpoint=dict(type='CheckpointHook', interval=1, max_keep_ckpts=3),
    # Ends a run after so many steps in a row that were not finite.
    finite=dict(type='FiniteHook', stop_after=5),
)
log_processor = dict(
    type='LogProcessor',
    window_size=50,
    mean_pattern='.*(loss|time|grad_norm|embedding_std|pair_cosine|retrieval|acc).*',
)
log_level = 'INFO'
visualizer = dict(
    type='Visualizer',
    vis_backends=[
        dict(type='LocalVisBackend'),
        dict(type='TensorboardVisBackend'),
    ],
)

randomness = dict(seed=0)
env_cfg = dict(
    cudnn_benchmark=False,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl', timeout=1800),
)
# Batch norm over all GPUs; plain batch norm on one process or on CPUs.
sync_bn = 'torch'
find_unused_parameters = False

load_from = None
resume = False
