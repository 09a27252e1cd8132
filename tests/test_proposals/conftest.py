import json

import pytest


@pytest.fixture(scope='session')
def golden_photos(shared_dir):
    """Regions and filtered lists of the published code, by photo."""
    text = (shared_dir / 'golden' / 'golden_proposals.json').read_text()
    return json.loads(text)['images']
