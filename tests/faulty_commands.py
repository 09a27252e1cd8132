"""Bad input by verb: a command line, and what its message must name.

The files are those of `faulty_files.fill`. A pattern is a regular expression.
"""

from faulty_runs import COMPARE, FINETUNE, PILOT, PRETRAIN

MAIN = [
    ('', 'usage: mmsoco VERB'),
    ('propos', "no verb 'propos'; did you mean propose"),
    ('Train', 'did you mean train'),
    ('common', "no verb 'common'"),
    ('--versio', "no verb '--versio'"),
    ('../train', "no verb '../train'"),
    ('train x.py --hlep', 'did you mean --help'),
    ('train', 'config'),
    ('convert', 'WHAT'),
    ('convert pascal', r"'pascal'.*voc"),
    ('doctor now', 'unknown argument: now'),
    ('doctor --fix', 'unknown argument: --fix'),
]

PROPOSE = [
    ('propose', 'images'),
    ('propose images', '--out'),
    ('propose images --out http://h/x.arrow', '--out.*the address http://h'),
    ('propose images --out x.arrow --ann-file s3://b/x', 'address s3://b/x'),
    ('propose "" --out x.arrow', 'argument images: expected a path'),
    ('propose images --out ""', 'argument --out: expected a path'),
    ('propose images x.arrow --out y.arrow', 'named twice'),
    ('propose nowhere --out x.arrow', "'nowhere' does not exist"),
    ('propose empty --out x.arrow', "no images in 'empty'"),
    ('propose text.txt --out x.arrow', "'text.txt' is a file"),
    ('propose broken --out x.arrow', r'none of the 1 images.*a\.jpg'),
    ('propose images --out no/x.arrow', "no'?.*create it first"),
    ('propose images --out empty', 'empty'),
    ('propose images --out text.arrow', 'text.arrow'),
    ('propose images --out images.arrow', 'images.arrow.*--overwrite'),
    ('propose images --out x.arrow --worker 1', 'did you mean --workers'),
    ('propose images --out x.arrow --workers 0', '--workers.*1 or more'),
    ('propose images --out x.arrow --workers -2', '--workers'),
    ('propose images --out x.arrow --workers two', "--workers.*'two'"),
    ('propose images --out x.arrow --workers 1.5', '--workers'),
    ('propose images --out x.arrow --shard 2/2', "from 0.*'2/2'"),
    ('propose images --out x.arrow --shard 0/0', '0/0'),
    ('propose images --out x.arrow --shard 1', "as i/n.*'1'"),
    ('propose images --out x.arrow --shard a/b', 'a/b'),
    ('propose images --out x.arrow --shard 1/2/3', '1/2/3'),
    ('propose images --out x.arrow --ann-file nowhere', "'nowhere' is miss"),
    ('propose images --out x.arrow --ann-file empty', "'empty'"),
    ('propose images --out x.arrow --ann-file nothing.txt', 'nothing.txt'),
    ('propose images --out x.arrow --ann-file text.json', 'text.json'),
    ('propose images --out x.arrow --ann-file list.json', 'list.json'),
    ('propose images --out x.arrow --ann-file object.json', 'object.json'),
    ('propose images --out x.arrow --ann-file unnamed.json', 'unnamed.json'),
    ('propose images --out x.arrow --ann-file latin.json', 'latin.json'),
    ('propose images --out x.arrow --ann-file text.txt', 'just a text'),
    ('propose images --out x.arrow --ann-file ""', '--ann-file'),
    ('propose images --out x.arrow --min-size 0', '--min-size'),
    ('propose images --out x.arrow --min-size -3', '--min-size'),
    ('propose images --out x.arrow --min-size 100000', '--min-size.*65535'),
    ('propose images --out x.arrow --min-size nan', '--min-size'),
    ('propose images --out x.arrow --min-size big', "--min-size.*'big'"),
    ('propose images --out x.arrow --min-ratio 0', '--min-ratio'),
    ('propose images --out x.arrow --min-ratio 9', '--min-ratio.*--max-ra'),
    ('propose images --out x.arrow --max-ratio inf', '--max-ratio'),
    ('propose images --out x.arrow --min-scale 2', '--min-scale'),
    ('propose images --out x.arrow --min-scale 0.9', '--min-scale.*--max-sc'),
    ('propose images --out x.arrow --max-scale 0', '--max-scale'),
    ('propose images --out x.arrow --scale 0', '--scale'),
    ('propose images --out x.arrow --scale nan', '--scale'),
    ('propose images --out x.arrow --sigma -1', '--sigma'),
    ('propose images --out x.arrow --sigma 1000', '--sigma.*100'),
    ('propose images --out x.arrow --min-region-size -1', '--min-region-size'),
    ('propose images --out x.arrow --min-region-size 1.5', '--min-region'),
    ('propose images --out x.arrow --min-region-size 9e99', '--min-region'),
]

RECALL = [
    ('recall', 'store'),
    ('recall images.arrow', '--labels'),
    ('recall nowhere.arrow --labels coco.json', "'nowhere.arrow'"),
    ('recall cut.arrow --labels coco.json', "'cut.arrow'"),
    ('recall images.arrow --labels nowhere.json', "'nowhere.json'"),
    ('recall images.arrow --labels text.json', "'text.json' is not JSON"),
    ('recall rootless.arrow --labels coco.json', '--image-root'),
    ('recall images.arrow --labels coco.json --out text.txt', 'is a file'),
    ('recall images.arrow --labels coco.json --seed -1', '--seed'),
    (
        'recall images.arrow --labels coco.json --image-root others',
        r'none of the 3 pictures.*lies in others',
    ),
]

# What reads a tar file, and with which message each bad one is refused.
_TARS = [
    ('nowhere.tar', "'nowhere.tar' does not exist; if it was moved"),
    ('cut.tar', r'cut\.tar.* was cut short.*mmsoco pack'),
    ('half.tar', r'half\.tar.* was cut short.*mmsoco pack'),
    ('stub.tar', r"'stub\.tar' is a file of another kind \(100 bytes\)"),
    ('nothing.tar', r"'nothing\.tar' is a file of another kind \(0 bytes\)"),
    ('text.tar', "plain tar file, but 'text.tar' is a file of another kind"),
    ('images.tar.gz', r'is compressed \(gzip\).*mmsoco pack'),
    ('damaged.tar', r'damaged\.tar.*no header at byte \d+.*mmsoco pack'),
    ('no-images.tar', r"no images in 'no-images\.tar'(.|\n)*notes\.txt"),
]
PROPOSE += [
    *[(f'propose {name} --out x.arrow', text) for name, text in _TARS],
    ('propose images.tar --out x.arrow --ann-file text.txt', 'just a text'),
    ('propose images.tar --out images.arrow', 'image_root is.*images.tar'),
    ('propose ftp://x --out x.arrow', "cannot open the backend 'ftp://x'"),
    ('propose http://127.0.0.1:9/x --out x.arrow', 'cannot list.*--ann-file'),
    (
        'propose x --out x.arrow --backend-args backend=petrol',
        "cannot open the backend 'petrol' for 'x'.*petrel",
    ),
    ('propose x --out x.arrow --backend-args petrel', 'KEY=VALUE'),
    (
        'propose x --out x.arrow --backend-args backend=http --ann-file '
        'names.txt',
        "none of the 2 images.*a.png.*backend 'http' failed",
    ),
]
PACK = [
    ('pack', 'images'),
    ('pack images', '--out'),
    ('pack "" --out x.tar', 'argument images: expected a path'),
    ('pack nowhere --out x.tar', "'nowhere' does not exist"),
    ('pack empty --out x.tar', "no images in 'empty'"),
    ('pack text.txt --out x.tar', "'text.txt' is a file of another kind"),
    *[(f'pack {name} --out x.tar', text) for name, text in _TARS],
    ('pack images --out images.tar', r'images\.tar.*--overwrite'),
    ('pack images --out empty', 'empty.*is a folder'),
    ('pack images --out no/x.tar', "'no' does not exist; create it first"),
    ('pack images --out text.txt/x.tar', 'text.txt'),
    ('pack images --out x.tar --ann-file nowhere', "'nowhere' is miss"),
    ('pack images --out x.tar --ann-file text.txt', 'just a text'),
    ('pack images --out x.tar --an-file x', 'did you mean --ann-file'),
    ('pack x --out x.tar --backend-args backend=petrol', "backend 'petrol'"),
    (
        'pack http://127.0.0.1:9 --out x.tar --ann-file names.txt',
        "not one of the 2 images.*backend 'http",
    ),
]

BROWSE = [
    ('browse', 'source'),
    ('browse images.arrow', '--out'),
    ('browse nowhere.arrow --out x', "'nowhere.arrow'"),
    ('browse text.arrow --out x', "'text.arrow' is not a proposal store"),
    ('browse cut.arrow --out x', "'cut.arrow'"),
    ('browse folder.arrow --out x', 'folder.arrow'),
    ('browse images --out x', 'images'),
    ('browse "" --out x', 'source'),
    ('browse images.arrow --out text.txt', 'text.txt is a file'),
    ('browse images.arrow --out x --number 0', '--number'),
    ('browse images.arrow --out x --number many', '--number'),
    ('browse images.arrow --out x --columns 0', '--columns'),
    ('browse images.arrow --out x --size 0', '--size'),
    ('browse images.arrow --out x --size 1e9', '--size'),
    ('browse images.arrow --out x --names z.png', "'z.png' is not in"),
    ('browse images.arrow --out x --fallback all', '--fallback'),
    ('browse images.arrow --out x --fallback none', "no such images.*'none'"),
    ('browse images.arrow --out x --image-root nowhere', '--image-root'),
    ('browse images.arrow --out x --image-root others', r'others.a\.png'),
    ('browse rootless.arrow --out x', '--image-root'),
    (
        'browse tar.arrow --out x --image-root half.tar',
        r'half\.tar:c\.png.*cut short',
    ),
    ('browse tar.arrow --out x --image-root others.tar', 'others.tar'),
    ('browse tar.arrow --out x --image-root no.tar', 'no.tar.*--image-root'),
    ('browse images.arrow --out x --epoch 1', '--epoch has no meaning'),
    ('browse images.arrow --out x --index 1', '--index has no meaning'),
    ('browse nowhere.py --out x', 'no config nowhere.py'),
    ('browse folder.py --out x', 'folder.py is a folder'),
    ('browse nothing.py --out x', 'nothing.py is empty'),
    ('browse no-python.py --out x', 'no-python.py is not Python'),
    ('browse detector.py --out x', 'detector.py has no DrawViews'),
    ('browse no-model.py --out x', 'no-model.py has no DrawViews'),
    ('browse soco.py --out x --names a.png', '--names has no meaning'),
    ('browse soco.py --out x --index 9', '--index 9.*3 images'),
    ('browse soco.py --out x --index -1', '--index'),
    ('browse soco.py --out x --seed x', '--seed'),
    ('browse soco.py --out x --cfg-options draw_views.x=1', 'pipeline.0.x'),
    ('browse soco.py --out x --cfg-options x', 'KEY=VALUE'),
    (
        'browse soco.py --out x --cfg-options '
        'train_dataloader.dataset.image_root=nowhere',
        'nowhere',
    ),
    (
        'browse soco.py --out x --cfg-options '
        'train_dataloader.dataset.proposals=text.arrow',
        'text.arrow',
    ),
    (
        'browse soco.py --out x --cfg-options '
        'train_dataloader.dataset.pipeline.0.num_proposals=0',
        'num_proposals',
    ),
]

_FILES = [
    ('nowhere.pth', 'nowhere.pth'),
    ('text.pth', 'text.pth'),
    ('nothing.pth', 'nothing.pth'),
    ('cut.pth', 'cut.pth'),
    ('list.pth', 'list.pth holds a list'),
    ('number.pth', 'number.pth has no weights'),
    ('empty.pth', 'empty.pth has no weights'),
    ('folder.pth', 'folder.pth'),
    ('images/a.png', 'a.png'),
]
EXPORT = [
    ('export', 'checkpoint'),
    ('export s3://x/a.pth --out x.pth', 'checkpoint.*the address s3://x/a'),
    ('export run.pth', '--out'),
    ('export "" --out x.pth', 'checkpoint'),
    *[(f'export {name} --out x.pth', text) for name, text in _FILES],
    ('export unknown.pth --out x.pth', 'unknown.pth'),
    ('export run.pth --out text.txt', 'text.txt.*--overwrite'),
    ('export run.pth --out empty', 'empty.*is a folder'),
    ('export run.pth --out empty --overwrite', 'empty.*is a folder'),
    ('export run.pth --out x.pth --to caffe', "--to.*'caffe'"),
    ('export run.pth --out x.pth --parts', '--parts'),
    ('export run.pth --out x.pth --parts neck', 'no part neck.*backbone'),
    ('export run.pth --out x.pth --parts spine', 'no part spine'),
    ('export run.pth --out x.pth --part neck', 'did you mean --parts'),
    ('export run.pth --out text.txt/x.pth', 'text.txt'),
]
INSPECT = [
    ('inspect', 'checkpoint'),
    ('inspect s3://x/a.pth', 'checkpoint.*the address s3://x/a'),
    ('inspect ""', 'checkpoint'),
    *[(f'inspect {name}', text) for name, text in _FILES],
    ('inspect empty', 'folder empty holds no checkpoint'),
    ('inspect run.pth --confg', 'did you mean --config'),
]
PUBLISH = [
    ('publish', 'checkpoint'),
    ('publish s3://x/a.pth --out x.pth', 'checkpoint.*the address s3://x/a'),
    ('publish run.pth', '--out'),
    *[(f'publish {name} --out x', text) for name, text in _FILES],
    ('publish run.pth --out text.txt', 'text.txt'),
    ('publish run.pth --out x --name a/b', '--name.*a/b'),
    ('publish run.pth --out x --name ""', '--name'),
    ('publish run.pth --out x --name ..', '--name'),
]

CHECKPOINT = [
    ('convert checkpoint', 'checkpoint'),
    ('convert checkpoint run.pth', '--out'),
    *[
        (f'convert checkpoint {name} --out x.pth', text)
        for name, text in _FILES
    ],
    ('convert checkpoint run.pth --out x.pth', 'run.pth.*"reference"'),
    ('convert checkpoint run.pth --out text.txt', 'text.txt.*--overwrite'),
    ('convert checkpoint run.pth --out x.pth --to mars', "--to.*'mars'"),
    ('convert checkpoint unknown.pth --out x.pth', 'unknown.pth'),
    ('convert checkpoint half-reference.pth --out x.pth', 'missing'),
    (
        'convert checkpoint half-reference.pth --out x.pth --to reference',
        'half-reference.pth',
    ),
]

VOC = [
    ('convert voc', 'root'),
    ('convert voc s3://b/x --out x.json', 'root.*the address s3://b/x'),
    ('convert voc voc --out s3://b/x.json', '--out.*the address s3://b/x'),
    ('convert voc voc', '--out'),
    ('convert voc nowhere --out x.json', 'nowhere'),
    ('convert voc text.txt --out x.json', 'text.txt'),
    ('convert voc empty --out x.json', 'empty'),
    ('convert voc images --out x.json', 'images'),
    ('convert voc voc --out text.txt', 'text.txt.*--overwrite'),
    ('convert voc voc --out empty', 'empty.*is a folder'),
    ('convert voc voc --out x.json --split test', r'test\.txt'),
    ('convert voc voc --out x.json --split lost', 'gone'),
    ('convert voc voc --out x.json --split ../../a', 'a'),
    ('convert voc voc --out x.json --parts voc', "'voc'"),
    ('convert voc . --out x.json --parts voc/none', 'none'),
    ('convert voc . --out x.json --parts nowhere/train', 'nowhere'),
    ('convert voc voc --out x.json --split a --parts b', '--parts'),
    ('convert voc voc --out x.json --classes dog', 'dog'),
    ('convert voc voc --out x.json --classes', '--classes'),
    ('convert voc voc-no-number --out x.json', r"a\.xml.*'x'"),
    ('convert voc voc-cut --out x.json', r'a\.xml'),
    ('convert voc voc-no-picture --out x.json', 'a.xml'),
    ('convert voc voc-outside --out x.json', r'no object|outside'),
]

MINI_COCO = [
    ('convert mini-coco', 'annotations'),
    ('convert mini-coco coco.json', '--out'),
    ('convert mini-coco nowhere.json --out x', 'nowhere.json'),
    ('convert mini-coco text.json --out x', 'text.json'),
    ('convert mini-coco nothing.json --out x', 'nothing.json'),
    ('convert mini-coco latin.json --out x', 'latin.json'),
    ('convert mini-coco list.json --out x', 'list.json'),
    ('convert mini-coco object.json --out x', "object.json.*'images'"),
    ('convert mini-coco no-categories.json --out x', 'no-cat.*categories'),
    ('convert mini-coco no-images.json --out x', 'no-images.json.*images'),
    ('convert mini-coco images --out x', 'images'),
    ('convert mini-coco coco.json --out text.txt', 'text.txt'),
    ('convert mini-coco coco.json --out x --percents 0', '--percents'),
    ('convert mini-coco coco.json --out x --percents 101', '--percents'),
    ('convert mini-coco coco.json --out x --percents nan', '--percents'),
    ('convert mini-coco coco.json --out x --percents', '--percents'),
    ('convert mini-coco coco.json --out x --seed -1', '--seed'),
    ('convert mini-coco coco.json --out x --seed a', '--seed'),
]

IMAGENET = [
    ('convert imagenet', 'root'),
    ('convert imagenet nowhere', 'nowhere/train'),
    ('convert imagenet empty', 'empty/train'),
    ('convert imagenet x --train-tar nowhere.tar', 'nowhere.tar'),
    ('convert imagenet x --train-tar text.txt', 'archive'),
    ('convert imagenet x --train-tar nothing.txt', 'archive'),
    ('convert imagenet x --val-tar text.txt', '--devkit'),
    ('convert imagenet x --val-tar text.txt --devkit text.txt', 'archive'),
    ('convert imagenet x --train-tar ""', '--train-tar'),
]

PROPOSALS = [
    ('convert proposals', 'source'),
    ('convert proposals images.arrow', '--out'),
    ('convert proposals nowhere.json --out x.arrow', 'nowhere.json'),
    ('convert proposals nowhere.arrow --out x.json', 'nowhere.arrow'),
    ('convert proposals text.arrow --out x.json', 'text.arrow'),
    ('convert proposals cut.arrow --out x.json', 'cut.arrow'),
    ('convert proposals folder.arrow --out x.json', 'folder.arrow'),
    ('convert proposals text.txt --out x.json', 'text.txt'),
    ('convert proposals text.json --out x.arrow', 'text.json'),
    ('convert proposals nothing.json --out x.arrow', 'nothing.json'),
    ('convert proposals latin.json --out x.arrow', 'latin.json'),
    ('convert proposals list.json --out x.arrow', 'list.json.*list'),
    ('convert proposals object.json --out x.arrow', '--image-root'),
    ('convert proposals images-are-text.json --out x.arrow', 'COCO-style'),
    ('convert proposals orphan.json --out x.arrow --strict', 'not listed'),
    ('convert proposals nan.json --out x.arrow --strict', r'a\.png'),
    ('convert proposals unnamed.json --out x.arrow', 'file_name'),
    ('convert proposals published.json --out x.arrow', '--image-root'),
    (
        'convert proposals published-missing.json --out x.arrow '
        '--image-root images',
        r'--skip-missing.*none\.png',
    ),
    (
        'convert proposals published-boxes.json --out x.arrow '
        '--image-root images --strict',
        r'x, y, w, h.*a\.png',
    ),
    (
        'convert proposals published.json --out x.arrow --image-root nowhere',
        'nowhere',
    ),
    (
        'convert proposals published.json --out x.arrow --image-root text.txt',
        'text.txt',
    ),
    ('convert proposals images.arrow --out text.txt', 'text.txt.*--overw'),
    ('convert proposals images.arrow --out empty', 'empty.*is a folder'),
    ('convert proposals images.arrow --out x.json --layout x', '--layout'),
]

SHARDS = [
    ('convert shards', 'shards'),
    ('convert shards images.arrow', '--out'),
    ('convert shards nowhere.arrow --out x.arrow', 'nowhere.arrow'),
    ('convert shards text.arrow --out x.arrow', 'text.arrow'),
    ('convert shards folder.arrow --out x.arrow', 'folder.arrow'),
    ('convert shards images.arrow --out x.arrow', 'images.arrow.*not a shard'),
    ('convert shards images.arrow text.arrow --out x.arrow', 'text.arrow'),
    ('convert shards images.arrow --out text.txt', 'text.txt.*--overwrite'),
    ('convert shards images.arrow --out no/x.arrow', 'images.arrow|no/x'),
]

REGIONS = [
    ('convert regions', 'regions'),
    ('convert regions images.arrow', '--out'),
    ('convert regions nowhere.arrow --out x.arrow', 'nowhere.arrow'),
    ('convert regions text.arrow --out x.arrow', 'text.arrow'),
    ('convert regions cut.arrow --out x.arrow', 'cut.arrow'),
    ('convert regions images.arrow --out x.arrow', 'holds filtered proposals'),
    ('convert regions images.arrow --out text.txt', 'text.txt'),
    ('convert regions images.arrow --out x.arrow --min-size 0', '--min-size'),
    ('convert regions images.arrow --out x.arrow --min-scale 1', '--min-sca'),
    ('convert regions images.arrow --out x.arrow --sigma 1', '--sigma'),
]

_CONFIGS = [
    ('nowhere.py', 'no config nowhere.py'),
    ('folder.py', 'folder.py is a folder'),
    ('nothing.py', 'nothing.py is empty'),
    ('text.txt', r'\.py.*text.txt'),
    ('no-python.py', 'no-python.py is not Python'),
    ('name-error.py', r"name-error.py.*'nothing'"),
    ('no-base.py', r'nowhere\.py'),
    ('circle.py', 'circle.py inherits itself'),
    ('text.json', 'text.json'),
    ('typo.py', 'load_form in typo.py; did you mean load_from'),
    ('typo-loader.py', 'did you mean train_dataloader'),
    ('typo-scale.py', r'auto_scale_lr\.enabel; did you mean enable'),
    ('typo-env.py', r'unknown key env_cfg\.xx'),
    ('dead.py', r'pairs in dead\.py changes nothing.*model\.pairs'),
    ('no-import.py', 'nowhere_to_be_found'),
    ('nopackage::x.py', 'nopackage'),
]
# Settings that are refused before anything is built.
_DEAD_OPTIONS = [
    ('load_form=x', 'load_form; did you mean load_from'),
    ('train_dataloder.batch_size=1', 'did you mean train_dataloader'),
    ('auto_scale_lr.enabel=True', 'did you mean enable'),
    ('auto_scale_lr.base=3', r'auto_scale_lr\.base'),
    ('env_cfg.xx=1', r'env_cfg\.xx'),
    ('custom_imports.import=x', r'custom_imports\.import; did you mean imp'),
    ('optim_wrapper.clip_grad.max_nrom=1', 'did you mean max_norm'),
    ('optim_wrapper.paramwise_cfg.bias_lr_mlt=1', 'mean bias_lr_mult'),
    ('env_cfg.mp_cfg.start=fork', r'env_cfg\.mp_cfg\.start'),
    ('randomness.sed=1', r'randomness\.sed; did you mean seed'),
    ('pairs=[(1,2)]', r'Set model\.pairs and train_dataloader'),
    ('draw_views.num_proposals=16', r'pipeline\.0\.num_proposals'),
    ('soco.finest_scale=1', r'Set model\.finest_scale'),
    ('photometric.blur_prob=0', r'pipeline\.1\.blur_prob'),
    ('num_classes=3', 'num_classes changes nothing'),
    ('channels=8', 'channels changes nothing'),
    ('modle.type=SoCo', 'did you mean model'),
    ('=3', 'KEY=VALUE'),
    ('word', 'KEY=VALUE'),
    ('model.x=[1,(2]', '--cfg-options'),
    ('train_cfg.max_epochs.x=1', r'train_cfg\.max_epochs\.x'),
    ('train_dataloader.dataset.pipeline.9.x=1', r'pipeline\.9\.x'),
    ('randomness.seed=x', r"randomness\.seed must be int.*'x'"),
    ('auto_scale_lr.enable=3', r'auto_scale_lr\.enable must be bool'),
    ('load_from=3', 'load_from must be str'),
    ('load_from=nowhere.pth', 'load_from.*nowhere.pth'),
    ('load_from=empty', 'load_from.*empty.*a folder'),
]
TRAIN = [
    *[(f'train {name}', text) for name, text in _CONFIGS],
    *[
        (f'train soco.py --cfg-options "{option}"', text)
        for option, text in _DEAD_OPTIONS
    ],
    ('train soco.py --resume nowhere.pth', 'no checkpoint nowhere.pth'),
    ('train soco.py --resume empty', 'empty'),
    ('train soco.py --amp fp8', "--amp.*'fp8'"),
    ('train soco.py --work-dir ""', '--work-dir'),
    ('train soco.py --launcher ssh', "--launcher.*'ssh'"),
    ('train soco.py --cfg-option a=1', 'did you mean --cfg-options'),
    ('train soco.py extra', 'unknown argument: extra'),
    ('train "" ', 'config'),
]
TEST = [
    ('test soco.py', 'checkpoint'),
    *[(f'test {name} run.pth', text) for name, text in _CONFIGS],
    ('test detector.py http://x/a.pth', 'checkpoint.*the address http://x/a'),
    ('inspect file:///no/a.pth', 'no checkpoint /no/a.pth'),
    ('test detector.py empty', 'empty holds no checkpoint'),
    ('test detector.py run.pth --show-dir ""', '--show-dir'),
    ('test detector.py run.pth --show_dir x', 'did you mean --show-dir'),
    ('test detector.py run.pth --cfg-options data_root=x', 'data_root'),
    ('test detector.py run.pth --cfg-options x', 'KEY=VALUE'),
]
DEMO = [
    ('demo --threads 0', '--threads'),
    ('demo --threads x', '--threads'),
    ('demo --out ""', '--out'),
    ('demo --data ""', '--data'),
    ('demo --frsh', 'did you mean --fresh'),
    ('demo now', 'unknown argument: now'),
]

QUICK = (
    MAIN, PROPOSE, RECALL, BROWSE, EXPORT, INSPECT, PUBLISH, CHECKPOINT, VOC,
    MINI_COCO, IMAGENET, PROPOSALS, SHARDS, REGIONS, TRAIN, TEST, DEMO,
    PRETRAIN, FINETUNE, PILOT, COMPARE, PACK,
)  # fmt: skip
