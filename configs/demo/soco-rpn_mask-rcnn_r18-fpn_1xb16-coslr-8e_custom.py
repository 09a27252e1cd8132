"""SoCo and the detector's RPN on any folder of photographs, for a CPU.

The RPN learns from all proposals of an image that views 1 and 2 show.

hardware:  2 CPU cores
duration:  not measured; tools/analysis_tools/get_flops.py counts the RPN's
           operations apart, as "pretexts"
command:   python tools/proposals/generate.py IMAGES IMAGES.arrow
           python tools/train.py
               configs/demo/soco-rpn_mask-rcnn_r18-fpn_1xb16-coslr-8e_custom.py
               --cfg-options train_dataloader.dataset.image_root=IMAGES
               train_dataloader.dataset.proposals=IMAGES.arrow
"""

_base_ = 'soco_mask-rcnn_r18-fpn_1xb16-coslr-8e_custom.py'

views = (1, 2)
model = dict(pretexts=[dict(type='RPNPretext', views=views)])
pipeline = _base_.train_dataloader.dataset.pipeline
train_dataloader = dict(
    dataset=dict(
        pipeline=[
            *pipeline[:-1],
            dict(type='ShowProposals', views=views),
            pipeline[-1],
        ]
    )
)
