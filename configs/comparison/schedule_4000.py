"""Does the gain last in a long fine-tuning? Bins, 4,000 steps.

A pretraining on 40,000 samples and 600 steps of fine-tuning take about as
long as 4,000 steps of fine-tuning, so that scratch is also a check of the
equal time in length.py, whose times were measured on a busy machine.

hardware:  2 CPU cores
duration:  about 50 minutes for each fine-tuning
command:   mmsoco compare configs/comparison/schedule_4000.py --data data/bins
"""

_base_ = 'schedule.py'

name = 'schedule_4000'
title = 'Bins: fine-tuned for 4,000 steps'
finetuning = dict(steps=4000)
starts = [
    start
    for start in _base_.starts
    if start['name'] in ('scratch', 'soco-rpn-40k')
]
