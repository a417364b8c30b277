"""A source around another one, in whose place it stands in the record."""

from __future__ import annotations

from rq_steps.record import SourceMark
from rq_steps.sources.protocol import Compared, Described, compare, is_cut_anew
from rq_steps.values import JSON


class Transparent(Compared):
    """Tells of itself what another source does."""

    def __init__(self, source: Described) -> None:
        self._source = source

    @property
    def kind(self) -> str:
        kind: str = self._source.kind
        return kind

    @property
    def contract(self) -> JSON:
        return self._source.contract

    @property
    def total(self) -> int | None:
        return self._source.total

    @property
    def unit(self) -> str:
        unit: str = self._source.unit
        return unit

    @property
    def mark(self) -> SourceMark:
        return self._source.mark

    @property
    def is_cut_anew(self) -> bool:
        return is_cut_anew(self._source)

    def compare(self, found: JSON, kept: JSON) -> None:
        compare(self._source, found, kept)
