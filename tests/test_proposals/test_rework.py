import re

import numpy as np
import pytest
from generator_helpers import assert_same_stores, make_job, run
from proposal_samples import save_blocks
from small_pictures import write_store

from mmsoco.proposals.filters import FilterSpec
from mmsoco.proposals.rework import (
    add_boxes,
    join_stores,
    merge_shards,
    refilter,
    refuse_unjoinable,
)
from mmsoco.proposals.store import ProposalStore


@pytest.fixture
def shards(image_root, tmp_path):
    jobs = [
        make_job(image_root, tmp_path / f's{i}.arrow', shard=(i, 3))
        for i in range(3)
    ]
    return [run(job, workers=1)[0].store.path for job in jobs]


def test_merged_shards_equal_the_whole(shards, image_root, tmp_path):
    whole, _ = run(make_job(image_root, tmp_path / 'whole.arrow'))
    merged = merge_shards(shards[::-1], tmp_path / 'merged.arrow')
    assert_same_stores(merged, whole.store)


def test_more_shards_than_images(tmp_path):
    root = tmp_path / 'images'
    save_blocks(root / 'a.png', 0)
    save_blocks(root / 'b.png', 1)
    paths = []
    for i in range(3):
        job = make_job(root, tmp_path / f's{i}.arrow', shard=(i, 3))
        paths.append(run(job)[0].store.path)
    merged = merge_shards(paths, tmp_path / 'merged.arrow')
    assert [record.file_name for record in merged] == ['a.png', 'b.png']


def test_merge_refuses(shards, image_root, tmp_path):
    out = tmp_path / 'out.arrow'
    with pytest.raises(ValueError, match='shards 1/3 are missing'):
        merge_shards([shards[0], shards[2]], out)
    with pytest.raises(ValueError, match='shard 0/3 comes twice'):
        merge_shards([*shards, shards[0]], out)
    other = make_job(
        image_root,
        tmp_path / 'other.arrow',
        shard=(1, 3),
        filters=FilterSpec(min_size=16),
    )
    run(other, workers=1)
    with pytest.raises(ValueError, match='other.arrow.*another job: filter'):
        merge_shards([shards[0], other.out, shards[2]], out)
    two = make_job(image_root, tmp_path / 'two.arrow', shard=(1, 2))
    run(two, workers=1)
    with pytest.raises(ValueError, match='one of 2 shards'):
        merge_shards([shards[0], two.out], out)
    assert not out.exists()
    with pytest.raises(FileExistsError, match='--overwrite'):
        merge_shards(shards, shards[0])


def test_refilter_equals_a_second_search(image_root, tmp_path):
    filters = FilterSpec(min_size=10, min_scale=0.05)
    kept = make_job(image_root, tmp_path / 'a.arrow', keep_regions=True)
    run(kept)
    expected, _ = run(
        make_job(image_root, tmp_path / 'b.arrow', filters=filters)
    )
    found = refilter(kept.regions_path, tmp_path / 'c.arrow', filters)
    assert_same_stores(found, expected.store)
    assert found.metadata['boxes'] > run(kept)[0].store.metadata['boxes']


def test_refilter_refuses(image_root, tmp_path):
    job = make_job(image_root, tmp_path / 'a.arrow')
    run(job)
    with pytest.raises(ValueError, match='not regions.*--keep-regions'):
        refilter(job.out, tmp_path / 'b.arrow', FilterSpec())
    with pytest.raises(FileExistsError, match='--overwrite'):
        refilter(job.out, job.out, FilterSpec())


def overlap(a, b):
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0) * max(height, 0)
    return shared / (
        sum((x[2] - x[0]) * (x[3] - x[1]) for x in (a, b)) - shared
    )


def test_added_boxes_equal_a_loop_over_pairs():
    rng = np.random.default_rng(0)
    corners = rng.integers(0, 40, (60, 2))
    boxes = np.hstack([corners, corners + rng.integers(10, 40, (60, 2))])
    kept = boxes[:10].tolist()
    for box in boxes[10:].tolist():
        if all(overlap(box, other) < 0.4 for other in kept):
            kept.append(box)
    assert 10 < len(kept) < 60
    assert add_boxes(boxes[:10], boxes[10:], 0.4).tolist() == kept
    # nothing there: the first is taken, and suppresses its like
    none = np.empty((0, 4))
    assert add_boxes(none, boxes[:1].repeat(3, 0), 0.7).shape == (1, 4)
    assert add_boxes(boxes[:10], none, 0.7).tolist() == boxes[:10].tolist()


def store_of(path, boxes, names=('a.png', 'b.png'), side=100, **metadata):
    write_store(path, names, boxes, (side, side), **metadata)
    return path


def test_joined_stores_tell_what_they_are_made_of(tmp_path):
    first = store_of(
        tmp_path / 'a.arrow', [[0, 0, 50, 50]], image_root='x',
        search=dict(scale=1), filter=dict(min_size=3),
    )  # fmt: skip
    second = store_of(
        tmp_path / 'b.arrow', [[0, 0, 50, 49], [50, 50, 90, 90]],
        search=dict(detector='d.pth'),
    )  # fmt: skip
    store = join_stores(first, second, tmp_path / 'c.arrow')
    for record in store:
        assert record.bboxes.tolist() == [[0, 0, 50, 50], [50, 50, 90, 90]]
    assert store.metadata['image_root'] == 'x'
    assert store.metadata['filter'] == dict(min_size=3)
    of = store.metadata['joined']['stores']
    assert [entry['search'] for entry in of] == [
        dict(scale=1),
        dict(detector='d.pth'),
    ]
    # again: the same; with another overlap: not without being asked
    before = store.path.read_bytes()
    assert join_stores(first, second, store.path).path == store.path
    with pytest.raises(FileExistsError, match='--overwrite'):
        join_stores(first, second, store.path, iou=1.0)
    assert store.path.read_bytes() == before
    wider = join_stores(first, second, store.path, iou=1.0, overwrite=True)
    assert ProposalStore(wider.path).metadata['boxes'] == 6


@pytest.mark.parametrize(
    ('names', 'message'),
    [
        (['a.png', 'b.png', 'bad.png'], None),
        (['a.png'], r"0 of 1 .* 1 of its 2 are not there, such as 'b\.png'"),
        (['a.png', 'b.png', 'c.png'], r"1 of 3 .* 0 of its 2 .* 'c\.png'"),
    ],
)
def test_a_store_to_join_is_checked_first(tmp_path, names, message):
    unreadable = [dict(file_name='bad.png', reason='empty')]
    path = tmp_path / 'a.arrow'
    store_of(path, [[0, 0, 50, 50]], unreadable=unreadable)
    try:
        refuse_unjoinable(path, names, 'images')
    except ValueError as error:
        assert message is not None and re.search(message, str(error))
    else:
        assert message is None


def test_stores_of_other_images_are_not_joined(tmp_path):
    first = store_of(tmp_path / 'a.arrow', [[0, 0, 50, 50]])
    for name, options, message in (
        ('b', dict(names=('a.png',)), '2 and 1'),
        ('c', dict(names=('a.png', 'c.png')), r'b\.png .*c\.png'),
        ('d', dict(side=99), '100 x 100.*99 x 99'),
        ('e', dict(kind='regions'), 'holds all regions'),
    ):
        other = store_of(tmp_path / f'{name}.arrow', [[0, 0, 9, 9]], **options)
        with pytest.raises(ValueError, match=message):
            join_stores(first, other, tmp_path / 'out.arrow')
    assert not (tmp_path / 'out.arrow').exists()
