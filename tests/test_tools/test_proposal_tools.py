import importlib.util
import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from mmsoco.proposals.command_line import run
from mmsoco.proposals.store import ProposalStore


@pytest.fixture
def tool(repo_dir):
    """Load a tool as a module, by its path below tools/."""

    def load(name):
        path = repo_dir / 'tools' / f'{name}.py'
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture
def images(tmp_path):
    root = tmp_path / 'images'
    root.mkdir()
    for seed in range(4):
        blocks = np.random.default_rng(seed).integers(0, 256, (4, 5, 3))
        pixels = blocks.astype(np.uint8).repeat(40, 0).repeat(30, 1)
        Image.fromarray(pixels).save(root / f'{seed}.png')
    (root / 'bad.jpg').touch()
    return str(root)


def test_main_path(tool, images, tmp_path, capsys):
    out = str(tmp_path / 'a.arrow')
    generate = tool('proposals/generate')
    generate.main([images, out, '--workers', '1', '--keep-regions'])
    text = capsys.readouterr().out
    assert 'images: 4' in text and 'unreadable images: 1' in text
    assert 'bad.jpg: empty, or not an image' in text
    assert 'images/s' in text and 'cores busy' in text
    generate.main([images, out, '--workers', '1', '--keep-regions'])
    assert 'complete already' in capsys.readouterr().out

    other = str(tmp_path / 'b.arrow')
    regions = str(tmp_path / 'a.regions.arrow')
    tool('proposals/refilter').main([regions, other, '--min-scale', '0.1'])
    assert ProposalStore(other).metadata['filter']['min_scale'] == 0.1

    convert = tool('proposals/convert')
    for layout in ('coco', 'published'):
        convert.main([out, f'{out}.{layout}.json', '--layout', layout])
        back = f'{out}.{layout}.arrow'
        convert.main([f'{out}.{layout}.json', back, '--image-root', images])
        pairs = zip(ProposalStore(back), ProposalStore(out), strict=True)
        for record, expected in pairs:
            assert record.file_name == expected.file_name
            np.testing.assert_array_equal(record.bboxes, expected.bboxes)

    look = tmp_path / 'look'
    tool('analysis_tools/browse_proposals').main(
        [out, str(look), '--number', '3']
    )
    assert len(list(look.glob('*.png'))) == 3
    assert Image.open(look / 'contact_sheet.jpg').size[0] > 300


def test_shards_and_names(tool, images, tmp_path, capsys):
    names = tmp_path / 'names.json'
    listed = [{'file_name': f'{i}.png'} for i in (3, 1, 2)]
    names.write_text(json.dumps({'images': listed}))
    shards = [str(tmp_path / f's{i}.arrow') for i in range(2)]
    for i, shard in enumerate(shards):
        tool('proposals/generate').main(
            [images, shard, '--workers=1', f'--shard={i}/2']
            + [f'--ann-file={names}']
        )
    out = str(tmp_path / 'a.arrow')
    tool('proposals/merge').main([*shards, '--out', out])
    found = [record.file_name for record in ProposalStore(out)]
    assert found == ['1.png', '2.png', '3.png']


@pytest.mark.parametrize(
    'arguments, text',
    [
        (['proposals/generate', 'nowhere', 'a.arrow'], "'nowhere'.*not exist"),
        (['proposals/generate', 'empty', 'a.arrow'], 'no images in .empty'),
        (['proposals/generate', 'broken', 'a.arrow'], 'none of the 1 images'),
        (['proposals/generate', 'images', 'no/a.arrow'], 'create it first'),
        (['proposals/generate', 'images', 'text.arrow'], 'not a proposal st'),
        (['proposals/generate', 'images', 'a', '--shard=2/2'], 'from 0'),
        (['proposals/generate', 'images', 'a', '--min-scale=2'], 'max_scale'),
        (['proposals/generate', 'images', 'a', '--ann-file=b'], "'b' is miss"),
        (['proposals/merge', 'text.arrow', '--out', 'a'], 'text.arrow'),
        (['proposals/refilter', 'no.arrow', 'a'], 'no.arrow'),
        (['proposals/convert', 'no.json', 'a'], 'no.json'),
        (['proposals/convert', 'empty.json', 'a'], '--image-root'),
        (['proposals/convert', 'text.arrow', 'text.arrow'], '--overwrite'),
        (['analysis_tools/browse_proposals', 'no.arrow', 'a'], 'no.arrow'),
    ],
)
def test_user_errors_are_one_line(
    tool, images, tmp_path, monkeypatch, capsys, arguments, text
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'broken').mkdir()
    (tmp_path / 'broken' / 'a.jpg').touch()
    (tmp_path / 'text.arrow').write_text('text')
    (tmp_path / 'empty.json').write_text('{}')
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(SystemExit) as info:
        run(lambda: tool(arguments[0]).main(arguments[1:]))
    assert info.value.code == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith('error: ')
    assert re.search(text, error), error
    assert sorted(os.listdir(tmp_path)) == before


def test_exit_code_without_traceback(repo_dir, tmp_path):
    done = subprocess.run(
        [sys.executable, 'tools/proposals/generate.py', 'nowhere', 'a.arrow'],
        cwd=repo_dir,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert 'Traceback' not in done.stderr and 'nowhere' in done.stderr


def test_browse_refuses(tool, images, tmp_path):
    out = str(tmp_path / 'a.arrow')
    tool('proposals/generate').main([images, out, '--workers=1'])
    browse = tool('analysis_tools/browse_proposals')
    look = str(tmp_path / 'look')
    with pytest.raises(ValueError, match="'no.png' is not in"):
        browse.main([out, look, '--names', 'no.png'])
    with pytest.raises(ValueError, match='no such images'):
        browse.main([out, look, '--fallback', 'none'])
    with pytest.raises(ValueError, match='1 or more'):
        browse.main([out, look, '--columns', '0'])
    Image.new('RGB', (9, 9)).save(f'{images}/0.png')
    with pytest.raises(ValueError, match='9 x 9.*150 x 160'):
        browse.main([out, look])
    assert not os.path.exists(look)
