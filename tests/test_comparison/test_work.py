"""A cell's process: what arrives, what is refused, what is recorded."""

import json
import shutil

import comparison_plans
import pytest
import torch
from mmengine.config import Config
from small_runs import small_runner

from mmsoco.checkpoints import io
from mmsoco.checkpoints.integrity import damage
from mmsoco.comparison import recipes, work
from mmsoco.evaluation.probe import ProbeSettings, probe

STATE = {
    'backbone.conv1.weight': torch.ones(2, 3),
    'backbone.bn1.num_batches_tracked': torch.tensor(5),
    'neck.convs.0.weight': torch.ones(2),
}


def test_arrival_is_counted_by_value():
    model = {name: tensor.clone() for name, tensor in STATE.items()}
    assert work.arrived(STATE, model, 'x') == dict(backbone=1, neck=1)


@pytest.mark.parametrize('change', ['value', 'shape', 'name'])
def test_what_did_not_arrive_fails(change):
    model = {name: tensor.clone() for name, tensor in STATE.items()}
    if change == 'value':
        model['neck.convs.0.weight'][0] = 2
    elif change == 'shape':
        model['neck.convs.0.weight'] = torch.ones(3)
    else:
        del model['neck.convs.0.weight']
    with pytest.raises(ValueError, match=r'did not arrive: 1 of 3 .*neck'):
        work.arrived(STATE, model, 'x')


def test_layers_of_other_classes_may_differ():
    name = 'roi_head.bbox_head.fc_cls.weight'
    offered = dict(STATE, **{name: torch.ones(4)})
    model = dict(STATE, **{name: torch.ones(3)})
    assert work.arrived(offered, model, 'x') == dict(backbone=1, neck=1)


def test_parts_are_taken_or_named(tmp_path):
    source = tmp_path / 'all.pth'
    bgr = dict(channels='BGR', mean=[0.0], std=[1.0])
    io.save_atomic(dict(state_dict=STATE, meta=dict(input=bgr)), source)
    assert work.take_parts(source, None, tmp_path / 'x') == source
    path = work.take_parts(source, ['neck'], tmp_path / 'neck.pth')
    assert list(io.load(path)['state_dict']) == ['neck.convs.0.weight']
    assert io.load(path)['meta']['input'] == bgr
    with pytest.raises(ValueError, match='has the parts backbone, neck'):
        work.take_parts(source, ['bbox_head'], tmp_path / 'x')


def test_weights_that_are_not_finite_are_refused(tmp_path):
    broken = dict(STATE)
    broken['backbone.conv1.weight'] = torch.tensor([1.0, torch.nan])
    io.save_atomic(dict(state_dict=broken), tmp_path / 'w.pth')
    with pytest.raises(ValueError, match='finite'):
        work.export_backbone(tmp_path / 'w.pth', tmp_path / 'out.pth')


def test_a_method_without_backbone_exports_nothing(tmp_path):
    io.save_atomic(dict(state_dict={'x.y': torch.ones(1)}), tmp_path / 'w.pth')
    with pytest.raises(ValueError, match='no tensors named backbone'):
        work.export_backbone(tmp_path / 'w.pth', tmp_path / 'out.pth')


@pytest.fixture
def cell(tmp_path):
    """A fine-tuning from weights, ready for its process."""
    root = comparison_plans.data_set(tmp_path / 'data')
    weights = tmp_path / 'weights.pth'
    start = dict(name='mine', kind='weights', checkpoint=str(weights))
    content = comparison_plans.plan(
        root, starts=[dict(name='scratch', kind='scratch'), start]
    )
    content['budgets'] = [dict(labels=4, seeds=[0])]

    def prepare(state):
        io.save_atomic(dict(state_dict=state), weights)
        comparison = comparison_plans.comparison(content, root, tmp_path)
        comparison.prepare()
        cell = comparison.cells[-1]
        folder = comparison.files.folder(cell.name)
        folder.mkdir(parents=True)
        task = comparison.tasks.write(cell, comparison._blank_record(cell))
        (folder / 'task.json').write_text(json.dumps(task))
        return folder, comparison

    return prepare


def backbone_state(comparison):
    """The backbone of another detector of the plan."""
    from mmengine.registry import DefaultScope

    from mmsoco.registry import MODELS

    cfg = comparison.identities.config(comparison.cells[0])
    with DefaultScope.overwrite_default_scope('mmsoco'):
        backbone = MODELS.build(cfg.model.backbone)
    state = backbone.state_dict()
    return {f'backbone.{name}': 2 * tensor for name, tensor in state.items()}


def test_one_fine_tuning_leaves_its_record(cell):
    _, comparison = cell({'backbone.conv1.weight': torch.ones(1)})
    state = backbone_state(comparison)
    shutil.rmtree(comparison.out / 'cells')
    folder, comparison = cell(state)
    assert work.main([str(folder)]) == 0
    record = comparison.files.record_of('finetuning_mine_4_seed0')
    counted = [n for n in state if not n.endswith('num_batches_tracked')]
    assert record.loaded == dict(backbone=len(counted))
    assert (record.steps, record.pictures_seen) == (2, 8)
    assert set(record.ap_by_class) == set(comparison_plans.CLASSES)
    assert record.seconds > 0
    assert 'torch' in record.versions
    # killed before it wrote its record: nothing is trained again
    comparison.records.joinpath(
        f'{record.cell}-{record.fingerprint[:8]}.json'
    ).unlink()
    assert work.main([str(folder)]) == 0
    again = comparison.files.record_of('finetuning_mine_4_seed0')
    assert (again.ap, again.loaded) == (record.ap, record.loaded)
    assert again.seconds == pytest.approx(record.seconds)


class Stop(work.Hook):
    """Ends a training in its second step."""

    def after_train_iter(self, runner, batch_idx, data_batch, outputs) -> None:
        if runner.iter == 1:
            raise RuntimeError('the machine was taken away')


def test_a_stopped_fine_tuning_goes_on_from_its_checkpoint(
    cell, monkeypatch, capsys
):
    monkeypatch.setattr(recipes, '_LEAST_INTERVAL', 1)
    _, comparison = cell({'backbone.conv1.weight': torch.ones(1)})
    shutil.rmtree(comparison.out / 'cells')
    folder, comparison = cell(backbone_state(comparison))
    train = work.train
    monkeypatch.setattr(work, 'train', lambda c, h: train(c, [*h, Stop()]))
    assert work.main([str(folder)]) == 1
    assert 'taken away' in capsys.readouterr().out
    begun = sorted(p.name for p in (folder / 'run').glob('iter_*.pth'))
    assert begun == ['iter_1.pth']
    monkeypatch.setattr(work, 'train', train)
    assert work.main([str(folder)]) == 0
    record = comparison.files.record_of('finetuning_mine_4_seed0')
    assert record.steps == 2
    assert record.loaded['backbone'] > 0  # noted before the first step


def test_a_damaged_newest_checkpoint_is_passed_over(tmp_path, capsys):
    """A cell resumes from the one before it, or says that none is whole."""
    small_runner(tmp_path).train()
    (tmp_path / 'epoch_3.pth').write_bytes(b'')
    runner = small_runner(tmp_path)
    work.train(runner.cfg, [])
    assert 'Passed over: epoch_3.pth (it is empty)' in capsys.readouterr().out
    assert damage(tmp_path / 'epoch_3.pth') is None
    for path in tmp_path.glob('*.pth'):
        path.write_bytes(b'')
    with pytest.raises(ValueError, match='No checkpoint in .* can be read'):
        work.train(small_runner(tmp_path).cfg, [])


def test_weights_that_are_not_finite_start_nothing(tmp_path):
    state = {'backbone.a': torch.tensor([float('nan')])}
    io.save_atomic(dict(state_dict=state), tmp_path / 'w.pth')
    with pytest.raises(ValueError, match='not finite'):
        work.take_parts(tmp_path / 'w.pth', ['backbone'], tmp_path / 'x.pth')
    assert not (tmp_path / 'x.pth').exists()


def test_a_fine_tuning_whose_weights_do_not_fit_fails(cell, capsys):
    folder, comparison = cell({'backbone.layer9.weight': torch.ones(1)})
    assert work.main([str(folder)]) == 1
    assert 'error: ' in capsys.readouterr().out
    assert not list(comparison.records.glob('finetuning*'))


def test_a_probe_leaves_its_scores(tmp_path):
    root = comparison_plans.data_set(tmp_path / 'data')
    content = comparison_plans.plan(
        root, probe=dict(num_train=4, num_val=2, image_size=[64, 64])
    )
    comparison = comparison_plans.comparison(content, root, tmp_path)
    comparison.prepare()
    cell = comparison.cells[0]
    assert cell.name == 'probe_scratch_seed0'
    folder = comparison.files.folder(cell.name)
    folder.mkdir(parents=True)
    task = comparison.tasks.write(cell, comparison._blank_record(cell))
    (folder / 'task.json').write_text(json.dumps(task))
    assert work.main([str(folder)]) == 0
    record = comparison.files.record_of(cell.name)
    expected = probe(
        Config.fromfile(comparison_plans.DETECTOR).model,
        None,
        root / 'train',
        root / 'train.json',
        ProbeSettings(num_train=4, num_val=2, image_size=(64, 64)),
    )
    trunk = record.probe['modules']['trunk']
    assert trunk['linear'] == pytest.approx(
        expected.modules['trunk'].linear, abs=1e-4
    )
    assert record.probe['boxes'] == dict(train=4, val=2)
    assert set(record.probe['controls']) == {'size', 'color', 'size+color'}
    assert (record.loaded, record.ap) == ({}, {})
