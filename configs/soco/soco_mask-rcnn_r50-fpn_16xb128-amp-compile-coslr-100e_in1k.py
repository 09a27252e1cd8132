"""SoCo, Mask R-CNN R50-FPN, 100 epochs of ImageNet-1k, as fast as it goes.

bf16, channels-last memory, compiled layers and colors, and each box pooled on
its own level alone (other batch-norm statistics than the published code's).

paper:     not in the paper; table 1, "SoCo, 100 epochs" is the recipe
hardware:  16 GPUs, 128 images each
duration:  not run by us
reported:  none
command:   GPUS=16 tools/slurm_train.sh PARTITION soco
               configs/soco/soco_mask-rcnn_r50-fpn_16xb128-amp-compile-coslr-100e_in1k.py
"""

_base_ = 'soco_mask-rcnn_r50-fpn_16xb128-coslr-100e_in1k.py'

model = dict(roi_levels='assigned')
data_preprocessor = dict(channels_last=True)
optim_wrapper = dict(type='MixedPrecisionOptimWrapper', precision='bf16')
compile = dict(dynamic=False)
# Views and batches keep their sizes.
env_cfg = dict(cudnn_benchmark=True)
