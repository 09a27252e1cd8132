"""ImageNet-1k for SoCo with FPN: three views (400-epoch recipe).

`tools/proposals/generate.py data/imagenet/train data/imagenet/proposals.arrow`
makes the proposals.
"""

# Also the pairs of the model: `model = dict(pairs={{_base_.pairs}})`.
pairs = [(1, 2), (1, 3)]

draw_views = dict(
    type='DrawViews',
    views=[
        dict(type='WholeImageView', size=224, jitter_prob=0.5),
        dict(type='RandomCropView', size=224, area=(0.5, 1.0)),
        dict(type='RandomCropView', size=112, area=(0.5, 1.0)),
    ],
    pairs=pairs,
    num_proposals=4,
)
# The workers draw, the GPU changes the pixels. Without a GPU, set on_device to
# False: the workers do it faster.
photometric = dict(
    type='PhotometricJitter',
    on_device=True,
    blur_prob=(1.0, 0.1, 0.1),
    solarize_prob=(0.0, 0.2, 0.2),
)
pack_views = dict(type='PackViews')

data_preprocessor = dict(type='SoCoDataPreprocessor', non_blocking=True)

train_dataloader = dict(
    batch_size=128,
    num_workers=8,
    persistent_workers=True,
    pin_memory=True,
    drop_last=True,
    collate_fn=dict(type='default_collate'),
    sampler=dict(type='EpochIndexSampler'),
    dataset=dict(
        type='ProposalDataset',
        image_root='data/imagenet/train',
        proposals='data/imagenet/proposals.arrow',
        pipeline=[draw_views, photometric, pack_views],
    ),
)
