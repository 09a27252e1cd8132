import json
import re
import tarfile

import coco_documents
import numpy as np
import pytest
import small_pictures
from command import call, succeed
from PIL import Image

from mmsoco.proposals.filters import FilterSpec, filter_regions
from mmsoco.proposals.search.spec import SearchSpec
from mmsoco.structures.boxes import box_iou
from mmsoco.workflow.recall import measure_recall, write_recall
from mmsoco.workflow.run_folder import RunFolder

NAMES = [f'{i}.png' for i in range(4)]
SIZE = (200, 200)
# Two small objects and a large one in each picture.
SMALL = [[20, 20, 34, 34], [60, 20, 76, 36]]
LARGE = [80, 80, 180, 180]
REGIONS = np.array([*SMALL, [81, 80, 180, 181], [10, 10, 100, 90]])


@pytest.fixture
def folder(tmp_path):
    """Pictures, their regions, the paper's proposals, and labels."""
    (tmp_path / 'pictures').mkdir()
    for name in NAMES:
        path = tmp_path / 'pictures' / name
        Image.new('RGB', (200, 200), (90, 90, 90)).save(path)
    write_store(tmp_path / 'a.regions.arrow', path.parent, kind='regions')
    write_store(tmp_path / 'a.arrow', path.parent, FilterSpec())
    write_labels(tmp_path / 'labels.json', NAMES)
    return tmp_path


def write_store(path, root, spec=None, kind='proposals', names=NAMES):
    boxes = REGIONS
    if spec is not None:
        boxes, _ = filter_regions(REGIONS, 200, 200, spec)
    metadata = dict(
        image_root=str(root), search=SearchSpec().as_dict(), kind=kind,
        filter=spec and spec.as_dict(),
    )  # fmt: skip
    small_pictures.write_store(path, names, boxes, SIZE, **metadata)


def write_labels(path, names, boxes=(*SMALL, LARGE)):
    objects = [(1, (x1, y1, x2 - x1, y2 - y1)) for x1, y1, x2, y2 in boxes]
    document = coco_documents.document(dict.fromkeys(names, objects), SIZE)
    path.write_text(json.dumps(document))


def test_the_filter_that_loses_objects_is_named_with_a_better_one(folder):
    report = measure_recall(folder / 'a.arrow', folder / 'labels.json')
    # the small ones are below 32 pixels; the large one is found
    assert report.own.recall(100) == pytest.approx(1 / 3)
    advice = '\n'.join(report.advice)
    assert 'of 12 objects in 4 pictures, the search finds 100%' in advice
    assert 'keeps 33%' in advice
    [command] = re.findall(r'mmsoco (.+)', advice)
    assert command.startswith(f'convert regions "{folder}/a.regions.arrow"')
    # what is advised does what it says
    limits = dict(re.findall(r'--(m\S+) (\S+)', command))
    limits = {k.replace('-', '_'): float(v) for k, v in limits.items()}
    kept, _ = filter_regions(REGIONS, 200, 200, FilterSpec(**limits))
    objects = np.array([*SMALL, LARGE])
    assert (box_iou(objects, kept).max(axis=1) >= 0.5).all()


def test_a_filter_that_keeps_them_needs_no_advice(folder):
    wide = FilterSpec(min_size=8, min_scale=0.03)
    write_store(folder / 'a.arrow', folder / 'pictures', wide)
    report = measure_recall(folder / 'a.arrow', folder / 'labels.json')
    assert report.own.recall(100) == 1
    assert not any(line.startswith('advice') for line in report.advice)


def test_objects_that_the_search_misses(folder):
    write_labels(folder / 'labels.json', NAMES, [[150, 10, 190, 40]])
    report = measure_recall(folder / 'a.arrow', folder / 'labels.json')
    assert 'the search finds 0%' in report.advice[0]
    assert 'no other filter helps' in report.advice[1]


def test_a_store_of_unknown_origin_gets_no_advice(folder):
    small_pictures.write_store(folder / 'b.arrow', NAMES, REGIONS, SIZE)
    report = measure_recall(
        folder / 'b.arrow', folder / 'labels.json', folder / 'pictures'
    )
    assert report.advice == []
    with pytest.raises(ValueError, match='--image-root'):
        measure_recall(folder / 'b.arrow', folder / 'labels.json')


def test_the_files_hold_what_is_printed(folder):
    out = folder / 'out'
    printed = succeed(
        'recall', folder / 'a.arrow', '--labels', folder / 'labels.json',
        '--out', out,
    )  # fmt: skip
    assert (out / 'recall.txt').read_text() in printed
    numbers = json.loads((out / 'recall.json').read_text())
    row = numbers['sizes']['all']
    assert row['objects'] == 12
    # 99 of 100 pixels each way: IoU 0.9801 of all but the last threshold
    found = box_iou([LARGE], REGIONS[2:3]).item()
    hits = sum(found >= t for t in np.arange(0.5, 1, 0.05))
    assert row['boxes']['average_recall']['100'] == pytest.approx(hits / 30)
    assert numbers['curve'][-1]['boxes'] == 100
    objects = json.loads((out / 'objects.json').read_text())
    assert len(objects) == 12
    assert objects[2]['bbox'] == [80, 80, 100, 100]
    assert objects[2]['best_overlap'] == pytest.approx(found, abs=1e-4)
    assert (out / 'curve.svg').read_text().startswith('<?xml')
    # missed objects are drawn: yellow
    picture = np.array(Image.open(out / 'missed.jpg')).astype(int)
    yellow = np.abs(picture - (240, 228, 66)).max(axis=2) < 40
    assert yellow.sum() > 100


def test_the_folder_of_a_pretraining_stands_for_its_store(folder):
    run = RunFolder(folder / 'run', 'pretraining')
    run.begin(dict(folder=str(folder / 'pictures')), {})
    labels = folder / 'labels.json'
    refused = call('recall', run.path, '--labels', labels)
    assert refused.status == 1 and 'has no proposals.arrow' in refused.err
    # A store that was handed to `mmsoco pretrain` names no place.
    store = run.path / 'proposals.arrow'
    small_pictures.write_store(store, NAMES, REGIONS, SIZE)
    printed = succeed('recall', run.path, '--labels', labels)
    out = run.path / 'proposals-recall'
    assert (out / 'recall.txt').read_text() in printed
    numbers = json.loads((out / 'recall.json').read_text())
    assert numbers['sizes']['all']['objects'] == 12


def test_nothing_missed_is_nothing_drawn(folder):
    write_labels(folder / 'labels.json', NAMES, [LARGE])
    report = measure_recall(folder / 'a.arrow', folder / 'labels.json')
    files = write_recall(report, folder / 'out')
    assert [f.name for f in files][-1] == 'curve.svg'
    assert sorted(f.name for f in (folder / 'out').iterdir()) == sorted(
        f.name for f in files
    )


def test_labels_of_pictures_that_the_store_lacks_are_counted(folder):
    write_store(
        folder / 'b.arrow', folder / 'pictures', FilterSpec(), names=NAMES[:1]
    )
    write_store(
        folder / 'b.regions.arrow', folder / 'pictures', kind='regions'
    )
    report = measure_recall(folder / 'b.arrow', folder / 'labels.json')
    assert len(report.pictures) == 1
    assert '3 of 4 labeled pictures are not in the store' in report.notes[0]
    write_store(
        folder / 'c.arrow', folder / 'pictures', FilterSpec(), names=['x.png']
    )
    with pytest.raises(
        ValueError, match=r"none of the 4 labeled.*'0.png'.*'x.png'"
    ):
        measure_recall(folder / 'c.arrow', folder / 'labels.json')


def test_pictures_in_a_tar_file_want_a_folder(folder):
    with tarfile.open(folder / 'a.tar', 'w') as archive:
        for name in NAMES:
            archive.add(folder / 'pictures' / name, name)
    write_store(folder / 'b.arrow', folder / 'a.tar', FilterSpec())
    write_store(
        folder / 'b.regions.arrow', folder / 'pictures', kind='regions'
    )
    labels = folder / 'labels.json'
    with pytest.raises(ValueError, match=r'a\.tar.*unpack.*--image-root'):
        measure_recall(folder / 'b.arrow', labels)
    report = measure_recall(folder / 'b.arrow', labels, folder / 'pictures')
    assert report.own.recall(100) == pytest.approx(1 / 3)


def test_labels_of_more_pictures_than_the_folder_has(folder):
    write_labels(folder / 'labels.json', [*NAMES, 'x.png', 'y.png'])
    report = measure_recall(folder / 'a.arrow', folder / 'labels.json')
    assert len(report.pictures) == 4
    assert re.search(r'left out +2 +picture is not in', report.notes[0])


def test_boxes_outside_of_their_picture_are_counted(folder):
    write_labels(
        folder / 'labels.json', NAMES,
        [LARGE, [150, 150, 260, 260], [300, 300, 320, 320]],
    )  # fmt: skip
    report = measure_recall(folder / 'a.arrow', folder / 'labels.json')
    notes = '\n'.join(report.notes)
    assert re.search(r'left out +4 +box lies outside', notes)
    assert re.search(r'repaired +4 +box leaves its picture: clipped', notes)
    assert len(report.own.areas) == 8


def test_labels_without_objects_are_refused(folder):
    write_labels(folder / 'labels.json', NAMES, [])
    outcome = call(
        'recall', folder / 'a.arrow', '--labels', folder / 'labels.json'
    )
    assert outcome.status == 1
    assert 'no object' in outcome.err
    assert not (folder / 'a-recall').exists()


def test_a_ranked_store_is_measured_in_its_order(folder):
    store, boxes = folder / 'b.arrow', [[0, 0, 5, 5]] * 30 + [LARGE]
    small_pictures.write_store(
        store, NAMES, boxes, SIZE,
        image_root=str(folder / 'pictures'), search=dict(detector='a.pth'),
    )  # fmt: skip
    write_labels(folder / 'labels.json', NAMES, [LARGE])
    report = measure_recall(folder / 'b.arrow', folder / 'labels.json')
    assert report.own.recall(20) == 0
    assert report.own.recall(31) == 1
    assert 'best first' in report.text()
