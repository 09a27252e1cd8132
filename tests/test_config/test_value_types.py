"""Plain values are compared with annotations, which messages describe."""

from typing import Any, Optional, Union

import pytest

from mmsoco.config.value_types import CONTAINER, fits, in_words


@pytest.mark.parametrize(
    ('annotation', 'words', 'good', 'bad'),
    [
        (bool, 'True or False', [True, False], [1, 'True', None]),
        (int, 'an integer', [0, -3], [True, 2.0, '2']),
        (float, 'a number', [0.5, 3], [False, '0.5', None]),
        (str | None, 'a text or None', ['a', None], [0, False]),
        # As the packages that mmsoco builds on write them.
        (Optional[int], 'an integer or None', [3, None], [True, 0.5]),  # noqa: UP045
        (Union[bool, str], 'True or False or a text', [True, 'x'], [0]),  # noqa: UP007
        (CONTAINER, 'a list or dict', [[], (), {}], ['ab', 3, {1}]),
        (
            dict[str, float],
            'a dict of names, each with a number',
            [{}, {'a': 1}],
            [{'a': '1'}, {1: 1.0}, [('a', 1)]],
        ),
        (
            tuple[int, int],
            'a list of 2 values, each an integer',
            [[1, 2], (1, 2)],
            [[1], [1, 2, 3], [1, 2.5], 12],
        ),
        (
            tuple[str, ...],
            'a list of values, each a text',
            [[], ['a', 'b']],
            ['ab', ['a', 3]],
        ),
        (Any, 'a value', [None, object(), 3], []),
    ],
)
def test_values_and_words_of_annotations(annotation, words, good, bad):
    assert in_words(annotation) == words
    assert [value for value in good if not fits(value, annotation)] == []
    assert [value for value in bad if fits(value, annotation)] == []
