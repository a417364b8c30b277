"""What a select hands out: rows, objects of a mapped class, or rows with objects in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import compress
from operator import is_, itemgetter
from typing import Any, TypeAlias

from sqlalchemy import Column, CursorResult, Select
from sqlalchemy.engine.result import IteratorResult, SimpleResultMetaData
from sqlalchemy.orm import Bundle, CompositeProperty, QueryableAttribute

from rq_steps.errors import InvalidStepError
from rq_steps.sources.keyset import Values
from rq_steps.sources.select_key import SelectKey
from rq_steps.sources.select_tables import is_same

Parted: TypeAlias = tuple[Sequence[Any], list[Values]]


class SelectItems:
    """The items of a select."""

    def __init__(self, statement: Select[Any]) -> None:
        self._statement = statement
        self._described = statement.column_descriptions
        self._mapped = list(map(_is_mapped, self._described))

    @property
    def have_objects(self) -> bool:
        return any(self._mapped)

    @property
    def need_session(self) -> bool:
        """Does only the ORM put together what is handed out? To others, a Bundle or composite is
        several columns."""
        return self.have_objects or any(map(_is_put_together, self._described))

    def objects_in(self, item: Any) -> list[Any]:
        """The objects of mapped classes in what is handed out; an outer join leaves some out."""
        if len(self._mapped) == 1:
            return [item]
        return [each for each in compress(item, self._mapped) if each is not None]

    def with_objects(self, item: Any, objects: list[Any]) -> Any:
        """The item with these objects in the places of those that are in it."""
        if all(map(is_, objects, self.objects_in(item))):
            return item
        if len(self._mapped) == 1:
            return objects[0]
        others = iter(objects)
        values = [
            next(others) if is_mapped and value is not None else value
            for value, is_mapped in zip(item, self._mapped, strict=True)
        ]
        return IteratorResult(SimpleResultMetaData(item._fields), iter([values])).one()

    def with_key(self, key: SelectKey) -> tuple[Select[Any], Callable[[Any], Parted]]:
        """The select with its key, and what parts a result of it into items and the values of
        their keys, column by column."""
        places = self._places(key.columns)
        if places is not None:
            return self._statement, partial(_part_in_place, places)
        statement = self._statement.add_columns(*key.labelled)
        if self._mapped == [True]:
            return statement, partial(_part_objects, len(key.columns))
        return statement, partial(_part_off, len(self._described), len(key.columns))

    def _places(self, key: Sequence[Any]) -> list[int] | None:
        """Where the key is among the columns of a row, if it is there."""
        described = [each["expr"] for each in self._described]
        selected = list(self._statement.selected_columns)
        if len(selected) != len(described) or not all(map(_is_column, described)):
            return None
        found = [
            next((at for at, each in enumerate(selected) if is_same(column, each)), -1)
            for column in key
        ]
        return None if -1 in found else found


def _is_mapped(description: Any) -> bool:
    """Is it a mapped class, and not one of its columns?"""
    entity = description.get("entity")
    return entity is not None and description["expr"] is entity


def _is_put_together(description: Any) -> bool:
    expression = description["expr"]
    is_composite = isinstance(getattr(expression, "property", None), CompositeProperty)
    return isinstance(expression, Bundle) or is_composite


def _is_column(expression: Any) -> bool:
    return isinstance(expression, Column | QueryableAttribute)


def _part_in_place(places: list[int], result: Any) -> Parted:
    rows = result.all()
    return rows, [list(map(itemgetter(place), rows)) for place in places]


def _part_objects(key: int, result: Any) -> Parted:
    rows = result.all()
    items, *keys = [list(map(itemgetter(place), rows)) for place in range(1 + key)]
    return items, keys


def _part_off(width: int, key: int, result: Any) -> Parted:
    _refuse_same_names(result)
    frozen = result.freeze()
    keys = [frozen().scalars(width + place).all() for place in range(key)]
    return frozen().columns(*range(width)).all(), keys


def _refuse_same_names(result: Any) -> None:
    """Refuse columns that only the ORM could tell from one another."""
    names = list(result.keys())
    if isinstance(result, CursorResult) and len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidStepError(
            f"select: two of its columns are called {twice}: give one of them another label"
        )
