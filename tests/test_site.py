"""The site: its pages, their links, and the code that they show."""

import json
import re
import subprocess
import sys

import numpy as np
import outside_pages
import pytest
import torch
from mmengine.config import Config
from PIL import Image
from small_pictures import write_noise, write_store

NOTEBOOKS = ('own_images', 'views_and_levels', 'your_own_head')
# What a reader can load in a moment.
MOST_BYTES = dict(picture=300_000, notebook=1_500_000)
# Starts of paths that belong to one machine.
MACHINE = re.compile(r'(?<![\w.])/(?:home|root|tmp|work|Users|usr|opt)/')
TOCTREE = re.compile(r'^```\{toctree\}\n(.*?)^```', re.MULTILINE | re.DOTALL)
LINK = re.compile(r'\]\((?P<target>[^)#\s]*)#(?P<anchor>[^)\s]+)\)')
BLOCK = re.compile(r'^```python\n(.*?)^```', re.MULTILINE | re.DOTALL)


@pytest.fixture(scope='module')
def docs(repo_dir):
    """The folder of the pages."""
    return repo_dir / 'docs'


@pytest.fixture(scope='module')
def texts(docs):
    """What the site shows, by the path of the page."""
    return {
        page: outside_pages.site_text(page) for page in outside_pages.pages()
    }


def toctree_entries(text: str) -> list[str]:
    """Return the pages that the tables of contents of a text name."""
    lines = [
        line.strip()
        for block in TOCTREE.findall(text)
        for line in block.splitlines()
    ]
    entries = [line for line in lines if line and not line.startswith(':')]
    return [re.sub(r'.*<(.+)>$', r'\1', entry) for entry in entries]


def anchors(text: str) -> set[str]:
    """Return the anchors of a text's headings, as GitHub makes them."""
    text = re.sub(r'^```.*?^```', '', text, flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r'^#+ (.+)$', text, re.MULTILINE)
    plain = (re.sub(r'[^\w\s-]', '', h.lower()).strip() for h in headings)
    return {re.sub(r'\s', '-', heading) for heading in plain}


def test_every_page_is_in_a_table_of_contents(docs, texts):
    named = [
        (page.parent / entry).relative_to(docs).as_posix()
        for page, text in texts.items()
        for entry in toctree_entries(text)
    ]
    files = [*texts, *docs.glob('notebooks/*.ipynb')]
    pages = {p.relative_to(docs).with_suffix('').as_posix() for p in files}

    assert sorted(named) == sorted(pages - {'index'})


def test_links_between_pages_lead_to_a_heading(texts):
    missing, seen = [], 0
    for page, text in texts.items():
        for link in LINK.finditer(text):
            if '://' in link['target']:
                continue
            seen += 1
            target = (page.parent / link['target']).resolve()
            there = texts.get(target if link['target'] else page, '')
            if link['anchor'] not in anchors(there):
                missing.append((page.name, link[0]))
    assert missing == []
    assert seen > 10


def test_relative_links_of_the_site_exist(texts):
    missing = [
        (page.name, target)
        for page, text in texts.items()
        for target in re.findall(r'\]\(([^)#\s]+)', text)
        if '://' not in target and not (page.parent / target).is_file()
    ]
    assert missing == []


def test_page_stands_for_a_file_outside(tmp_path, monkeypatch):
    docs, outside = tmp_path / 'docs', tmp_path / 'configs'
    (docs / 'zoo').mkdir(parents=True)
    (outside / 'more').mkdir(parents=True)
    (outside / 'a.py').touch()
    (outside / 'README.md').write_text(
        '[page](../docs/other.md#part) [self](README.md) [code](a.py) '
        '[folder](more) [web](https://a.b/c) [gone](gone.md)'
    )
    (docs / 'other.md').write_text('[names](../configs/README.md)')
    (docs / 'zoo' / 'names.md').write_text(
        '[README](../../configs/README.md)\n'
    )
    (docs / 'text.md').write_text('See [names](../configs/README.md#a).')
    monkeypatch.setattr(outside_pages, 'DOCS', docs)

    assert outside_pages.site_text(docs / 'zoo' / 'names.md') == (
        '[page](../other.md#part) [self](names.md) '
        '[code](../../configs/a.py) folder [web](https://a.b/c) '
        '[gone](gone.md)'
    )
    assert (
        outside_pages.site_text(docs / 'text.md')
        == 'See [names](zoo/names.md#a).'
    )


def test_drawing_of_the_architecture_has_every_package(repo_dir, docs):
    drawing = (docs / 'images' / 'architecture.svg').read_text()
    drawn = set(re.findall(r'>([a-z]+)</text>', drawing))
    table = (docs / 'architecture.md').read_text()
    packages = {
        path.parent.name for path in repo_dir.glob('mmsoco/*/__init__.py')
    }
    assert packages
    assert packages - drawn == set()
    assert {name for name in packages if f'`{name}`' not in table} == set()


def test_picture_of_the_readme_is_small_and_its_licences_are_named(repo_dir):
    path = repo_dir / 'docs' / 'images' / 'overview.jpg'
    assert path.stat().st_size < MOST_BYTES['picture']
    for page in ('README.md', 'docs/index.md'):
        text = ' '.join((repo_dir / page).read_text().split())
        assert 'CC0, Rachel Michetti' in text, page
        assert 'NASA, public domain' in text, page


@pytest.mark.parametrize('name', NOTEBOOKS)
def test_notebook_keeps_its_output(docs, name):
    path = docs / 'notebooks' / f'{name}.ipynb'
    cells = json.loads(path.read_text())['cells']
    code = [cell for cell in cells if cell['cell_type'] == 'code']
    outputs = [out for cell in code for out in cell['outputs']]

    assert [cell['execution_count'] for cell in code] == list(
        range(1, len(code) + 1)
    )
    assert not [o for o in outputs if o['output_type'] == 'error']
    assert any(out.get('data') for out in outputs)  # pictures, tables
    shown = [str(o.get('text', o.get('data', ''))) for o in outputs]
    assert [text for text in shown if MACHINE.search(text)] == []
    assert path.stat().st_size < MOST_BYTES['notebook']


@pytest.fixture
def example(docs, tmp_path, monkeypatch):
    """The files that docs/extending.md shows, written into a folder."""

    files: dict[str, str] = {}
    for block in BLOCK.findall((docs / 'extending.md').read_text()):
        [name] = re.findall(r'\A# (\w+\.py)', block)
        files[name] = files.get(name, '') + block
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    rng = np.random.default_rng(0)
    corners = rng.integers(0, 60, (30, 2))
    sides = rng.integers(20, 40, (30, 2))
    bboxes = np.hstack([corners, corners + sides])
    names, size = ('a.png', 'b.png'), (100, 100)
    write_noise(tmp_path / 'pictures', names, size)
    store = tmp_path / 'pictures.arrow'
    write_store(store, names, bboxes, size, image_root='pictures')
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_parts_from_outside_train_and_reach_the_detector(example):
    """The code of docs/extending.md, from the config to mmdet's detector."""
    from mmdet.registry import MODELS as MMDET_MODELS

    from mmsoco.checkpoints.export import export_detector
    from mmsoco.config.reading import read_config
    from mmsoco.engine import Runner

    cfg = read_config(
        'my_pretraining.py',
        {
            'train_dataloader.batch_size': 2,
            'train_dataloader.num_workers': 0,
            'train_dataloader.persistent_workers': False,
            'train_cfg.max_epochs': 1,
            'param_scheduler.warmup': 0,
        },
    )
    cfg.work_dir = 'work_dir'
    runner = Runner.from_cfg(cfg)
    runner.train()

    assert type(runner.model.head).__name__ == 'MyHead'
    loss = runner.message_hub.get_scalar('train/loss').current()
    assert 0 < loss < 100  # a cross-entropy; SoCo's own loss is below 0
    export_detector('work_dir/epoch_1.pth', 'detector.pth')
    detector = MMDET_MODELS.build(Config.fromfile('my_detector.py').model)
    weights = torch.load('detector.pth', weights_only=True)['state_dict']
    result = detector.load_state_dict(weights, strict=False)
    assert not result.unexpected_keys
    missing = {key.split('.')[0] for key in result.missing_keys}
    assert missing == {'rpn_head', 'roi_head'}
    stage = detector.backbone.stages[0][0].weight
    assert torch.equal(
        stage, runner.model.encoder.backbone.stages[0][0].weight
    )


def test_shown_head_is_the_formula(example):
    """InfoNCE written out, object by object."""
    from my_parts import MyHead

    torch.manual_seed(0)
    predictions, targets = torch.randn(2, 1, 2, 3, 4)
    losses, cosine = MyHead(temperature=0.5)(predictions, targets)

    terms, own = [], []
    for one, two in ((0, 1), (1, 0)):
        for row in range(3):
            cosines = [
                float(
                    torch.cosine_similarity(
                        predictions[0, one, row], targets[0, two, other], dim=0
                    )
                )
                for other in range(3)
            ]
            own.append(cosines[row])
            powers = [np.exp(value / 0.5) for value in cosines]
            terms.append(-np.log(powers[row] / sum(powers)))
    assert losses.tolist() == pytest.approx([np.mean(terms)], abs=1e-5)
    assert float(cosine) == pytest.approx(np.mean(own), abs=1e-5)


def test_shown_transform_keeps_the_largest(example):
    from my_parts import KeepLargest

    sides = np.array([3, 9, 1, 7], np.float32)
    boxes = np.stack([0 * sides, 0 * sides, sides, sides], axis=1)
    kept = KeepLargest(2)(dict(bboxes=boxes))['bboxes']
    assert kept[:, 2].tolist() == [9, 7]


@pytest.mark.slow
def test_site_is_built_without_a_warning(docs, tmp_path):
    pytest.importorskip('furo', reason='`make docs` installs it')
    command = [sys.executable, '-m', 'sphinx', '--fail-on-warning']
    command += ['--keep-going', '--nitpicky', '--quiet']
    done = subprocess.run(
        [*command, '-d', str(tmp_path / 'doctrees'), str(docs)]
        + [str(tmp_path / 'html')],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / 'html' / 'index.html').is_file()
    api = tmp_path / 'html' / 'generated' / 'mmsoco.models.soco.html'
    assert 'Selective Object COntrastive' in api.read_text()


@pytest.mark.slow
@pytest.mark.parametrize('name', NOTEBOOKS)
def test_notebook_runs(docs, tmp_path, name):
    nbformat = pytest.importorskip('nbformat', reason='`make docs`')
    nbclient = pytest.importorskip('nbclient', reason='`make docs`')
    notebook = nbformat.read(docs / 'notebooks' / f'{name}.ipynb', 4)
    nbclient.NotebookClient(
        notebook,
        timeout=1200,
        resources=dict(metadata=dict(path=str(tmp_path))),
    ).execute()
    code = [cell for cell in notebook.cells if cell.cell_type == 'code']
    assert all(cell.execution_count for cell in code)


@pytest.mark.slow
def test_picture_is_what_its_script_draws(docs, tmp_path):
    out = tmp_path / 'overview.jpg'
    script = [sys.executable, str(docs / 'make_pictures.py')]
    subprocess.run([*script, '--out', str(out)], check=True)
    kept, drawn = (
        np.asarray(Image.open(path), np.float32)
        for path in (docs / 'images' / 'overview.jpg', out)
    )
    assert kept.shape == drawn.shape
    assert np.abs(kept - drawn).mean() < 2
