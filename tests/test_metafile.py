"""Index, metafiles and tables against the configs they describe."""

import argparse
import json
import re

import config_files
import make_tables
import pytest
import yaml
from config_files import FINETUNING, PRETRAINING, build_on_meta, read
from mmengine.config import Config, DictAction

from mmsoco.comparison.records import Record, write_record

REPO = config_files.CONFIGS.parent
SOCO = REPO / 'configs' / 'soco'
README = (SOCO / 'README.md').read_text()
FINETUNE_README = (REPO / 'configs' / 'finetune' / 'README.md').read_text()
PRETRAINING_LEAVES = [p for p in PRETRAINING if SOCO in p.parents]
FINETUNING_LEAVES = [p for p in FINETUNING if p.parent.name == 'finetune']
LEAVES = PRETRAINING_LEAVES + FINETUNING_LEAVES
BASELINE = SOCO / 'soco_mask-rcnn_r50-fpn_16xb128-coslr-100e_in1k.py'


def metafile(folder):
    text = (REPO / 'configs' / folder / 'metafile.yml').read_text()
    return yaml.safe_load(text)


MODELS = {
    model['Config']: model
    for folder in ('soco', 'finetune')
    for model in metafile(folder)['Models']
}


def reported(path):
    """Box and mask AP that a leaf's docstring reports first."""
    found = re.match(
        r'(\d+\.\d) box AP, (\d+\.\d) mask AP',
        config_files.fields(path)['reported'],
    )
    return found and [float(number) for number in found.groups()]


def model_of(path):
    """What a metafile says about a config."""
    return MODELS[str(path.relative_to(REPO))]


@pytest.mark.parametrize(
    'path',
    make_tables.documents(),
    ids=lambda path: str(path.relative_to(REPO)),
)
def test_tables_and_metafiles_are_of_today(path):
    expected = make_tables.documents()[path]
    assert path.read_text() == expected, 'out of date: call `make docs`'


def test_a_changed_docstring_makes_the_tables_stale(monkeypatch):
    monkeypatch.setattr(make_tables, 'score', lambda leaf, without: '99.9')
    files = make_tables.documents()
    changed = [p for p, text in files.items() if p.read_text() != text]
    assert {p.parent.name for p in changed} >= {'soco', 'finetune'}


def committed_plan(folder):
    """Copies the committed plan of bins; returns its fine-tunings."""
    plan = REPO / 'docs' / 'results' / 'cells' / 'bins' / 'plan.json'
    target = folder / 'bins' / 'plan.json'
    target.parent.mkdir(parents=True)
    target.write_text(plan.read_text())
    cells = json.loads(plan.read_text())['cells']
    return [cell for cell in cells if cell['kind'] == 'finetuning']


def test_a_curve_needs_fine_tunings_of_two_starts(tmp_path, monkeypatch):
    monkeypatch.setattr(make_tables, 'RECORDS', tmp_path)
    assert make_tables.results_documents() == {}
    assert make_tables.curve_table() == 'not run\n'
    cells = committed_plan(tmp_path)
    chosen = [
        next(cell for cell in cells if cell['start'] == start)
        for start in ('scratch', 'soco')
    ]
    figure = make_tables.RESULTS_FIGURE
    for number, cell in enumerate(chosen):
        assert figure not in make_tables.results_documents()
        fields = ('kind', 'start', 'seed', 'labels', 'fingerprint')
        record = Record(
            cell=cell['name'],
            command='made up',
            ap=dict(AP=7.0 + number, AP50=9.0, AP75=5.0),
            **{name: cell[name] for name in fields},
        )
        write_record(tmp_path / 'bins', record)
    files = make_tables.results_documents()
    assert '<svg' in files[figure]
    assert 'docs/results.svg' in make_tables.curve_table()
    assert '2 of ' in files[make_tables.RESULTS_PAGE]


def test_unknown_table_is_refused():
    with pytest.raises(ValueError, match="no table 'other'.*paper"):
        make_tables.with_tables(
            '<!-- table: other -->\n<!-- end of table -->\n'
        )


@pytest.mark.parametrize('name', ['soco_r50_custom', 'soco_a_b_8xb2-1x_in1k'])
def test_name_outside_of_the_grammar_is_refused(name):
    leaf = make_tables.Leaf(SOCO / f'{name}.py')
    with pytest.raises(ValueError, match=f'{name}.*configs/README.md'):
        leaf.parsed(make_tables.PRETRAINING_NAME)


def test_index_names_the_metafiles():
    index = yaml.safe_load((REPO / 'model-index.yml').read_text())
    assert {REPO / name for name in index['Import']} == set(
        REPO.glob('configs/**/metafile.yml')
    )


@pytest.mark.parametrize('folder', ['soco', 'finetune'])
def test_metafile_names_every_leaf_once(folder):
    content = metafile(folder)
    names = [model['Config'] for model in content['Models']]
    expected = [p for p in LEAVES if REPO / 'configs' / folder in p.parents]
    assert sorted(names) == sorted(str(p.relative_to(REPO)) for p in expected)
    [collection] = content['Collections']
    assert {m['In Collection'] for m in content['Models']} == {
        collection['Name']
    }
    assert (REPO / collection['README']).is_file()


@pytest.mark.parametrize('path', LEAVES, ids=config_files.short)
def test_metafile_claims_nothing_that_was_not_measured(path):
    model = model_of(path)
    assert model['Name'] == path.stem
    # nothing was measured, and no weights are published
    assert not {'Results', 'Weights'} & set(model)
    told = model['Metadata'].get('Reported')
    assert (told and [told['box AP'], told['mask AP']]) == reported(path)


@pytest.mark.parametrize('path', PRETRAINING_LEAVES, ids=config_files.short)
def test_metafile_agrees_with_the_config_of_pretraining(path):
    cfg = read(path)
    facts = model_of(path)['Metadata']
    assert facts['Epochs'] == cfg.train_cfg.max_epochs
    processes = 1 if 'custom' in path.stem else 16
    batch = processes * cfg.train_dataloader.batch_size
    assert facts['Batch Size'] == batch
    root = cfg.train_dataloader.dataset.image_root
    names = dict(imagenet='ImageNet-1k', coco='COCO train + unlabeled')
    names['custom'] = 'your own'
    folder = root if isinstance(root, str) else root[0]
    assert facts['Training Data'] == names[folder.split('/')[1]]


@pytest.mark.parametrize('path', FINETUNING_LEAVES, ids=config_files.short)
def test_metafile_agrees_with_the_config_of_finetuning(path):
    cfg = read(path)
    facts = model_of(path)['Metadata']
    assert facts['Batch Size'] == 8 * cfg.train_dataloader.batch_size
    # what SoCo's recipe has and mmdet's has not
    is_soco = 'precise_bn' in cfg.default_hooks
    assert facts['Recipe'].startswith('soco ') == is_soco
    assert (facts['Start'] == 'soco') == (cfg.load_from is not None)
    assert (facts['Start'] == 'supervised') == (
        'torchvision://' in str(cfg.model)
    )


@pytest.mark.parametrize('path', PRETRAINING_LEAVES, ids=config_files.short)
def test_readme_has_a_row_for_every_leaf(path):
    name = str(path.relative_to(SOCO))
    rows = [r for r in README.split('\n') if f'({name})' in r]
    assert len(rows) == 1
    numbers = reported(path)
    if numbers:
        assert '| {:.1f} / {:.1f} | not run |'.format(*numbers) in rows[0]
    else:
        assert not re.search(r'\d+\.\d / \d+\.\d', rows[0])


@pytest.mark.parametrize('path', FINETUNING_LEAVES, ids=config_files.short)
def test_readme_of_finetuning_has_a_cell_for_every_leaf(path):
    numbers = reported(path)
    text = '{:.1f} / {:.1f}'.format(*numbers) if numbers else 'config'
    assert FINETUNE_README.count(f'[{text}]({path.name})') == 1


@pytest.mark.parametrize('folder', ['.', 'soco', 'finetune'])
def test_links_of_the_readmes_lead_somewhere(folder):
    readme = REPO / 'configs' / folder / 'README.md'
    links = re.findall(r'\]\(([^)#]+)', readme.read_text())
    local = [link for link in links if not link.startswith('https://')]
    assert local
    for link in local:
        assert (readme.parent / link).exists(), link


OPTIONS = re.findall(r'\| `--cfg-options ([^`]+)` \|', README)


def lookup(cfg, key):
    """The value of a dotted key; KeyError or IndexError if it is not there."""
    for name in key.split('.'):
        cfg = cfg[int(name) if name.isdigit() else name]
    return cfg


@pytest.mark.parametrize('options', OPTIONS)
def test_ablation_by_options(options):
    """Every line of the table changes a setting that exists, and builds."""
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=DictAction)
    settings = parser.parse_args(['--cfg-options', *options.split()])
    cfg = Config.fromfile(BASELINE)
    for key in settings.cfg_options:
        assert lookup(cfg, key) is not None
    cfg.merge_from_dict(settings.cfg_options)
    for key, value in settings.cfg_options.items():
        assert lookup(cfg, key) == value
    build_on_meta(cfg.model)


def test_all_ablations_are_there():
    proposals = [o.split('=')[1] for o in OPTIONS if 'num_proposals' in o]
    assert proposals == ['1', '4', '8', '16']
    batches = [16 * int(o.split('=')[1]) for o in OPTIONS if 'batch' in o]
    assert batches == [512, 1024, 2048, 4096]
