"""From images to a store, and what becomes of stores."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from command import succeed
from proposal_samples import save_blocks

from mmsoco.cli.propose import describe_speed
from mmsoco.proposals.generation.generate import Summary
from mmsoco.proposals.store import ProposalStore


@pytest.fixture
def images(tmp_path):
    root = tmp_path / 'images'
    for seed in range(4):
        save_blocks(root / f'{seed}.png', seed)
    (root / 'bad.jpg').touch()
    return str(root)


@pytest.mark.parametrize(
    ('made', 'seconds', 'searching', 'text'),
    [
        (
            10,
            25,
            5,
            '10 images in 5.0 s, 2.0 images/s, 1.6 cores busy (and 20',
        ),
        (10, 6, 5, '5.0 s, 2.0 images/s, 1.6 cores busy'),
        (0, 1, 0, 'joined from the parts of an earlier call'),
        (0, 0, 0, 'already complete'),
    ],
)
def test_the_speed_is_that_of_the_search(made, seconds, searching, text):
    store = SimpleNamespace(path='a.arrow')
    found = describe_speed(Summary(store, made, seconds, searching, 8.0))
    assert text in found and ('(and' in found) == ('(and' in text)


def test_main_path(images, tmp_path):
    out = tmp_path / 'a.arrow'
    command = ['propose', images, '--workers', '1', '--keep-regions']
    text = succeed(*command, '--out', out)
    assert 'images: 4' in text and 'unreadable images: 1' in text
    assert 'bad.jpg: the file is empty' in text
    assert 'images/s' in text and 'cores busy' in text
    assert 'already complete' in succeed(*command, '--out', out)

    other = tmp_path / 'b.arrow'
    regions = tmp_path / 'a.regions.arrow'
    succeed('convert', 'regions', regions, other, '--min-scale', '0.1')
    assert ProposalStore(other).metadata['filter']['min_scale'] == 0.1

    convert = ['convert', 'proposals']
    for layout in ('coco', 'published'):
        middle, back = tmp_path / f'{layout}.json', f'{out}.{layout}.arrow'
        succeed(*convert, out, '--out', middle, '--layout', layout)
        succeed(*convert, middle, '--out', back, '--image-root', images)
        pairs = zip(ProposalStore(back), ProposalStore(out), strict=True)
        for record, expected in pairs:
            assert record.file_name == expected.file_name
            np.testing.assert_array_equal(record.bboxes, expected.bboxes)


def test_shards_and_names(images, tmp_path):
    names = tmp_path / 'names.json'
    listed = [{'file_name': f'{i}.png'} for i in (3, 1, 2)]
    names.write_text(json.dumps({'images': listed}))
    shards = [str(tmp_path / f's{i}.arrow') for i in range(2)]
    for i, shard in enumerate(shards):
        command = ['propose', images, '--out', shard, '--workers=1']
        succeed(*command, f'--shard={i}/2', f'--ann-file={names}')
    out = str(tmp_path / 'a.arrow')
    succeed('convert', 'shards', *shards, '--out', out)
    found = [record.file_name for record in ProposalStore(out)]
    assert found == ['1.png', '2.png', '3.png']


def test_place_of_the_output_in_either_spelling(images, tmp_path):
    out = tmp_path / 'a.arrow'
    succeed('propose', images, out, '--workers=1')
    assert out.is_file()
