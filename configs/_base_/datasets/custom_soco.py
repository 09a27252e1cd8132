"""Any folder of images for SoCo with FPN.

Set `train_dataloader.dataset.image_root` and `.proposals`; make the store with
`tools/proposals/generate.py`.
"""

_base_ = 'imagenet_soco.py'

train_dataloader = dict(
    batch_size=32,
    num_workers=4,
    dataset=dict(
        image_root='data/custom/images',
        proposals='data/custom/proposals.arrow',
    ),
)
