"""Django's querysets."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from operator import and_, attrgetter, itemgetter
from typing import Any

from django.db import connections  # type: ignore[import-untyped]  # it ships no types
from django.db.models import (  # type: ignore[import-untyped]  # it ships no types
    FloatField,
    Model,
    Q,
    QuerySet,
    UniqueConstraint,
)
from django.db.models.manager import BaseManager  # type: ignore[import-untyped]  # no types
from django.db.models.query import RawQuerySet  # type: ignore[import-untyped]  # it ships no types

from rq_steps.errors import InvalidStepError
from rq_steps.sources.key_names import named
from rq_steps.sources.keyset import Column, Key, KeysetSource, Values, behind, by_ranges
from rq_steps.sources.mistaken import called


class QuerySetSource(KeysetSource):
    """The objects of a queryset, or its dicts."""

    kind = "queryset"

    def __init__(
        self, queryset: Any, key: str | Sequence[str] | None, page: int, *, count: bool
    ) -> None:
        _refuse_other(queryset)
        fields = _Fields(queryset.model)
        _refuse_clauses(queryset, fields)
        self._fields = fields.key(_ordering(queryset, key))
        others = set(queryset.query.annotations)
        self._known = [fields.known_as(name) - others for name, _ in self._fields]
        columns = [Column(f"{fields.label}.{name}", descends) for name, descends in self._fields]
        super().__init__(columns, page, count=count)
        self._queryset = queryset.order_by(*map(str, self._fields))

    def _read(self, after: Key | None) -> tuple[Sequence[Any], list[Values]]:
        if after is None:
            return self._listed(self._queryset)
        in_mysql = connections[self._queryset.db].vendor == "mysql"
        tests_of = _tests_by_range if in_mysql and by_ranges(self._fields) else _tests
        tests = [tests_of(*each) for each in zip(self._fields, after, strict=True)]
        return self._joined(
            self._listed(self._queryset.filter(where)) for where in behind(tests, and_)
        )

    def _listed(self, queryset: Any) -> tuple[Sequence[Any], list[Values]]:
        items = list(queryset[: self._limit])
        return items, self._keys(items)

    def _count(self) -> int:
        counted: int = self._queryset.order_by().count()
        return counted

    def _keys(self, items: list[Any]) -> list[Values]:
        if not items:
            return [[] for _ in self._fields]
        return [list(map(get, items)) for get in self._getters(items[0])]

    def _getters(self, item: Any) -> list[Any]:
        names = [name for name, _ in self._fields]
        if isinstance(item, Model):
            self._refuse_deferred(item)
            return [attrgetter(name) for name in names]
        told, get = _told_by(item)
        found = [next((each for each in known_as if each in told), "") for known_as in self._known]
        if "" in found:
            raise InvalidStepError(
                f"queryset: its rows do not tell their {', '.join(names)}: "
                "take objects, or values() or values_list(named=True) with these"
            )
        return list(map(get, found))

    def _refuse_deferred(self, item: Any) -> None:
        for name in item.get_deferred_fields().intersection(name for name, _ in self._fields):
            raise InvalidStepError(f"queryset: {name} is of the key, and must not be deferred")


class _Fields:
    """What a model says of its fields."""

    def __init__(self, model: Any) -> None:
        self._meta = model._meta
        self.label: str = self._meta.label_lower

    def key(self, given: str | Sequence[str] | None) -> list[Column]:
        """The fields of the key, by their own names, with their directions.

        Raises:
            InvalidStepError: it could be null, or is not known to be unique.
        """
        if given is None:
            return [Column(name, descending=False) for name in self._primary_key()]
        key = [
            Column(name, column.descending)
            for column in named(given)
            for name in self._names(column.name)
        ]
        if not self.are_unique({column.name for column in key}):
            raise InvalidStepError(
                f"queryset: the key {', '.join(map(str, key))} is not known to be unique, and rows "
                "could be skipped: add the primary key, or the fields of a unique constraint"
            )
        return key

    def are_unique(self, names: set[str]) -> bool:
        """Is it known that no two objects have the same values in these fields?"""
        return any(names >= unique for unique in self._unique())

    def known_as(self, name: str) -> set[str]:
        """What `values` calls a field: by the name that it was given."""
        field = self._meta.get_field(name)
        return {field.attname, field.name, *(["pk"] if field.primary_key else [])}

    def _names(self, name: str) -> list[str]:
        """Of a field of the model's own: a foreign key counts as its column."""
        if name == "pk":
            return self._primary_key()
        field = next(
            (field for field in self._meta.concrete_fields if name in _called(field)), None
        )
        if field is None:
            raise InvalidStepError(f"queryset: {name} is no field of {self.label} with a column")
        if field.null:
            raise InvalidStepError(
                f"queryset: {name} may be null, which is before and behind no other: "
                "take a field that is not"
            )
        if isinstance(field, FloatField):
            raise InvalidStepError(f"queryset: {name} is a float, which is not exact: no key")
        return [field.attname]

    def _primary_key(self) -> list[str]:
        fields = getattr(self._meta, "pk_fields", None) or [self._meta.pk]
        return [field.attname for field in fields]

    def _unique(self) -> Iterator[set[str]]:
        """Names of fields that are unique together."""
        yield set(self._primary_key())
        for field in self._meta.concrete_fields:
            if field.unique:
                yield {field.attname}
        for meta in self._tables():
            for names in meta.unique_together:
                yield self._attnames(names)
            for constraint in meta.constraints:
                if _is_total(constraint):
                    yield self._attnames(constraint.fields)

    def _tables(self) -> list[Any]:
        """What the models say whose tables have its fields: of a proxy that is another model, and
        of one that inherits its parents, too."""
        model = self._meta.concrete_model
        return [each._meta for each in (model, *model._meta.get_parent_list())]

    def _attnames(self, names: Sequence[str]) -> set[str]:
        return {self._meta.get_field(name).attname for name in names}


def _refuse_other(given: Any) -> None:
    if isinstance(given, QuerySet):
        return
    advice = ""
    if isinstance(given, type) and issubclass(given, Model):
        advice = f": give {given.__name__}.objects.all()"
    elif isinstance(given, BaseManager):
        advice = ": give its all()"
    elif isinstance(given, RawQuerySet):
        advice = ": use query(sql, connection, key=...), with the same SQL"
    raise TypeError(f"queryset takes a QuerySet of Django, found {called(given)}{advice}")


def _refuse_clauses(queryset: Any, fields: _Fields) -> None:
    """Refuse what does not go together with pages."""
    if queryset.query.combinator:
        raise InvalidStepError("queryset: a union has no pages: iterate its querysets one by one")
    if queryset.query.is_sliced:
        raise InvalidStepError(
            "queryset: it is a slice, and pages have their own: break the loop instead"
        )
    if not queryset.query.standard_ordering:
        raise InvalidStepError(
            "queryset: it is reversed, and pages have their own order: give key=, or order_by(), "
            'with the directions, as in order_by("-id")'
        )
    groups = queryset.query.group_by
    if isinstance(groups, tuple) and not fields.are_unique(set(map(_grouped_by, groups))):
        raise InvalidStepError(
            "queryset: it has GROUP BY, and groups have no key that is known: "
            "use query(sql, connection, key=...)"
        )
    _refuse_looking_around(queryset)


def _refuse_looking_around(queryset: Any) -> None:
    """Refuse what is made of several rows: of those that are behind the key, on each page."""
    if queryset.query.distinct_fields:
        raise InvalidStepError(
            "queryset: it has DISTINCT ON, which each page would take anew, of the rows behind its "
            "key: filter by a subquery that has it, as in pk__in=..."
        )
    if any(each.contains_over_clause for each in queryset.query.annotations.values()):
        raise InvalidStepError(
            "queryset: it has a window function, which each page would begin anew: "
            "use query(sql, connection, key=...), or filter by a subquery that has it"
        )


def _told_by(item: Any) -> tuple[Collection[str], Callable[[str], Any]]:
    """The names that a row of values has, and what gets the value of one."""
    if isinstance(item, dict):
        return item, itemgetter
    return getattr(item, "_fields", ()), attrgetter


def _grouped_by(expression: Any) -> str:
    """The name of the field, or none."""
    return getattr(getattr(expression, "target", None), "attname", "")


def _called(field: Any) -> tuple[str, str]:
    return field.name, field.attname


def _is_total(constraint: Any) -> bool:
    """Is it a unique constraint over all rows, of fields and not of expressions?"""
    is_unique = isinstance(constraint, UniqueConstraint)
    return is_unique and constraint.condition is None and bool(constraint.fields)


def _ordering(queryset: Any, key: str | Sequence[str] | None) -> str | Sequence[str] | None:
    """The key that is given, or the fields of its order_by if it has one."""
    ordering = queryset.query.order_by
    if key is not None and ordering:
        raise InvalidStepError("queryset: it has an order_by beside key=: give one of the two")
    if not all(isinstance(each, str) for each in ordering):
        raise InvalidStepError("queryset: it is ordered by an expression: give fields, as key=")
    if key is None and queryset.query.extra_order_by:
        raise InvalidStepError(
            "queryset: it is ordered by extra(), and pages have their own order: give key="
        )
    return key if key is not None else ordering or None


def _tests(column: Column, value: Any) -> tuple[Q, Q]:
    sign = "lt" if column.descending else "gt"
    return Q(**{f"{column.name}__{sign}": value}), Q(**{column.name: value})


def _tests_by_range(column: Column, value: Any) -> tuple[Q, Q]:
    name = column.name
    return _tests(column, value)[0], Q(**{f"{name}__gte": value, f"{name}__lte": value})
