"""Waits for a child process a little at a time."""

from __future__ import annotations

import os
import select
import sys


def ends_within(pid: int, seconds: float) -> bool:
    """Has the child ended, or does it end in that time? It is still to be waited for.

    On Linux. Elsewhere True at once: the caller goes on to wait for good.
    """
    if sys.platform != "linux" or not pid:
        return True
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:  # it is gone, or this kernel has no such thing
        return True
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return bool(poll.poll(seconds * 1000))
    finally:
        os.close(descriptor)
