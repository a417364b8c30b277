"""Whether what a job keeps comes back as it was."""

from __future__ import annotations

from rq_steps.continuation import Continuation
from rq_steps.errors import UnserializableError
from rq_steps.values import JSON, decode, encode


class CheckedContinuation(Continuation):
    """Looks at the results of steps, and at cursors.

    What JSON carries is as it was, or refused. What is pickled is as its class gives it back: that
    may be less, and with a worker is seen only when a job is resumed.

    Raises:
        UnserializableError: it comes back as another, in the eyes of its own class.
    """

    def check_cursor(self) -> None:
        """At a checkpoint: the cursor in hand, against the one that a resumed job would have."""
        step, cursor, _ = self.place
        kept = self.snapshot().current
        if kept is not None:
            self._refuse_changed(cursor, kept.cursor, f"cursor of step '{step}'")

    def _encode(self, value: object, what: str) -> JSON:
        kept = super()._encode(value, what)
        self._refuse_changed(value, kept, what)
        return kept

    def _refuse_changed(self, value: object, kept: JSON, what: str) -> None:
        if not self.pickling or not _is_pickled(value):
            return
        restored = decode(kept, pickling=True)
        if _differ(value, restored):
            raise UnserializableError(
                f"{what} does not survive the record: {value!r} comes back as {restored!r}"
            )


def _is_pickled(value: object) -> bool:
    try:
        encode(value, pickling=False)
    except UnserializableError:
        return True
    return False


def _differ(value: object, restored: object) -> bool:
    """As its class sees it. Where that compares identities, or cannot tell, nothing is said."""
    if type(value).__eq__ is object.__eq__:
        return False
    try:
        return bool(value != restored)
    except Exception:
        return False
