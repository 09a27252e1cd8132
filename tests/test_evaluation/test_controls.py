import cv2
import numpy as np

from mmsoco.evaluation.controls import control_features
from mmsoco.evaluation.labelled_pictures import LabelledPicture


def test_controls_measure_the_box(tmp_path):
    image = np.zeros((20, 20, 3), np.uint8)
    image[:, :10] = (255, 0, 51)
    cv2.imwrite(str(tmp_path / 'a.png'), image[..., ::-1])
    boxes = np.array([[0, 0, 10, 20], [0, 0, 20, 5]], np.float32)
    picture = LabelledPicture(tmp_path / 'a.png', boxes, np.zeros(2, int))
    features = control_features([picture])
    assert np.allclose(np.exp(features['size']), [[10, 20], [20, 5]])
    expected = [[1, 0, 0.2, 0, 0, 0], [0.5, 0, 0.1, 0.5, 0, 0.1]]
    assert np.allclose(features['color'], expected, atol=1e-6)
