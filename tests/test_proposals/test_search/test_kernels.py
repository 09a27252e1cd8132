"""Kernels are compiled once per machine, and the user is told."""

from types import SimpleNamespace

import pytest
from generator_helpers import make_job, run

from mmsoco.proposals.generation import generate
from mmsoco.proposals.search import kernels


def fake(index):
    file = SimpleNamespace(_load_index=lambda: index)
    return SimpleNamespace(_cache=SimpleNamespace(_cache_file=file))


@pytest.mark.parametrize(
    ('found', 'cached'),
    [
        ([fake({1: 2}), fake({3: 4})], True),
        ([fake({1: 2}), fake({})], False),
        # another numba
        ([SimpleNamespace()], True),
    ],
)
def test_all_kernels_must_be_cached(monkeypatch, found, cached):
    monkeypatch.setattr(kernels, 'kernels', lambda: found)
    assert kernels.are_cached() is cached


def test_kernels_are_those_of_all_modules():
    modules = {kernel.__module__.rpartition('.')[2] for kernel in
               kernels.kernels()}  # fmt: skip
    assert modules == {'edge_costs', 'grouping', 'segmentation', 'texture'}


@pytest.mark.parametrize('cached', [True, False])
def test_compiling_is_said(image_root, tmp_path, monkeypatch, cached):
    monkeypatch.setattr(generate, 'are_cached', lambda: cached)
    _, lines = run(make_job(image_root, tmp_path / 'a.arrow'))
    assert any('compiling' in line for line in lines) is not cached
