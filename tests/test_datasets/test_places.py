"""One set of images in a folder, a tar file and a storage backend."""

import os
import shutil

import generator_helpers
import pytest
import storage_backends
import tiny_models
import torch
from mmengine.dataset import default_collate
from proposal_samples import save_blocks
from torch.utils.data import DataLoader

from mmsoco.datasets.proposal_dataset import ProposalDataset
from mmsoco.datasets.samplers import SampleKey
from mmsoco.datasets.store_checks import StoreMismatchError
from mmsoco.images.opening import ImageFolder, open_images
from mmsoco.images.packing import pack
from mmsoco.images.tar_source import ImageTar
from mmsoco.models.data_preprocessor import SoCoDataPreprocessor
from mmsoco.proposals.generation.job import Job
from mmsoco.proposals.rework import merge_shards
from mmsoco.proposals.store import ProposalStore

ADDRESS = 'mem://set'
LISTED = dict(backend='listed-memory')
KEYS = [SampleKey(3, 1, index) for index in (4, 0, 2, 1, 3)]


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    """The images, and a store of each place."""
    base = tmp_path_factory.mktemp('places')
    folder = base / 'images'
    for seed in range(5):
        save_blocks(folder / f'{"de"[seed % 2]}/ö {seed}.png', seed)
    source = ImageFolder(folder)
    pack(source, source.find().names, base / 'out.tar')
    storage_backends.fill(folder, ADDRESS)
    propose(folder, base / 'folder.arrow')
    propose(base / 'out.tar', base / 'tar.arrow')
    propose(ADDRESS, base / 'memory.arrow', LISTED)
    return base


@pytest.fixture
def base(made, tmp_path):
    """A copy that a test may change."""
    shutil.copytree(made, tmp_path / 'copy')
    return tmp_path / 'copy'


def propose(root, out, backend_args=None, workers=1, **options):
    names = open_images(root, backend_args).find().names
    job = Job(str(root), names, str(out), backend_args=backend_args, **options)
    return generator_helpers.run(job, workers)


def rows(path):
    return generator_helpers.rows_of(ProposalStore(path))


def test_proposals_do_not_depend_on_the_place(made):
    expected = rows(made / 'folder.arrow')
    assert sum(len(row[3]) for row in expected) > 5
    for name in ('tar', 'memory'):
        assert rows(made / f'{name}.arrow') == expected


def test_store_of_a_tar_tells_where_each_image_lies(made):
    store = ProposalStore(made / 'tar.arrow')
    store.check()
    data = (made / 'out.tar').read_bytes()
    for record in store:
        offset, size = record.extent
        expected = (made / 'images' / record.file_name).read_bytes()
        assert data[offset : offset + size] == expected
    assert store.metadata['tar']['bytes'] == len(data)
    assert store.metadata['image_root'] == str(made / 'out.tar')
    loose = ProposalStore(made / 'folder.arrow')
    assert all(record.extent is None for record in loose)
    assert 'tar' not in loose.metadata


def test_store_of_a_backend_tells_which(made):
    metadata = ProposalStore(made / 'memory.arrow').metadata
    assert metadata['backend_args'] == LISTED
    assert metadata['image_root'] == ADDRESS


def test_second_call_does_nothing_and_a_changed_image_alone_is_redone(base):
    shutil.copy(base / 'out.tar', base / 'old.tar')
    for root, name, args in (
        (base / 'out.tar', 'x.arrow', None),
        (ADDRESS, 'memory.arrow', LISTED),
    ):
        propose(root, base / name, args)
        assert propose(root, base / name, args)[0].made == 0
    # A tar file with one image more and one changed: the others have moved.
    save_blocks(base / 'images/a.png', 9)
    save_blocks(base / 'images/d/ö 2.png', 8)  # of the same size
    # The times of a tar file are whole seconds.
    os.utime(base / 'images/d/ö 2.png', (10**9, 10**9))
    source = ImageFolder(base / 'images')
    pack(source, source.find().names, base / 'out.tar')
    summary, _ = propose(base / 'out.tar', base / 'x.arrow')
    assert summary.made == 2
    propose(base / 'images', base / 'loose.arrow')
    assert rows(base / 'x.arrow') == rows(base / 'loose.arrow')
    data = (base / 'out.tar').read_bytes()
    for record in summary.store:
        offset, size = record.extent
        expected = (base / 'images' / record.file_name).read_bytes()
        assert data[offset : offset + size] == expected


def test_shards_of_a_tar_join_with_their_places(base):
    shards = [base / f'{i}.arrow' for i in range(2)]
    for i, out in enumerate(shards):
        propose(base / 'out.tar', out, shard=(i, 2), workers=2)
    joined = merge_shards(shards, base / 'joined.arrow')
    whole = ProposalStore(base / 'tar.arrow')
    assert [r.extent for r in joined] == [r.extent for r in whole]
    assert joined.metadata['tar'] == whole.metadata['tar']


def datasets(base, pipeline):
    return {
        'folder': ProposalDataset(
            base / 'images', base / 'folder.arrow', pipeline
        ),
        'tar': ProposalDataset(base / 'out.tar', base / 'tar.arrow', pipeline),
        # Proposals of loose files serve the tar file of them, and back.
        'mixed': ProposalDataset(
            base / 'out.tar', base / 'folder.arrow', pipeline
        ),
        'back': ProposalDataset(base / 'images', base / 'tar.arrow', pipeline),
        'memory': ProposalDataset(
            ADDRESS, base / 'memory.arrow', pipeline, backend_args=LISTED
        ),
    }


def assert_equal(a, b):
    """Compare two samples or batches bit by bit."""
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        a, b = list(a.values()), list(b.values())
    if isinstance(a, list):
        for x, y in zip(a, b, strict=True):
            assert_equal(x, y)
    elif isinstance(a, torch.Tensor):
        assert torch.equal(a, b)
    else:
        assert a == b


@pytest.fixture
def larger(pipeline):
    for view in pipeline[0]['views']:
        view['size'] *= 2
    return pipeline


def test_samples_and_loss_are_those_of_loose_files(made, larger):
    """Bit for bit, in any order of reading."""
    model = tiny_models.soco(tiny_models.mask_rcnn_fpn()).train()
    losses = {}
    start = {k: v.clone() for k, v in model.state_dict().items()}
    samples = {}
    for name, dataset in datasets(made, larger).items():
        samples[name] = [dataset[key] for key in KEYS]
        model.load_state_dict(start)
        batch = SoCoDataPreprocessor()(default_collate(samples[name]), True)
        losses[name], _ = model.parse_losses(model(**batch, mode='loss'))
    for name in samples:
        assert_equal(samples[name], samples['folder'])
        assert torch.equal(losses[name], losses['folder'])
    assert torch.isfinite(losses['folder'])


def first_batch(dataset, workers, method=None):
    loader = DataLoader(
        dataset, 5, sampler=KEYS, num_workers=workers,
        collate_fn=default_collate, multiprocessing_context=method,
    )  # fmt: skip
    return next(iter(loader))


def test_workers_make_the_same_samples(made, pipeline):
    for dataset in datasets(made, pipeline).values():
        expected = first_batch(dataset, 0)
        assert_equal(first_batch(dataset, 2, 'fork'), expected)


@pytest.mark.slow
def test_spawned_workers_make_the_same_samples(made, pipeline):
    dataset = datasets(made, pipeline)['tar']
    assert_equal(first_batch(dataset, 2, 'spawn'), first_batch(dataset, 0))


def test_images_without_a_store(made, pipeline, tmp_path):
    listed = tmp_path / 'names.txt'
    listed.write_text('d/ö 2.png\nd/ö 0.png\n')
    expected = ProposalDataset(made / 'images', None, pipeline)
    for root, args in ((made / 'out.tar', None), (ADDRESS, LISTED)):
        dataset = ProposalDataset(root, None, pipeline, backend_args=args)
        assert_equal(dataset[KEYS[0]], expected[KEYS[0]])
        few = ProposalDataset(
            root, None, pipeline, backend_args=args, ann_file=str(listed)
        )
        names = [few.get_data_info(i)['file_name'] for i in range(len(few))]
        assert names == ['d/ö 0.png', 'd/ö 2.png']
    with pytest.raises(ValueError, match="'memory' cannot list"):
        ProposalDataset(
            ADDRESS, None, pipeline, backend_args=dict(backend='memory')
        )
    with pytest.raises(ValueError, match='ann_file.*give one of them'):
        ProposalDataset(
            made / 'images', made / 'tar.arrow', pipeline, ann_file='x.txt'
        )


def test_tar_cut_short_or_of_other_images_is_refused(base, pipeline):
    path = base / 'out.tar'
    size = path.stat().st_size
    with open(path, 'r+b') as file:
        file.truncate(size - 4096)
    with pytest.raises(StoreMismatchError) as info:
        ProposalDataset(path, base / 'tar.arrow', pipeline)
    for text in (
        str(path), 'tar.arrow', f'has {size - 4096} bytes', f'expected {size}',
        'cut short', 'mmsoco propose',
    ):  # fmt: skip
        assert text in str(info.value)


def test_tar_that_was_moved_is_named(base, pipeline):
    (base / 'out.tar').rename(base / 'there.tar')
    with pytest.raises(FileNotFoundError, match=r'out\.tar.*new path.*image'):
        ProposalDataset(base / 'out.tar', base / 'tar.arrow', pipeline)
    dataset = ProposalDataset(base / 'there.tar', base / 'tar.arrow', pipeline)
    assert len(dataset) == 5


def test_tar_damaged_under_way_is_named_and_replaced(base, pipeline):
    """The bytes of one image are lost after the data set was opened."""
    dataset = ProposalDataset(
        base / 'out.tar', base / 'tar.arrow', pipeline, substitute=False
    )
    name = dataset.get_data_info(2)['file_name']
    offset, size = ImageTar(base / 'out.tar').extent(name)
    with open(base / 'out.tar', 'r+b') as file:
        file.seek(offset - 512)
        file.write(bytes(512 + size))
    with pytest.raises(ValueError, match='damaged or replaced') as info:
        dataset[2]
    assert f'out.tar:{name}' in str(info.value)
    dataset.substitute = True
    assert dataset[2]['data_samples']['index'] != 2


def test_wrong_backend_is_named(made, pipeline):
    with pytest.raises(ValueError, match="backend 'petrol'.*image_root"):
        ProposalDataset(
            ADDRESS, made / 'memory.arrow', pipeline,
            backend_args=dict(backend='petrol'),
        )  # fmt: skip
    with pytest.raises(ValueError, match=r"args Backend.*'\.' .*local disk"):
        open_images('.', dict(Backend='petrel'))


def test_backend_that_fails_ends_the_run_by_name(made, pipeline):
    args = dict(backend='memory')
    dataset = ProposalDataset(
        ADDRESS, made / 'memory.arrow', pipeline, backend_args=args
    )
    dataset.sources[0].images.backend_args['broken'] = True
    dataset.sources[0].images._opened = None
    with pytest.raises(RuntimeError, match='10 images in a row.*mem://set'):
        dataset[0]
