import cv2
import numpy as np

from mmsoco.evaluation.labelled_pictures import LabelledPicture
from mmsoco.evaluation.picture_batches import batches
from mmsoco.structures import InputConvention


def test_boxes_and_pixels_follow_the_resize(tmp_path):
    image = np.zeros((40, 80, 3), np.uint8)
    image[10:20, 40:80] = (255, 0, 0)  # red
    cv2.imwrite(str(tmp_path / 'a.png'), image[..., ::-1])
    box = np.array([[40, 10, 80, 20]], np.float32)
    picture = LabelledPicture(tmp_path / 'a.png', box, np.zeros(1, int))
    plain = InputConvention('BGR', (0, 0, 0), (1, 1, 1))
    [batch] = batches([picture], (64, 64), plain, 4)
    assert batch.images.shape == (1, 3, 32, 64)
    assert batch.boxes.tolist() == [[0, 32, 8, 64, 16]]
    inside = batch.images[0, :, 10:14, 36:60].mean(dim=(1, 2))
    assert inside.tolist() == [0, 0, 255]  # blue, green, red
