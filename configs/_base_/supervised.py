"""The start from ImageNet labels: torchvision's ResNet-50.

A leaf adds to its twin from scratch

    model = _base_.supervised     (with C4: _base_.supervised_c4)
"""

start = dict(type='Pretrained', checkpoint='torchvision://resnet50')
supervised = dict(backbone=dict(init_cfg=dict(_delete_=True, **start)))
# res5 is a part of the head there.
supervised_c4 = dict(
    **supervised, roi_head=dict(shared_head=dict(init_cfg=start))
)
