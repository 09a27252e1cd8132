"""Each door by which weights enter a run: what is reported is what arrives."""

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from torch import nn

from mmsoco.checkpoints import io
from mmsoco.checkpoints.load_report import read_reports
from mmsoco.engine.hooks import LoadReportHook
from mmsoco.engine.runner import Runner


class Detector(BaseModel):
    """Two parts of two layers."""

    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
        self.neck = nn.Sequential(nn.Linear(4, 2), nn.Linear(2, 1))

    def forward(self, inputs, mode):
        outputs = self.neck(self.backbone(inputs))
        return dict(loss=outputs.sum()) if mode == 'loss' else outputs


class Snapshot(Hook):
    """Keeps the weights with which a loop begins."""

    priority = 'LOWEST'

    def before_train(self, runner):
        state = runner.model.state_dict()
        self.state = {name: t.clone() for name, t in state.items()}

    before_test = before_train


def weights():
    generator = torch.Generator().manual_seed(5)
    return {
        name: torch.rand(tensor.shape, generator=generator)
        for name, tensor in Detector().state_dict().items()
        if tensor.is_floating_point()
    }


def loader(samples):
    return dict(
        batch_size=2,
        dataset=[dict(inputs=torch.ones(3)) for _ in range(samples)],
        sampler=dict(type='mmengine.DefaultSampler', shuffle=False),
        collate_fn=dict(type='default_collate'),
    )


SGD = dict(optimizer=dict(type='SGD', lr=0.1))


def run(door, content, folder):
    """Trains or evaluates from a file; returns the weights at the start."""
    torch.save(content, folder / 'weights.pth')
    loop = dict(
        train=dict(
            train_dataloader=loader(2),
            train_cfg=dict(by_epoch=False, max_iters=1),
            optim_wrapper=SGD,
        ),
        test=dict(
            test_dataloader=loader(2),
            test_cfg=dict(),
            test_evaluator=dict(
                type='mmengine.DumpResults',
                out_file_path=str(folder / 'out.pkl'),
            ),
        ),
    )[door]
    snapshot = Snapshot()
    runner = Runner(
        model=Detector(),
        work_dir=str(folder),
        load_from=str(folder / 'weights.pth'),
        custom_hooks=[LoadReportHook(), snapshot],
        default_hooks=dict(checkpoint=None),
        experiment_name=f'{door}-{folder.name}',
        default_scope='mmsoco',
        cfg=loop,
        **loop,
    )
    getattr(runner, door)()
    return snapshot.state, read_reports(runner.log_dir)


@pytest.mark.parametrize('part', ['state_dict', 'model', None])
@pytest.mark.parametrize('door', ['train', 'test'])
def test_layouts_arrive_by_value(door, part, tmp_path, capfd):
    state = weights()
    content = state if part is None else {part: state}
    found, [report] = run(door, content, tmp_path)
    for name, tensor in state.items():
        assert torch.equal(found[name], tensor), name
    assert report['parts']['backbone']['loaded'] == 6
    assert report['parts']['neck']['loaded'] == 4
    assert 'do not match exactly' not in ''.join(capfd.readouterr())


@pytest.mark.parametrize('door', ['train', 'test'])
@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda s: s.pop('neck.1.bias'), r'neck'),
        (lambda s: s.update(neck=torch.ones(1)), 'neck'),
        (lambda s: s['backbone.0.bias'].fill_(torch.nan), 'not finite'),
        (lambda s: s.update({'neck.0.bias': torch.ones(9)}), 'neck'),
        (lambda s: [s.pop(name) for name in list(s)], 'weights'),
    ],
)
def test_what_does_not_arrive_whole_stops(door, change, message, tmp_path):
    state = weights()
    change(state)
    with pytest.raises(ValueError, match=message):
        run(door, dict(state_dict=state), tmp_path)


@pytest.mark.parametrize('door', ['train', 'test'])
def test_damaged_bytes_stop(door, tmp_path, monkeypatch):
    state = weights()

    def save_and_flip(content, path):
        save(content, path)
        raw = bytearray(path.read_bytes())
        raw[raw.index(state['neck.0.weight'].numpy().tobytes())] ^= 4
        path.write_bytes(raw)

    save = torch.save
    monkeypatch.setattr(torch, 'save', save_and_flip)
    with pytest.raises(ValueError, match='is damaged'):
        run(door, dict(state_dict=state), tmp_path)
    monkeypatch.undo()
    with pytest.raises(ValueError, match='is damaged'):
        io.load(tmp_path / 'weights.pth')


class StartedDetector(Detector):
    """Starts from a file, as SoCo does."""

    def __init__(self, start):
        super().__init__()
        self.starts = [start]

    def init_weights(self):
        for start in self.starts:
            self.load_state_dict(io.load(start), strict=False)


def test_resumed_run_does_not_need_the_file_that_it_started_from(tmp_path):
    start = tmp_path / 'start.pth'
    torch.save(weights(), start)
    loop = dict(
        train_dataloader=loader(4),
        optim_wrapper=SGD,
        default_hooks=dict(
            checkpoint=dict(type='CheckpointHook', interval=1, by_epoch=False)
        ),
        default_scope='mmsoco',
        work_dir=str(tmp_path / 'run'),
    )
    for length, resume in ((1, False), (2, True)):
        cfg = dict(by_epoch=False, max_iters=length)
        runner = Runner(
            model=StartedDetector(start),
            train_cfg=cfg,
            load_from=str(tmp_path / 'run/iter_1.pth') if resume else None,
            resume=resume,
            experiment_name=f'started-{length}-{tmp_path.name}',
            cfg=dict(loop, train_cfg=cfg),
            **loop,
        )
        runner.train()
        start.unlink(missing_ok=True)
    assert runner.iter == 2
