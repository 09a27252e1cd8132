"""Fixtures that the whole suite shares."""

import functools
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from proposal_samples import save_blocks

# Tests run in parallel on small machines and compare float sums: one
# thread is both faster and reproducible for their tiny tensors.
os.environ.setdefault('OMP_NUM_THREADS', '1')

REPO = Path(__file__).resolve().parent.parent
GOLDEN = REPO / 'tests' / 'golden'
SHARED = REPO.parent / 'shared'


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what is marked ``gpu`` where there is none."""
    import torch  # after the environment above is set

    _forget_last_run(item.path)
    _forget_visualizers()
    # A shell starts jobs in the background with Ctrl-C ignored, and nohup
    # ignores SIGHUP; then runs would not listen to them either.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    if item.get_closest_marker('gpu') and not torch.cuda.is_available():
        pytest.skip('needs a CUDA device')


def pytest_itemcollected(item: pytest.Item) -> None:
    """Give an hour to what is marked ``slow``."""
    if item.get_closest_marker('slow'):
        item.add_marker(pytest.mark.timeout(3600))


@functools.lru_cache(maxsize=1)
def _forget_last_run(file: Path) -> None:
    """Let a file of tests start as if it were run alone.

    A runner leaves its default scope behind, by which a name such as ResNet
    is that of another package in the tests that the process runs next; and
    its logger, whose file is closed by any package that configures logging
    (as submitit does), so that models that are initialized next cannot
    write into it.
    """
    from mmengine.logging import MessageHub, MMLogger  # late, as torch above
    from mmengine.registry import DefaultScope

    for kind in (DefaultScope, MessageHub, MMLogger):
        kind._instance_dict.clear()


def _forget_visualizers() -> None:
    """Let a run write into its own folder.

    mmengine keeps a visualizer of each name, and a run is named by the second
    in which it starts: another test may have used, and removed, its folder.
    """
    from mmengine.visualization import Visualizer  # late, as torch above

    kinds = [Visualizer]
    while kinds:
        kind = kinds.pop()
        kind._instance_dict.clear()
        kinds += kind.__subclasses__()


def pytest_collectstart(collector: pytest.Collector) -> None:
    """Read configs quickly; some are read while tests are collected."""
    _look_at_packages_once()


@functools.cache
def _look_at_packages_once() -> None:
    """Keep what mmengine finds out about other packages.

    For each ``mmdet::`` that a config inherits from, it lists all packages
    and reads all of mmdet's metafiles, in 0.1 s of 0.13 s that a small config
    takes: 179 times while the tests are collected.
    """
    from mmengine.config import config, utils  # late, as torch above
    from mmengine.utils import package_utils

    utils.load = functools.cache(utils.load)
    is_installed = functools.cache(package_utils.is_installed)
    config.is_installed = package_utils.is_installed = is_installed


@pytest.fixture(scope='session', autouse=True)
def _quick_start() -> Iterator[None]:
    """Leave out what takes most of the time of a tiny run.

    mmengine formats the config three times and asks compilers for their
    versions.
    """
    with pytest.MonkeyPatch.context() as patch:
        # mmengine imports it at the top, its maintained fork where it is used.
        for place in ('mmengine.config.config', 'yapf.yapflib.yapf_api'):
            patch.setattr(
                f'{place}.FormatCode',
                lambda text, **_: (text, True),
                raising=False,
            )
        patch.setattr('mmengine.runner.runner.collect_env', dict)
        yield


@pytest.fixture(scope='session')
def repo_dir() -> Path:
    """The root of the repository."""
    return REPO


@pytest.fixture(scope='session')
def shared_dir() -> Path:
    """The folder of real images next to the repository."""
    if not SHARED.is_dir():
        pytest.skip(
            'needs the images in ../shared, which is not part of the '
            'repository'
        )
    return SHARED


@pytest.fixture(scope='session')
def golden_dir() -> Path:
    """Return the folder with the results of the published implementation."""
    return GOLDEN


@pytest.fixture(scope='session')
def golden(golden_dir: Path) -> dict:
    """Return results of the published implementation, by case."""
    return json.loads((golden_dir / 'golden.json').read_text())


@pytest.fixture(scope='session')
def photos_dir(shared_dir: Path) -> Path:
    """Real photographs of many sizes."""
    return shared_dir / 'data' / 'photos'


@pytest.fixture
def image_root(tmp_path: Path) -> Path:
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
