"""SoCo, Mask R-CNN R50-FPN, on any folder of images.

Image root and proposals are all that has to be set. Epochs and warm-up follow
from the number of images: the run sees as many samples as 100 epochs of
ImageNet-1k give, in 100 to 400 epochs, a tenth of it as warm-up. The learning
rate follows the batch.

paper:     not in the paper
hardware:  any; 32 images per process
duration:  400 epochs below 320,000 images, 100 above 1.28 million
reported:  none
command:   python tools/proposals/generate.py IMAGES IMAGES.arrow
           python tools/train.py configs/soco/soco_mask-rcnn_r50-fpn_1xb32-coslr-400e_custom.py
               --cfg-options train_dataloader.dataset.image_root=IMAGES
               train_dataloader.dataset.proposals=IMAGES.arrow
"""

_base_ = [
    '../_base_/models/mask-rcnn_r50-fpn.py',
    '../_base_/datasets/custom_soco.py',
    '../_base_/soco_pretraining.py',
]

model = dict(detector=_base_.model, pairs=_base_.pairs, **_base_.algorithm)

train_cfg = dict(
    _delete_=True,
    type='SampleBudgetTrainLoop',
    num_samples=100 * 1281167,
    min_epochs=100,
    max_epochs=400,
)
param_scheduler = dict(warmup=None, warmup_share=0.1)
# Epochs of a small folder are short.
default_hooks = dict(checkpoint=dict(interval=5))
