import pytest
import tiny_models


@pytest.fixture(scope='module')
def detector():
    return tiny_models.mask_rcnn_fpn()
