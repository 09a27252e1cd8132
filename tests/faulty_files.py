"""A folder of good and bad files, for commands that must refuse them."""

import gzip
import json
import os
import tarfile
from pathlib import Path

import coco_documents
import numpy as np
import torch
from mmengine.config import Config
from PIL import Image
from proposal_samples import save_blocks
from voc_documents import annotation_xml, object_xml

from mmsoco.images.opening import ImageFolder
from mmsoco.images.packing import pack
from mmsoco.images.tar_source import ImageTar
from mmsoco.proposals.store import ProposalRecord, ProposalStoreWriter

CONFIGS = Path(__file__).resolve().parents[1] / 'configs'
NAMES = ('a.png', 'b.png', 'c.png')


def fill(root: Path) -> None:
    """Fill an empty folder; each name says what is wrong with the file."""
    for name in ('empty', 'broken', 'folder.arrow', 'folder.pth', 'folder.py'):
        (root / name).mkdir()
    (root / 'broken' / 'a.jpg').write_text('no picture')
    # Nobody writes to them: who opens one waits for ever.
    for ending in ('arrow', 'json', 'pth', 'py', 'tar'):
        os.mkfifo(root / f'pipe.{ending}')
    for name in ('dangling', 'tar-recall'):
        (root / name).symlink_to('gone/away')
    for name in ('text.txt', 'text.arrow', 'text.pth', 'text.json'):
        (root / name).write_text('just a text')
    for name in ('nothing.txt', 'nothing.json', 'nothing.pth', 'nothing.py'):
        (root / name).touch()
    (root / 'no-backbone.py').write_text("model = dict(type='FasterRCNN')")
    (root / 'latin.json').write_bytes(b'{"images": "\xe4"}')
    (root / 'names.txt').write_text('a.png\nc.png\n')
    _images(root)
    _tars(root)
    _stores(root)
    _documents(root)
    _checkpoints(root)
    _voc(root)
    _configs(root)


def _images(root: Path) -> None:
    for seed, name in enumerate(NAMES):
        save_blocks(root / 'images' / name, seed)
    (root / 'others').mkdir()
    Image.new('RGB', (160, 120)).save(root / 'others' / 'x.png')
    (root / 'many pictures').mkdir()
    for i in range(16):
        path = root / 'many pictures' / f'{i}.png'
        Image.new('RGB', (24, 24), (i, i, i)).save(path)


def _tars(root: Path) -> None:
    pack(ImageFolder(root / 'images'), NAMES, root / 'images.tar')
    whole = (root / 'images.tar').read_bytes()
    (root / 'cut.tar').write_bytes(whole[:-1024])
    (root / 'half.tar').write_bytes(whole[: len(whole) // 2])
    (root / 'stub.tar').write_bytes(whole[:100])
    (root / 'nothing.tar').touch()
    (root / 'text.tar').write_text('just a text' * 100)
    (root / 'images.tar.gz').write_bytes(gzip.compress(whole))
    damaged = bytearray(whole)
    at = ImageTar(root / 'images.tar').extent('b.png').offset
    damaged[at - 400] ^= 1
    (root / 'damaged.tar').write_bytes(damaged)
    with tarfile.open(root / 'no-images.tar', 'w') as tar:
        tar.addfile(tarfile.TarInfo('notes.txt'))
    source = ImageFolder(root / 'others')
    pack(source, ['x.png'], root / 'others.tar')


def _stores(root: Path) -> None:
    boxes = np.array([[5, 5, 90, 80], [40, 20, 150, 110]], np.float32)
    metadata = {
        'images.arrow': {'image_root': str(root / 'images')},
        'rootless.arrow': {},
    }
    for name, content in metadata.items():
        with ProposalStoreWriter(root / name, content) as writer:
            writer.write(ProposalRecord(n, 120, 160, boxes) for n in NAMES)
    images = ImageTar(root / 'images.tar')
    metadata = dict(image_root=images.address, tar=images.identity())
    with ProposalStoreWriter(root / 'tar.arrow', metadata) as writer:
        for name in NAMES:
            extent = images.extent(name)
            stamp = images.read_stamped(name)[1]
            record = ProposalRecord(name, 120, 160, boxes, 0, stamp, extent)
            writer.write([record])
    whole = (root / 'images.arrow').read_bytes()
    (root / 'cut.arrow').write_bytes(whole[: len(whole) // 2])


def _documents(root: Path) -> None:
    objects = {'a.png': [(1, (5, 5, 60, 50))]}
    good = coco_documents.document(
        dict.fromkeys(NAMES, ()) | objects, (120, 160)
    )
    images, [annotation] = good['images'], good['annotations']
    documents = {
        'coco': good,
        'list': [],
        'object': {},
        'no-categories': {k: good[k] for k in ('images', 'annotations')},
        'no-images': {k: good[k] for k in ('categories', 'annotations')},
        'images-are-text': dict(good, images='a.png'),
        'orphan': dict(good, annotations=[dict(annotation, image_id=9)]),
        'nan': dict(good, annotations=[dict(annotation, bbox=[float('nan')])]),
        'unnamed': dict(good, images=[dict(id=1, height=1, width=1)]),
        'long-name': dict(
            good, images=[dict(images[0], file_name='x' * 5000)]
        ),
        'published': {'a.png': [[1, 1, 50, 50]]},
        'published-missing': {'none.png': [[1, 1, 50, 50]]},
        'published-boxes': {'a.png': [[1, 1, 50]]},
    }
    for name, document in documents.items():
        (root / f'{name}.json').write_text(json.dumps(document))


def _checkpoints(root: Path) -> None:
    files = {
        'list': [1, 2],
        'number': dict(state_dict=3),
        'empty': dict(state_dict={}),
        'unknown': dict(state_dict=dict(weight=torch.zeros(2))),
        'run': dict(
            state_dict={
                f'encoder.backbone.layer1.0.conv{i}.weight': torch.zeros(2)
                for i in (1, 2)
            },
            meta=dict(epoch=1),
        ),
        'sum': dict(
            state_dict=dict(weight=torch.zeros(2)), meta=dict(tensors_sha256=3)
        ),
        'half-reference': dict(
            model={'module.encoder.layer1.0.conv1.weight': torch.zeros(1)}
        ),
    }
    for name, content in files.items():
        torch.save(content, root / f'{name}.pth')
    (root / 'gone.pth').symlink_to('nowhere/x')
    (root / 'lfs.pth').write_text('version https://git-lfs.github.com/spec/v1')
    (root / 'page.pth').write_text('\n<!DOCTYPE html><html>404</html>')
    torch.jit.save(torch.jit.script(torch.nn.ReLU()), root / 'script.pth')
    whole = (root / 'run.pth').read_bytes()
    (root / 'cut.pth').write_bytes(whole[: len(whole) // 2])


def _voc(root: Path) -> None:
    kinds = {
        'voc': (5, 60),
        'voc-no-number': ('x', 60),
        'voc-outside': (900, 950),
        'voc-cut': (5, 60),
    }
    for kind, (left, right) in kinds.items():
        folder = root / kind
        for part in ('Annotations', 'JPEGImages', 'ImageSets/Main'):
            (folder / part).mkdir(parents=True)
        thing = object_xml('cat', (left, 5, right, 70))
        text = annotation_xml('a.png', thing, size=(120, 160))
        if kind == 'voc-cut':
            text = text[:80]
        (folder / 'Annotations' / 'a.xml').write_text(text)
        picture = (root / 'images' / 'a.png').read_bytes()
        (folder / 'JPEGImages' / 'a.png').write_bytes(picture)
        (folder / 'ImageSets' / 'Main' / 'train.txt').write_text('a\n')
        (folder / 'ImageSets' / 'Main' / 'lost.txt').write_text('gone\n')
    (root / 'voc-no-picture').mkdir()
    source = root / 'voc' / 'Annotations'
    target = root / 'voc-no-picture' / 'Annotations'
    target.mkdir()
    (target / 'a.xml').write_text((source / 'a.xml').read_text())
    (root / 'voc-no-picture' / 'JPEGImages').mkdir()


def _configs(root: Path) -> None:
    """Write the small pretraining config, and a detector's, as whole files."""
    base = CONFIGS / 'demo'
    pretrain = Config.fromfile(
        next(base.glob('soco_mask-rcnn_r18-fpn_*_demo.py'))
    )
    small = dict(num_workers=0, persistent_workers=False)
    loader = dict(small, batch_size=2)
    loader['dataset'] = dict(
        image_root=str(root / 'images'), proposals=str(root / 'images.arrow')
    )
    pretrain.merge_from_dict(dict(train_dataloader=loader))
    pretrain.dump(root / 'soco.py')
    detector = Config.fromfile(
        next(base.glob('mask-rcnn_r18-fpn_scratch_*_demo.py'))
    )
    data = dict(
        data_root='',
        ann_file=str(root / 'coco.json'),
        data_prefix=dict(img=str(root / 'images')),
        metainfo=dict(classes=('thing',)),
    )
    changes = dict(
        train_dataloader=dict(small, dataset=data),
        test_dataloader=dict(small, dataset=data),
        test_evaluator=dict(ann_file=str(root / 'coco.json')),
    )
    detector.merge_from_dict(changes)
    detector.dump(root / 'detector.py')
    for name, text in {
        'no-python': 'model = (',
        'name-error': 'model = dict(type=nothing)',
        'no-base': "_base_ = 'nowhere.py'",
        'circle': "_base_ = 'circle.py'",
        'no-model': 'train_cfg = dict(max_epochs=1)',
        'typo': "_base_ = 'soco.py'\nload_form = 'run.pth'",
        'typo-loader': "_base_ = 'soco.py'\ntrain_dataloder = dict(x=1)",
        'typo-scale': "_base_ = 'soco.py'\nauto_scale_lr = dict(enabel=True)",
        'typo-env': "_base_ = 'soco.py'\nenv_cfg = dict(xx=1)",
        'dead': "_base_ = 'soco.py'\npairs = [(1, 2)]",
        'no-import': (
            "_base_ = 'soco.py'\n"
            "custom_imports = dict(imports=['nowhere_to_be_found'])"
        ),
    }.items():
        (root / f'{name}.py').write_text(f'{text}\n')
