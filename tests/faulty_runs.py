"""Bad input of the verbs that take pictures to a detector, and judge it.

See `faulty_commands`.
"""

_MANY = "pretrain 'many pictures' --out new"
PRETRAIN = [
    ('pretrain', 'FOLDER'),
    ('pretrain images', '--out'),
    ('pretrain many pictures --out new', 'quote a.* spaces: "many pictures"'),
    ('pretrain nowhere --out new', "'nowhere' does not exist"),
    ('pretrain text.txt --out new', "'text.txt' is a file"),
    ('pretrain cut.tar --out new', r'cut\.tar.* was cut short'),
    ('pretrain images.tar.gz --out new', 'compressed.*mmsoco pack'),
    ('pretrain gone.tar --out new', "'gone.tar' does not exist"),
    ('pretrain images.tar --out new', '3 pictures in images.tar.*at least'),
    ('pretrain empty --out new', '0 pictures in empty.*at least 16'),
    ('pretrain images --out new', '3 pictures in images.*at least 16'),
    (f'{_MANY} --chek coco.json', 'did you mean --check'),
    (f'{_MANY} --epochs 0', '--epochs'),
    (f'{_MANY} --epochs two', '--epochs'),
    (f'{_MANY} --epochs 1_0', "--epochs.*'1_0'"),
    (f'{_MANY} --epochs 10000000', '--epochs.*1 to 1000000'),
    (f'{_MANY} --rounds 1000', '--rounds.*1 to 100'),
    (f'{_MANY} --seed 99999999999', '--seed.*0 to 4294967295'),
    (f'{_MANY} --devices 1000000', '--devices.*16 for each core'),
    (f'{_MANY} --workers 1000000', '--workers.*16 for each core'),
    (
        "pretrain 'many pictures' --out 'many pictures/run'",
        '--out many pictures/run lies in the folder of the pictures',
    ),
    (f'{_MANY} --time 2', 'such as 2h'),
    (f'{_MANY} --time -2h', '--time'),
    (f'{_MANY} --time 99999d', '--time.*up to 3650d'),
    (f'{_MANY} --epochs 2 --time 2h', 'both --epochs and --time'),
    (f'{_MANY} --batch-size 9999999999', '--batch-size.*4 to 1000000'),
    (f'{_MANY} --batch-size 1', '--batch-size.*4 to 1000000'),
    (f'{_MANY} --precision int8', 'int8'),
    (f'{_MANY} --devices 0', '--devices'),
    (f'{_MANY} --seed -1', '--seed'),
    (f'{_MANY} --min-size -1', '--min-size'),
    (f'{_MANY} --min-size 100000', '--min-size.*65535'),
    (f'{_MANY} --min-scale 2', '--min-scale'),
    (f'{_MANY} --min-ratio 3 --max-ratio 1', '--min-ratio.*--max-ratio.*3'),
    (
        f'{_MANY} --proposals images.arrow --min-size 5',
        '--min-size filters.*--proposals replaces',
    ),
    (
        f'{_MANY} --seed 5 --cfg-options randomness.seed=4',
        '--seed 5 and --cfg-options randomness.seed=4 set the same',
    ),
    (
        f'{_MANY} --time 1h --cfg-options train_cfg.max_epochs=4',
        '--time .* and --cfg-options train_cfg.max_epochs=4 set the same',
    ),
    (f'{_MANY} --workers -1', '--workers'),
    # The run's folder is begun: it is there with its log.
    ("pretrain 'many pictures' --out run --proposals text.arrow", 'text.arr'),
    ("pretrain 'many pictures' --out run --proposals no.arrow", 'no.arrow'),
    (f'{_MANY} --cfg-options modell.x=1', 'unknown key modell'),
    (f'{_MANY} --cfg-options x', 'KEY=VALUE'),
    (f'{_MANY} --check nowhere.json', 'nowhere.json'),
    (f'{_MANY} --check text.json', 'text.json'),
    (f'{_MANY} --check list.json', 'list.json'),
    (f'{_MANY} --check no-categories.json', 'categories'),
    (f'{_MANY} --check no-images.json', 'images'),
    (f'{_MANY} --check coco.json', r'a\.png'),
    (f'{_MANY} --init nowhere.pth', '--init: there is no file nowhere.pth'),
    (f'{_MANY} --init text.pth', '--init .*text.pth'),
    (f'{_MANY} --init cut.pth', '--init .*cut.pth'),
    (f'{_MANY} --init list.pth', '--init .*list.pth'),
    (f'{_MANY} --init unknown.pth', '--init .*unknown.pth'),
    (f'{_MANY} --init run.pth', '--init .*run.pth'),
    (f'{_MANY} --detector nowhere.py', '--detector nowhere.py'),
    (f'{_MANY} --detector nothing.py', '--detector nothing.py'),
    (f'{_MANY} --detector folder.py', '--detector folder.py'),
    (f'{_MANY} --detector text.txt', '--detector text.txt'),
    (f'{_MANY} --detector no-backbone.py', 'no backbone'),
    (f'{_MANY} --detector mmdet::nowhere.py', 'mmdet::nowhere.py'),
    ("pretrain 'many pictures' --out text.txt", 'text.txt is a file'),
    ("pretrain 'many pictures' --out voc", 'voc holds files, but no run'),
]

_RUN = 'finetune voc --train coco.json --train-images images'
FINETUNE = [
    ('finetune', 'DIR'),
    ('finetune voc', '--train'),
    (_RUN, '--val'),
    (f'{_RUN} --val coco.json --val-images images', 'voc holds no pretr'),
    (f'{_RUN} --val coco.json --labels 0', '--labels'),
    (f'{_RUN} --val coco.json --label 3', 'did you mean --labels'),
    (f'{_RUN} --val coco.json --epochs x', '--epochs'),
    (f'{_RUN} --val ""', '--val'),
    (
        f'{_RUN} --val coco.json --epochs 2 --cfg-options '
        'train_cfg.max_epochs=3',
        '--epochs 2 and --cfg-options train_cfg.max_epochs=3',
    ),
]

_LABELS = '--train coco.json --val coco.json'
DETECT = [
    ('detect', 'DIR'),
    ('detect voc', 'PICTURES'),
    ('detect voc images', '--out'),
    ('detect nowhere images --out x', 'nowhere holds no fine-tuning'),
    ('detect voc images --out x', 'voc holds no fine-tuning'),
    ('detect text.txt images --out x', 'text.txt holds no fine-tuning'),
    ('detect voc images --out x --score 2', '--score.*0 or more and up to 1'),
    ('detect voc images --out x --score nan', "--score.*'nan'"),
    ('detect voc images --out text.txt', 'text.txt is a file'),
]

PILOT = [
    ('pilot', 'DIR'),
    (f'pilot nowhere {_LABELS}', 'nowhere'),
    (f'pilot text.txt {_LABELS}', 'text.txt'),
    (f'pilot empty {_LABELS}', 'empty'),
    (f'pilot empty {_LABELS} --labels 0', '--labels'),
    (f'pilot empty {_LABELS} --labels x', '--labels'),
    (f'pilot empty {_LABELS} --seeds 0', '--seeds'),
    (f'pilot empty {_LABELS} --seeds 101', '--seeds.*1 to 100'),
    (f'pilot empty {_LABELS} --time soon', '--time'),
    (f'pilot empty {_LABELS} --threads 0', '--threads'),
]
COMPARE = [
    ('compare', 'PLAN'),
    ('compare ""', 'PLAN'),
    ('compare nowhere.py', 'nowhere.py'),
    ('compare folder.py', 'folder.py'),
    ('compare nothing.py', 'nothing.py'),
    ('compare no-python.py', 'no-python.py'),
    ('compare text.txt', r'\.py.*text.txt'),
    ('compare no-model.py', 'no-model.py'),
    ('compare no-model.py --shard 2/2', '2/2'),
    ('compare no-model.py --shard 5/0', 'at least 1 shard'),
    ('compare no-model.py --threads 0', '--threads'),
]
