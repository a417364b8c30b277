"""What a step asks of the loop that it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeAlias

Checkpoint: TypeAlias = Callable[[], None]


class Loop(Protocol):
    """A loop over a source."""

    @property
    def begun(self) -> bool:
        """Has it been asked for an item?"""

    @property
    def cursor(self) -> Any:
        """The item in hand, or the next one where none is: what is still to be done."""

    def __iter__(self) -> Iterator[Any]: ...

    def close(self) -> None:
        """The step is over: let go of what the source holds open."""
