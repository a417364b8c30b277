"""The handle that user code holds while a step runs."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, overload

from rq_steps.errors import InvalidStepError, UnserializableError
from rq_steps.host import Ended, Host
from rq_steps.loops import AsyncLoop, Loop, loop_over
from rq_steps.options import Seconds, seconds
from rq_steps.record import Current, SourceMark
from rq_steps.sources.async_pairs import async_pairs_of
from rq_steps.sources.given import async_source_of, is_async, source_of
from rq_steps.sources.protocol import (
    AsyncSource,
    Described,
    Source,
    compare,
    opening_cursor,
)
from rq_steps.successor import successor
from rq_steps.values import JSON, decode, encode

T = TypeVar("T")

# Whatever is of exactly these types cannot change, and can always be saved.
_SCALARS = frozenset({int, str, bool, float, type(None)})


_ONE_CURSOR = "one step has one cursor: make it two steps"

_BY_HAND = SourceMark("hand", None)
"""Stands in the place of a source where the cursor is moved by `set` and `advance`."""


class Step:
    """A step that is running: its cursor, its checkpoints, and the way out of it.

    The idea and most of the names are Rails' `ActiveJob::Continuation::Step`.
    """

    __slots__ = (
        "_attention",
        "_by_hand",
        "_cursor",
        "_host",
        "_initial",
        "_loop",
        "_mark",
        "_snapshot",
        "_was_looped",
        "name",
        "resumed",
    )

    name: str
    """The name in the record."""
    resumed: bool
    """Did an earlier execution begin this step?"""

    def __init__(
        self,
        name: str,
        cursor: object,
        host: Host,
        *,
        resumed: bool = False,
        mark: SourceMark | None = None,
    ) -> None:
        self.name = name
        self.resumed = resumed
        self._host = host
        self._attention = host.attention
        self._loop: Loop | AsyncLoop | None = None
        self._was_looped = True
        self._by_hand = False
        self._mark = mark
        self._snapshot = self._encode(cursor)
        self._initial = self._snapshot
        # What begins anew begins with a copy: a mutable `start` is shared by all jobs.
        self._cursor = cursor if resumed else decode(self._snapshot, pickling=host.pickling)

    def __repr__(self) -> str:
        return f"<Step {self.name!r}, cursor {self.cursor!r}>"

    @property
    def cursor(self) -> Any:
        """The next thing to do; inside `each`, where the item in hand is. None until set."""
        return self._cursor if self._loop is None else self._loop.cursor

    @property
    def advanced(self) -> bool:
        """Has the cursor moved in this execution?"""
        return self._encoded_cursor() != self._initial

    @property
    def stopping(self) -> bool:
        """Is the worker shutting down? For an item so long that it wants to cut itself short."""
        return self._host.stopping

    def set(self, cursor: object) -> None:
        """Set the cursor, then checkpoint.

        Raises:
            UnserializableError: the cursor could not be restored as it is.
        """
        if not self._by_hand:
            self._take_by_hand()
        if type(cursor) not in _SCALARS:
            self._snapshot = self._encode(cursor)
        self._cursor = cursor
        if self._attention.wanted:
            self._host.checkpoint()

    def advance(self, from_: object = None) -> None:
        """Set the cursor to the successor of `from_`, or of the cursor; then checkpoint.

        Raises:
            UnadvanceableCursorError: neither an int, nor a date, nor anything with a `succ()`.
        """
        if from_ is None:
            from_ = self._cursor
        if not self._by_hand:
            self._take_by_hand()
        if type(from_) is not int:
            self.set(successor(from_))
            return
        self._cursor = from_ + 1
        if self._attention.wanted:
            self._host.checkpoint()

    def checkpoint(self) -> None:
        """The job may be interrupted here."""
        if self._attention.wanted:
            self._host.checkpoint()

    def save(self) -> None:
        """Save now, whatever `save_every` says."""
        self._host.save()

    @overload
    def each(self, source: Iterable[T]) -> Iterator[T]: ...

    @overload
    def each(self, source: AsyncIterable[T]) -> AsyncIterator[T]: ...

    def each(self, source: Any) -> Any:
        """Iterate; the cursor moves on after the body of an item has finished.

        A list, a range, or whatever has a length and an index goes on at the index, and a source
        of `rq_steps.sources` at its own cursor. Any other iterable is read again, and what was done
        is dropped: it has to be made anew by each execution, and to give the same items in the same
        order. One `each` a step.

        An async iterable is looped over with `async for`. As any other iterable it is read again
        on resume; an `AsyncSource` goes on at its own cursor.

        Raises:
            InvalidStepError: a second `each`, `set` or `advance` beside it, a source without a
                stable order, or another one than the cursor was kept for.
        """
        self._refuse_beside_another()
        with self._named():
            opened = async_source_of(source) if is_async(source) else source_of(source)
            mark = opened.mark
            loop = self._loop_over(opened, self._begin_at(opened, mark))
        self._loop = loop
        self._mark = mark  # not before: a source that cannot be opened leaves no trace
        self._initial = self._encoded_cursor()
        return loop if isinstance(loop, AsyncLoop) else iter(loop)

    def guard(self, connection: Any) -> None:
        """Let no checkpoint cut a transaction of this session or connection.

        It is looked at on every item: a `CheckpointError` shows at the first one, not at the
        first deploy.

        Raises:
            TypeError: it does not tell whether it is in a transaction.
        """
        self._host.guard(connection)

    def interrupt(self, wait: Seconds | None = None, reason: str = "interrupted") -> None:
        """Stop here, and come back after `wait` seconds, at the back of the queue: a throttle.

        Without a `wait` it is the continuable's `resume_wait`. Again and again without progress and
        with no time to wait, it backs off by itself.

        Raises:
            CheckpointError: in an open transaction.
            TypeError, ValueError: no number of seconds, or a reason that says nothing.
        """
        if not isinstance(reason, str) or not reason:
            raise TypeError(f"reason must be a string that says why, found {reason!r}")
        self._host.interrupt(None if wait is None else seconds("wait", wait), reason)

    def _loop_over(self, source: Source[Any] | AsyncSource[Any], begin: Any) -> Loop | AsyncLoop:
        if isinstance(source, AsyncSource):
            pairs = async_pairs_of(source, begin)
            return AsyncLoop(pairs, begin, self._attention, self.checkpoint)
        return loop_over(source, begin, self._attention, self.checkpoint)

    async def _aclose(self) -> None:
        """An async step is about to end."""
        if isinstance(self._loop, AsyncLoop):
            await self._loop.aclose()

    def _as_current(self) -> Current:
        """The step as the record keeps it."""
        return Current(self.name, self._encoded_cursor(), self._mark)

    @property
    def _warning(self) -> str | None:
        """What is odd about a step that has completed."""
        if self._was_looped:
            return None
        return "step.each was never asked for an item, and does nothing until it is looped over"

    def _end(self) -> None:
        """The step is over: whoever still holds it is told so."""
        self._snapshot = self._encoded_cursor()
        self._cursor = self.cursor
        loop, self._loop = self._loop, None
        self._attention.release()
        self._host = Ended(self.name, self._host)
        self._attention = self._host.attention
        if loop is not None:
            self._was_looped = loop.begun
            loop.close()

    def _encode(self, cursor: object) -> JSON:
        try:
            return encode(cursor, pickling=self._host.pickling)
        except UnserializableError as error:
            raise UnserializableError(f"cursor of step '{self.name}': {error}") from error

    def _encoded_cursor(self) -> JSON:
        if self._loop is not None:
            return self._encoded_cursor_of(self._loop)
        return self._encode(self._cursor) if type(self._cursor) in _SCALARS else self._snapshot

    def _encoded_cursor_of(self, loop: Loop | AsyncLoop) -> JSON:
        try:
            self._snapshot = self._encode(loop.cursor)
        except UnserializableError:
            # A source of the user's may give anything. The step stays at the last cursor that could
            # be saved, or this would be raised again wherever the record is saved.
            self._loop = None
            self._cursor = decode(self._snapshot, pickling=self._host.pickling)
            raise
        return self._snapshot

    def _take_by_hand(self) -> None:
        if self._loop is not None:
            raise InvalidStepError(
                f"step '{self.name}': set and advance beside each, which moves the cursor itself"
            )
        with self._named():
            self._refuse_other(_BY_HAND)
        self._mark = _BY_HAND
        self._by_hand = True

    def _refuse_beside_another(self) -> None:
        if isinstance(self._host, Ended):
            self._host.refuse()
        if self._by_hand:
            raise InvalidStepError(
                f"step '{self.name}': each beside set and advance, {_ONE_CURSOR}"
            )
        if self._loop is not None:
            raise InvalidStepError(
                f"step '{self.name}': a second each, {_ONE_CURSOR}; for a loop in a loop use "
                "nested(outer, inner) of rq_steps.sources"
            )

    def _begin_at(self, source: Described, mark: SourceMark) -> Any:
        self._refuse_other(mark)
        if self._mark is not None:
            compare(source, mark.contract, self._mark.contract)
        return opening_cursor(source, self._cursor)

    @contextmanager
    def _named(self) -> Iterator[None]:
        """What is wrong with a source is said of this step."""
        try:
            yield
        except InvalidStepError as error:
            if not str(error).startswith("step '"):
                error.args = (f"step '{self.name}': {error}",)
            raise

    def _refuse_other(self, mark: SourceMark) -> None:
        kept = self._mark
        if kept is not None and (kept.kind, kept.length) != (mark.kind, mark.length):
            raise InvalidStepError(
                f"found {_describe(mark)}, but its cursor {self._cursor!r} was kept for "
                f"{_describe(kept)}"
            )


def _describe(mark: SourceMark) -> str:
    return "set and advance" if mark == _BY_HAND else mark.described
