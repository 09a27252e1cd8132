import pickle

import pytest
import torch
from mmengine.dataset import DefaultSampler
from torch.utils.data import DataLoader

from mmsoco.datasets.samplers import EpochIndexSampler, SampleKey
from mmsoco.registry import DATA_SAMPLERS


def keys(sampler, epoch=0):
    sampler.set_epoch(epoch)
    return list(sampler)


def simulate_rank(monkeypatch, rank, world_size):
    monkeypatch.setattr(
        'mmengine.dataset.sampler.get_dist_info', lambda: (rank, world_size)
    )


def test_keys_hold_seed_epoch_and_the_default_order():
    ours = EpochIndexSampler(range(10), seed=3)
    plain = DefaultSampler(range(10), seed=3)
    plain.set_epoch(2)
    assert keys(ours, 2) == [SampleKey(3, 2, i) for i in plain]
    assert len(ours) == 10


def test_each_epoch_has_another_order():
    sampler = EpochIndexSampler(range(50), seed=0)
    orders = [[k.index for k in keys(sampler, epoch)] for epoch in (0, 1)]
    assert orders[0] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(50))


def test_without_shuffling_the_indices_rise():
    sampler = EpochIndexSampler(range(4), shuffle=False, seed=0)
    assert [k.index for k in keys(sampler)] == [0, 1, 2, 3]


@pytest.mark.parametrize('world_size', [2, 3])
def test_ranks_share_out_the_samples_of_one_process(monkeypatch, world_size):
    alone = keys(EpochIndexSampler(range(12), seed=1), 4)
    shares = []
    for rank in range(world_size):
        simulate_rank(monkeypatch, rank, world_size)
        shares.append(keys(EpochIndexSampler(range(12), seed=1), 4))
    assert [k for step in zip(*shares, strict=True) for k in step] == alone


def test_round_up_gives_each_rank_as_many_samples(monkeypatch):
    lengths, together = [], []
    for rank in range(4):
        simulate_rank(monkeypatch, rank, 4)
        share = keys(EpochIndexSampler(range(6), seed=1))
        lengths.append(len(share))
        together += share
    assert lengths == [2] * 4
    assert {k.index for k in together} == set(range(6))


def test_it_is_built_as_the_runner_builds_it():
    sampler = DATA_SAMPLERS.build(
        dict(type='EpochIndexSampler', shuffle=False),
        default_args=dict(dataset=range(3), seed=9),
    )
    assert keys(sampler)[2] == SampleKey(9, 0, 2)


class Echo(torch.utils.data.Dataset):
    def __len__(self):
        return 6

    def __getitem__(self, key):
        return torch.tensor(key.entropy)


@pytest.mark.parametrize('workers', [0, 2])
def test_epoch_reaches_persistent_workers(workers):
    dataset = Echo()
    sampler = EpochIndexSampler(dataset, shuffle=False, seed=5)
    loader = DataLoader(
        dataset,
        batch_size=3,
        sampler=sampler,
        num_workers=workers,
        persistent_workers=workers > 0,
    )
    for epoch in (0, 1):
        sampler.set_epoch(epoch)
        seen = torch.cat(list(loader)).tolist()
        assert seen == [[5, epoch, i] for i in range(6)]


def test_key_travels_between_processes():
    key = SampleKey(1, 2, 3)
    again = pickle.loads(pickle.dumps(key))
    assert again == key and isinstance(again, SampleKey)


def test_keys_keep_their_draw_through_arithmetic():
    key = SampleKey(1, 2, 13)
    for place, made in ((3, key % 10), (8, key - 5), (14, key + 1)):
        assert made == SampleKey(1, 2, place, draw=13)
        assert made.entropy == (1, 2, 13)
    assert key != SampleKey(1, 3, 13) and key == 13 and [*range(20)][key] == 13
    assert hash(key) == hash(pickle.loads(pickle.dumps(key)))
