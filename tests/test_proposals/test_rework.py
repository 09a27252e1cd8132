import pytest
from generator_helpers import assert_same_stores, make_job, run
from proposal_samples import save_blocks

from mmsoco.proposals.filters import FilterSpec
from mmsoco.proposals.rework import merge_shards, refilter


@pytest.fixture
def shards(image_root, tmp_path):
    jobs = [
        make_job(image_root, tmp_path / f's{i}.arrow', shard=(i, 3))
        for i in range(3)
    ]
    return [run(job, workers=1)[0].store.path for job in jobs]


def test_merged_shards_equal_the_whole(shards, image_root, tmp_path):
    whole, _ = run(make_job(image_root, tmp_path / 'whole.arrow'))
    merged = merge_shards(shards[::-1], tmp_path / 'merged.arrow')
    assert_same_stores(merged, whole.store)


def test_more_shards_than_images(tmp_path):
    root = tmp_path / 'images'
    save_blocks(root / 'a.png', 0)
    save_blocks(root / 'b.png', 1)
    paths = []
    for i in range(3):
        job = make_job(root, tmp_path / f's{i}.arrow', shard=(i, 3))
        paths.append(run(job)[0].store.path)
    merged = merge_shards(paths, tmp_path / 'merged.arrow')
    assert [record.file_name for record in merged] == ['a.png', 'b.png']


def test_merge_refuses(shards, image_root, tmp_path):
    out = tmp_path / 'out.arrow'
    with pytest.raises(ValueError, match='shards 1/3 are missing'):
        merge_shards([shards[0], shards[2]], out)
    with pytest.raises(ValueError, match='shard 0/3 comes twice'):
        merge_shards([*shards, shards[0]], out)
    other = make_job(
        image_root,
        tmp_path / 'other.arrow',
        shard=(1, 3),
        filters=FilterSpec(min_size=16),
    )
    run(other, workers=1)
    with pytest.raises(ValueError, match='other.arrow.*another job: filter'):
        merge_shards([shards[0], other.out, shards[2]], out)
    two = make_job(image_root, tmp_path / 'two.arrow', shard=(1, 2))
    run(two, workers=1)
    with pytest.raises(ValueError, match='one of 2 shards'):
        merge_shards([shards[0], two.out], out)
    assert not out.exists()
    with pytest.raises(FileExistsError, match='--overwrite'):
        merge_shards(shards, shards[0])


def test_refilter_equals_a_second_search(image_root, tmp_path):
    filters = FilterSpec(min_size=10, min_scale=0.05)
    kept = make_job(image_root, tmp_path / 'a.arrow', keep_regions=True)
    run(kept)
    expected, _ = run(
        make_job(image_root, tmp_path / 'b.arrow', filters=filters)
    )
    found = refilter(kept.regions_path, tmp_path / 'c.arrow', filters)
    assert_same_stores(found, expected.store)
    assert found.metadata['boxes'] > run(kept)[0].store.metadata['boxes']


def test_refilter_refuses(image_root, tmp_path):
    job = make_job(image_root, tmp_path / 'a.arrow')
    run(job)
    with pytest.raises(ValueError, match='not regions.*--keep-regions'):
        refilter(job.out, tmp_path / 'b.arrow', FilterSpec())
    with pytest.raises(FileExistsError, match='--overwrite'):
        refilter(job.out, job.out, FilterSpec())
