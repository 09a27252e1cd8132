import base64
import json
import xml.etree.ElementTree as ElementTree

import cv2
import numpy as np
import pytest

from mmsoco.visualization import report


def write_scalars(work_dir, start, lines):
    folder = work_dir / start / 'vis_data'
    folder.mkdir(parents=True)
    text = '\n'.join(json.dumps(line) for line in lines)
    (folder / 'scalars.json').write_text(text + '\n')


def test_scalars_of_a_resumed_run_are_joined(tmp_path):
    write_scalars(
        tmp_path,
        '20260101_000000',
        [dict(step=5, loss=3.0), dict(step=10, loss=2.0)],
    )
    write_scalars(
        tmp_path,
        '20260102_000000',
        [
            dict(step=10, loss=2.5),
            dict(step=10, **{'coco/bbox_mAP': 0.5}),
            dict(step=15, loss=1.0),
        ],
    )
    scalars = report.read_scalars(tmp_path)
    loss = report.series(scalars, 'loss')
    assert (loss.steps, loss.values) == ([5, 10, 15], [3.0, 2.5, 1.0])
    ap = report.series(scalars, 'coco/bbox_mAP', 'AP')
    assert (ap.label, ap.steps, ap.values) == ('AP', [10], [0.5])


def test_missing_numbers_name_the_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=str(tmp_path)):
        report.read_scalars(tmp_path)
    with pytest.raises(FileNotFoundError, match='coco/bbox_mAP'):
        report.read_metrics(tmp_path, 'coco/bbox_mAP')


def test_metrics_are_the_newest(tmp_path):
    for name, value in (('20260101', 0.1), ('20260102', 0.2)):
        (tmp_path / name).mkdir()
        path = tmp_path / name / f'{name}.json'
        path.write_text(json.dumps({'coco/bbox_mAP': value}))
    (tmp_path / '20260103').mkdir()
    (tmp_path / '20260103' / 'x.json').write_text('{"other": 1}')
    metrics = report.read_metrics(tmp_path, 'coco/bbox_mAP')
    assert metrics == {'coco/bbox_mAP': 0.2}


def test_curves_are_an_svg_with_titles():
    panels = [
        report.Panel('loss', [report.Curve('a', [1, 2], [2.0, 1.0])]),
        report.Panel('gauges', [], y_range=(0, 1)),
    ]
    drawn = report.draw_curves(panels)
    assert ElementTree.fromstring(drawn).tag.endswith('svg')
    assert drawn == report.draw_curves(panels)


def test_embedded_picture_comes_back():
    image = np.zeros((16, 24, 3), np.uint8)
    image[:, :12, 0] = 200
    head, _, data = report.image_uri(image, quality=100).partition(',')
    assert head == 'data:image/jpeg;base64'
    raw = np.frombuffer(base64.b64decode(data), np.uint8)
    back = cv2.imdecode(raw, cv2.IMREAD_COLOR)[..., ::-1]
    assert back.shape == image.shape
    assert back[8, 4, 0] == pytest.approx(200, abs=4)
    assert back[8, 20].max() <= 4


@pytest.mark.parametrize(
    'image', [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3))]
)
def test_no_picture(image):
    with pytest.raises(ValueError, match='expected a .* uint8 RGB picture'):
        report.image_uri(image)


def test_grid_places_pictures():
    pictures = [
        [np.full((2, 3, 3), 10 * i + j, np.uint8) for j in range(2)]
        for i in range(3)
    ]
    laid = report.grid(pictures, gap=1)
    assert laid.shape == (3 * 2 + 2, 2 * 3 + 1, 3)
    assert laid[3, 4, 0] == 11
    assert laid[2, 0, 0] == laid[0, 3, 0] == 255


def test_text_is_escaped():
    parts = (
        report.paragraphs('a < b\n\nc & d'),
        report.preformatted('<x>', 'command'),
        report.table(['<h>'], [['<c>']], strong=0),
        report.tiles([('<1>', '<name>')], strong=0),
        report.figure('data:,', 'a "quoted" <caption>'),
        report.section('<title>', '', 1, 'anchor', '<1 s>'),
        report.timeline([report.StepTime('<step>', 3.0, 'anchor')]),
    )
    for part in parts:
        ElementTree.fromstring(
            f'<x>{part}</x>'.replace('width="9"', '').replace(
                'alt="a &quot;quoted&quot; &lt;caption&gt;">',
                'alt="" />',
            )
        )
    assert parts[0] == '<p>a &lt; b</p><p>c &amp; d</p>'
    assert 'flex:3.0' in parts[6]


def test_page_is_complete_or_absent(tmp_path):
    path = tmp_path / 'new' / 'report.html'
    report.write_page(path, 'a & b', '<p>body $5</p>')
    page = path.read_text()
    assert '<title>a &amp; b</title>' in page
    assert '<p>body $5</p>' in page
    assert 'content: "$ "' in page
    assert [p.name for p in path.parent.iterdir()] == ['report.html']
    for foreign in ('http:', 'https:', ' src="/', '<script', '@import'):
        assert foreign not in page
