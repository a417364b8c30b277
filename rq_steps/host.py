"""The execution around a step, as the step sees it."""

from __future__ import annotations

from typing import Any, Protocol

from rq_steps.attention import Attention
from rq_steps.errors import InvalidStepError


class Host(Protocol):
    """What a Step asks of the execution around it."""

    @property
    def attention(self) -> Attention:
        """Looked at by every checkpoint."""

    @property
    def pickling(self) -> bool:
        """May values be pickled?"""

    @property
    def stopping(self) -> bool:
        """Is the worker shutting down?"""

    def checkpoint(self) -> None:
        """A checkpoint at which somebody wants something. May raise `Interrupt`."""

    def save(self) -> None:
        """Save now. May raise `Interrupt`."""

    def interrupt(self, wait: float | None, reason: str) -> None:
        """Leave, and come back."""

    def guard(self, connection: Any) -> None:
        """Let no checkpoint cut a transaction of this connection."""


class Ended:
    """The host of a step that is over."""

    stopping = False

    def __init__(self, name: str, host: Host) -> None:
        self._name = name
        self.pickling = host.pickling
        self.attention = Attention()
        self.attention.always()

    def checkpoint(self) -> None:
        self.refuse()

    def save(self) -> None:
        self.refuse()

    def interrupt(self, wait: float | None, reason: str) -> None:
        self.refuse()

    def guard(self, connection: Any) -> None:
        self.refuse()

    def refuse(self) -> None:
        """Whatever is asked of the step, it is over.

        Raises:
            InvalidStepError: always.
        """
        raise InvalidStepError(f"step '{self._name}' is over: its Step is of no use any more")
