"""Sources whose cursor holds that of another."""

from __future__ import annotations

from typing import Any

from rq_steps.errors import InvalidStepError
from rq_steps.record import SourceMark
from rq_steps.sources.protocol import Compared, Described, compare, unfit_cursor
from rq_steps.values import JSON


class Compound(Compared):
    """A source made of others."""

    def compare_part(self, source: Described, found: JSON, kept: JSON) -> None:
        """Compare the mark that was just found of one of them with the one that was kept of it.

        Raises:
            InvalidStepError: it is another kind, has another length, or breaks its contract.
        """
        mark, expected = SourceMark.load(found), SourceMark.load(kept)
        if mark[:2] != expected[:2]:
            raise InvalidStepError(f"found {mark.described}, expected {expected.described}")
        compare(source, mark.contract, expected.contract)

    def parts(self, cursor: Any, *fields: str) -> list[Any]:
        """The parts of a cursor, which has these fields.

        Raises:
            InvalidStepError: it has others.
        """
        if not isinstance(cursor, dict) or set(cursor) != set(fields):
            raise unfit_cursor(self.kind, fields, cursor)
        return [cursor[field] for field in fields]
