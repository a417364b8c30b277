"""`queryset`: a QuerySet of Django, also where it is handed to `step.each` as it is."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from rq_steps import CheckpointError, InvalidStepError, Step, step
from rq_steps.sources import async_source_of, query, queryset, source_of
from tests.unit.law import assert_law
from tests.unit.memory import Job
from tests.unit.models import meta, models


@pytest.fixture
def shop(django: Any) -> Iterator[Any]:
    """Three authors, and ten books of theirs; each has as many tags as its id in base 3 ends in."""
    shop = models()
    for name in ("a", "b", "c"):
        shop.Author.objects.create(name=name)
    tags = [shop.Tag.objects.create(name=name) for name in ("one", "two")]
    for number in range(1, 11):
        author = shop.Author.objects.order_by("name")[number % 3]
        book = shop.Book.objects.create(
            id=number, title=f"t{number}", shelf=number % 3, place=number, author=author
        )
        book.tags.set(tags[: number % 3])
    yield shop
    for model in (shop.Book, shop.Author, shop.Tag, shop.Value):
        model.objects.all().delete()


@pytest.fixture(params=["native", "generator"])
def job(request: pytest.FixtureRequest) -> Job:
    return Job(native=request.param == "native", pickling=False)


@pytest.fixture
def asked(shop: Any, django: Any) -> Iterator[list[str]]:
    """What the database is asked, from now on."""
    statements: list[str] = []

    def note(execute: Any, sql: str, params: Any, many: Any, context: Any) -> Any:
        statements.append(sql)
        return execute(sql, params, many, context)

    with django.connection.execute_wrapper(note):
        yield statements


# As it is


def test_a_queryset_is_read_in_pages_as_it_is(shop: Any, job: Job, asked: list[str]) -> None:
    @step
    def visit(step: Step) -> list[Any]:
        return [book.id for book in step.each(shop.Book.objects.filter(id__gt=2))]

    assert job.execute(visit).result == list(range(3, 11))
    assert len(asked) == 1
    assert asked[0].endswith("LIMIT 501")


def test_a_queryset_that_is_read_as_it_is_goes_on_behind_its_key(shop: Any, job: Job) -> None:
    visited = []

    @step
    def visit(step: Step) -> None:
        for book in step.each(shop.Book.objects.order_by("-shelf", "id")):
            visited.append((book.shelf, book.id))
            if len(visited) == 4:
                job.call()

    assert job.execute(visit).departure is not None
    assert job.cursor == [1, 1]
    shop.Book.objects.filter(id=1).delete()
    assert job.execute(visit).error is None
    assert visited == sorted(visited, key=lambda book: (-book[0], book[1]))
    assert len(visited) == 10


def test_a_queryset_is_not_read_whole_by_anything(shop: Any, job: Job, asked: list[str]) -> None:
    books = shop.Book.objects.all()

    @step
    def visit(step: Step) -> None:
        for _ in step.each(books):
            break

    assert job.execute(visit).error is None
    assert len(asked) == 1
    assert books._result_cache is None


def paginated(books: Any) -> Any:
    from django.core.paginator import Paginator  # type: ignore[import-untyped]  # no types

    return Paginator(books.order_by("id"), 3)


def cursor() -> Any:
    from django.db import connection  # type: ignore[import-untyped]  # it ships no types

    return connection.cursor()


@pytest.mark.parametrize(
    ("make", "advice"),
    [
        (lambda shop: shop.Book.objects, "use its all()"),
        (lambda shop: shop.Book.objects.raw("SELECT 1 AS id"), "use rq_steps.sources.query"),
        (lambda shop: shop.Book.objects.iterator(), "use the QuerySet itself"),
        (lambda shop: shop.Book.objects.raw("SELECT 1 AS id").iterator(), "use rq_steps.sources.q"),
        (lambda shop: paginated(shop.Book.objects), "use its object_list, in rq_steps.sources.bat"),
        (lambda shop: cursor(), "use rq_steps.sources.query, with the same SQL"),
    ],
)
def test_what_is_no_queryset_is_told_what_to_do(
    make: Callable[[Any], Any], advice: str, shop: Any, job: Job
) -> None:
    @step
    def visit(step: Step) -> None:
        step.each(make(shop))

    error = job.execute(visit).error
    assert isinstance(error, TypeError)
    assert advice in str(error)


def test_a_model_is_told_what_to_do(shop: Any, job: Job) -> None:
    @step
    def visit(step: Step) -> None:
        step.each(shop.Book)

    error = job.execute(visit).error
    assert isinstance(error, TypeError)
    assert str(error).startswith(
        "found the class Book, which cannot be iterated: use step.each(Book.objects.all())"
    )


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (lambda shop: None, "found None"),
        (lambda shop: [], "found list"),
        (lambda shop: "Book", "found str"),
        (lambda shop: dict, "found the class dict"),
        (lambda shop: shop.Book, "found the class Book: give Book.objects.all()"),
        (lambda shop: shop.Book.objects, "found Manager: give its all()"),
        (
            lambda shop: shop.Book.objects.raw("SELECT 1 AS id"),
            "found RawQuerySet: use query(sql, connection, key=...), with the same SQL",
        ),
    ],
)
def test_only_a_queryset_is_taken(make: Callable[[Any], Any], found: str, shop: Any) -> None:
    with pytest.raises(TypeError) as refusal:
        queryset(make(shop))
    assert str(refusal.value) == f"queryset takes a QuerySet of Django, {found}"


# What is handed out


def test_objects_come_with_what_the_queryset_brings(shop: Any, asked: list[str]) -> None:
    books = shop.Book.objects.select_related("author").prefetch_related("tags")
    for book in queryset(books, page=4):
        assert book.author.name == "abc"[book.id % 3]
        assert len(book.tags.all()) == book.id % 3
    assert len(asked) == 3 * 2


def test_values_are_handed_out_as_dicts_and_named_tuples(shop: Any) -> None:
    assert next(iter(queryset(shop.Book.objects.values("id", "title")))) == {
        "id": 1,
        "title": "t1",
    }
    named = shop.Book.objects.values_list("title", "id", named=True)
    assert next(iter(queryset(named, key="-id"))) == ("t10", 10)


def test_values_tell_their_key_by_any_of_its_names(shop: Any) -> None:
    books = shop.Book.objects
    assert_law(lambda: queryset(books.values("pk", "title"), page=3))
    assert_law(lambda: queryset(books.values_list("title", "pk", named=True), page=3))
    assert_law(lambda: queryset(books.values("author", "id"), key=["-author", "pk"], page=3))


def test_a_foreign_key_in_the_key_is_its_column(shop: Any) -> None:
    for name in ("author", "author_id"):
        source = queryset(shop.Book.objects.all(), key=["-" + name, "pk"], page=3)
        assert source.contract == ["-unit.book.author_id", "unit.book.id"]
        found = [(book.author_id, book.id) for book in source]
        assert found == sorted(found, key=lambda book: (-book[0], book[1]))
        assert_law(lambda: source)  # noqa: B023


def test_the_ordering_of_the_model_does_not_count(shop: Any) -> None:
    assert shop.Author._meta.ordering == ["-name"]
    source = queryset(shop.Author.objects.all())
    assert source.contract == ["unit.author.id"]
    assert [author.name for author in source] == ["a", "b", "c"]


def test_another_database_is_the_querysets_affair(shop: Any) -> None:
    assert queryset(shop.Book.objects.using("default"), count=True).total == 10


def test_a_count_is_made_when_it_is_asked_for_and_once(shop: Any, asked: list[str]) -> None:
    books = shop.Book.objects.filter(id__gt=3).order_by("id")
    assert queryset(books).total is None
    source = queryset(books, count=True)
    assert (source.total, source.total, source.unit) == (7, 7, "rows")
    assert len(asked) == 1


def test_a_page_is_selects_that_begin_behind_a_key(shop: Any, asked: list[str]) -> None:
    list(queryset(shop.Book.objects.only("id", "shelf"), key=["-shelf", "id"], page=4))
    order = 'ORDER BY "unit_book"."shelf" DESC, "unit_book"."id" ASC LIMIT 5'
    assert len(asked) == 5
    assert [each.partition(" WHERE ")[2] for each in asked[1:3]] == [
        f'("unit_book"."shelf" = %s AND "unit_book"."id" > %s) {order}',
        f'"unit_book"."shelf" < %s {order}',
    ]


# What is refused


@pytest.mark.parametrize(
    "key", ["id", "pk", "title", ["shelf", "place"], ["-place", "shelf", "id"]]
)
def test_a_key_with_the_primary_key_or_a_unique_constraint_is_taken(key: Any, shop: Any) -> None:
    assert_law(lambda: queryset(shop.Book.objects.all(), key=key, page=3))


def grouped(books: Any) -> Any:
    from django.db.models import Count  # type: ignore[import-untyped]  # it ships no types

    return books.annotate(number=Count("id"))


def numbered(books: Any) -> Any:
    from django.db.models import F, Window
    from django.db.models.functions import (  # type: ignore[import-untyped]  # no types
        RowNumber,
    )

    window = Window(RowNumber(), partition_by=F("shelf"), order_by="place")
    return books.annotate(number=window)


REFUSED: dict[str, tuple[Callable[[Any], Any], str]] = {
    "not unique": (
        lambda books: queryset(books, key=["shelf", "-author"]),
        "the key shelf, -author_id is not known to be unique, and rows could be skipped: add the ",
    ),
    "unique for some": (lambda books: queryset(books, key="place"), "the key place is not known"),
    "unique by an expression": (
        lambda books: queryset(books, key="isbn"),
        "the key isbn is not known to be unique",
    ),
    "ordered by what is not unique": (
        lambda books: queryset(books.order_by("shelf")),
        "the key shelf is not known to be unique",
    ),
    "nullable": (
        lambda books: queryset(books, key=["sold", "id"]),
        "sold may be null, which is before and behind no other: take a field that is not",
    ),
    "float": (
        lambda books: queryset(books, key=["weight", "id"]),
        "weight is a float, which is not exact: no key",
    ),
    "no field": (
        lambda books: queryset(books, key=["nothing", "id"]),
        "nothing is no field of unit.book with a column",
    ),
    "field of another model": (
        lambda books: queryset(books, key=["author__name", "id"]),
        "author__name is no field of unit.book with a column",
    ),
    "many-to-many": (
        lambda books: queryset(books, key=["tags", "id"]),
        "tags is no field of unit.book with a column",
    ),
    "random": (lambda books: queryset(books.order_by("?")), "? is no field of unit.book"),
    "expression": (
        lambda books: queryset(books.order_by(books.model.by_title(), "id")),
        "it is ordered by an expression: give fields, as key=",
    ),
    "two orders": (
        lambda books: queryset(books.order_by("id"), key="id"),
        "it has an order_by beside key=: give one of the two",
    ),
    "union": (
        lambda books: queryset(books.union(books)),
        "a union has no pages: iterate its querysets one by one",
    ),
    "reversed": (
        lambda books: queryset(books.order_by("id").reverse()),
        "it is reversed, and pages have their own order: give key=, or order_by(), ",
    ),
    "reversed without an order": (
        lambda books: source_of(books.reverse()),
        "it is reversed, and pages have their own order: give key=, or order_by(), ",
    ),
    "ordered by extra": (
        lambda books: queryset(books.extra(order_by=["-place"])),
        "it is ordered by extra(), and pages have their own order: give key=",
    ),
    "distinct on": (
        lambda books: queryset(books.order_by("shelf", "place").distinct("shelf")),
        "it has DISTINCT ON, which each page would take anew, of the rows behind its key: filter ",
    ),
    "window function": (
        lambda books: queryset(numbered(books)),
        "it has a window function, which each page would begin anew: use query(sql, connection, ",
    ),
    "filter by a window function": (
        lambda books: source_of(numbered(books).filter(number=1)),
        "it has a window function",
    ),
    "slice": (
        lambda books: queryset(books[:5]),
        "it is a slice, and pages have their own: break the loop instead",
    ),
    "slice as it is": (
        lambda books: source_of(books[2:]),
        "it is a slice, and pages have their own: break the loop instead",
    ),
    "groups": (
        lambda books: queryset(grouped(books.values("shelf"))),
        "it has GROUP BY, and groups have no key that is known: use query(sql, connection, key=",
    ),
    "groups with a key": (
        lambda books: queryset(grouped(books.values_list("shelf", "place")), key="shelf"),
        "the key shelf is not known to be unique",
    ),
    "groups as they are": (
        lambda books: source_of(grouped(books.values("shelf", "author"))),
        "it has GROUP BY, and groups have no key that is known",
    ),
    "groups by an expression": (
        lambda books: queryset(grouped(books.values(named=books.model.doubled()))),
        "it has GROUP BY, and groups have no key that is known",
    ),
    "deferred": (
        lambda books: list(queryset(books.defer("shelf"), key=["shelf", "id"])),
        "shelf is of the key, and must not be deferred",
    ),
    "values without the key": (
        lambda books: list(queryset(books.values("title"))),
        "its rows do not tell their id: take objects, or values() or values_list(named=True) with",
    ),
    "values with another thing by the name of the key": (
        lambda books: list(queryset(books.values(pk=books.model.doubled()))),
        "its rows do not tell their id",
    ),
    "bare values": (
        lambda books: list(queryset(books.values_list("id"))),
        "its rows do not tell their id",
    ),
    "flat values": (
        lambda books: list(queryset(books.values_list("id", flat=True))),
        "its rows do not tell their id",
    ),
    "named values without the key": (
        lambda books: list(queryset(books.values_list("title", named=True))),
        "its rows do not tell their id",
    ),
    "rows that a join gives twice": (
        lambda books: list(queryset(books.filter(tags__id__gt=0), page=1)),
        "two rows have the key [2], and one of them could be skipped",
    ),
}


@pytest.mark.parametrize("why", sorted(REFUSED))
def test_a_queryset_in_which_rows_could_be_skipped_is_refused(why: str, shop: Any) -> None:
    make, message = REFUSED[why]
    with pytest.raises(InvalidStepError) as refusal:
        make(shop.Book.objects.all())
    assert str(refusal.value).startswith("queryset: ")
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_an_order_by_extra_gives_way_to_a_key(shop: Any) -> None:
    books = queryset(shop.Book.objects.extra(order_by=["-place"]), key="id", page=3)
    assert [book.id for book in books] == list(range(1, 11))


def test_groups_whose_fields_are_unique_are_read(shop: Any) -> None:
    from django.db.models import Count

    books = shop.Book.objects
    for grouped in (
        books.annotate(number=Count("tags")),
        books.annotate(number=Count("tags")).values("id", "number"),
        books.values("id", "shelf").annotate(number=Count("tags")),
    ):
        assert len(list(queryset(grouped, page=3))) == 10
    by_title = books.values("title").annotate(number=Count("tags"))
    assert len(list(queryset(by_title, key="title", page=3))) == 10


@pytest.mark.parametrize(
    ("key", "found"),
    [
        (5, "found int"),
        ([None], "found None in it"),
        ({"id"}, "found set"),
        (lambda shop: [shop.Book.id], "found DeferredAttribute in it"),
    ],
)
def test_a_key_is_text(key: Any, found: str, shop: Any) -> None:
    with pytest.raises(TypeError) as refusal:
        queryset(shop.Book.objects.all(), key=key(shop) if callable(key) else key)
    assert str(refusal.value) == f"key takes names, as text or a list of it, {found}"


@pytest.mark.parametrize("key", [[], (), ["id", "-id"]])
def test_a_key_has_each_field_once(key: Any, shop: Any) -> None:
    with pytest.raises(ValueError, match=r"^key must be one or more columns, each of them once"):
        queryset(shop.Book.objects.all(), key=key)


def test_rows_that_a_join_gives_twice_may_be_made_distinct(shop: Any) -> None:
    books = shop.Book.objects.filter(tags__id__gt=0).distinct()
    assert [book.id for book in queryset(books, page=1)] == [1, 2, 4, 5, 7, 8, 10]


def test_a_subquery_may_look_at_all_rows(shop: Any) -> None:
    from django.db.models import OuterRef, Subquery

    first = numbered(shop.Book.objects).filter(number=1)
    source = queryset(shop.Book.objects.filter(pk__in=first.values("pk")), page=1)
    assert [book.id for book in source] == [1, 2, 3]
    places = numbered(shop.Book.objects).filter(shelf=OuterRef("shelf")).order_by("-number")
    annotated = shop.Book.objects.annotate(places=Subquery(places.values("number")[:1]))
    assert {(book.shelf, book.places) for book in queryset(annotated, page=3)} == {
        (0, 3),
        (1, 4),
        (2, 3),
    }


def test_a_proxy_has_the_keys_of_its_model(shop: Any) -> None:
    proxy: Any = type("Paperback", (shop.Book,), {"__module__": __name__, "Meta": meta(proxy=True)})
    source = queryset(proxy.objects.all(), key=["-shelf", "place"], page=3)
    assert len(list(source)) == 10


def test_keys_of_an_inherited_model_are_known(shop: Any) -> None:
    shop.Novel.objects.create(
        id=50, title="n", shelf=9, place=9, author=shop.Author.objects.first(), hero="h"
    )
    novels = shop.Novel.objects.all()
    assert [novel.hero for novel in queryset(novels)] == ["h"]
    for key in ("-title", ["shelf", "place"]):
        assert [novel.hero for novel in queryset(novels, key=key)] == ["h"]


# Values of keys

VALUES: dict[str, list[Any]] = {
    "number": [-(2**62), 0, 2**62],
    "flag": [False, True],
    "text": ["", "'; --", "100%", "A", "a", "ä", "😀"],
    "data": [b"", b"\x00", b"\xff\x00"],
    "day": [date(1, 1, 1), date(2024, 2, 29)],
    "moment": [
        datetime(2024, 2, 29, tzinfo=timezone.utc),
        datetime(2024, 2, 29, 0, 0, 0, 1, tzinfo=timezone.utc),
    ],
    "hour": [time(0), time(23, 59, 59, 999_999)],
    "span": [timedelta(microseconds=1), timedelta(days=9)],
    "price": [Decimal("-1.10"), Decimal("0.10"), Decimal("0.11"), Decimal("10.00")],
    "code": [UUID(int=0), UUID(int=2**127 + 1)],
}


@pytest.mark.parametrize("field", sorted(VALUES))
def test_a_value_of_a_key_survives_the_record(field: str, shop: Any) -> None:
    for value in VALUES[field]:
        shop.Value.objects.create(**{field: value})
        shop.Value.objects.create(**{field: value})
    source = queryset(shop.Value.objects.order_by(field, "-id"), page=1)
    found = [getattr(row, field) for row in source]
    assert found == sorted(VALUES[field] * 2)
    assert_law(lambda: source, plain=False)


# Transactions


def test_a_queryset_is_read_outside_of_transactions(shop: Any, job: Job, django: Any) -> None:
    @step
    def visit(step: Step) -> int:
        step.guard(django.connection)
        for book in step.each(queryset(shop.Book.objects.all(), page=3)):
            with django.transaction.atomic():
                book.save()
        return shop.Book.objects.count()  # type: ignore[no-any-return]  # Django has no types

    assert job.execute(visit).result == 10


def test_a_queryset_is_read_in_an_event_loop_where_django_is_told_to(
    shop: Any, django: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.core.exceptions import (  # type: ignore[import-untyped]  # it ships no types
        SynchronousOnlyOperation,
    )

    async def visit() -> list[int]:
        return [tag.id async for tag in async_source_of(shop.Tag.objects.all())]

    async def fill_and_visit() -> list[int]:
        with django.connection.schema_editor() as editor:  # an event loop has its own connection
            editor.create_model(shop.Tag)
        shop.Tag.objects.create(id=5)
        with closing(django.connection.connection):
            return await visit()

    with pytest.raises(SynchronousOnlyOperation):
        asyncio.run(visit())
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    assert asyncio.run(fill_and_visit()) == [5]


def test_a_loop_within_an_atomic_block_is_refused(shop: Any, job: Job, django: Any) -> None:
    @step
    def visit(step: Step) -> None:
        with django.transaction.atomic():
            for _ in step.each(shop.Book.objects.all()):
                pass

    assert isinstance(job.execute(visit).error, CheckpointError)


def test_djangos_connection_is_one_of_the_db_api(shop: Any, job: Job, django: Any) -> None:
    sql = "SELECT id, title FROM unit_book WHERE title LIKE 't%%' AND id > %s"
    for key in ("id", ["-title", "id"]):
        source = query(sql, django.connection, [2], key=key, page=3)
        assert sorted(row[0] for row in source) == list(range(3, 11))
    sql = "SELECT id, title FROM unit_book WHERE title LIKE 't%'"
    source = query(sql, django.connection, key="id", page=3)
    assert len(list(source)) == 10


# What is loaded


def test_neither_django_nor_sqlalchemy_is_loaded_without_an_object_of_theirs() -> None:
    code = """
import sys
from rq_steps.sources import *
from rq_steps.sources import query, queryset, rows, source_of
import sqlite3
source_of([1]); source_of(range(3)); source_of(iter(()))
list(query("SELECT 1 AS id", sqlite3.connect(":memory:"), key="id"))
loaded = {"django", "sqlalchemy"} & set(sys.modules)
assert not loaded, loaded
"""
    subprocess.run([sys.executable, "-c", code], check=True)
