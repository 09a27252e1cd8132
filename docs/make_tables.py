"""Write the tables of recipes, the metafiles and the measured results.

``make docs`` calls it. Each fact about a recipe is stated once, in the name
of its config or in the config's docstring; each measurement is in the
records of ``docs/results/cells``. A file with tables holds a pair
of marks for each, and the text between them is replaced:

    <!-- table: paper -->
    <!-- end of table -->

Example:
    python docs/make_tables.py --check   # only say what is out of date
"""

import argparse
import re
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import yaml
from recipes import (
    CONFIGS,
    DATA,
    FINETUNING_NAME,
    NOT_RUN,
    PRETRAINING_DATA,
    PRETRAINING_NAME,
    REPO,
    Leaf,
    leaves,
)

from mmsoco.comparison import analysis, answers, report, statistics
from mmsoco.comparison.results import Results, Row
from mmsoco.utils.files import write_text
from mmsoco.workflow.settings import counted

TABLE = re.compile(
    r'(?P<head><!-- table: (?P<name>[\w-]+) -->\n).*?'
    r'(?P<end><!-- end of table -->)',
    re.DOTALL,
)
STARTS = ('scratch', 'supervised', 'soco')


def table(head: str, rows: Iterable[Iterable[str]]) -> str:
    """Return a table in Markdown; ``head`` has the names of its columns."""
    names = [name.strip() for name in head.split('|')]
    lines = [names, ['---'] * len(names), *rows]
    text = ''.join(f'| {" | ".join(line)} |\n' for line in lines)
    return text.replace('*', r'\*')


def score(leaf: Leaf, without: str) -> str:
    """Return the reported scores, or another text where there are none."""
    numbers = leaf.reported
    return '{:.1f} / {:.1f}'.format(*numbers) if numbers else without


def link(leaf: Leaf, text: str, folder: str) -> str:
    """Return a link to a config, from the README of a folder of configs."""
    return f'[{text}]({leaf.path.relative_to(CONFIGS / folder)})'


def is_papers(leaf: Leaf) -> bool:
    """Return whether a recipe is one of the paper's."""
    return not leaf.fields['paper'].startswith('not in the paper')


def pretraining_table(choose: Callable[[Leaf], bool]) -> str:
    """Return the table of the pretraining recipes that are chosen."""
    rows = []
    for leaf in leaves('soco'):
        if leaf.path.parent.name == 'ablations' or not choose(leaf):
            continue
        name = leaf.parsed(PRETRAINING_NAME)
        reported = score(leaf, 'none')
        what = leaf.title.rpartition(f', {name["epochs"]} epochs')[0]
        data = PRETRAINING_DATA[name['data']]
        config = link(leaf, 'config', 'soco')
        rows.append([what, name['epochs'], data, reported, leaf.ours, config])
    rows.sort(key=lambda row: (row[2] != DATA['in1k'], 'C4' in row[0], row[3]))
    return table('pretraining|epochs|data|reported|ours|config', rows)


def paper_table() -> str:
    """Return the table of the paper's recipes."""
    return pretraining_table(is_papers)


def fast_table() -> str:
    """Return the table of the recipes that are changed for speed."""
    return pretraining_table(
        lambda leaf: leaf.parsed(PRETRAINING_NAME)['speed'] is not None
    )


def detectors_table() -> str:
    """Return the table of the recipes for other detectors."""

    def choose(leaf: Leaf) -> bool:
        name = leaf.parsed(PRETRAINING_NAME)
        is_special = name['speed'] or name['data'] == 'custom'
        return not (is_papers(leaf) or is_special)

    return pretraining_table(choose)


def ablations_table() -> str:
    """Return the table of the ablations that have a config."""
    rows = [
        [leaf.title, leaf.fields['paper'], leaf.ours, link(leaf, name, 'soco')]
        for leaf in leaves('soco/ablations')
        for name in [leaf.path.stem]
    ]
    return table('ablation|paper|ours|config', rows)


def finetuning_table() -> str:
    """Return the table of fine-tuning: a row per recipe, a cell per start."""
    rows: dict[tuple, dict[str, Leaf]] = {}
    for leaf in leaves('finetune'):
        name = leaf.parsed(FINETUNING_NAME)
        data = list(DATA).index(name['data'])
        recipe = '`soco`' if name['recipe'] else 'mmdet'
        detector = leaf.title.partition(' from ')[0]
        key = (data, recipe == 'mmdet', name['schedule'], detector, recipe)
        rows.setdefault(key, {})[name['start']] = leaf
    lines = []
    for key, starts in sorted(rows.items()):
        data, _, schedule, detector, recipe = key
        cells = [
            link(starts[start], score(starts[start], 'config'), 'finetune')
            if start in starts
            else ''
            for start in STARTS
        ]
        measured = {s: x.ours for s, x in starts.items() if x.ours != NOT_RUN}
        ours = ', '.join(f'{s}: {x}' for s, x in measured.items()) or NOT_RUN
        name = list(DATA.values())[data]
        lines.append([name, detector, f'{recipe} {schedule}', *cells, ours])
    head = 'data|detector|recipe|scratch|supervised|SoCo|ours'
    return table(head, lines)


RESULTS = {
    'none': 'finetune/mask-rcnn_r50-fpn_scratch_8xb2-soco-1x_coco',
    'supervised, ImageNet': (
        'finetune/mask-rcnn_r50-fpn_supervised_8xb2-soco-1x_coco'
    ),
    'SoCo, 100 epochs': 'soco/soco_mask-rcnn_r50-fpn_16xb128-coslr-100e_in1k',
    'SoCo, 400 epochs': 'soco/soco_mask-rcnn_r50-fpn_16xb128-coslr-400e_in1k',
}


def results_table() -> str:
    """Return the table of the reported results that the README shows."""
    rows = []
    for start, name in RESULTS.items():
        leaf = Leaf(CONFIGS / f'{name}.py')
        config = f'[{leaf.path.stem}](configs/{name}.py)'
        rows.append([start, config, score(leaf, 'none'), leaf.ours])
    return table('pretraining|config|reported|ours', rows)


RECORDS = REPO / 'docs' / 'results' / 'cells'
RESULTS_PAGE = REPO / 'docs' / 'results.md'
RESULTS_FIGURE = REPO / 'docs' / 'results.svg'
# The table of comparisons has these plans. The answer and the figure are about
# the first one, which has the default length of `mmsoco pretrain`.
COMPARED = ('length', 'schedule', 'bins', 'facemask')
# Fewer starts do not make a comparison.
_LEAST_STARTS = 2


def records() -> list[Path]:
    """Return the folders of records, one for each plan."""
    return sorted(path.parent for path in RECORDS.glob('*/plan.json'))


def compared_records() -> list[Path]:
    """Return the records that have two starts to compare, as in `COMPARED`."""
    folders = [RECORDS / name for name in COMPARED]
    return [
        folder
        for folder in folders
        if folder in records()
        for rows in [analysis.read_results(folder).rows]
        if len({row.start['name'] for row in rows if row.records})
        >= _LEAST_STARTS
    ]


def curve_table() -> str:
    """Return the curve of the first plan, for the README."""
    if not compared_records():
        return f'{NOT_RUN}\n'
    picture = RESULTS_FIGURE.relative_to(REPO)
    return f'![Box AP by the number of labeled pictures]({picture})\n'


def answer_table() -> str:
    """Return the answer of the first plan, in a sentence."""
    folders = compared_records()
    if not folders:
        return f'{NOT_RUN}\n'
    return f'{_short_answer(analysis.read_results(folders[0]))}\n'


def comparisons_table() -> str:
    """Return every comparison of the compared plans, with its interval."""
    head = 'pictures | labels | steps | start | AP | compared with | AP | gain'
    rows = [
        _comparison_row(results, found)
        for folder in compared_records()
        for results in [analysis.read_results(folder)]
        for labels in results.budgets
        for found in answers.comparisons(results, labels)
    ]
    return table(head, rows) if rows else f'{NOT_RUN}\n'


def _short_answer(results: Results) -> str:
    """Compare with scratch at the smallest label budget, in a sentence."""
    references = (results.scratch, results.longer)
    labels = min(results.budgets)
    found = [
        entry
        for entry in answers.comparisons(results, labels)
        if entry.other and entry.other.start['name'] in references
        if entry.difference
    ]
    if not found:
        return f'With {labels} labels: {NOT_RUN}.'
    verdicts = [
        f'{statistics.verdict(entry.difference)}, compared with '
        f'{_other_name(entry)} ({counted(entry.difference.n, "pair")})'
        for entry in found
        if entry.difference
    ]
    row = found[0].row
    return (
        f'**With {labels} labeled pictures ({_pictures(results)}) and '
        f'{_steps(row):,} steps of fine-tuning, {_short_name(results, row)}: '
        f'{"; ".join(verdicts)}.** With fewer than {answers.SOLID_PAIRS} '
        'pairs, the 95 % intervals are preliminary.'
    )


def _short_name(results: Results, row: Row) -> str:
    """Return a start's name with its samples, without the loaded parts."""
    name = row.label.split(' (')[0].split(' on ')[0]
    samples = row.start['samples'] or results.plan['pretraining']['samples']
    return f'{name}, {samples:,} samples'


def _other_name(found: answers.Comparison) -> str:
    return found.name.replace(
        'the start from scratch', 'training from scratch'
    )


def _pictures(results: Results) -> str:
    return Path(results.plan['data']['root']).name


def _steps(row: Row) -> int:
    return next(iter(row.records.values())).steps


def _mean(row: Row | None) -> str:
    return f'{row.summary.mean:.1f}' if row and row.summary else NOT_RUN


def _comparison_row(results: Results, found: answers.Comparison) -> list[str]:
    """Return a row of the table of comparisons."""
    gain = NOT_RUN
    if (difference := found.difference) is not None:
        interval = ''
        if difference.low is not None:
            interval = f'{difference.low:+.1f} to {difference.high:+.1f}, '
        pairs = counted(difference.n, 'pair')
        gain = f'{difference.mean:+.1f} ({interval}{pairs})'
    return [
        _pictures(results),
        str(found.row.labels),
        f'{_steps(found.row):,}',
        _short_name(results, found.row),
        _mean(found.row),
        _other_name(found).removeprefix('training '),
        _mean(found.other),
        gain,
    ]


def results_documents() -> dict[Path, str]:
    """Return the page of results with its pictures, and the README's."""
    folders = records()
    if not folders:
        return {}
    with tempfile.TemporaryDirectory() as name:
        made = Path(name)
        page = made / RESULTS_PAGE.name
        report.write_report(folders, None, page, guide='comparing.md')
        for folder in compared_records()[:1]:
            results = analysis.read_results(folder)
            report.write_figure(results, made / RESULTS_FIGURE.name)
        return {
            RESULTS_PAGE.parent / path.relative_to(made): path.read_text()
            for path in sorted(made.rglob('*'))
            if path.is_file()
        }


TABLES = {
    'ablations': ablations_table,
    'answer': answer_table,
    'comparisons': comparisons_table,
    'curve': curve_table,
    'detectors': detectors_table,
    'fast': fast_table,
    'finetuning': finetuning_table,
    'paper': paper_table,
    'results': results_table,
}


def with_tables(text: str) -> str:
    """Return a Markdown text with its tables written anew.

    Raises:
        ValueError: A mark names no table.
    """

    def write(match: re.Match) -> str:
        if match['name'] not in TABLES:
            raise ValueError(
                f'There is no table {match["name"]!r}; expected one of '
                f'{", ".join(TABLES)}.'
            )
        return match['head'] + TABLES[match['name']]() + match['end']

    return TABLE.sub(write, text)


METAFILE_HEAD = """\
# Written by `make docs` from the configs. No weights are published and nothing
# was measured on these data yet, so that no model has Weights or Results.
# "Reported" are the authors' numbers.
"""
COLLECTION = dict(
    Name='SoCo',
    Metadata={
        'Architecture': ['Mask R-CNN', 'ResNet', 'FPN'],
        'Training Techniques': [
            'LARS',
            'Cosine learning rate',
            'Selective search',
        ],
    },
    Paper=dict(
        Title='Aligning Pretraining for Detection via Object-Level '
        'Contrastive Learning',
        URL='https://arxiv.org/abs/2106.02637',
    ),
    README='configs/soco/README.md',
)
FINETUNING_COLLECTION = dict(
    Name='SoCo fine-tuning',
    Metadata={'Architecture': ['Mask R-CNN', 'Faster R-CNN', 'ResNet']},
    Paper=COLLECTION['Paper'],
    README='configs/finetune/README.md',
)


def metafile(folder: str) -> str:
    """Return the metafile of ``configs/FOLDER``, as mim reads it."""
    is_pretraining = folder == 'soco'
    collection = COLLECTION if is_pretraining else FINETUNING_COLLECTION
    models = []
    for leaf in leaves(folder):
        facts = _pretraining_facts if is_pretraining else _finetuning_facts
        metadata = facts(leaf)
        if leaf.reported:
            box, mask = leaf.reported
            metadata['Reported'] = {
                'Task': 'Instance Segmentation',
                'Dataset': 'LVIS v1' if 'lvis' in leaf.path.stem else 'COCO',
                'box AP': box,
                'mask AP': mask,
            }
        models.append(
            {
                'Name': leaf.path.stem,
                'In Collection': collection['Name'],
                'Config': str(leaf.path.relative_to(REPO)),
                'Metadata': metadata,
            }
        )
    content = dict(Collections=[collection], Models=models)
    body = yaml.dump(content, Dumper=_Dumper, sort_keys=False, width=1000)
    return METAFILE_HEAD + body


class _Dumper(yaml.SafeDumper):
    """Writes what is used twice twice, instead of a reference."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _batch_size(name: dict[str, str]) -> int:
    return int(name['processes']) * int(name['batch'])


def _pretraining_facts(leaf: Leaf) -> dict:
    name = leaf.parsed(PRETRAINING_NAME)
    return {
        'Training Data': PRETRAINING_DATA[name['data']],
        'Epochs': int(name['epochs']),
        'Batch Size': _batch_size(name),
    }


def _finetuning_facts(leaf: Leaf) -> dict:
    name = leaf.parsed(FINETUNING_NAME)
    recipe = 'soco' if name['recipe'] else 'mmdet'
    return {
        'Training Data': DATA[name['data']],
        'Start': name['start'],
        'Recipe': f'{recipe} {name["schedule"]}',
        'Batch Size': _batch_size(name),
    }


def documents() -> dict[Path, str]:
    """Return every file that is written, with its content of today."""
    files = {
        CONFIGS / folder / 'metafile.yml': metafile(folder)
        for folder in ('soco', 'finetune')
    }
    pages = [REPO / 'README.md', REPO / 'docs' / 'index.md']
    for path in (*pages, *sorted(CONFIGS.rglob('README.md'))):
        files[path] = with_tables(path.read_text())
    return files | results_documents()


def main() -> int:
    """Write the files, or say which of them are out of date."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        '--check',
        action='store_true',
        help='write nothing; exit with status 1 where a file is out of date',
    )
    args = parser.parse_args()
    stale = 0
    for path, content in documents().items():
        if path.is_file() and path.read_text() == content:
            continue
        stale += 1
        name = path.relative_to(REPO)
        if args.check:
            print(f'{name} is out of date: call `make docs`')
        else:
            write_text(path, content)
            print(f'wrote {name}')
    return int(args.check and stale > 0)


if __name__ == '__main__':
    sys.exit(main())
