import io
import logging
import os
import pickle
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from mmengine.dataset import (
    ClassBalancedDataset,
    ConcatDataset,
    RepeatDataset,
    default_collate,
)
from mmengine.logging import MMLogger
from mmengine.registry import DefaultScope
from PIL import Image
from torch.utils.data import DataLoader

from mmsoco.datasets.proposal_dataset import ProposalDataset
from mmsoco.datasets.samplers import EpochIndexSampler, SampleKey
from mmsoco.datasets.store_checks import StoreMismatchError
from mmsoco.images.errors import UnreadableImageError
from mmsoco.images.stamps import read_stamped
from mmsoco.proposals.store import ProposalStore, ProposalStoreWriter
from mmsoco.registry import DATASETS, TRANSFORMS

PLAIN = 0  # the place of a/plain.jpg


@pytest.fixture
def dataset(image_set, pipeline):
    return ProposalDataset(image_set.root, image_set.store, pipeline)


def flatten(sample):
    data = sample['data_samples']
    index = torch.as_tensor(data['index'])
    return [*sample['inputs'], *data['bboxes'], *data['cutout'], index]


def equal(first, second):
    pairs = zip(flatten(first), flatten(second), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def run_epoch(dataset, workers, epochs=(0, 1)):
    sampler = EpochIndexSampler(dataset, seed=3)
    loader = DataLoader(
        dataset,
        batch_size=3,
        sampler=sampler,
        num_workers=workers,
        persistent_workers=workers > 0,
        collate_fn=default_collate,
    )
    batches = []
    for epoch in epochs:
        sampler.set_epoch(epoch)
        batches += list(loader)
    return batches


def test_every_awkward_image_becomes_a_sample(dataset):
    batch = default_collate(list(dataset))
    assert [x.shape for x in batch['inputs']] == [
        (6, 32, 32, 3),
        (6, 32, 32, 3),
        (6, 16, 16, 3),
    ]
    for bboxes, side in zip(
        batch['data_samples']['bboxes'], (32, 32, 32, 16), strict=True
    ):
        assert bboxes.shape == (6, 4, 4)
        assert bboxes.min() >= 0 and bboxes.max() <= side
        assert (bboxes[..., 2:] > bboxes[..., :2]).all()
    assert batch['data_samples']['index'].tolist() == list(range(6))


def test_sample_is_a_function_of_its_key(dataset, image_set, pipeline):
    again = ProposalDataset(image_set.root, image_set.store, pipeline)
    key = SampleKey(7, 3, PLAIN)
    np.random.seed(0)
    torch.manual_seed(0)
    first = dataset[key]
    again[0], np.random.rand(), torch.rand(1)
    assert equal(first, again[key])
    for other in (SampleKey(8, 3, PLAIN), SampleKey(7, 4, PLAIN)):
        assert not equal(first, dataset[other])
    assert equal(dataset[PLAIN], dataset[SampleKey(0, 0, PLAIN)])


def test_number_of_workers_makes_no_difference(dataset):
    alone, workers = (run_epoch(dataset, n) for n in (0, 2))
    assert len(alone) == 4
    assert all(equal(a, b) for a, b in zip(alone, workers, strict=True))


def test_a_restart_in_a_later_epoch_makes_no_difference(dataset):
    whole = run_epoch(dataset, 0)
    resumed = run_epoch(dataset, 0, epochs=(1,))
    assert all(equal(a, b) for a, b in zip(whole[2:], resumed, strict=True))
    assert not equal(whole[0], whole[2])


def test_dataset_is_sent_without_its_data(dataset):
    dumped = pickle.dumps(dataset)
    assert len(dumped) < 4000
    assert equal(pickle.loads(dumped)[PLAIN], dataset[PLAIN])


@TRANSFORMS.register_module()
class KeepAll:
    """Hands the loaded sample through."""

    def __call__(self, results):
        return results


def test_image_and_proposals_are_those_of_the_store(image_set):
    dataset = ProposalDataset(
        image_set.root, image_set.store, [dict(type='KeepAll')]
    )
    assert len(dataset) == 6
    for i, name in enumerate(sorted(image_set.images)):
        (height, width), bboxes = image_set.images[name]
        results = dataset[i]
        assert results['file_name'] == name and results['index'] == i
        assert results['img'].shape == (height, width, 3)
        whole = [[0, 0, width, height]]
        assert results['bboxes'].tolist() == (bboxes or whole)
        expected = np.random.default_rng((0, 0, i)).random()
        assert results['rng'].random() == expected


def test_without_a_store_the_proposal_is_the_whole_image(image_set):
    dataset = DATASETS.build(
        dict(
            type='ProposalDataset',
            image_root=str(image_set.root),
            proposals=None,
            pipeline=[dict(type='KeepAll')],
        )
    )
    names = [dataset[i]['file_name'] for i in range(len(dataset))]
    assert names == sorted(image_set.images)
    assert dataset[PLAIN]['bboxes'].tolist() == [[0, 0, 80, 60]]
    assert pickle.loads(pickle.dumps(dataset))[0]['file_name'] == names[0]


def test_images_without_proposals_are_counted(image_set, pipeline):
    messages = collect(
        lambda: ProposalDataset(image_set.root, image_set.store, pipeline)
    )
    assert '6 images with 30 proposals; 2 images have none' in messages


def collect(function):
    """What a function logs."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    logger = MMLogger.get_current_instance()
    logger.addHandler(handler)
    try:
        function()
    finally:
        logger.removeHandler(handler)
    return stream.getvalue()


@pytest.mark.parametrize('content', [b'', b'not an image', None])
def test_broken_image_is_replaced_and_named(dataset, image_set, content):
    path = image_set.root / 'a/plain.jpg'
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    first = dataset[PLAIN]
    index = first['data_samples']['index']
    assert index != PLAIN
    assert equal(first, dataset[PLAIN])
    # Another epoch has another substitute.
    others = {
        dataset[SampleKey(0, epoch, PLAIN)]['data_samples']['index']
        for epoch in range(20)
    }
    assert len(others) > 1


def test_each_broken_image_is_named_once(dataset, image_set):
    (image_set.root / 'a/plain.jpg').write_bytes(b'')

    def load_twice():
        return [dataset[PLAIN], dataset[PLAIN]]

    messages = collect(load_twice)
    assert messages.count('plain.jpg') == 1
    assert 'another image takes its place (1 so far' in messages


def test_cut_jpeg_is_replaced(dataset, image_set):
    path = image_set.root / 'a/plain.jpg'
    path.write_bytes(path.read_bytes()[:-200])
    assert dataset[PLAIN]['data_samples']['index'] != PLAIN


def test_broken_image_raises_if_asked_to(image_set, pipeline):
    dataset = ProposalDataset(
        image_set.root, image_set.store, pipeline, substitute=False
    )
    (image_set.root / 'a/plain.jpg').write_bytes(b'')
    with pytest.raises(UnreadableImageError, match='plain.jpg'):
        dataset[PLAIN]


def test_ten_broken_images_in_a_row_stop_the_run(dataset, image_set):
    shutil.rmtree(image_set.root)
    with pytest.raises(RuntimeError, match='10 images in a row.*disk'):
        dataset[0]


def test_image_of_another_size_is_named(image_set, pipeline, make_store):
    """At the start it is an error, later it costs one image only."""
    changed = image_set.images | {'a/plain.jpg': ((61, 80), [[5, 5, 40, 40]])}
    make_store(image_set.store, changed)
    with pytest.raises(
        StoreMismatchError, match="'a/plain.jpg' is 60 x 80.*61 x 80.*new"
    ):
        ProposalDataset(image_set.root, image_set.store, pipeline)


def test_image_changed_in_the_middle_of_a_run_is_replaced(dataset, image_set):
    shutil.copy(image_set.root / 'b/many.png', image_set.root / 'b/none.png')
    index = sorted(image_set.images).index('b/none.png')
    messages = collect(lambda: dataset[index])
    assert "'b/none.png' is 90 x 70 pixels" in messages


def test_store_of_another_folder_is_refused(image_set, pipeline, tmp_path):
    other = tmp_path / 'other'
    (other / 'a').mkdir(parents=True)
    shutil.copy(image_set.root / 'a/plain.jpg', other / 'a')
    with pytest.raises(
        StoreMismatchError,
        match="does not belong.*5 of 6 names.*made for 'elsewhere'",
    ):
        ProposalDataset(other, image_set.store, pipeline)


def test_unfiltered_regions_are_no_proposals(image_set, pipeline, tmp_path):
    path = tmp_path / 'regions.arrow'
    with ProposalStoreWriter(path, dict(kind='regions')) as writer:
        writer.write(ProposalStore(image_set.store))
    with pytest.raises(StoreMismatchError, match='convert regions'):
        ProposalDataset(image_set.root, path, pipeline)


def test_few_missing_images_are_no_reason_to_stop(image_set, pipeline):
    (image_set.root / 'a/plain.jpg').unlink()
    dataset = ProposalDataset(image_set.root, image_set.store, pipeline)
    assert dataset[PLAIN]['data_samples']['index'] != PLAIN


def test_missing_folder_and_missing_store_are_named(
    image_set, pipeline, tmp_path
):
    with pytest.raises(FileNotFoundError, match='nowhere.*image_root'):
        ProposalDataset(tmp_path / 'nowhere', image_set.store, pipeline)
    with pytest.raises(FileNotFoundError, match='nothing.arrow.*propose'):
        ProposalDataset(image_set.root, tmp_path / 'nothing.arrow', pipeline)


def test_no_images_are_refused(tmp_path, pipeline, make_store):
    (tmp_path / 'empty').mkdir()
    with pytest.raises(ValueError, match="no images: '.*empty' is empty"):
        ProposalDataset(tmp_path / 'empty', None, pipeline)
    store = make_store(tmp_path / 'empty.arrow', {})
    with pytest.raises(ValueError, match='no images: .*empty.arrow'):
        ProposalDataset(tmp_path / 'empty', store, pipeline)


@pytest.mark.parametrize('index', [-1, 6])
def test_index_outside_of_the_dataset(dataset, index):
    with pytest.raises(IndexError, match=f'index {index} of a dataset of 6'):
        dataset[index]


@pytest.fixture
def two_sets(image_set, tmp_path, make_store):
    """Options of a dataset of two folders, of 6 and 2 images."""
    other = tmp_path / 'other'
    names = ('a/plain.jpg', 'b/many.png')
    for name in names:
        (other / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(image_set.root / name, other / name)
    images = {name: image_set.images[name] for name in names}
    store = make_store(tmp_path / 'other.arrow', images)
    return dict(
        image_root=[str(image_set.root), str(other)],
        proposals=[str(image_set.store), str(store)],
    )


def test_several_folders_are_one_dataset(two_sets, image_set):
    dataset = ProposalDataset(**two_sets, pipeline=[dict(type='KeepAll')])
    assert len(dataset) == 8
    names = sorted(image_set.images)
    names += ['a/plain.jpg', 'b/many.png']
    for i, name in enumerate(names):
        results = dataset[i]
        assert (results['file_name'], results['index']) == (name, i)
        root = two_sets['image_root'][i >= 6]
        info = dataset.get_data_info(i)
        assert info['img_path'] == f'{root}/{name}'
        assert dataset.get_cat_ids(i) == [int(i >= 6)]
    with pytest.raises(IndexError, match='index 8 of a dataset of 8'):
        dataset[8]
    again = pickle.loads(pickle.dumps(dataset))
    assert again[7]['file_name'] == 'b/many.png'


def test_folders_without_stores_are_one_dataset(two_sets):
    dataset = ProposalDataset(
        two_sets['image_root'], None, [dict(type='KeepAll')]
    )
    assert len(dataset) == 8 and dataset[6]['file_name'] == 'a/plain.jpg'


@pytest.mark.parametrize(
    'options, text',
    [
        (dict(image_root=['a', 'b'], proposals='c'), 'for each image folder'),
        (dict(image_root='a', proposals=['c', 'd']), 'for each image folder'),
        (dict(image_root=[], proposals=None), 'for each image folder'),
        (dict(image_root='', proposals=None), 'must not be empty'),
        (dict(image_root='a', proposals=''), 'must not be empty'),
    ],
)
def test_folders_and_stores_that_do_not_pair_are_refused(options, text):
    with pytest.raises(ValueError, match=text):
        ProposalDataset(**options, pipeline=[])


def test_a_store_of_the_wrong_folder_is_noticed_in_a_list(two_sets):
    two_sets['proposals'].reverse()
    with pytest.raises(
        StoreMismatchError, match='does not belong to the .*other'
    ):
        ProposalDataset(**two_sets, pipeline=[])


def wrapped(kind, inner):
    """A wrapper of mmengine, the images it should give, and their number."""
    if kind == 'concat':
        return ConcatDataset([inner, inner]), [0, 1, 2, 3, 4, 5, 6, 7] * 2
    if kind == 'repeat':
        return RepeatDataset(inner, times=3), [0, 1, 2, 3, 4, 5, 6, 7] * 3
    # folders hold 3/4 and 1/4 of the images: sqrt(0.75 / 0.25) rounds up to 2
    return ClassBalancedDataset(inner, oversample_thr=0.75), [
        *range(6), 6, 6, 7, 7
    ]  # fmt: skip


@pytest.mark.parametrize('kind', ['concat', 'repeat', 'balanced'])
@pytest.mark.parametrize('built', [True, False])
def test_wrappers_of_mmengine(two_sets, pipeline, kind, built):
    """Each place has its own views, which differ between epochs."""
    options = dict(two_sets, pipeline=pipeline)
    inner = dict(type='ProposalDataset', **options)
    if built:
        inner = ProposalDataset(**options)
    with DefaultScope.overwrite_default_scope('mmsoco'):
        dataset, expected = wrapped(kind, inner)
    assert dataset.metainfo == {}
    assert [
        dataset.get_data_info(i)['file_name'] for i in range(len(dataset))
    ] == [
        ProposalDataset(**options).get_data_info(i)['file_name']
        for i in expected
    ]
    alone, workers = (run_epoch(dataset, n) for n in (0, 2))
    assert all(equal(a, b) for a, b in zip(alone, workers, strict=True))
    indices = torch.cat([b['data_samples']['index'] for b in alone])
    assert sorted(indices.tolist()) == sorted(expected * 2)
    plain = {
        view.numpy().tobytes()
        for batch in alone
        for view, index in zip(
            batch['inputs'][1], batch['data_samples']['index'], strict=True
        )
        if index == PLAIN
    }
    # two epochs, and as many places in each as the image has
    assert len(plain) == 2 * expected.count(PLAIN)


def test_subsets_are_refused_with_the_way_to_go(dataset):
    with pytest.raises(NotImplementedError, match='--ann-file'):
        dataset.get_subset([1])


def test_what_the_folder_left_out_is_said(image_set):
    (image_set.root / '.thumbs').mkdir()
    (image_set.root / 'notes.txt').touch()
    messages = collect(lambda: ProposalDataset(image_set.root, None, []))
    assert '2 entries left out' in messages and 'notes.txt' in messages


def test_names_that_are_not_utf8_are_left_out(image_set):
    """The names are kept in a table of UTF-8."""
    odd = os.fsencode(image_set.root / 'odd') + b'\xff.png'
    shutil.copy(image_set.root / sorted(image_set.images)[0], odd)
    messages = collect(lambda: ProposalDataset(image_set.root, None, []))
    assert 'name that is not UTF-8' in messages
    dataset = ProposalDataset(image_set.root, None, [])
    assert len(dataset) == len(image_set.images)


def test_damaged_store_stops_the_run(image_set, pipeline):
    data = bytearray(image_set.store.read_bytes())
    data[len(data) // 2] ^= 1
    image_set.store.write_bytes(data)
    with pytest.raises(ValueError, match='proposals.arrow.*damaged'):
        ProposalDataset(image_set.root, image_set.store, pipeline)


def test_images_that_changed_are_warned_of(image_set, pipeline):
    records = [
        replace(r, stamp=read_stamped(image_set.root / r.file_name)[1])
        for r in ProposalStore(image_set.store)
    ]
    with ProposalStoreWriter(image_set.store) as writer:
        writer.write(records)

    def open_it():
        ProposalDataset(image_set.root, image_set.store, pipeline)

    assert 'have changed' not in collect(open_it)
    # the same bytes at another time, as after a copy
    for record in records:
        os.utime(image_set.root / record.file_name, ns=(1, 1))
    assert 'have changed' not in collect(open_it)
    pixels = np.zeros((90, 70, 3), np.uint8)
    Image.fromarray(pixels).save(image_set.root / 'b/many.png')
    messages = collect(open_it)
    assert '1 of 6 images' in messages and "such as 'b/many.png'" in messages
