"""Run a Python program that ends when the process that started it ends.

A training must not keep running after its parent was killed: the next call
would meet it in the same folder::

    python -m mmsoco.workflow.tethered -m MODULE ARGUMENTS
"""

import runpy
import sys

from mmsoco.utils.processes import die_with_parent


def main() -> None:
    """Tie this process to its parent and run the module."""
    die_with_parent()
    _, option, *sys.argv = sys.argv
    if option != '-m':
        raise SystemExit('usage: tethered -m MODULE ARGUMENTS')
    runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)


if __name__ == '__main__':
    main()
