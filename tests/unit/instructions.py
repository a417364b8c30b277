"""Calls in the middle of the machine's own code, as a signal handler may."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection
from types import FrameType
from typing import Any


class Instructions:
    """While this lasts: calls before the nth instruction that one of these modules executes, but
    for those behind the first one of a function that is spared."""

    def __init__(
        self,
        nth: int,
        call: Callable[[], None],
        modules: Collection[str],
        *,
        spared: Collection[str] = (),
    ) -> None:
        self._spared = spared
        self._left = nth
        self._call = call
        self._files = {sys.modules[name].__file__ for name in modules}

    @property
    def called(self) -> bool:
        return self._left <= 0

    def __enter__(self) -> Instructions:
        self._previous = sys.gettrace()
        sys.settrace(self._trace)
        return self

    def __exit__(self, *_error: object) -> None:
        sys.settrace(self._previous)

    def _trace(self, frame: FrameType, event: str, _argument: object) -> Any:
        code = frame.f_code
        if self.called or code.co_filename not in self._files:
            return None
        is_spared = code.co_name in self._spared
        frame.f_trace_opcodes = not is_spared
        if event == ("call" if is_spared else "opcode"):
            self._left -= 1
            if self.called:
                self._call()
        return None if is_spared else self._trace
