"""SoCo, Mask R-CNN R50-FPN, on any folder of images.

Image root and proposals are all that has to be set; epochs and warm-up are
converted to iterations of your folder, and the learning rate follows the
batch.

paper:     not in the paper
hardware:  any; 32 images per process
duration:  100 epochs
reported:  none
command:   python tools/proposals/generate.py IMAGES IMAGES.arrow
           python tools/train.py configs/soco/soco_mask-rcnn_r50-fpn_custom.py
               --cfg-options train_dataloader.dataset.image_root=IMAGES
               train_dataloader.dataset.proposals=IMAGES.arrow
"""

_base_ = [
    '../_base_/models/mask-rcnn_r50-fpn.py',
    '../_base_/models/soco.py',
    '../_base_/datasets/custom_soco.py',
    '../_base_/schedules/soco_lars-coslr-100e.py',
    '../_base_/pretraining_runtime.py',
]

model = dict(
    _delete_=True,
    detector=_base_.model,
    pairs=_base_.pairs,
    **_base_.soco,
)
