"""What is still to befall a job, and the checkpoints that it has come to."""

from __future__ import annotations

from collections.abc import Callable

from rq_steps.testing.execution import Checkpoint
from rq_steps.testing.strikes import Crash, Strike


class Plan:
    """The strikes that are still to come, and the checkpoints that were come to."""

    def __init__(self) -> None:
        self.strikes: list[Strike] = []
        self.checkpoints: list[Checkpoint] = []

    def come_to(self, step: str | None, cursor: object, after: str | None) -> Strike | None:
        """Count a checkpoint. What strikes there?"""
        here = Checkpoint(len(self.checkpoints) + 1, step, cursor, after)
        self.checkpoints.append(here)
        return self._take(
            lambda strike: (
                not _is_of_completion(strike)
                and strike.place.matches(step, cursor, after, here.number)
            )
        )

    def complete(self, step: str) -> Crash | None:
        """A step has completed. What crashes before anybody knows, or as soon as it is known?"""
        struck = self._take(lambda strike: _is_of_completion(strike) and strike.place.after == step)
        assert struck is None or isinstance(struck, Crash)
        return struck

    def _take(self, is_due: Callable[[Strike], bool]) -> Strike | None:
        due = next((strike for strike in self.strikes if is_due(strike)), None)
        if due is not None:
            self.strikes.remove(due)
        return due


def _is_of_completion(strike: Strike) -> bool:
    return isinstance(strike, Crash) and strike.place.after is not None
