"""The report from records that are made up, with numbers done by hand."""

import itertools
import json
import re
from dataclasses import asdict
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import comparison_plans
import cv2
import numpy as np
import pytest
from scipy import stats

from mmsoco.comparison import analysis, answers, figures, report
from mmsoco.comparison.cells import cells_of
from mmsoco.comparison.plan_file import parse_plan
from mmsoco.comparison.records import Record, write_record
from mmsoco.comparison.results import Row
from mmsoco.visualization.curves import COLORS

REPO = comparison_plans.CONFIGS.parent
# AP by start and labels for seeds 0, 1, 2.
AP = {
    ('scratch', 100): [10.0, 12.0, 14.0],
    ('scratch', 400): [20.0, 22.0, 24.0],
    ('soco', 100): [15.0, 18.0, 19.5],
    ('soco', 400): [24.0],
    ('byol', 100): [11.0, 13.0, 15.0],
    ('mocov2', 100): [12.0],
}
HIT_RATE = dict(
    soco=[0.5, 0.7, 0.4], byol=[0.1, 0.3, 0.2], mocov2=[0.35, 0.0, 0.0]
)
METHODS = [
    dict(name='scratch', kind='scratch', title='from scratch'),
    dict(name='soco', kind='soco', title='SoCo <b>', config='c.py', trials=3),
    dict(name='byol', kind='image-level', config='b.py', budgets=[100]),
    dict(name='mocov2', kind='image-level', config='m.py', budgets=[100]),
    dict(name='swav', kind='image-level', config='s.py', budgets=[100],
         tier=2),
]  # fmt: skip


def fill(folder: Path, **changes) -> Path:
    """Write a plan and its records, one of them failed."""
    content = comparison_plans.plan(
        Path('data'),
        starts=METHODS,
        budgets=[dict(labels=n, seeds=[0, 1, 2]) for n in (100, 400)],
        title='A plan | with a bar',
    )
    content |= changes
    plan = parse_plan(content, Path('plan.py'))
    cells = cells_of(plan)
    description = dict(
        plan=json.loads(json.dumps(asdict(plan), default=str)),
        classes=['disc', 'square'],
        pictures=8,
        hashes=dict(labels='1' * 64, val_labels='2' * 64, pictures='3' * 64),
        notes=['One subset was drawn twice.'],
        command='mmsoco compare plan.py',
        cells=[
            dict(asdict(c), name=c.name, fingerprint='f' * 64) for c in cells
        ],
    )
    folder.mkdir(parents=True)
    (folder / 'plan.json').write_text(json.dumps(description))
    for cell in cells:
        record = made_up(cell)
        if record is not None:
            write_record(folder, record)
    return folder


def made_up(cell) -> Record | None:
    common = dict(
        cell=cell.name, kind=cell.kind, start=cell.start, seed=cell.seed,
        labels=cell.labels, fingerprint='f' * 64, command='x',
        versions='torch 2', machine=dict(processor='two cores', date='today'),
    )  # fmt: skip
    if cell.kind == 'pretraining':
        if cell.start not in HIT_RATE:
            return None
        gauges = dict(loss=1.0, hit_rate=HIT_RATE[cell.start][cell.seed])
        return Record(
            **common, seconds=120, pictures_seen=40000, gauges=gauges
        )
    if cell.kind == 'probe':
        return probed(common, cell)
    values = AP.get((cell.start, cell.labels), [])
    if cell.start == 'mocov2' and cell.seed == 1:
        return Record(**common, status='failed', error='the disk is full')
    if cell.seed >= len(values):
        return None
    ap = values[cell.seed]
    metrics = dict(AP=ap, AP50=2 * ap, AP75=1.0, AP_small=None,
                   AP_medium=1.0, AP_large=2.0)  # fmt: skip
    return Record(
        **common, ap=metrics, ap_by_class=dict(disc=ap, square=ap + 1),
        loaded=dict(backbone=100), steps=600, seconds=60,
    )  # fmt: skip


# Linear accuracy of the trunk by start for seeds 0, 1, 2.
LINEAR = dict(scratch=[0.5, 0.6, 0.7], soco=[0.55, 0.7, 0.75], byol=[0.6])


def probed(common, cell) -> Record | None:
    if cell.seed >= len(LINEAR.get(cell.start, [])):
        return None
    score = dict(
        knn=0.4, linear=LINEAR[cell.start][cell.seed], linear_error=0.01,
        effective_rank=9.0,
    )  # fmt: skip
    parts = dict(
        scratch=(), soco=('backbone', 'neck', 'bbox_head'), byol=('backbone',)
    )
    names = ('backbone.stage1', 'backbone.stage4', 'neck.own', 'trunk')
    return Record(
        **common,
        loaded=dict.fromkeys(parts[cell.start], 7),
        probe=dict(
            modules=dict.fromkeys(names, score),
            controls={
                n: dict(score, linear=0.45)
                for n in ('size', 'color', 'size+color')
            },
            majority=0.375,
            boxes=dict(train=9, val=5),
        ),
    )


@pytest.fixture
def folder(tmp_path):
    return fill(tmp_path / 'records')


@pytest.fixture
def results(folder):
    return analysis.read_results(folder)


def test_differences_are_paired(results):
    row = results.row('soco', 100)
    # 5, 6, 5.5: mean 5.5, sd 0.5
    assert row.to_scratch.mean == pytest.approx(5.5)
    assert row.to_scratch.sd == pytest.approx(0.5)
    # byol: 4, 5, 4.5; it has more cells than mocov2, which has the better one
    assert results.best == {100: 'byol', 400: ''}
    assert row.to_best.mean == pytest.approx(4.5)
    assert results.row('scratch', 100).to_scratch is None


@pytest.mark.parametrize(
    ('kinds', 'measured', 'expected'),
    [
        (('scratch', 'image-level', 'soco', 'soco'), 'abcd', 'c'),
        (('scratch', 'image-level', 'soco', 'soco'), 'abd', 'd'),
        (('scratch', 'image-level', 'soco', 'soco'), 'ab', 'c'),
        (('scratch', 'weights'), 'ab', 'b'),
    ],
)
def test_the_answer_is_about_the_first_start_of_soco(
    kinds, measured, expected
):
    starts = [
        dict(name=name, kind=kind)
        for name, kind in zip('abcd', kinds, strict=False)
    ]
    rows = [
        SimpleNamespace(start=start, records=start['name'] in measured)
        for start in starts
    ]
    results = SimpleNamespace(plan=dict(starts=starts), rows=rows)
    assert answers.asked_start(results) == expected


def test_one_pair_has_no_interval(results):
    difference = results.row('soco', 400).to_scratch
    assert (difference.n, difference.low) == (1, None)


def test_costs(results):
    row = results.row('soco', 100)
    assert row.cost('pretraining', 'pictures_seen') == 40000
    assert row.cost('finetuning', 'steps') == 600
    assert results.row('scratch', 100).cost('pretraining', 'seconds') is None


def test_fewer_labels_by_hand(results):
    # mean 17.5 lies at (17.5 - 12) / (22 - 12) = 0.55: 100 * 4 ** 0.55
    [sentence] = analysis.fewer_labels(results, 'soco')
    assert f'about {100 * 4**0.55:.0f}' in sentence
    assert '2.1 times' in sentence


def test_fewer_labels_than_the_whole_curve(tmp_path, monkeypatch):
    monkeypatch.setitem(AP, ('soco', 100), [23.0, 24.0, 25.0])
    monkeypatch.setitem(AP, ('soco', 400), [30.0])
    results = analysis.read_results(fill(tmp_path / 'records'))
    # The 400 labels of soco are not fewer than those of any start.
    [sentence] = analysis.fewer_labels(results, 'soco')
    assert 'with 100 labels reaches 24.0 AP' in sentence
    assert 'from scratch with 400 labels 22.0.' in sentence


def test_correlation_of_a_gauge_with_ap(results, folder):
    # Each method's loss is its own.
    many, one = analysis.correlations(results)
    assert (many.gauge, many.labels) == ('hit_rate', 100)
    # all of SoCo and BYOL, the first of MoCo v2
    assert (many.cells, many.starts) == (7, 3)
    rates = [0.5, 0.7, 0.4, 0.1, 0.3, 0.2, 0.35]
    aps = [15.0, 18.0, 19.5, 11.0, 13.0, 15.0, 12.0]
    ranks = [stats.rankdata(values) for values in (rates, aps)]
    expected = stats.pearsonr(*ranks).statistic
    assert many.value == pytest.approx(expected)
    assert (one.labels, one.cells, one.value) == (400, 1, None)
    text = report.render_markdown([report.chapter(results, folder)], 'x')
    assert f'| hit rate | 100 | 7 | 3 | {expected:+.2f} |' in text
    assert '| hit rate | 400 | 1 | 1 | cannot tell: fewer than 5' in text


@pytest.mark.parametrize('first', [True, False])
def test_a_pretraining_counts_once_in_correlations(results, first):
    """The first of the starts that share it counts, whatever it loads."""
    soco, byol = results.row('soco', 100), results.row('byol', 100)
    # The part gets the APs of BYOL.
    part = Row(
        dict(soco.start, name='part', parts=['backbone']),
        100, byol.records, soco.pretrainings,
    )  # fmt: skip
    results.rows = [part, soco, byol] if first else [soco, byol, part]
    (found,) = (f for f in analysis.correlations(results) if f.cells)
    aps = [*(byol if first else soco).ap.values(), *byol.ap.values()]
    rates = [0.5, 0.7, 0.4, 0.1, 0.3, 0.2]
    assert (found.cells, found.starts) == (6, 2)
    assert found.value == pytest.approx(stats.spearmanr(rates, aps).statistic)


def test_answer_names_both_comparisons(results):
    first, second, third = answers.answer(results)
    soco, scratch, byol = (
        f'{np.mean(AP[name, 100]):.1f} AP'
        for name in ('soco', 'scratch', 'byol')
    )
    assert f' reaches {soco}. ' in first
    assert (
        f'with the start from scratch ({scratch}): helps by 4.3 to 6.7 AP '
        '(95 % interval of 3 pairs: preliminary).'
    ) in first
    assert f'best image-level method, byol ({byol}): helps by 3.3' in first
    assert 'cannot tell yet' in second
    assert 'times as many' in third


def test_failed_and_missing_cells_are_told(folder, results):
    text = report.render_markdown([report.chapter(results, folder)], 'x')
    line = next(x for x in text.splitlines() if x.startswith('| mocov2 |'))
    assert 'FAILED finetuning_mocov2_100_seed1: the disk is full' in line
    # A start that was not begun is named once, without empty rows.
    assert '| swav |' not in text
    with_100 = text[text.index('### Box AP with 100') :]
    assert 'Not run: swav.' in with_100[: with_100.index('### Costs')]


def test_markdown_tables_are_whole(folder, results):
    text = report.render_markdown([report.chapter(results, folder)], 'x')
    widths = [
        line.replace(r'\|', '').count('|')
        for line in text.splitlines()
        if line.startswith('|')
    ]
    assert widths
    for block in text.split('\n\n'):
        rows = [x for x in block.splitlines() if x.startswith('|')]
        counts = {row.replace(r'\|', '').count('|') for row in rows}
        assert len(counts) <= 1, block
    assert 'SoCo &lt;b>' in text


class Balance(HTMLParser):
    """Counts tags and remembers foreign ones."""

    def __init__(self) -> None:
        super().__init__()
        self.open, self.bold = [], False

    def handle_starttag(self, tag, attrs):
        if tag == 'b':
            self.bold = True
        if tag not in ('meta', 'path', 'use', 'rect', 'link'):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag in self.open:
            while self.open.pop() != tag:
                pass


def test_html_escapes_what_a_plan_says(folder, tmp_path):
    page = tmp_path / 'page.html'
    report.write_report([folder], page, None)
    text = page.read_text()
    parser = Balance()
    parser.feed(text)
    assert not parser.bold
    assert not parser.open
    assert text.count('<svg') == 2
    assert 'http://' not in text.split('<svg')[0]


def test_pictures_lie_beside_the_markdown(folder, tmp_path):
    path = tmp_path / 'docs' / 'results.md'
    report.write_report([folder], None, path)
    for word in ('labels', 'intervals'):
        picture = f'results/tiny-{word}.svg'
        assert (path.parent / picture).is_file()
        assert picture in path.read_text()
    # A user's own report is not next to the pages of docs.
    links = re.findall(r'\]\(([^)]+)\)', path.read_text())
    assert [link for link in links if not (path.parent / link).exists()] == []


def test_the_same_records_give_the_same_bytes(folder, tmp_path):
    pages = [tmp_path / name / 'x.md' for name in 'ab']
    for page in pages:
        report.write_report([folder], page.with_suffix('.html'), page)
    for suffix in ('.md', '.html'):
        first, second = (p.with_suffix(suffix).read_bytes() for p in pages)
        assert first == second


def table_rows(text, title):
    """The cells of a table of a Markdown report, without its header."""
    lines = text.split(f'### {title}')[1].strip().splitlines()
    lines = itertools.takewhile(lambda x: x.startswith('|'), lines)
    return [
        [cell.strip() for cell in line.strip('|').split('|')]
        for line in list(lines)[2:]
    ]


def test_probes_stand_beside_the_untrained_network(tmp_path):
    folder = fill(tmp_path / 'records', probe=dict(num_train=9))
    results = analysis.read_results(folder)
    text = report.render_markdown([report.chapter(results, folder)], 'x')
    rows = table_rows(text, 'Probe')
    found = {(start, of): rest for start, of, *rest in rows}
    # differences 5, 10 and 5 percent: 4.3027 * 2.8868 / sqrt(3) = 7.171
    assert found['SoCo &lt;b>', 'trunk of the box head'] == [
        '3/3', '40.0 ± 0.0', '66.7 ± 10.4', '+6.67 [-0.50, +13.84]'
    ]  # fmt: skip
    assert found['from scratch', 'backbone'][2:] == ['60.0 ± 10.0', '-']
    # only its backbone is its own; one pair has no interval
    assert found['byol', 'backbone'] == [
        '1/3', '40.0', '60.0', '+10.00 (1 pair)'
    ]  # fmt: skip
    assert ('byol', 'pyramid') not in found
    assert found['none', 'size of the box alone'][2] == '45.0 ± 0.0'
    assert found['none', 'most frequent class'][1] == '37.5 ± 0.0'


def test_without_probes_there_is_no_table_of_them(results, folder):
    text = report.render_markdown([report.chapter(results, folder)], 'x')
    assert '### Probe' not in text


def test_a_plan_that_is_made_in_part(folder, results):
    """What is there is told; two pairs make no interval and no verdict."""
    path = next(folder.glob('finetuning_soco_100_seed2-*'))
    path.unlink()
    results = analysis.read_results(folder)
    text = report.render_markdown([report.chapter(results, folder)], 'x')
    files = len(list(folder.glob('*.json'))) - 1
    cells = len(results.content['cells'])
    # one of the files is the failed one
    assert f'{files - 1} of {cells} cells are done' in text
    [row] = [
        row
        for row in table_rows(text, 'Box AP with 100 labels')
        if row[0].startswith('SoCo')
    ]
    aps = [15.0, 18.0]
    assert row[1:3] == ['2/3', f'16.50 ± {np.std(aps, ddof=1):.2f}']
    assert row[5:7] == ['+5.50 (2 pairs)', '-']
    assert row[8] == 'cannot tell yet (2 of at least 3 pairs, 1 more needed)'


def test_a_plan_of_which_nothing_is_made(folder):
    for path in folder.glob('*_seed*.json'):
        path.unlink()
    results = analysis.read_results(folder)
    text = report.render_markdown([report.chapter(results, folder)], 'x')
    assert f'0 of {len(results.content["cells"])} cells are done' in text
    assert 'With 100 labels: not run.' in text
    assert '![' not in text


def test_intervals_are_those_of_scipy(results):
    row = results.row('soco', 100)
    first, second = AP['soco', 100], AP['scratch', 100]
    expected = stats.ttest_rel(first, second).confidence_interval(0.95)
    found = row.to_scratch
    assert (found.low, found.high) == pytest.approx(tuple(expected))


def test_a_plan_that_is_whole_says_nothing_of_progress(folder, results):
    results.content['cells'] = [
        dict(name=record.cell) for record in results.done
    ]
    assert report.progress(results) == ''


def test_a_reference_of_another_name_is_named(tmp_path):
    """Of the user's own weights nobody says "scratch"."""
    starts = [
        dict(name='init', kind='weights', checkpoint='w', title='from w.pth'),
        METHODS[1],
    ]
    folder = fill(tmp_path / 'records', starts=starts)
    chapter = report.chapter(analysis.read_results(folder), folder)
    text = report.render_markdown([chapter], 'x')
    assert '| vs. init | p | verdict vs. init |' in text
    assert 'scratch' not in text.split('## A plan')[1]
    assert 'image-level' not in text.split('## A plan')[1]


def test_the_answer_is_about_a_start_that_was_measured(tmp_path):
    better = dict(name='better', kind='soco', title='Better', config='c.py')
    starts = [METHODS[0], better, *METHODS[1:]]
    folder = fill(tmp_path / 'records', starts=starts)
    for path in folder.glob('finetuning_soco_100*'):
        record = json.loads(path.read_text())
        name = path.name.replace('soco', 'better')
        record |= dict(start='better', cell=name.rpartition('-')[0])
        (folder / name).write_text(json.dumps(record))
    few, many, *_ = answers.answer(analysis.read_results(folder))
    assert few.startswith('With 100 labels, Better ')
    assert many.startswith('With 400 labels, SoCo <b> ')


def test_the_answer_compares_equal_times(tmp_path, monkeypatch):
    longer = dict(name='longer', kind='scratch', title='longer',
                  time_of='soco')  # fmt: skip
    monkeypatch.setitem(AP, ('longer', 100), [17.0, 17.0, 17.0])
    folder = fill(tmp_path / 'records', starts=[*METHODS, longer])
    results = analysis.read_results(folder)
    row = results.row('soco', 100)
    differences = [ap - 17.0 for ap in AP['soco', 100]]
    assert row.to_longer.mean == pytest.approx(np.mean(differences))
    assert row.to_scratch.mean == pytest.approx(5.5)
    assert results.row('longer', 100).to_longer is None
    sentence = answers.answer(results)[0]
    assert 'Compared with the start longer (17.0 AP): ' in sentence


@pytest.mark.parametrize('kind', ['svg', 'png'])
def test_a_small_picture_for_a_readme(folder, tmp_path, kind):
    path = tmp_path / 'new' / f'curve.{kind}'
    assert report.main([str(folder), '--figure', str(path)]) == 0
    content = path.read_bytes()
    assert report.main([str(folder), '--figure', str(path)]) == 0
    assert path.read_bytes() == content
    assert len(content) < 100_000
    if kind == 'png':
        picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        # White to the corners, so that dark pages leave it readable.
        corners = picture[:: len(picture) - 1, :: picture.shape[1] - 1]
        assert (corners == 255).all()


@pytest.mark.parametrize(
    ('name', 'message'),
    [('x.jpeg', 'ends in svg or png'), ('x.svg', 'nothing to draw')],
)
def test_a_picture_that_cannot_be(folder, tmp_path, capsys, name, message):
    if name == 'x.svg':
        for path in folder.glob('finetuning*.json'):
            path.unlink()
    path = tmp_path / name
    assert report.main([str(folder), '--figure', str(path)]) == 1
    assert message in capsys.readouterr().err
    assert not path.exists()


def test_curves_are_of_starts_that_can_be_told_apart(tmp_path):
    further = [
        dict(name=f'm{i}', kind='image-level', config='m.py') for i in range(9)
    ]
    folder = fill(tmp_path / 'records', starts=[*METHODS, *further])
    for path in folder.glob('finetuning_byol_100*'):
        for i in range(9):
            record = json.loads(path.read_text())
            name = path.name.replace('byol', f'm{i}')
            record |= dict(start=f'm{i}', cell=name.rpartition('-')[0])
            (folder / name).write_text(json.dumps(record))
    results = analysis.read_results(folder)
    starts = [s['name'] for s in figures.curve_starts(results)]
    assert starts[:2] == ['scratch', 'soco']
    assert len(starts) == len(COLORS)
    chapter = report.chapter(results, folder)
    # scratch, soco, byol, mocov2 and nine, of which eight are drawn
    rest = chapter.captions['labels'].rpartition(' Only in the tables: ')[2]
    assert len(rest.split('; ')) == 5


def test_records_of_an_earlier_plan_are_counted(folder, results):
    content = json.loads((folder / 'plan.json').read_text())
    assert analysis.superseded(folder, content) == 0
    (folder / 'finetuning_scratch_100_seed0-00000000.json').write_text('{}')
    assert analysis.superseded(folder, content) == 1


def test_a_record_without_ap_is_named(folder, capsys):
    name = 'finetuning_soco_100_seed1'
    path = folder / f'{name}-{"f" * 8}.json'
    path.write_text(json.dumps(json.loads(path.read_text()) | dict(ap={})))
    assert report.main([str(folder)]) == 1
    assert f'record of {name} has no AP' in capsys.readouterr().err


def test_a_folder_without_a_plan(tmp_path, capsys):
    assert report.main([str(tmp_path)]) == 1
    assert 'plan.json' in capsys.readouterr().err


RESULTS = REPO / 'docs' / 'results.md'
RECORDS = sorted((REPO / 'docs' / 'results' / 'cells').glob('*/plan.json'))


@pytest.mark.skipif(not RECORDS, reason='no cells are committed')
def test_results_are_those_of_the_committed_cells():
    chapters = [
        report.chapter(analysis.read_results(path.parent), path.parent)
        for path in RECORDS
    ]
    text = report.render_markdown(chapters, 'results', 'comparing.md')
    assert RESULTS.read_text() == text
