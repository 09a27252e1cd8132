"""Each check of the doctor, on a machine made up for it."""

import re

import pytest

from mmsoco import doctor
from mmsoco.doctor import FAIL, GIB, OK, WARN

MIB = 2**20


def fails(name):
    raise RuntimeError('undefined symbol: x')


CASES = [
    (doctor.check_python, ((3, 11, 4),), OK, '3.11.4'),
    (doctor.check_python, ((3, 10, 1),), FAIL, 'make install PYTHON='),
    (doctor.check_python, ((3, 14, 0),), WARN, '3.11 and 3.12'),
    (doctor.check_package, ('mmcv', '2.1.0', str), OK, '2.1.0'),
    (doctor.check_package, ('mmcv', '2.1.0rc1+cpu', str), OK, '2.1.0'),
    (doctor.check_package, ('mmcv', '2.4.0', str), WARN, 'tested from 2.1.0'),
    (doctor.check_package, ('mmcv', '1.7.2', str), WARN, 'tested from 2.1.0'),
    (doctor.check_package, ('mmcv', '2.1.0', fails), FAIL, 'undefined symbol'),
    (doctor.check_device, ([], None, False), OK, 'the CPU trains'),
    (doctor.check_device, (['H100'], '13.0', True), OK, '1 GPU, H100, CUDA 1'),
    (doctor.check_device, ([], None, True), WARN, 'without CUDA.*TORCH='),
    (doctor.check_operators, (True, None, 'cuda'), OK, 'mmcv.*cuda'),
    (doctor.check_operators, (False, True, 'cuda'), WARN, 'fine-tuning needs'),
    (doctor.check_operators, (False, False, 'cpu'), FAIL, 'neither mmcv nor'),
    (doctor.check_roi, (lambda device: 1.00001, 'cpu'), OK, 'backward on cpu'),
    (doctor.check_roi, (lambda device: 0.4, 'cpu'), FAIL, '0.4 instead of 1'),
    (doctor.check_kernels, (21.0, 5), OK, 'compiled now, once, in 21 s'),
    (doctor.check_kernels, (0.4, 0), OK, r'compiled before \(0.4 s\)'),
    (doctor.check_cores, (16, 1), OK, '16; .*num_workers=15'),
    (doctor.check_cores, (64, 8), OK, 'num_workers=7'),
    (doctor.check_cores, (1, 0), OK, 'num_workers=1'),
    (doctor.check_cores, (8, 4), WARN, '8 cores per GPU'),
    (doctor.check_memory, (8 * GIB,), OK, '8.0 GiB'),
    (doctor.check_memory, (2 * GIB,), WARN, 'batch_size'),
    (doctor.check_memory, (200 * MIB,), FAIL, 'batch_size'),
    (doctor.check_shared_memory, (8 * GIB,), OK, '8.00 GiB'),
    # docker's default
    (doctor.check_shared_memory, (64 * MIB,), WARN, '--shm-size'),
    (doctor.check_shared_memory, (MIB,), FAIL, '--shm-size'),
    (doctor.check_disk, (80 * GIB, True), OK, '80.0 GiB free'),
    (doctor.check_disk, (2 * GIB, True), WARN, 'make room'),
    (doctor.check_disk, (MIB, True), FAIL, 'make room'),
    (doctor.check_disk, (80 * GIB, False), FAIL, 'cannot be written to'),
]


@pytest.mark.parametrize(('check', 'inputs', 'status', 'text'), CASES)
def test_check(check, inputs, status, text):
    finding = check(*inputs)
    assert finding.status == status
    assert re.search(text, str(finding)), finding
    assert bool(finding.remedy) == (status != OK), 'what is wrong has a remedy'


def test_package_that_is_missing(monkeypatch):
    monkeypatch.setattr(doctor, 'installed_version', lambda module: None)
    finding = doctor.check_package('mmselfsup')
    assert finding.status == FAIL and 'make install' in str(finding)


def test_check_that_breaks_is_a_failure():
    finding = doctor._survive('one RoI', lambda: fails(''))
    assert finding.status == FAIL
    assert 'RuntimeError: undefined symbol: x' in finding.text


def test_this_machine_passes():
    found = {finding.subject: finding for finding in doctor.findings()}
    assert {'Python', 'torch', 'mmcv', 'operators', 'one RoI'} <= set(found)
    for subject in ('torch', 'operators', 'one RoI', 'search kernels'):
        assert found[subject].status == OK, found[subject]
