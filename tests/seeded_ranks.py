"""Two processes that train with dropout.

A separate module, since a spawned process imports it by name.
"""

import os
from pathlib import Path

import torch
from mmengine.config import Config
from small_runs import small_config

from mmsoco.engine import Runner


def train(rank: int, folder: Path, port: int, settings: dict) -> None:
    """Train as a rank of two, as torchrun would start it."""
    torch.set_num_threads(1)
    os.environ.update(
        RANK=str(rank),
        LOCAL_RANK=str(rank),
        WORLD_SIZE='2',
        MASTER_ADDR='127.0.0.1',
        MASTER_PORT=str(port),
    )
    cfg = small_config(folder, launcher='pytorch', **settings)
    runner = Runner.from_cfg(Config(cfg))
    runner.train()
    torch.distributed.destroy_process_group()
