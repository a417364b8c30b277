"""The one way to wait for what other processes do."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic
from typing import TypeVar

T = TypeVar("T")

PAUSE = 0.01
"""Seconds between two looks."""


def wait_until(condition: Callable[[], T], message: str, *, deadline: float) -> T:
    """Look until the condition holds, and return what it returned.

    Args:
        message: what has not happened.
        deadline: seconds.

    Raises:
        TimeoutError: it does not hold by then.
    """
    end = monotonic() + deadline
    pause = threading.Event()
    while True:
        result = condition()
        if result:
            return result
        if monotonic() > end:
            raise TimeoutError(f"{message} (waited for {deadline:g} seconds)")
        pause.wait(PAUSE)
