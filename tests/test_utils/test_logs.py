import io
import logging

import pytest

from mmsoco.utils.logs import off_console


@pytest.fixture
def logger(tmp_path):
    """A logger with a console at INFO and a file at DEBUG."""
    made = logging.Logger('made', logging.DEBUG)
    console = logging.StreamHandler(io.StringIO())
    console.setLevel(logging.INFO)
    made.addHandler(console)
    made.addHandler(logging.FileHandler(tmp_path / 'a.log'))
    yield made
    made.handlers[1].close()


def test_the_file_gets_what_the_console_does_not(logger, tmp_path):
    with off_console(logger):
        logger.info('a table')
        logger.debug('a detail')
        logger.warning('mind this')
    logger.info('go')
    console = logger.handlers[0].stream.getvalue()
    assert console.splitlines() == ['mind this', 'go']
    assert (tmp_path / 'a.log').read_text().splitlines() == [
        'a table', 'a detail', 'mind this', 'go'
    ]  # fmt: skip


def test_an_error_gives_the_console_back(logger):
    logger.handlers[0].setLevel(logging.ERROR)
    with pytest.raises(ValueError, match='broken'), off_console(logger):
        logger.warning('another process says this')
        raise ValueError('broken')
    assert logger.handlers[0].stream.getvalue() == ''
    assert logger.handlers[0].level == logging.ERROR
