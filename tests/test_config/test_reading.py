"""What a config that cannot be read says."""

import pytest

from mmsoco.config.reading import read_config


@pytest.mark.parametrize(
    ('name', 'text', 'message'),
    [
        ('a.py', 'x = (', r'a\.py is not Python: .* was never closed'),
        ('a.py', 'x = 1\ny = z', r"a\.py cannot be read.*NameError: .*'z'"),
        ('a.py', '1 / 0', 'ZeroDivisionError'),
        ('a.py', "_base_ = 'none.py'", r'none\.py'),
        ('a.py', 'raise OSError(28, "full")', 'full. It is copied .*TMPDIR'),
        ('a.py', '', 'is empty'),
        ('a.txt', 'x = 1', r'ends in \.py, .* got .*a\.txt'),
        ('a.json', '{', r'a\.json cannot be read'),
        (
            'a.py',
            "custom_imports = dict(imports=['notthere'])",
            r"No module named 'notthere'.*your own module on PYTHONPATH",
        ),
    ],
)
def test_message_names_file_and_cause(tmp_path, name, text, message):
    file = tmp_path / name
    file.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_config(file, {})


@pytest.mark.parametrize(
    ('text', 'cause'),
    [
        ('from json import no_such_name', 'ImportError: cannot import name'),
        ('x = 1 / 0', 'ZeroDivisionError'),
        ('import not_there', "No module named 'not_there'"),
    ],
)
def test_error_in_an_imported_module_is_named(
    tmp_path, monkeypatch, text, cause
):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / 'my_broken_parts.py').write_text(f'\n{text}\n')
    file = tmp_path / 'a.py'
    file.write_text("custom_imports = dict(imports=['my_broken_parts'])")
    place = r'my_broken_parts\.py, line 2'
    with pytest.raises(ValueError, match=f'{cause}.*{place}'):
        read_config(file, {})


def test_missing_file_and_folder_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match='There is no config .*x.py'):
        read_config(tmp_path / 'x.py', {})
    with pytest.raises(IsADirectoryError, match='is a folder'):
        read_config(tmp_path, {})
    with pytest.raises(FileNotFoundError, match='no config nopackage::x.py'):
        read_config('nopackage::x.py', {})


@pytest.mark.parametrize(
    'key', ['train_cfg.a.x', 'model.layers.5.x', 'model.layers.x']
)
def test_option_that_leads_nowhere_is_named(tmp_path, key):
    file = tmp_path / 'a.py'
    file.write_text(
        'model = dict(layers=[dict(a=1)])\ntrain_cfg = dict(a=3)\n'
    )
    with pytest.raises(ValueError, match=f'--cfg-options {key}=1 does not'):
        read_config(file, {key: 1})


def test_config_of_a_package_is_found():
    cfg = read_config('mmdet::_base_/models/retinanet_r50_fpn.py', {})
    assert cfg.model.type == 'RetinaNet'
