"""The demo's detector from SoCo's weights on the boxes of BCCD.

hardware:  2 CPU cores
command:   python tools/train.py
               configs/demo/faster-rcnn_r18-fpn_soco_1xb4-6e_bccd.py
               --cfg-options load_from=EXPORTED.pth
"""

_base_ = 'faster-rcnn_r18-fpn_scratch_1xb4-6e_bccd.py'

load_from = 'work_dirs/custom/detector.pth'
