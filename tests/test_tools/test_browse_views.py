import importlib.util
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmsoco.proposals.store import ProposalRecord, ProposalStoreWriter


@pytest.fixture(scope='module')
def tool(repo_dir):
    path = repo_dir / 'tools' / 'analysis_tools' / 'browse_views.py'
    spec = importlib.util.spec_from_file_location('browse_views', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def options(tmp_path: Path) -> list[str]:
    """Settings that replace the data of a config by three images."""
    rng = np.random.default_rng(0)
    root = tmp_path / 'images'
    root.mkdir()
    names = ['a.png', 'b.png', 'c.png']
    for name in names:
        pixels = rng.integers(0, 256, (60, 80, 3), np.uint8)
        Image.fromarray(pixels).save(root / name)
    with ProposalStoreWriter(tmp_path / 'p.arrow') as writer:
        writer.write(
            ProposalRecord(name, 60, 80, np.array([[5, 5, 60, 50]]))
            for name in names
        )
    return [
        '--cfg-options',
        f'train_dataloader.dataset.image_root={root}',
        f'train_dataloader.dataset.proposals={tmp_path / "p.arrow"}',
    ]


def test_pictures_are_drawn_and_repeatable(tool, repo_dir, tmp_path, options):
    config = repo_dir / 'configs/_base_/datasets/imagenet_soco_star.py'

    def browse(folder, *more):
        command = [str(config), '--out', str(tmp_path / folder), *more]
        pictures = tool.browse(tool.parse_args([*command, *options]))
        return {p.name: np.asarray(Image.open(p)) for p in pictures}

    first = browse('one', '--number', '2')
    again = browse('two', '--index', '2')
    other = browse('three', '--index', '2', '--epoch', '1')
    assert sorted(first) == ['0000000.png', '0000002.png']
    assert (first['0000002.png'] == again['0000002.png']).all()
    assert (other['0000002.png'] != again['0000002.png']).any()


def test_config_without_views_is_refused(tool, repo_dir, tmp_path, options):
    config = tmp_path / 'plain.py'
    base = repo_dir / 'configs/_base_/datasets/imagenet_soco.py'
    config.write_text(
        f"_base_ = '{base}'\n"
        'train_dataloader = dict(dataset=dict(pipeline=[]))\n'
    )
    args = [str(config), '--out', str(tmp_path / 'out'), *options]
    with pytest.raises(ValueError, match='plain.py has no DrawViews'):
        tool.browse(tool.parse_args(args))
    assert not (tmp_path / 'out').exists()
