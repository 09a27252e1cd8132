"""Image-level BYOL by SoCo's own recipe: the image is the only proposal.

Views, layers, optimizer and schedule are SoCo's; only the objects are
missing.

command:   mmsoco compare PLAN, as a start of it
"""

_base_ = 'soco.py'

pipeline = _base_.train_dataloader.dataset.pipeline
pipeline[0].num_proposals = 1
# A jittered box would hide an edge of the image.
pipeline[0]['views'][0].jitter_prob = 0.0
train_dataloader = dict(dataset=dict(proposals=None, pipeline=pipeline))
