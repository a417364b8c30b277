"""What comes from Django or SQLAlchemy, or is a data frame, where it is handed to `step.each` as it
is.

Their objects are told by names: no library is imported without one.
"""

from __future__ import annotations

from collections.abc import Callable
from types import GeneratorType
from typing import Any

from rq_steps.sources.mistaken import called
from rq_steps.sources.protocol import Source
from rq_steps.sources.tables import queryset


def table_source(given: Any) -> Source[Any] | None:
    """The source over what comes from Django or SQLAlchemy, or is a data frame. A QuerySet has a
    length and an index, but would read the whole table for them; a frame has the length of its
    rows, and the index of its columns.

    Raises:
        TypeError: it is no source by itself.
    """
    _refuse_class(given)
    _refuse_read_on(given)
    for base in type(given).__mro__:
        make = _KNOWN.get(_origin(base))
        if make is not None:
            return make(given)
    return None


def refuse_result(given: Any) -> None:
    """Refuse what an async session of SQLAlchemy has streamed: nobody could go on behind a row.

    Raises:
        TypeError: it is that.
    """
    if ("sqlalchemy", "FilterResult") in map(_origin, type(given).__mro__):
        table_source(given)


def _origin(base: type) -> tuple[str, str]:
    return base.__module__.partition(".")[0], base.__name__


def _refuse_class(given: Any) -> None:
    """Refuse a class of a table's rows."""
    if not isinstance(given, type):
        return
    use = None
    if hasattr(given, "__mapper__"):
        use = f"step.each(rows(select({given.__name__}), engine)), with rq_steps.sources.rows"
    elif ("django", "Model") in map(_origin, given.__mro__):
        use = f"step.each({given.__name__}.objects.all())"
    if use is not None:
        raise TypeError(f"found {called(given)}, which cannot be iterated: use {use}")


def _refuse_read_on(given: Any) -> None:
    """Refuse what is read to its end and knows no key: of rows that are gone by the time of the
    resume, as many others would be skipped."""
    advice = _ITERATORS.get(given.__qualname__) if _is_generator_of_django(given) else None
    if advice is not None:
        raise TypeError(f"step.each takes no iterator() of Django: {advice}")
    if _is_cursor(given):
        raise TypeError(f"step.each takes no {type(given).__name__} of a database: {_QUERY}")


def _is_generator_of_django(given: Any) -> bool:
    if not isinstance(given, GeneratorType) or given.gi_frame is None:
        return False
    module: str = given.gi_frame.f_globals["__name__"]
    return module.partition(".")[0] == "django"


def _is_cursor(given: Any) -> bool:
    """Is it one of the DB-API? A mock has whatever it is asked for; its class has not."""
    executes = hasattr(type(given), "execute")
    return executes and hasattr(given, "fetchmany") and hasattr(given, "description")


def _refusing(advice: str) -> Callable[[Any], Source[Any]]:
    def refuse(given: Any) -> Source[Any]:
        raise TypeError(f"step.each takes no {type(given).__name__}: {advice}")

    return refuse


_ROWS = "use step.each(rows(select(...), engine)), with rq_steps.sources.rows"
_QUERY = "use rq_steps.sources.query, with the same SQL"
_ITERATORS = {"QuerySet._iterator": "use the QuerySet itself", "RawQuerySet.iterator": _QUERY}
_KNOWN: dict[tuple[str, str], Callable[[Any], Source[Any]]] = {
    ("django", "QuerySet"): queryset,
    ("django", "RawQuerySet"): _refusing(_QUERY),
    ("django", "BaseManager"): _refusing("use its all()"),
    ("django", "Paginator"): _refusing("use its object_list, in rq_steps.sources.batches"),
    ("pandas", "DataFrame"): _refusing("use its itertuples()"),
    ("polars", "DataFrame"): _refusing("use its iter_rows()"),
    ("pyarrow", "Table"): _refusing("use its to_pylist()"),
    ("pyarrow", "RecordBatch"): _refusing("use its to_pylist()"),
    ("pyarrow", "Dataset"): _refusing("use rq_steps.sources.parquet_rows"),
    ("sqlalchemy", "SelectBase"): _refusing(_ROWS),
    ("sqlalchemy", "Query"): _refusing(_ROWS),
    ("sqlalchemy", "FromClause"): _refusing(_ROWS),
    ("sqlalchemy", "AliasedClass"): _refusing(_ROWS),
    ("sqlalchemy", "Result"): _refusing(_ROWS),
    ("sqlalchemy", "FilterResult"): _refusing(_ROWS),
    ("sqlalchemy", "TextClause"): _refusing(_QUERY),
}
