"""What becomes of a process when the one that started it dies: on Linux the kernel signals it."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

_PR_SET_PDEATHSIG = 1

# Run by a Python that then becomes the command: nothing happens between fork and exec in a process
# that may have threads. The signal survives exec; the parent may have died before it was asked for.
_TIE = f"""
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl({_PR_SET_PDEATHSIG}, signal.SIGKILL)
if os.getppid() != int(sys.argv[1]):
    sys.exit("the parent is gone")
os.execvp(sys.argv[2], sys.argv[2:])
"""


def signal_when_parent_dies(signum: signal.Signals) -> None:
    """Have this process sent a signal when its parent dies. Linux only; elsewhere nothing."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signum))


def tied_to_this_process(command: Sequence[str]) -> list[str]:
    """The same command, killed (SIGKILL) by the kernel when the process that starts it is gone.

    On Linux; elsewhere just the command. The process keeps its id. The kernel takes the *thread*
    that starts it for its parent: start it from one that lives as long as the process shall.
    """
    return [sys.executable, "-ISc", _TIE, str(os.getpid()), *command]
