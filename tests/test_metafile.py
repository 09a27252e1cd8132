"""Index, metafile and tables against the configs they speak of."""

import argparse
import re

import config_files
import pytest
import yaml
from config_files import FINETUNING, PRETRAINING, build_on_meta, read
from mmengine.config import Config, DictAction

REPO = config_files.CONFIGS.parent
SOCO = REPO / 'configs' / 'soco'
README = (SOCO / 'README.md').read_text()
FINETUNE_README = (REPO / 'configs' / 'finetune' / 'README.md').read_text()
METAFILE = yaml.safe_load((SOCO / 'metafile.yml').read_text())
LEAVES = [p for p in PRETRAINING if SOCO in p.parents]
BASELINE = SOCO / 'soco_mask-rcnn_r50-fpn_16xb128-coslr-100e_in1k.py'


def reported(path):
    """Box and mask AP that a leaf's docstring reports first."""
    found = re.match(
        r'(\d+\.\d) box AP, (\d+\.\d) mask AP',
        config_files.fields(path)['reported'],
    )
    return found and [float(number) for number in found.groups()]


def model_of(path):
    """What the metafile says about a config."""
    name = str(path.relative_to(REPO))
    [model] = [m for m in METAFILE['Models'] if m['Config'] == name]
    return model


def test_index_names_the_metafiles():
    index = yaml.safe_load((REPO / 'model-index.yml').read_text())
    assert {REPO / name for name in index['Import']} == set(
        REPO.glob('configs/**/metafile.yml')
    )


def test_metafile_names_every_leaf_once():
    names = [model['Config'] for model in METAFILE['Models']]
    assert sorted(names) == sorted(str(p.relative_to(REPO)) for p in LEAVES)
    collections = {c['Name'] for c in METAFILE['Collections']}
    assert {m['In Collection'] for m in METAFILE['Models']} == collections
    for collection in METAFILE['Collections']:
        assert (REPO / collection['README']).is_file()


@pytest.mark.parametrize('path', LEAVES, ids=config_files.short)
def test_metafile_agrees_with_the_config(path):
    model = model_of(path)
    assert model['Name'] == path.stem
    # nothing was measured, and no weights are published
    assert not {'Results', 'Weights'} & set(model)
    facts = model['Metadata']
    told = facts.get('Reported')
    assert (told and [told['box AP'], told['mask AP']]) == reported(path)
    if path.stem.endswith('custom'):
        return
    cfg = read(path)
    assert facts['Epochs'] == cfg.train_cfg.max_epochs
    assert facts['Batch Size'] == 16 * cfg.train_dataloader.batch_size
    root = cfg.train_dataloader.dataset.image_root
    assert ('coco' in str(root)) == (facts['Training Data'] == 'COCO')


@pytest.mark.parametrize('path', LEAVES, ids=config_files.short)
def test_readme_has_a_row_and_a_command_for_every_leaf(path):
    name = str(path.relative_to(SOCO))
    [row] = [r for r in README.split('\n') if f'[config]({name})' in r]
    assert f'configs/soco/{name}' in README
    numbers = reported(path)
    if numbers:
        assert '| {:.1f} / {:.1f} | not run |'.format(*numbers) in row
    else:
        assert not re.search(r'\d+\.\d / \d+\.\d', row)


@pytest.mark.parametrize('path', FINETUNING, ids=config_files.short)
def test_readme_of_finetuning_has_a_cell_for_every_leaf(path):
    if 'demo' in path.parts:
        return
    numbers = reported(path)
    text = '{:.1f} / {:.1f}'.format(*numbers) if numbers else 'config'
    assert FINETUNE_README.count(f'[{text}]({path.name})') == 1


@pytest.mark.parametrize('folder', ['soco', 'finetune'])
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
