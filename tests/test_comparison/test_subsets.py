"""Label subsets: drawn by seed, nested, with every class."""

import comparison_plans
import pytest

from mmsoco.comparison import subsets


def ids(subset):
    return {image['id'] for image in subset.document['images']}


def test_a_seed_gives_one_subset_and_budgets_are_nested():
    document = comparison_plans.labels(40)
    few, again = (subsets.draw_subset(document, 8, 3) for _ in range(2))
    many = subsets.draw_subset(document, 20, 3)
    assert ids(few) == ids(again)
    assert len(ids(few)) == 8
    assert ids(few) < ids(many)
    assert ids(few) != ids(subsets.draw_subset(document, 8, 4))
    kept = {a['image_id'] for a in few.document['annotations']}
    assert kept == ids(few)


def test_drawn_again_until_every_class_is_there():
    document = comparison_plans.labels(60)
    for annotation in document['annotations'][1:]:
        annotation['category_id'] = 1
    document['annotations'][0]['category_id'] = 2
    draws = [subsets.draw_subset(document, 10, seed) for seed in range(20)]
    assert all(0 in ids(draw) for draw in draws)
    assert max(draw.draws for draw in draws) > 1
    counts = subsets.class_counts(draws[0].document)
    assert counts == {'disc': 9, 'square': 1}


def test_a_class_that_no_picture_has_is_not_waited_for():
    document = comparison_plans.labels(10)
    document['categories'].append(dict(id=3, name='nowhere'))
    assert subsets.draw_subset(document, 4, 0).draws >= 1


def test_budget_larger_than_the_labels():
    document = comparison_plans.labels(4)
    document['images'].append(dict(id=99, file_name='empty.png'))
    with pytest.raises(ValueError, match='budget of 5 .* 4 of 5 pictures'):
        subsets.draw_subset(document, 5, 0)


def test_no_draw_has_every_class():
    document = comparison_plans.labels(4)
    with pytest.raises(ValueError, match="rarest: '(disc|square)'"):
        subsets.draw_subset(document, 1, 0)
