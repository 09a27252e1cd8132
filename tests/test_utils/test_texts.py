"""Texts of any editor are read, and JSON in which every key counts."""

import json

import pytest

from mmsoco.utils.texts import decode_text, parse_json


@pytest.mark.parametrize('encoding', ['utf-8-sig', 'utf-16', 'utf-32'])
def test_text_with_a_byte_order_mark(encoding):
    assert decode_text('{"ö": 1}\r\n'.encode(encoding)) == '{"ö": 1}\n'


@pytest.mark.parametrize('encoding', ['utf-16-le', 'utf-16-be', 'utf-32-be'])
def test_text_without_its_byte_order_mark(encoding):
    with pytest.raises(ValueError, match='zero bytes.*save it as UTF-8'):
        decode_text('{"a": 1}'.encode(encoding))


@pytest.mark.parametrize(
    ('data', 'remedy'),
    [
        ('ö'.encode('latin-1'), 'save it as UTF-8'),
        (b'PK\x03\x04\x00\xff', 'looks like a file of another kind'),
    ],
)
def test_other_encodings_and_other_files(data, remedy):
    with pytest.raises(ValueError, match=f'it is not UTF-8.*{remedy}'):
        decode_text(data)


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('{"annotations": [1], "annotations": []}', "key 'annotations' is"),
        ('{"a": [{"id": 7, "x": 1, "x": 2}]}', "'x' of the object with id 7"),
        ('{"id": 7, "id": 8}', "key 'id' is there more than once"),
    ],
)
def test_a_key_of_json_that_is_there_twice(text, message):
    """The standard library takes the last one in silence."""
    assert json.loads(text)
    with pytest.raises(ValueError, match=message):
        parse_json(text)


def test_a_key_of_json_that_repeats_its_value_is_harmless():
    assert parse_json('{"a": [1], "a": [1]}') == {'a': [1]}
