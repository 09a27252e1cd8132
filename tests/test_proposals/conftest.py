import json

import pytest


@pytest.fixture(scope='session')
def golden_photos(golden_dir):
    """Regions and filtered lists of the published code, by photo."""
    text = (golden_dir / 'golden_proposals.json').read_text()
    return json.loads(text)['images']
