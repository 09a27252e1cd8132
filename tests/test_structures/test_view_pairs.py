import pickle

import pytest

from mmsoco.structures import RoISet, ViewPair, parse_pairs, roi_sets

STAR = [(1, 2), (1, 3), dict(views=(1, 4), proposals_of=(1, 2))]


def test_two_numbers_are_a_pair_with_its_own_proposals():
    assert parse_pairs([(1, 2), [1, 3]]) == [
        ViewPair((1, 2), (1, 2)),
        ViewPair((1, 3), (1, 3)),
    ]


def test_a_dict_may_borrow_proposals():
    assert parse_pairs(STAR)[2] == ViewPair((1, 4), (1, 2))
    assert parse_pairs([dict(views=[1, 2])]) == [ViewPair((1, 2), (1, 2))]


def test_order_of_roi_sets_is_the_contract_of_pipeline_and_model():
    fpn = [
        RoISet(1, (1, 2)),
        RoISet(2, (1, 2)),
        RoISet(1, (1, 3)),
        RoISet(3, (1, 3)),
    ]
    assert roi_sets(parse_pairs([(1, 2), (1, 3)])) == fpn
    assert roi_sets(parse_pairs(STAR)) == [*fpn, RoISet(4, (1, 2))]
    assert roi_sets(parse_pairs([(1, 2)])) == fpn[:2]


def test_pairs_travel_between_processes():
    pairs = parse_pairs(STAR)
    assert pickle.loads(pickle.dumps(pairs)) == pairs


@pytest.mark.parametrize(
    'cfg, error, text',
    [
        ([], ValueError, 'pairs is empty'),
        ([(1, 1)], ValueError, 'two different views'),
        ([(0, 1)], ValueError, 'counted from 1'),
        ([(1, 2, 3)], TypeError, 'two view numbers'),
        ([(1, 2.0)], TypeError, 'two view numbers'),
        ([12], TypeError, 'two view numbers'),
        ([(1, 2), (1, 2)], ValueError, 'occurs twice'),
        ([dict(proposals_of=(1, 2))], ValueError, 'has the keys "views"'),
        ([dict(views=(1, 2), proposal=1)], ValueError, 'proposal'),
        (
            [(1, 2), dict(views=(1, 3), proposals_of=(2, 3))],
            ValueError,
            r'pair \(1, 3\) takes the proposals of \(2, 3\)',
        ),
    ],
)
def test_bad_pairs_are_named(cfg, error, text):
    with pytest.raises(error, match=text):
        parse_pairs(cfg)
