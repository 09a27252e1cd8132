"""SoCo without its detector and its pairs of views.

`soco_pretraining.py` says how a leaf puts them together.
"""

# Linear, BN, ReLU, linear (paper section 4.1: hidden 4096, output 256). The
# projector's input is the encoder's embedding and is filled in.
embedding_neck = dict(
    type='mmselfsup.NonLinearNeck',
    hid_channels=4096,
    out_channels=256,
    num_layers=2,
    with_bias=True,
    with_last_bn=False,
    with_last_bias=True,
    with_avg_pool=False,
    norm_cfg=dict(type='BN1d'),
)
soco = dict(
    type='SoCo',
    projector=embedding_neck,
    predictor=dict(in_channels=256, **embedding_neck),
    head=dict(type='ContrastHead'),
    # The published batch-norm statistics; 'assigned' is 1.3 times cheaper.
    roi_levels='all',
    # sqrt(area) thresholds 48, 96, 192 between P2, P3, P4 and P5.
    finest_scale=24,
)
