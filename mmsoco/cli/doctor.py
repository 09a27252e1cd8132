"""Check whether this machine can run mmsoco.

Prints one line per finding, which starts with ok, with warn (it works, but not
well), or with FAIL (it will not work). Each warning and failure ends with a
remedy. The exit status is 1 if a check failed. The first call on a machine
compiles the kernels, which takes about half a minute.

Example:
  mmsoco doctor
"""

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add nothing: the verb has no options."""


def run(args: argparse.Namespace) -> int:
    """Print the findings; return 1 if one is a failure."""
    from mmsoco.doctor import FAIL, findings

    failed = 0
    for finding in findings():
        print(finding, flush=True)
        failed += finding.status == FAIL
    if failed:
        print(f'{failed} checks failed')
    return 1 if failed else 0
