"""Sources whose cursor holds that of another."""

from __future__ import annotations

from typing import Any

from rq_steps.errors import InvalidStepError
from rq_steps.record import SourceMark
from rq_steps.sources.protocol import Described
from rq_steps.values import JSON


class Compound(Described):
    """A source made of others."""

    def check_part(self, source: Described, kept: JSON) -> None:
        """Compare one of them with the mark that was kept of it.

        Raises:
            InvalidStepError: it is another kind, has another length, or breaks its contract.
        """
        found, expected = source.mark, SourceMark.load(kept)
        if found[:2] != expected[:2]:
            raise InvalidStepError(f"found {found.described}, expected {expected.described}")
        source.check(expected.contract)

    def parts(self, cursor: Any, *fields: str) -> list[Any]:
        """The parts of a cursor, which has these fields.

        Raises:
            InvalidStepError: it has others.
        """
        if not isinstance(cursor, dict) or set(cursor) != set(fields):
            raise InvalidStepError(
                f"{self.kind} is gone on with at a cursor with {', '.join(fields)}, "
                f"found {cursor!r}"
            )
        return [cursor[field] for field in fields]
