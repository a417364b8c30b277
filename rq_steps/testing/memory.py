"""What outlives an execution: the record, as the text that Redis would hold."""

from __future__ import annotations

from collections.abc import Mapping

from rq_steps.head import Death, after_death, revived
from rq_steps.meta import progress
from rq_steps.poison import is_poison
from rq_steps.record import Completed, Current, Record, Run
from rq_steps.values import JSON, decode, encode

RUN = Run("rehearsal", None)


class Memory:
    """The record of one rehearsal.

    Args:
        pickling: may values be pickled, as RQ's own serializer does?
    """

    def __init__(self, *, pickling: bool) -> None:
        self.pickling = pickling
        self._head: str | None = None
        self._completed: list[str] = []

    @property
    def is_empty(self) -> bool:
        return self._head is None

    def load(self) -> Record:
        """As the next execution finds it: everything has made its way through the text."""
        if self._head is None:
            return Record(RUN)
        return Record.load(self._head, Completed.load_all(",".join(self._completed)))

    def save(self, record: Record) -> None:
        self._completed += [done.dump() for done in record.completed[len(self._completed) :]]
        self._head = record.head()

    def die(self) -> tuple[Death, bool]:
        """The execution has died. What is left, and is it one death too many?"""
        death = after_death(self._head, RUN)
        buried = is_poison(death)
        self._head = revived(death.head) if buried else death.head
        return death, buried

    def begin_at(self, step: str, cursor: object, completed: Mapping[str, object]) -> None:
        """As if an earlier execution had come so far."""
        record = Record(RUN, executions=1)
        for name, result in completed.items():
            record.complete(Completed(name, self._encode(result)))
        record.current = Current(step, self._encode(cursor), None)
        self.save(record)

    def shown(self) -> dict[str, JSON]:
        """As `job.meta["rq_steps"]` shows it."""
        return progress(self.load(), self.cursor)

    @property
    def cursor(self) -> object:
        """Of the step in hand; None where none is."""
        current = self.load().current
        return current and decode(current.cursor, pickling=self.pickling)

    def _encode(self, value: object) -> JSON:
        return encode(value, pickling=self.pickling)
