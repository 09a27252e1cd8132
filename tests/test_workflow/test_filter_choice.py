import re

import numpy as np
import pytest
from small_pictures import write_noise

from mmsoco.proposals.filters import FilterSpec
from mmsoco.proposals.records import ProposalRecord
from mmsoco.workflow import filter_choice
from mmsoco.workflow.filter_choice import (
    LADDER,
    FilterChoice,
    choose_filter,
    describe_filter,
    is_covered,
    measure,
    sample_regions,
)


def squares(name, *sides):
    """A picture of 200 x 200 with square regions."""
    boxes = [[10, 10, 10 + side, 10 + side] for side in sides]
    return ProposalRecord(name, 200, 200, np.array(boxes, np.float32), 0)


ALL_SIZES = [8, 16, 30, 60, 80, 100, 120, 140]
PICTURES = [squares(f'{i}.jpg', *ALL_SIZES * 2) for i in range(4)]


def labels(*sides, pictures=PICTURES):
    boxes = np.array([[10, 10, 10 + side, 10 + side] for side in sides])
    return {record.file_name: boxes for record in pictures}


def test_covered_is_an_iou_of_half():
    # one inside of the other: the IoU is the ratio of the areas
    objects = np.array([[0, 0, 10, 10], [0, 0, 10, 10.1], [50, 50, 60, 60]])
    proposals = np.array([[0, 0, 10, 20.0]])
    assert is_covered(objects, proposals).tolist() == [True, True, False]
    assert is_covered(objects[:1], np.array([[0, 0, 10, 20.1]])).sum() == 0
    assert is_covered(objects, np.empty((0, 4))).sum() == 0
    assert is_covered(np.empty((0, 4)), proposals).shape == (0,)


def test_a_filter_in_numbers():
    # of 8 sizes, 60 to 140 of 200 are within 0.3 to 0.8 and above 32 pixels
    found = measure(PICTURES, FilterSpec(), labels(8, 100, 150))
    assert found.boxes == 10
    assert found.kept == 5 / 8
    assert found.fallbacks == 0
    # 150 is covered by 140: 140^2 / 150^2 = 0.87
    assert found.recall == pytest.approx(2 / 3)
    assert measure(PICTURES, FilterSpec(), None).recall is None


def test_large_objects_keep_the_papers_filter():
    choice = choose_filter(PICTURES, labels(80, 120))
    assert choice.spec == FilterSpec()
    assert choice.chosen == choice.default
    assert choice.labels == 8


@pytest.mark.parametrize(('side', 'step'), [(30, 2), (16, 4), (8, 5)])
def test_small_objects_get_the_narrowest_filter_that_keeps_them(side, step):
    # of 200: 0.15, 0.08 and 0.04
    choice = choose_filter(PICTURES, labels(side))
    assert choice.spec == LADDER[step]
    assert choice.chosen.recall == 1
    assert choice.default.recall == 0


def test_long_objects_widen_the_ratio():
    # the square keeps the picture from falling back to the size filter
    boxes = np.array([[0, 0, 160, 40], [100, 100, 199, 199]], np.float32)
    pictures = [ProposalRecord('a.jpg', 200, 200, boxes, 0)]
    choice = choose_filter(pictures, {'a.jpg': boxes[:1]})
    assert choice.spec.max_ratio == 6 and choice.spec.min_size == 32


def test_objects_that_no_region_covers_widen_nothing():
    apart = {r.file_name: np.array([[150, 150, 158, 158]]) for r in PICTURES}
    choice = choose_filter(PICTURES, apart)
    assert choice.spec == FilterSpec()
    assert choice.chosen.recall == 0


def test_without_labels_the_number_of_proposals_decides():
    assert choose_filter(PICTURES).spec == FilterSpec()
    few = [squares(f'{i}.jpg', *[20] * 9, 100) for i in range(4)]
    # 20 of 200 is 0.1
    assert choose_filter(few).spec == LADDER[3]
    nothing = [squares('a.jpg', 4)]
    assert choose_filter(nothing).spec == LADDER[-1]


def test_the_users_limits_stand():
    choice = choose_filter(PICTURES, labels(8), {'min_size': 40})
    assert choice.spec == FilterSpec(min_size=40)
    assert choice.reason == 'as asked for'


def test_a_warning_where_most_regions_fall_unseen():
    small = [squares(f'{i}.jpg', *[8] * 90, *[100] * 10) for i in range(3)]
    assert '90% of the regions' in choose_filter(small).warning()
    assert choose_filter(PICTURES).warning() is None
    # with labels the recall says it
    assert choose_filter(small, labels(100, pictures=small)).warning() is None


def test_a_choice_survives_the_manifest():
    choice = choose_filter(PICTURES, labels(16))
    assert FilterChoice.from_dict(choice.as_dict()) == choice


def test_the_filter_is_shown_as_its_options():
    assert describe_filter(FilterSpec()) == "the paper's filter"
    shown = describe_filter(FilterSpec(min_size=8, min_scale=0.03))
    assert shown == '--min-size 8 --min-scale 0.03'


def test_the_sample_is_spread_and_skips_what_is_broken(tmp_path):
    names = [f'{i}.png' for i in range(5)]
    write_noise(tmp_path, names, (40, 40))
    (tmp_path / '2.png').write_bytes(b'broken')
    seen = []
    records = sample_regions(tmp_path, names, 3, lambda: seen.append(1))
    assert [r.file_name for r in records] == ['0.png', '4.png']
    assert len(seen) == 3


def test_a_picture_whose_search_takes_long_is_named(tmp_path, monkeypatch):
    """Nothing was said for minutes while a sampled panorama was searched."""
    write_noise(tmp_path, ['a.png'], (40, 40))
    write_noise(tmp_path, ['b.png'], (40, 60))
    (tmp_path / 'c.png').write_bytes(b'broken')
    monkeypatch.setattr(filter_choice, '_LARGE', 40 * 60)
    lines = []
    sample_regions(tmp_path, ['a.png', 'b.png', 'c.png'], report=lines.append)
    [line] = lines
    assert re.match(r'b\.png \(60 x 40 pixels\) is.*--shrink', line)
