"""The demo's detector from SoCo's weights: its twin except for the start.

hardware:  2 CPU cores
duration:  about 1.5 minutes
command:   python tools/train.py
               configs/demo/mask-rcnn_r18-fpn_soco_1xb4-24e_demo.py
"""

_base_ = 'mask-rcnn_r18-fpn_scratch_1xb4-24e_demo.py'

load_from = 'work_dirs/demo/detector.pth'
