import json

import pytest
from PIL import Image
from proposal_samples import save_blocks


@pytest.fixture(scope='session')
def golden_photos(shared_dir):
    """Regions and filtered lists of the published code, by photo."""
    text = (shared_dir / 'golden' / 'golden_proposals.json').read_text()
    return json.loads(text)['images']


@pytest.fixture
def image_root(tmp_path):
    """Make seven good images, some with odd names, and three bad files."""
    root = tmp_path / 'my images'
    names = ['a.png', 'b/a.png', 'b/ö 图.png', 'c d.png', 'e.png', 'f.png']
    for seed, name in enumerate(names):
        save_blocks(root / name, seed, 100 + seed)
    Image.new('L', (1, 1)).save(root / 'one pixel.png')
    (root / 'bad empty.jpg').touch()
    (root / 'bad text.jpg').write_text('no image')
    (root / 'b' / 'bad half.png').write_bytes(
        (root / 'a.png').read_bytes()[:60]
    )
    return root
