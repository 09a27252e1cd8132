"""SoCo and the detector's RPN by the recipe for small folders.

command:   mmsoco compare PLAN, as a start of it
"""

_base_ = '../../demo/soco-rpn_mask-rcnn_r18-fpn_1xb16-coslr-8e_custom.py'

# A part of the run, whatever its length.
param_scheduler = dict(warmup=None, warmup_share=0.05)
