"""SoCo, Mask R-CNN R50-FPN, 400 epochs of ImageNet-1k.

paper:     table 1, "SoCo, 400 epochs"; the published recipe has no cutout
hardware:  16 GPUs, 128 images each
duration:  not run by us
reported:  43.0 box AP, 38.2 mask AP (COCO, Mask R-CNN R50-FPN, 1x)
command:   GPUS=16 tools/slurm_train.sh PARTITION soco
               configs/soco/soco_mask-rcnn_r50-fpn_16xb128-coslr-400e_in1k.py
               --amp fp16
"""

_base_ = 'soco_mask-rcnn_r50-fpn_16xb128-coslr-100e_in1k.py'

train_cfg = dict(max_epochs=400)
train_dataloader = dict(
    dataset=dict(
        pipeline=[_base_.draw_views, _base_.photometric, _base_.pack_views]
    )
)
