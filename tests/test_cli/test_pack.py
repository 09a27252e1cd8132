"""From a folder to a tar file, and from it to proposals."""

import os
import subprocess

import numpy as np
import pytest
from command import call, succeed
from proposal_samples import save_blocks

from mmsoco.proposals.store import ProposalStore


@pytest.fixture
def images(tmp_path):
    root = tmp_path / 'my images'
    for seed in range(4):
        save_blocks(root / f'{seed}.png', seed)
    (root / 'notes.txt').touch()
    return root


def test_main_path(images, tmp_path):
    out = tmp_path / 'out.tar'
    text = succeed('pack', images, '--out', out)
    assert '4 images in' in text and 'notes.txt' in text
    assert f'{out}: 4 images, ' in text
    listed = subprocess.run(
        ['tar', 'tf', out], check=True, capture_output=True, text=True
    ).stdout.split()
    assert listed == [f'{i}.png' for i in range(4)]
    refused = call('pack', images, '--out', out)
    assert refused.status == 1 and '--overwrite' in refused.err

    stores = {}
    for name, place in (('loose', images), ('tar', out)):
        stores[name] = tmp_path / f'{name}.arrow'
        succeed('propose', place, '--out', stores[name], '--workers', '1')
    command = ('propose', out, '--out', stores['tar'], '--workers', '1')
    assert 'already complete' in succeed(*command)
    pairs = zip(*map(ProposalStore, stores.values()), strict=True)
    for loose, packed in pairs:
        assert loose.file_name == packed.file_name
        np.testing.assert_array_equal(loose.bboxes, packed.bboxes)
        assert packed.extent.size == (images / loose.file_name).stat().st_size
    succeed('browse', stores['tar'], '--out', tmp_path / 'look')
    assert len(os.listdir(tmp_path / 'look')) == 5

    # JSON carries the places, and back.
    succeed('convert', 'proposals', stores['tar'], tmp_path / 'a.json')
    succeed('convert', 'proposals', tmp_path / 'a.json', tmp_path / 'b.arrow')
    extents = [
        [record.extent for record in ProposalStore(path)]
        for path in (stores['tar'], tmp_path / 'b.arrow')
    ]
    assert extents[0] == extents[1] and None not in extents[0]


def test_a_list_of_a_backend(images, tmp_path):
    import storage_backends

    listed = tmp_path / 'names.txt'
    listed.write_text('3.png\n1.png\n')
    with storage_backends.web_server(images) as address:
        options = ('--ann-file', listed)
        text = succeed('pack', address, '--out', tmp_path / 'a.tar', *options)
        assert 'a.tar: 2 images, ' in text
        store = tmp_path / 'a.arrow'
        succeed('propose', address, '--out', store, '--workers', '1', *options)
        assert len(ProposalStore(store)) == 2
        # The store says where its images are.
        succeed('browse', store, '--out', tmp_path / 'look')
