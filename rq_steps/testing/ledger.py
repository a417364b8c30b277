"""Which strikes have happened, over all processes of a run: noted in the private server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rq_steps.testing.orders import WorkerStrike

if TYPE_CHECKING:
    from redis import Redis


class Ledger:
    """What is noted is done: it is noted before the strike, since some leave nobody to do it."""

    def __init__(self, connection: Redis, key: str, strikes: Sequence[WorkerStrike]) -> None:
        self._connection = connection
        self._key = key
        self._strikes = list(enumerate(strikes))
        done = connection.smembers(key)
        self._pending = [
            (number, strike) for number, strike in self._strikes if str(number).encode() not in done
        ]

    @property
    def is_pending(self) -> bool:
        """Is there a strike yet to come?"""
        return bool(self._pending)

    @property
    def pending(self) -> list[WorkerStrike]:
        """The strikes yet to come."""
        return [strike for _, strike in self._pending]

    def next_at(self, step: str | None, cursor: object, after: str | None) -> WorkerStrike | None:
        """The strike that is to happen at this checkpoint. Call it once at each of them."""
        nth = self._connection.incr(f"{self._key}:checkpoints")
        for number, strike in self._pending:
            if strike.place.matches(step, cursor, after, nth):
                self._pending.remove((number, strike))
                return strike if self._connection.sadd(self._key, number) else None
        return None
