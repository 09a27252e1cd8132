import numpy as np
import pytest

from mmsoco.evaluation.labelled_pictures import LabelledPicture
from mmsoco.evaluation.scores import clustered_error


def test_error_of_one_box_per_picture_is_that_of_a_proportion():
    pictures = [LabelledPicture('', np.zeros((1, 4)), np.zeros(1, int))] * 100
    correct = np.arange(100) < 36
    expected = np.sqrt(0.36 * 0.64 / 99)
    assert clustered_error(correct, pictures) == pytest.approx(expected)


def test_error_counts_pictures_not_boxes():
    one = LabelledPicture('', np.zeros((1, 4)), np.zeros(1, int))
    four = LabelledPicture('', np.zeros((4, 4)), np.zeros(4, int))
    correct = np.arange(50) < 20
    single = clustered_error(correct, [one] * 50)
    repeated = clustered_error(np.repeat(correct, 4), [four] * 50)
    assert repeated == pytest.approx(single)
