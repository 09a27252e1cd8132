"""Schedule of SoCo's pretraining: LARS, cosine learning rate, 100 epochs.

The learning rate is for a batch of 256 and scales with the batch of a step
(GPUs x images per GPU x accumulated iterations); so does nothing else.
"""

train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=100)

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='LARS', lr=1.0, momentum=0.9, weight_decay=1e-5),
)
auto_scale_lr = dict(enable=True, base_batch_size=256)

# Epochs, converted to iterations: from 1/100 of the rate linearly within the
# warm-up, then by a cosine to 1e-6 at the end of the run.
param_scheduler = dict(
    type='WarmupCosineLR',
    warmup=10,
    warmup_ratio=0.01,
    minimum=1e-6,
    convert_to_iter_based=True,
)
