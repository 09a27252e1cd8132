import os
import pickle
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from generator_helpers import rows_of
from old_store import write_old

from mmsoco.images.stamps import FileStamp
from mmsoco.proposals import store as store_module
from mmsoco.proposals.store import (
    ProposalRecord,
    ProposalStore,
    ProposalStoreWriter,
    StoreError,
)
from mmsoco.proposals.summary import describe


def make_records(count):
    rng = np.random.default_rng(0)
    records = []
    for i in range(count):
        corners = np.sort(rng.integers(0, 90, (i % 4, 2, 2)), axis=1)
        boxes = corners.reshape(-1, 4).astype(np.float32)
        name = f'd é/{i:05d}.jpg'
        records.append(ProposalRecord(name, 90 + i, 91, boxes, i % 4))
    return records


def write(path, records, metadata=None):
    with ProposalStoreWriter(path, metadata) as writer:
        writer.write(records)
    return ProposalStore(path)


def assert_same(record, expected):
    assert record.file_name == expected.file_name
    assert (record.height, record.width) == (expected.height, expected.width)
    assert record.fallback == expected.fallback
    assert record.bboxes.dtype == np.float32
    assert record.bboxes.shape == (len(expected.bboxes), 4)
    np.testing.assert_array_equal(record.bboxes, expected.bboxes)


@pytest.mark.parametrize('count', [0, 1, 2, 3, 7])
def test_round_trip_over_batch_borders(tmp_path, monkeypatch, count):
    monkeypatch.setattr(store_module, 'ROWS_PER_BATCH', 3)
    records = make_records(count)
    store = write(tmp_path / 'a.arrow', records, {'image_root': '/data é'})
    assert len(store) == count
    for record, expected in zip(store, records, strict=True):
        assert_same(record, expected)
    assert [store.index_of(r.file_name) for r in records] == list(range(count))
    assert store.metadata['image_root'] == '/data é'
    assert store.metadata['boxes'] == sum(len(r.bboxes) for r in records)
    assert store.box_counts().tolist() == [len(r.bboxes) for r in records]
    fallbacks = [r.fallback for r in records]
    assert store.fallbacks().tolist() == fallbacks
    assert store.metadata['fallbacks'] == [
        fallbacks.count(kind) for kind in range(4)
    ]


def test_other_readers_see_plain_columns(tmp_path):
    records = make_records(4)
    write(tmp_path / 'a.arrow', records)
    rows = pa.ipc.open_file(tmp_path / 'a.arrow').read_all().to_pylist()
    assert rows[3]['file_name'] == records[3].file_name
    assert rows[3]['bboxes'] == records[3].bboxes.tolist()


def test_boxes_are_exact_up_to_the_largest_side(tmp_path):
    bboxes = np.array([[0, 0, 65535, 65535], [65534, 1, 65535, 1]])
    store = write(
        tmp_path / 'a.arrow', [ProposalRecord('a', 65535, 65535, bboxes)]
    )
    assert store[0].bboxes.tolist() == bboxes.tolist()


def test_index_and_name_errors(tmp_path):
    store = write(tmp_path / 'a.arrow', make_records(3))
    assert_same(store[-1], store[2])
    for index in (3, -4):
        with pytest.raises(IndexError, match='has 3 images'):
            store[index]
    for name in ('', 'd é/00001', 'zz'):
        with pytest.raises(KeyError, match='is not in'):
            store.index_of(name)


def test_pickle_carries_only_the_path(tmp_path):
    store = write(tmp_path / 'a.arrow', make_records(50))
    store[3]
    state = pickle.dumps(store)
    assert len(state) < 1000
    assert_same(pickle.loads(state)[3], store[3])


def test_missing_store(tmp_path):
    with pytest.raises(FileNotFoundError, match='mmsoco propose'):
        ProposalStore(tmp_path / 'no.arrow')


@pytest.mark.parametrize('kept', [0, 5, 400, -20, -1])
def test_store_cut_short(tmp_path, kept):
    path = tmp_path / 'a.arrow'
    write(path, make_records(9))
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(StoreError, match='cut short or damaged; generate it'):
        ProposalStore(path)


def test_what_a_killed_writer_left_is_removed(tmp_path):
    """By whatever writes the store next: a conversion as well as a search."""
    code = (
        'import os, sys; from mmsoco.proposals.store import *\n'
        'ProposalStoreWriter(sys.argv[1]).__enter__()\n'
        'os.kill(os.getpid(), 9)'
    )
    subprocess.run([sys.executable, '-c', code, tmp_path / 'a.arrow'])
    assert len(list(tmp_path.iterdir())) == 1
    write(tmp_path / 'a.arrow', [])
    assert [path.name for path in tmp_path.iterdir()] == ['a.arrow']


def test_foreign_arrow_file(tmp_path):
    table = pa.table({'a': [1]})
    with pa.ipc.new_file(tmp_path / 'a.arrow', table.schema) as writer:
        writer.write_table(table)
    with pytest.raises(StoreError, match='not a proposal store'):
        ProposalStore(tmp_path / 'a.arrow')


@pytest.mark.parametrize('compression', [None, 'lz4'])
def test_a_table_that_another_program_has_written_again(tmp_path, compression):
    path = tmp_path / 'a.arrow'
    with ProposalStoreWriter(path, {}) as writer:
        writer.write([ProposalRecord('a.jpg', 9, 9, np.zeros((0, 4)))])
    table = pa.ipc.open_file(path.read_bytes()).read_all()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_file(str(path), table.schema, options=options) as file:
        file.write_table(table)
    with pytest.raises(StoreError, match='another program has written'):
        ProposalStore(path)


def test_other_version(tmp_path, monkeypatch):
    version = store_module.FORMAT_VERSION
    fields = {**store_module.FIELDS, 99: store_module.FIELDS[version]}
    monkeypatch.setattr(store_module, 'FIELDS', fields)
    monkeypatch.setattr(store_module, 'FORMAT_VERSION', 99)
    write(tmp_path / 'a.arrow', [])
    monkeypatch.undo()
    with pytest.raises(StoreError, match=f'version 99, expected {version}'):
        ProposalStore(tmp_path / 'a.arrow')


@pytest.mark.parametrize(
    'record, text',
    [
        (ProposalRecord('a', 4, 6, np.zeros((0, 4))), 'out of order'),
        (ProposalRecord('b', 4, 6, np.zeros((0, 4))), 'twice'),
        (ProposalRecord('c', 4, 6, np.zeros(4)), r'shape \(4,\)'),
        (ProposalRecord('c', 4, 6, np.array([[0, 0, 7, 4]])), 'x2 <= 6'),
        (ProposalRecord('c', 4, 6, np.array([[0, 0, 6, 5]])), 'y2 <= 4'),
        (ProposalRecord('c', 4, 6, np.array([[-1, 0, 6, 4]])), 'got .-1'),
        (ProposalRecord('c', 4, 6, np.array([[2, 0, 1, 4]])), 'x1 <= x2'),
        (ProposalRecord('c', 4, 6, np.array([[0, 0, 1.5, 4]])), 'integers'),
        (ProposalRecord('c', 4, 6, np.full((1, 4), np.nan)), 'integers'),
        (ProposalRecord('c', 4, 6, np.zeros((0, 4)), 4), 'fallback'),
        (ProposalRecord('c', 4, 65536, np.zeros((0, 4))), 'width 65536'),
        (ProposalRecord('c', 0, 6, np.zeros((0, 4))), 'height 0'),
        (ProposalRecord('c/..', 4, 6, np.zeros((0, 4))), 'relative to'),
        (ProposalRecord('c//d', 4, 6, np.zeros((0, 4))), 'relative to'),
        (ProposalRecord('c/../../d', 4, 6, np.zeros((0, 4))), 'without'),
    ],
)
def test_writer_refuses_and_leaves_nothing(tmp_path, record, text):
    good = ProposalRecord('b', 4, 6, np.array([[0, 1, 6, 4]]))
    with pytest.raises(ValueError, match=text):
        write(tmp_path / 'a.arrow', [good, record])
    assert os.listdir(tmp_path) == []


def test_failed_writing_keeps_the_old_store(tmp_path):
    path = tmp_path / 'a.arrow'
    write(path, make_records(2))
    before = path.read_bytes()
    with pytest.raises(RuntimeError):
        with ProposalStoreWriter(path) as writer:
            writer.write(make_records(1))
            raise RuntimeError
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ['a.arrow']


def test_bytes_per_image_at_imagenet_rates(tmp_path):
    bboxes = np.tile([0, 0, 50, 60], (25, 1))
    records = [
        ProposalRecord(f'n01440764/n01440764_{i:05d}.JPEG', 375, 500, bboxes)
        for i in range(5000)
    ]
    write(tmp_path / 'a.arrow', records)
    assert (tmp_path / 'a.arrow').stat().st_size / 5000 < 400


def test_stamps_come_back(tmp_path):
    stamp = FileStamp(2**40, 1_700_000_000_123_456_789, 2**64 - 1)
    boxes = np.zeros((0, 4))
    store = write(
        tmp_path / 'a.arrow',
        [ProposalRecord('a', 4, 6, boxes, 3, stamp)]
        + [ProposalRecord('b', 4, 6, boxes, 3)],
    )
    assert [record.stamp for record in store] == [stamp, None]


def test_old_stores_are_read_without_checksums(tmp_path):
    records = make_records(7)
    write_old(tmp_path / 'old.arrow', records)
    store = ProposalStore(tmp_path / 'old.arrow')
    assert not store.has_checksums
    new = write(tmp_path / 'new.arrow', records)
    assert new.has_checksums
    assert rows_of(store) == rows_of(new)
    assert store[0].stamp is None
    assert 'no checksums' in describe(store)
    assert 'no checksums' not in describe(new)


@pytest.mark.parametrize(
    'record, text',
    [
        (ProposalRecord('z', 4, 6, np.array([[0, 0, 7, 4]])), 'not within'),
        (ProposalRecord('z', 4, 6, np.array([[3, 0, 2, 4]])), 'not within'),
        (ProposalRecord('z', 4, 6, np.array([[0, 2, 3, 1]])), 'not within'),
        (ProposalRecord('z', 4, 6, np.array([[0, 0, 6, 5]])), 'not within'),
        (ProposalRecord('z', 0, 6, np.zeros((0, 4))), 'sides must be'),
        (ProposalRecord('z', 4, 70000, np.zeros((0, 4))), 'sides must be'),
        (ProposalRecord('a', 4, 6, np.zeros((0, 4))), "'a' comes after 'b'"),
        (ProposalRecord('../z', 4, 6, np.zeros((0, 4))), 'relative to'),
    ],
)
def test_every_record_is_checked_as_it_is_read(tmp_path, record, text):
    """Even where nothing was damaged since some other program wrote it."""
    good = ProposalRecord('b', 4, 6, np.array([[0, 1, 6, 4]]))
    write_old(tmp_path / 'a.arrow', [good, record])
    store = ProposalStore(tmp_path / 'a.arrow')
    with pytest.raises(StoreError, match=f'a.arrow.*damaged.*{text}'):
        store[0]
    with pytest.raises(StoreError, match=text):
        store.check()


def test_batches_in_another_order_are_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr(store_module, 'ROWS_PER_BATCH', 2)
    monkeypatch.setattr(ProposalStoreWriter, '_check_name', lambda *_: None)
    store = write(tmp_path / 'a.arrow', make_records(6)[::-1][:2] * 2)
    with pytest.raises(StoreError, match='comes after|not sorted'):
        store.check()
