"""`queryset`, over a database beside Django's default one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Any

import pytest

from rq_steps import InvalidStepError, Step, step
from rq_steps.sources import query, queryset
from tests.databases.server import DatabaseServer
from tests.unit.law import assert_law
from tests.unit.memory import Job
from tests.unit.models import models
from tests.unit.test_queryset_source import VALUES

# With what Django orders by in the same way: by the model that a foreign key is of, otherwise.
KEYS: list[tuple[list[str], list[str]]] = [
    (["id"], ["id"]),
    (["-pk"], ["-id"]),
    (["shelf", "-place"], ["shelf", "-place"]),
    (["-author", "id"], ["-author_id", "id"]),
    (["author_id", "-title"], ["author_id", "-title"]),
]


@pytest.fixture
def alias(database: DatabaseServer, django: Any) -> Iterator[str]:
    """Of a database with the tables of the models."""
    shop, connections = models(), django.connections
    connections.settings["real"] = {**connections.settings["default"], **database.settings}
    with connections["real"].schema_editor() as editor:
        for model in (shop.Author, shop.Tag, shop.Book, shop.Novel, shop.Value):
            editor.create_model(model)
    yield "real"
    connections["real"].close()
    del connections["real"], connections.settings["real"]


@pytest.fixture
def books(alias: str) -> Any:
    """Twenty books of three authors."""
    shop = models()
    authors = [shop.Author.objects.using(alias).create(name=name) for name in "abc"]
    for number in range(20):
        author = authors[number * number % 3]
        place = {"shelf": number % 4 - 2, "place": number, "author": author}
        shop.Book.objects.using(alias).create(id=number, title=f"t{number}", **place)
    return shop.Book.objects.using(alias)


@pytest.mark.parametrize(("key", "names"), KEYS)
def test_the_law_of_a_queryset(key: list[str], names: list[str], books: Any) -> None:
    source = queryset(books.all(), key=key, page=3, count=True)
    assert source.total == 20
    assert [book.id for book in source] == list(books.order_by(*names).values_list("id", flat=True))
    assert_law(partial(queryset, books.select_related("author"), key=key, page=3))
    assert_law(partial(queryset, books.values(), key=key, page=3))


@pytest.mark.parametrize("field", sorted(VALUES))
def test_a_value_of_a_key_survives_the_record(field: str, alias: str) -> None:
    objects = models().Value.objects.using(alias)
    for value in VALUES[field] * 2:
        objects.create(**{field: value})
    for order in ((field, "-id"), ("-" + field, "id")):
        found = list(objects.order_by(*order))
        assert sorted(getattr(row, field) for row in found) == sorted(VALUES[field] * 2)
        assert list(queryset(objects.order_by(*order), page=1)) == found
        assert_law(partial(queryset, objects.order_by(*order), page=2), plain=False)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York"])
def test_a_moment_of_an_hour_that_comes_twice_is_a_key(zone: str, alias: str, django: Any) -> None:
    """Objects are in the zone that is active, columns in UTC."""
    timezones = pytest.importorskip("django.utils.timezone")
    objects = models().Value.objects.using(alias)
    first = datetime(2024, 10, 26, 22, 45, tzinfo=timezone.utc)
    for number in range(12):
        objects.create(moment=first + timedelta(minutes=30, microseconds=1) * number)
    with timezones.override(zone):
        assert len(list(queryset(objects.order_by("moment", "id"), page=1))) == 12
        assert_law(partial(queryset, objects.order_by("-moment", "id"), page=2), plain=False)


def test_rows_may_come_and_go_between_two_pages(books: Any) -> None:
    found = []
    for book in queryset(books.order_by("-id"), page=4):
        found.append(book.id)
        if book.id == 17:
            books.filter(id__range=(8, 17)).delete()
            books.create(id=-1, title="new", shelf=9, place=9, author=book.author)
            books.create(id=99, title="newer", shelf=9, place=10, author=book.author)
    assert found == [19, 18, 17, 16, *range(7, -2, -1)]


def test_no_transaction_is_open_between_two_pages(
    books: Any, alias: str, database: DatabaseServer, django: Any
) -> None:
    opened, job = [], Job(native=True, pickling=False)

    @step
    def visit(step: Step) -> None:
        step.guard(django.connections[alias])
        for book in step.each(queryset(books.all(), page=6)):
            opened.append(database.transactions())
            with django.transaction.atomic(using=alias):
                book.save()

    assert job.execute(visit).error is None
    assert opened == [0] * 20
    with django.transaction.atomic(using=alias):
        books.first()
        assert database.transactions() == 1


def test_djangos_connection_is_one_of_the_db_api(books: Any, alias: str, django: Any) -> None:
    connection = django.connections[alias]
    source = partial(query, connection=connection, key=["-shelf", "id"], page=6)
    assert_law(partial(source, "SELECT id, shelf, title FROM unit_book WHERE title LIKE 't%'"))
    sql = "SELECT id, shelf FROM unit_book WHERE title LIKE 't%%' AND id > %s"
    assert len(list(source(sql, params=[2]))) == 17


def test_rows_that_a_join_gives_twice_are_refused(books: Any, alias: str) -> None:
    tags = [models().Tag.objects.using(alias).create(name=name) for name in ("one", "two")]
    books.get(id=7).tags.set(tags)
    with pytest.raises(InvalidStepError, match=r"^queryset: two rows have the key \[7\]"):
        list(queryset(books.filter(tags__id__gt=0)))
