"""SoCo on any folder of photographs, small enough for a CPU.

hardware:  2 CPU cores
duration:  about half a second per 10 images and epoch
command:   python tools/proposals/generate.py IMAGES IMAGES.arrow
           python tools/train.py
               configs/demo/soco_mask-rcnn_r18-fpn_1xb16-coslr-8e_custom.py
               --cfg-options train_dataloader.dataset.image_root=IMAGES
               train_dataloader.dataset.proposals=IMAGES.arrow
"""

_base_ = 'soco_mask-rcnn_r18-fpn_1xb16-coslr-12e_demo.py'

train_cfg = dict(max_epochs=8)
model = dict(
    # Weights of the size at which mmdet starts them: so few steps hardly change
    # it, and fine-tuning disturbs smaller ones (docs/research/small_data.md).
    initialization='detector',
    # Batch norm at the projector's end takes the mean out of the target, which
    # a small batch would learn to predict instead of objects.
    projector=dict(with_last_bn=True, with_last_bn_affine=False),
)
# The paper's rate (8.0 at a batch of 2048) scaled by the root of the batch,
# and its momentum: the best of few trials, see docs/research/small_data.md.
# A predictor that learns faster keeps the embeddings spread.
optim_wrapper = dict(
    optimizer=dict(lr=0.7),
    paramwise_cfg=dict(custom_keys=dict(predictor=dict(lr_mult=10))),
)
default_hooks = dict(target_update=dict(base_momentum=0.99))
train_dataloader = dict(
    num_workers=2,
    dataset=dict(
        image_root='data/custom/images',
        proposals='data/custom/proposals.arrow',
    ),
)
