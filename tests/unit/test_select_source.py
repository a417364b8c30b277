"""`rows`: a select of SQLAlchemy."""

from __future__ import annotations

import gc
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import (
    Boolean,
    Column,
    Date,
    DateTime,
    Dialect,
    Engine,
    Enum,
    Float,
    ForeignKey,
    Index,
    Integer,
    Interval,
    LargeBinary,
    MetaData,
    Numeric,
    String,
    Table,
    Time,
    Uuid,
    create_engine,
    delete,
    desc,
    event,
    func,
    insert,
    inspect,
    select,
    text,
    union_all,
    update,
)
from sqlalchemy.dialects import mysql, sqlite
from sqlalchemy.engine.result import FilterResult
from sqlalchemy.orm import (
    Bundle,
    DeclarativeBase,
    Mapped,
    Session,
    aliased,
    composite,
    joinedload,
    mapped_column,
    relationship,
    scoped_session,
    sessionmaker,
)
from sqlalchemy.pool import StaticPool

from rq_steps import CheckpointError, InvalidStepError, Step, step
from rq_steps.sources import Source, batches, rows
from rq_steps.sources.select_key import SelectKey
from tests.unit.law import assert_law
from tests.unit.memory import Job


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"
    __table_args__ = (
        Index("by_city_and_name", "city", "name", unique=True),
        Index("of_some", "born", unique=True, sqlite_where=text("born > 10")),
        Index("by_lower_name", text("lower(name)"), unique=True),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    city: Mapped[str]
    born: Mapped[int]
    email: Mapped[str | None] = mapped_column(unique=True)
    code: Mapped[str] = mapped_column(unique=True)
    weight: Mapped[float] = mapped_column(Float, unique=True)
    orders: Mapped[list[Order]] = relationship(back_populates="user")


class Order(Base):
    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    user: Mapped[User] = relationship(back_populates="orders")


class Pixel(Base):
    __tablename__ = "pixels"

    x: Mapped[int] = mapped_column(primary_key=True)
    y: Mapped[int] = mapped_column(primary_key=True)
    place: Mapped[Any] = composite(complex, "x", "y")


@pytest.fixture
def engine() -> Iterator[Engine]:
    """Ten users; each but the last has as many orders as the last digit of his id tells."""
    engine = create_engine("sqlite://", poolclass=StaticPool)
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        for number in range(1, 11):
            user = {"id": number, "name": f"n{number}", "city": "c", "born": number % 3}
            unique = {"code": f"c{number}", "weight": number / 10}
            connection.execute(insert(User).values(**user, **unique))
        for user_id in (1, 2, 2, 3, 3, 3):
            connection.execute(insert(Order).values(user_id=user_id))
    yield engine
    engine.dispose()


@pytest.fixture(params=["native", "generator"])
def job(request: pytest.FixtureRequest) -> Job:
    return Job(native=request.param == "native", pickling=False)


@pytest.fixture
def statements(engine: Engine) -> list[str]:
    """What the database is asked, from now on."""
    asked: list[str] = []

    @event.listens_for(engine, "before_cursor_execute")
    def note(*given: Any) -> None:
        asked.append(given[2])

    return asked


# What is handed out


@pytest.mark.parametrize("by", [lambda engine: engine, sessionmaker])
def test_several_columns_in_one_are_handed_out_as_the_orm_puts_them_together(
    by: Callable[[Engine], Any], engine: Engine
) -> None:
    bundled: Any = select(Bundle("named", User.id, User.name))
    source = rows(bundled, by(engine), page=3)
    assert [tuple(row[0]) for row in source] == [(number, f"n{number}") for number in range(1, 11)]
    assert_law(lambda: rows(bundled, by(engine), page=3), plain=False)


def test_columns_are_handed_out_as_rows(engine: Engine) -> None:
    first = next(iter(rows(select(User.id, User.name.label("called")), engine)))
    assert first == (1, "n1")
    assert first._mapping == {"id": 1, "called": "n1"}


def test_objects_of_a_mapped_class_are_handed_out_themselves(engine: Engine) -> None:
    assert [user.name for user in rows(select(User), engine, page=3)][:2] == ["n1", "n2"]


def test_a_key_that_is_not_selected_is_read_and_not_handed_out(engine: Engine) -> None:
    source = rows(select(User.name), engine, key=User.id.desc(), page=3)
    assert list(source)[:2] == [("n10",), ("n9",)]
    assert next(iter(source))._mapping == {"name": "n10"}
    assert_law(lambda: source)


def test_rows_of_several_classes_are_handed_out_as_they_are(engine: Engine) -> None:
    statement = select(Order, User.name).join(User)
    source = rows(statement, engine, page=2)
    assert [(row.Order.id, row.name) for row in source][:3] == [(1, "n1"), (2, "n2"), (3, "n2")]
    assert [cursor for _, cursor in source.open([4])] == [[5], [6]]


def test_an_alias_is_a_table(engine: Engine) -> None:
    other = aliased(User)
    source = rows(select(other).where(other.id > 8), engine, key=other.code.desc())
    assert [user.id for user in source] == [9, 10]
    assert source.contract == ["-users.code"]


def test_a_key_is_of_its_own_alias_where_a_table_is_joined_to_itself(engine: Engine) -> None:
    one, next_one = aliased(User), aliased(User)
    select_both = select(next_one.id, one.id).join(next_one, next_one.id == 11 - one.id)
    assert_law(lambda: rows(select_both, engine, key=one.id, page=3))
    source = rows(select(next_one.id).join(one, next_one.id == 11 - one.id), engine, key=one.id)
    assert [row.id for row in source] == list(range(10, 0, -1))


def test_a_subquery_may_look_at_all_rows(engine: Engine) -> None:
    number = func.row_number().over(order_by=User.id.desc()).label("number")
    numbered = select(User.id, number).subquery()
    joined = select(User.id, numbered.c.number).join(numbered, numbered.c.id == User.id)
    assert [row.number for row in rows(joined, engine, page=3)] == list(range(10, 0, -1))
    beside = select(User.id, select(number).limit(1).correlate(None).scalar_subquery())
    assert len(list(rows(beside, engine, page=3))) == 10


def test_a_table_without_a_class_will_do(engine: Engine) -> None:
    table = Base.metadata.tables["users"]
    assert [row.id for row in rows(select(table), engine, page=4)] == list(range(1, 11))


def test_a_join_may_give_each_row_of_the_key_once(engine: Engine) -> None:
    statement = select(User).join(Order).distinct()
    assert [user.id for user in rows(statement, engine, page=2)] == [1, 2, 3]


def test_a_join_within_a_join_is_looked_into(engine: Engine) -> None:
    users, orders = Base.metadata.tables["users"], Base.metadata.tables["orders"]
    other = users.alias()
    within = orders.join(users, orders.c.user_id == users.c.id)
    inner = select(users.c.id).select_from(other.join(within, other.c.id == orders.c.id))
    source = rows(inner, engine, key=orders.c.id, page=2)
    assert [row.id for row in source] == [1, 2, 2, 3, 3, 3]
    outer = select(users.c.id).select_from(other.outerjoin(within, other.c.id == orders.c.id))
    with pytest.raises(InvalidStepError, match=r"orders\.id may be NULL \(outer join\)"):
        rows(outer, engine, key=orders.c.id)


def test_columns_of_one_name_are_refused_where_they_cannot_be_told(engine: Engine) -> None:
    twice = select(User.name.label("name"), User.city.label("name"))
    with pytest.raises(InvalidStepError) as refusal:
        list(rows(twice, engine))
    assert str(refusal.value) == (
        "select: two of its columns are called name: give one of them another label"
    )
    assert next(iter(rows(twice, sessionmaker(engine)))) == ("n1", "c")
    both = select(User.id, Order.id, User.name.label("number")).join(Order)
    assert list(rows(both, engine, key=Order.id))[-1] == (3, 6, "n3")


def test_a_count_is_made_when_it_is_asked_for_and_once(
    engine: Engine, statements: list[str]
) -> None:
    for statement in (select(User).where(User.id > 3), select(User.name).where(User.id > 3)):
        source = rows(statement, engine, count=True)
        statements.clear()
        assert source.total == 7
        assert source.total == 7
        assert len(statements) == 1


# What is refused

CITIES = select(User.city).group_by(User.city)
CITY = CITIES.subquery("cities")
BOTH = union_all(select(User.id), select(User.id))


def distinct_on(statement: Any, column: Any) -> Any:
    if not hasattr(statement, "ext"):  # before SQLAlchemy 2.1
        return statement.distinct(column)
    from sqlalchemy.dialects import postgresql

    return statement.ext(postgresql.distinct_on(column))


def distinct_by_argument(statement: Any, column: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return statement.distinct(column)


ONE, OTHER = aliased(User), aliased(User)
REFUSED: dict[str, tuple[Callable[[Engine], object], str]] = {
    "no primary key": (
        lambda engine: rows(select(Table("bare", MetaData(), Column("id", Integer))), engine),
        "what it is from has no primary key: give key=",
    ),
    "nothing to select from": (
        lambda engine: rows(select(func.now()), engine),
        "it is from nothing, expected a table, whose metadata tell the key: use query(sql, engine",
    ),
    "a subquery to select from": (
        lambda engine: rows(select(CITIES.subquery()), engine),
        "it is from Subquery, expected a table, whose metadata tell the key: use query(sql, engine",
    ),
    "a union to select from": (
        lambda engine: rows(select(BOTH.subquery()), engine),
        "it is from Subquery, expected a table, whose metadata tell the key: use query(sql, engine",
    ),
    "column of a subquery alone": (
        lambda engine: rows(select(one := select(User).subquery()), engine, key=one.c.id),
        "it is from Subquery, expected a table, whose metadata tell the key: use query(sql, engine",
    ),
    "column of a subquery beside a table": (
        lambda engine: rows(select(User, CITY).join(CITY, text("1")), engine, key=CITY.c.city),
        "cities.city is of Subquery, expected a column of a table that it is from",
    ),
    "not unique": (
        lambda engine: rows(select(User), engine, key=[User.city, User.born]),
        "the key users.city, users.born is not known to be unique, and rows could be skipped: add ",
    ),
    "unique by a partial index": (
        lambda engine: rows(select(User), engine, key=User.born),
        "the key users.born is not known to be unique",
    ),
    "unique by an expression": (
        lambda engine: rows(select(User), engine, key=User.name),
        "the key users.name is not known to be unique",
    ),
    "nullable": (
        lambda engine: rows(select(User), engine, key=[User.email, User.id]),
        "users.email may be NULL (nullable), which is before and behind no other",
    ),
    "outer join": (
        lambda engine: rows(select(User).outerjoin(Order), engine, key=[Order.id, User.id]),
        "orders.id may be NULL (outer join)",
    ),
    "full join": (
        lambda engine: rows(select(User).join(Order, full=True), engine),
        "users.id may be NULL (outer join)",
    ),
    "float": (
        lambda engine: rows(select(User), engine, key=User.weight),
        "users.weight is a float, which is not exact: no key",
    ),
    "column of another table": (
        lambda engine: rows(select(User), engine, key=Order.id),
        "orders.id is no column of a table that it is from",
    ),
    "expression": (
        lambda engine: rows(select(User), engine, key=func.lower(User.code)),
        "lower(users.code) is no column of a table that it is from",
    ),
    "name": (
        lambda engine: rows(select(User), engine, key="id"),
        "found the name 'id' in the key, expected the column: give User.id",
    ),
    "names": (
        lambda engine: rows(select(Order, User.name), engine, key=["city", "name"]),
        "found the name 'city' in the key, expected the column: give User.city",
    ),
    "name for descending": (
        lambda engine: rows(select(User.name), engine, key=["-id"]),
        "found the name '-id' in the key, expected the column: give User.id.desc()",
    ),
    "name and direction": (
        lambda engine: rows(select(User), engine, key=desc("id")),
        "found the name 'id' in the key, expected the column: give User.id",
    ),
    "name of a column of a table without a class": (
        lambda engine: rows(select(Base.metadata.tables["users"]), engine, key="id"),
        "found the name 'id' in the key, expected the column: give users.c.id",
    ),
    "name of a column of an alias": (
        lambda engine: rows(select(aliased(User)), engine, key="id"),
        "found the name 'id' in the key, expected the column: give the column itself",
    ),
    "name of nothing": (
        lambda engine: rows(select(User), engine, key="numbr"),
        "numbr is no column of a table that it is from",
    ),
    "several columns in one": (
        lambda engine: rows(select(Pixel), engine, key=Pixel.place),
        "column",  # before SQLAlchemy 2.1 it was one
    ),
    "place of NULLs": (
        lambda engine: rows(select(User), engine, key=User.id.desc().nulls_last()),
        "a key is of columns, their asc() or desc(), found users.id DESC NULLS LAST",
    ),
    "order by": (
        lambda engine: rows(select(User).order_by(User.id), engine),
        "it has ORDER BY, and pages have their own: give the order as key=",
    ),
    "limit": (
        lambda engine: rows(select(User).limit(5), engine),
        "it has LIMIT or OFFSET, and pages have their own: break the loop instead",
    ),
    "offset": (lambda engine: rows(select(User).offset(5), engine), "it has LIMIT or OFFSET"),
    "fetch": (lambda engine: rows(select(User).fetch(5), engine), "it has LIMIT or OFFSET"),
    "group by": (
        lambda engine: rows(CITIES, engine),
        "it has GROUP BY, and groups have no key that is known: use query(sql, engine.raw_conn",
    ),
    "distinct on": (
        lambda engine: rows(distinct_on(select(User.id), User.city), engine),
        "it has DISTINCT ON, which each page would take anew, of the rows behind its key: join a ",
    ),
    "distinct on, as an argument": (
        lambda engine: rows(distinct_by_argument(select(User.id), User.city), engine),
        "it has DISTINCT ON",
    ),
    "window function": (
        lambda engine: rows(select(User.id, func.row_number().over(order_by=User.id)), engine),
        "it has a window function, which each page would begin anew: join a subquery that has it",
    ),
    "window function within": (
        lambda engine: rows(select(User, (func.sum(User.born).over() + 1).label("n")), engine),
        "it has a window function",
    ),
    "distinct without the key of this alias": (
        lambda engine: rows(
            select(OTHER.id).join(ONE, OTHER.id == ONE.id).distinct(), engine, key=ONE.id
        ),
        "it has DISTINCT, and not all of its key is selected: select users.id, too",
    ),
    "distinct without the key": (
        lambda engine: rows(select(User.city).distinct(), engine),
        "it has DISTINCT, and not all of its key is selected: select users.id, too",
    ),
}


@pytest.mark.parametrize("why", sorted(REFUSED))
def test_a_select_in_which_rows_could_be_skipped_is_refused(why: str, engine: Engine) -> None:
    make, message = REFUSED[why]
    with pytest.raises(InvalidStepError) as refusal:
        make(engine)
    assert str(refusal.value).startswith("select: ")
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    "key",
    [
        [User.id],
        [User.born, User.id],
        [User.born.desc(), User.id.asc()],
        [User.code],
        [User.city, User.name.desc()],
        [User.city.desc(), User.born, User.name],
    ],
)
def test_a_key_with_the_primary_key_or_a_unique_constraint_is_taken(
    key: list[Any], engine: Engine
) -> None:
    assert_law(lambda: rows(select(User.id, User.name), engine, key=key, page=3))


def test_a_primary_key_as_sqlite_tells_of_it_is_a_key(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE seats (row TEXT, seat INT, PRIMARY KEY (row, seat))"))
        connection.execute(text("INSERT INTO seats VALUES ('a', 1), ('a', 2), ('b', 1)"))
    seats = Table("seats", MetaData(), autoload_with=engine)
    assert seats.c.row.nullable
    assert_law(lambda: rows(select(seats), engine, page=1))
    assert list(rows(select(seats), engine)) == [("a", 1), ("a", 2), ("b", 1)]


def test_a_null_in_it_is_an_error_and_never_skipped(engine: Engine) -> None:
    seats = Table("seats", MetaData(), Column("id", String, primary_key=True, nullable=True))
    seats.create(engine)
    with engine.begin() as connection:
        connection.execute(insert(seats), [{"id": "a"}, {"id": "b"}])
    pages = rows(select(seats), engine, key=seats.c.id.desc(), page=1).open(None)
    assert [next(pages)[0].id, next(pages)[0].id] == ["b", "a"]
    with engine.begin() as connection:
        connection.execute(insert(seats).values(id=None))
    with pytest.raises(InvalidStepError, match=r"seats\.id is NULL in some row"):
        next(pages)
    with pytest.raises(InvalidStepError, match=r"seats\.id is NULL in some row"):
        next(iter(rows(select(seats), engine, key=seats.c.id.desc())))


def test_a_unique_index_may_have_what_only_its_database_knows(engine: Engine) -> None:
    seats = Table("seats", MetaData(), Column("id", Integer, nullable=False))
    Index("by_id", seats.c.id, unique=True, postgresql_include=[], mysql_using="btree")
    seats.create(engine)
    assert list(rows(select(seats), engine, key=seats.c.id)) == []


def test_a_collection_that_is_loaded_by_a_join_is_refused(engine: Engine) -> None:
    for bind in (engine, Session(engine)):
        source = rows(select(User).options(joinedload(User.orders)), bind)
        with pytest.raises(InvalidStepError) as refusal:
            list(source)
        assert str(refusal.value) == (
            'select: a collection of its objects is loaded by a join (joinedload, lazy="joined"), '
            "which gives rows twice: give it options(selectinload(...)) of it"
        )
    orders = rows(select(Order).options(joinedload(Order.user)), engine)
    assert [order.user.id for order in orders] == [1, 2, 2, 3, 3, 3]


def test_rows_that_a_join_gives_twice_are_an_error_and_never_skipped(engine: Engine) -> None:
    for page in (1, 2, 3):
        with pytest.raises(InvalidStepError, match=r"^select: two rows have the key \[2\], and "):
            list(rows(select(User).join(Order), engine, page=page))


def test_a_row_that_a_join_gives_twice_is_an_error_before_it_is_handed_out(engine: Engine) -> None:
    source = rows(select(User).join(Order), engine, page=1)
    given: list[int] = []
    with pytest.raises(InvalidStepError):
        given.extend(user.id for user, _ in source.open(None))
    assert given == [1]


@pytest.mark.parametrize(
    ("key", "found"),
    [
        (5, "found int"),
        ([None], "found None"),
        (True, "found bool"),
        ([[User.id]], "found list"),
        ({User.id}, "found set"),
        (User, "found the class User"),
        (text("id"), "found TextClause"),
        (User.orders, "found the relationship User.orders"),
    ],
)
def test_a_key_is_of_columns(key: Any, found: str, engine: Engine) -> None:
    with pytest.raises(TypeError) as refusal:
        rows(select(User), engine, key=key)
    assert str(refusal.value) == (
        f"key takes a column, as User.id or table.c.id, or a list of them, {found}"
    )


@pytest.mark.parametrize("key", [[], ()])
def test_a_key_has_a_column_at_least(key: Any, engine: Engine) -> None:
    with pytest.raises(ValueError, match=r"^key must be one or more columns, found none$"):
        rows(select(User), engine, key=key)


class WithBoth:
    """As Flask-SQLAlchemy's extension has them, this one out of any application."""

    session = None

    @property
    def engine(self) -> Engine:
        raise RuntimeError("working outside of application context")


class AnAsyncSession:
    """It is no Session, and SQLAlchemy's own needs greenlets."""


class AnAsyncEngine:
    __module__ = "sqlalchemy.ext.asyncio.engine"


@pytest.mark.parametrize(
    ("bind", "found"),
    [
        (None, "found None"),
        ("sqlite://", "found str"),
        (object, "found the class object"),
        (Session, "found the class Session: give Session(engine)"),
        (WithBoth(), "found WithBoth: give its session, or its engine"),
        (
            sessionmaker(class_=AnAsyncSession),
            "found sessionmaker, which is async: give an engine of create_engine(...)",
        ),
        (
            AnAsyncEngine(),
            "found AnAsyncEngine, which is async: give an engine of create_engine(...)",
        ),
    ],
)
def test_what_reads_no_rows_is_refused(bind: Any, found: str) -> None:
    with pytest.raises(TypeError) as refusal:
        rows(select(User), bind)
    assert str(refusal.value) == (
        f"rows reads through an Engine, Connection, Session or sessionmaker of SQLAlchemy, {found}"
    )


OTHERS: list[tuple[Callable[[Session], Any], str]] = [
    (lambda _: User, "found the class User: give select(User)"),
    (lambda _: aliased(User), "found AliasedClass: give select(...) of it"),
    (lambda _: Base.metadata.tables["users"], "found Table: give select(...) of it"),
    (lambda _: CITY, "found Subquery: give select(...) of it"),
    (
        lambda _: text("SELECT 1"),
        "found TextClause: for SQL use query(sql, engine.raw_connection, key=...)",
    ),
    (
        lambda _: text("SELECT 1").columns(User.id),
        "found TextualSelect: for SQL use query(sql, engine.raw_connection, key=...)",
    ),
    (lambda _: "SELECT 1", "found str: for SQL use query(sql, engine.raw_connection, key=...)"),
    (
        lambda _: BOTH,
        "give its selects one by one, or use query(sql, engine.raw_connection, key=...)",
    ),
    (lambda session: session.query(User), "found Query: give select(...)"),
    (lambda session: session.execute(select(User)), "Result: give the select itself"),
    (lambda session: session.scalars(select(User)), "found ScalarResult: give the select itself"),
    (lambda _: None, "found None"),
    (lambda _: int, "found the class int"),
]


@pytest.mark.parametrize(("make", "found"), OTHERS)
def test_only_a_select_is_taken(make: Callable[[Session], Any], found: str, engine: Engine) -> None:
    with Session(engine) as session, pytest.raises(TypeError) as refusal:
        rows(make(session), engine)
    assert str(refusal.value).startswith("rows takes a select of SQLAlchemy, found ")
    assert str(refusal.value).endswith(found)


BARE: list[Callable[[Session], Any]] = [
    lambda _: select(User),
    lambda _: BOTH,
    lambda _: Base.metadata.tables["users"],
    lambda _: aliased(User),
    lambda session: session.query(User),
    lambda session: session.execute(select(User)),
    lambda session: session.scalars(select(User)),
    lambda session: session.execute(select(User.id)).mappings(),
    lambda session: session.connection().execute(select(User.id)),
]


@pytest.mark.parametrize("make", BARE)
def test_a_bare_select_or_what_it_gave_is_refused_and_told_what_it_needs(
    make: Callable[[Session], Any], engine: Engine, job: Job
) -> None:
    @step
    def visit(step: Step) -> None:
        with Session(engine) as session:
            step.each(make(session))

    error = job.execute(visit).error
    assert isinstance(error, TypeError)
    assert str(error).startswith("step.each takes no ")
    assert "use step.each(rows(select(...), engine)), with rq_steps.sources.rows" in str(error)


class AsyncScalarResult(FilterResult[Any]):
    """As that of `sqlalchemy.ext.asyncio`, which needs a package of its own to be imported."""

    def __init__(self) -> None:
        pass

    def __aiter__(self) -> AsyncIterator[Any]:
        raise AssertionError("it was not to be asked for a row")


@pytest.mark.parametrize("wrap", [lambda result: result, lambda result: batches(result, 2)])
def test_what_an_async_session_streamed_is_refused_too(
    wrap: Callable[[Any], Any], job: Job
) -> None:
    @step
    def visit(step: Step) -> None:
        step.each(wrap(AsyncScalarResult()))

    error = job.execute(visit).error
    assert isinstance(error, TypeError)
    assert str(error) == (
        "step.each takes no AsyncScalarResult: "
        "use step.each(rows(select(...), engine)), with rq_steps.sources.rows"
    )


def test_a_mapped_class_is_refused_and_told_what_it_needs(job: Job) -> None:
    @step
    def visit(step: Step) -> None:
        step.each(User)  # type: ignore[call-overload]  # that is what is tested

    error = job.execute(visit).error
    assert isinstance(error, TypeError)
    assert str(error).startswith(
        "found the class User, which cannot be iterated: "
        "use step.each(rows(select(User), engine)), with rq_steps.sources.rows"
    )


def test_sql_that_is_no_source_is_told_what_it_needs(job: Job) -> None:
    @step
    def visit(step: Step) -> None:
        step.each(text("SELECT 1"))  # type: ignore[call-overload]  # that is what is tested

    error = job.execute(visit).error
    assert isinstance(error, TypeError)
    assert "step.each takes no TextClause: use rq_steps.sources.query, with the same S" in str(
        error
    )


# Values of keys

NAIVE = datetime.fromisoformat("2024-02-29")
VALUES: dict[str, tuple[Any, list[Any]]] = {
    "int": (Integer(), [-(2**62), 0, 2**62]),
    "bool": (Boolean(), [False, True]),
    "str": (String(), ["", "'; --", "A", "a", "ä", "😀"]),
    "bytes": (LargeBinary(), [b"", b"\x00", b"\xff\x00"]),
    "date": (Date(), [date.min, date(2024, 2, 29)]),
    "datetime": (DateTime(), [NAIVE, NAIVE + timedelta(microseconds=1)]),
    "time": (Time(), [time(0), time(23, 59, 59, 999_999)]),
    "interval": (Interval(), [timedelta(microseconds=1), timedelta(days=9)]),
    "UUID": (Uuid(), [UUID(int=0), UUID(int=2**127 + 1)]),
}


@pytest.mark.parametrize("name", sorted(VALUES))
def test_a_value_of_a_key_survives_the_record(name: str, engine: Engine) -> None:
    kind, values = VALUES[name]
    table = Table("values_of_keys", MetaData(), Column("key", kind, primary_key=True))
    table.create(engine)
    with engine.begin() as connection:
        connection.execute(insert(table), [{"key": value} for value in values])
    assert [row.key for row in rows(select(table), engine, page=1)] == values
    assert_law(lambda: rows(select(table), engine, page=1), plain=False)


def test_a_decimal_is_a_key(engine: Engine) -> None:
    kind = Numeric(12, 2).with_variant(String(), "sqlite")
    table = Table("decimals", MetaData(), Column("key", kind, primary_key=True))
    assert rows(select(table), engine).contract == ["decimals.key"]
    source: Any = rows(select(table), engine)
    assert source._key([Decimal("0.10")]) == (Decimal("0.10"),)


def test_a_value_that_no_cursor_holds_is_refused(engine: Engine) -> None:
    import enum

    class Colour(enum.Enum):
        RED = 1

    table = Table("colours", MetaData(), Column("key", Enum(Colour), primary_key=True))
    table.create(engine)
    with engine.begin() as connection:
        connection.execute(insert(table).values(key=Colour.RED))
    with pytest.raises(InvalidStepError, match=r"^select: colours.key cannot be of the key, since"):
        list(rows(select(table), engine))


# Transactions, connections and sessions


def test_an_engine_gives_a_connection_for_each_page(tmp_path: Any) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'users'}")
    Base.metadata.create_all(engine)
    pool: Any = engine.pool
    with Session(engine) as session:
        session.add_all(User(name=c, city=c, born=1, code=c, weight=ord(c)) for c in "abcde")
        session.commit()
    for statement in (select(User), select(User.id)):
        for _ in rows(statement, engine, page=2):
            assert pool.checkedout() == 0
    engine.dispose()


@pytest.mark.parametrize("statement", [select(User.id), select(User)], ids=["columns", "objects"])
def test_a_connection_is_left_out_of_a_transaction(
    statement: Any, engine: Engine, job: Job
) -> None:
    @step
    def visit(step: Step, connection: Any) -> int:
        step.guard(connection)
        return sum(1 for _ in step.each(rows(statement, connection, page=2)))

    with engine.connect() as connection:
        execution = job.execute(lambda: visit(connection))
        assert not connection.in_transaction()
    assert execution.error is None
    assert execution.result == 10


@pytest.mark.parametrize("statement", [select(User.id), select(User)], ids=["columns", "objects"])
def test_a_transaction_of_the_users_is_left_open(statement: Any, engine: Engine) -> None:
    with engine.connect() as connection, connection.begin() as transaction:
        connection.execute(delete(User).where(User.id > 5))
        assert len(list(rows(statement, connection, page=2))) == 5
        assert transaction.is_active
        transaction.rollback()
    with Session(engine) as session:
        session.execute(delete(User).where(User.id > 5))
        assert len(list(rows(statement, session, page=2))) == 5
        assert session.in_transaction()
        session.rollback()
        assert len(list(rows(statement, session, page=2))) == 10
        assert not session.in_transaction()


def test_a_session_in_a_transaction_is_refused_by_the_guard(engine: Engine, job: Job) -> None:
    @step
    def visit(step: Step) -> None:
        with Session(engine) as session, session.begin():
            step.guard(session)
            for _ in step.each(rows(select(User), session)):
                pass

    assert isinstance(job.execute(visit).error, CheckpointError)


@pytest.mark.parametrize("expires", [True, False])
def test_objects_of_a_session_are_changed_and_committed_one_by_one(
    expires: bool, engine: Engine, job: Job
) -> None:
    done = []

    @step
    def rename(step: Step) -> None:
        with Session(engine, expire_on_commit=expires) as session:
            step.guard(session)
            for user in step.each(rows(select(User), session, page=4)):
                user.name = user.name.upper()
                session.commit()
                done.append(user.id)
                session.commit()
                if len(done) % 3 == 0:
                    job.call()

    job.execute_until_done(rename)
    assert done == list(range(1, 11))
    with Session(engine) as session:
        assert set(session.scalars(select(func.substr(User.name, 1, 1)))) == {"N"}


@pytest.mark.parametrize("bind", [scoped_session, lambda maker: maker, lambda maker: maker()])
def test_sessions_are_taken_as_they_are_used(bind: Any, engine: Engine) -> None:
    users = rows(select(User), bind(sessionmaker(engine)), page=4)
    assert [user.id for user in users] == list(range(1, 11))
    columns = rows(select(User.id), bind(sessionmaker(engine)), page=4)
    assert [row.id for row in columns] == list(range(1, 11))


class OfSeveralDatabases(Session):
    """As one of several shards: only the mapper tells the database."""

    def get_bind(self, mapper: Any = None, *_: Any, **__: Any) -> Engine:
        if mapper is None:
            raise LookupError("of which mapper?")
        bind: Engine = self.info[mapper.class_]
        return bind


def test_a_session_chooses_its_database_in_its_own_way(engine: Engine) -> None:
    with OfSeveralDatabases(info={User: engine}) as session:
        users = rows(select(User), session, key=[User.city, User.id], page=4)
        assert len({user.id for user in users}) == 10


@pytest.mark.parametrize(
    ("dialect", "expected"),
    [
        (mysql.dialect(), "users.city >= %s AND users.city <= %s AND users.id > %s"),
        (sqlite.dialect(), "users.city = ? AND users.id > ?"),
    ],
)
def test_mysql_is_given_what_pages_share_as_a_range(dialect: Dialect, expected: str) -> None:
    in_hand, _ = SelectKey(select(User), [User.city, User.id]).behind
    assert str(in_hand.compile(dialect=dialect)) == expected


def test_a_session_that_begins_nothing_by_itself_is_read_through(engine: Engine) -> None:
    with Session(engine, autobegin=False) as session:
        assert len(list(rows(select(User), session, page=4))) == 10


def test_objects_that_a_commit_expired_are_not_handed_out_once_their_rows_are_gone(
    engine: Engine,
) -> None:
    with Session(engine) as session:
        given = []
        for user in rows(select(User), session, page=6):
            given.append(user.id)
            if user.id == 2:
                session.execute(delete(User).where(User.id.in_([3, 5, 8])))
            session.commit()
    assert given == [1, 2, 4, 6, 7, 9, 10]


def test_an_object_that_the_session_has_already_is_handed_out_as_it_is_now(engine: Engine) -> None:
    with Session(engine, expire_on_commit=False) as session:
        held = session.get_one(User, 3)
        session.commit()
        with engine.begin() as connection:
            connection.execute(update(User).values(city="new"))
        assert held in list(rows(select(User), session, page=2))
        assert held.city == "new"


def test_a_change_that_waits_in_an_object_is_not_read_over(engine: Engine) -> None:
    with Session(engine, autoflush=False) as session:
        held = session.get_one(User, 3)
        held.city = "new"
        assert held in list(rows(select(User), session, page=2))
        assert held.city == "new"


def test_a_change_that_waits_in_an_expired_object_is_not_read_over(engine: Engine) -> None:
    with Session(engine, autoflush=False) as session:
        held = session.get_one(User, 3)
        for user in rows(select(User), session, page=6):
            if user.id == 2:
                session.commit()
                held.city = "new"
            if user.id == 3:
                assert (user, user.city) == (held, "new")


def test_objects_that_a_commit_expired_are_handed_out_as_they_are_now(engine: Engine) -> None:
    with Session(engine) as session:
        for user in rows(select(User), session, page=6):
            if user.id == 2:
                session.execute(update(User).values(city="new"))
                session.commit()
            elif user.id > 2:
                assert not inspect(user).expired
                assert not session.in_transaction()
                assert user.city == "new"


@pytest.mark.parametrize("forget", [Session.close, Session.expunge_all, Session.rollback])
def test_objects_belong_to_the_session_whatever_it_forgot(
    forget: Callable[[Session], None], engine: Engine
) -> None:
    with Session(engine) as session:
        for user in rows(select(User), session, page=4):
            assert user in session
            user.name = f"new {user.id}"
            session.commit()
            forget(session)
    with Session(engine) as session:
        names = session.scalars(select(User.name).order_by(User.id))
        assert list(names) == [f"new {number}" for number in range(1, 11)]


@pytest.mark.parametrize("expire", [True, False])
@pytest.mark.parametrize("forget", [Session.close, Session.expunge_all])
def test_an_object_that_the_user_loaded_anew_is_handed_out_in_the_place_of_the_old(
    forget: Callable[[Session], None], expire: bool, engine: Engine
) -> None:
    given, held = [], []
    with Session(engine, expire_on_commit=expire) as session:
        for user in rows(select(User), session, page=6):
            given.append(user.id)
            assert user in session
            forget(session)
            held = list(session.scalars(select(User).where(User.id > user.id)))
            session.commit()
    assert given == list(range(1, 11))
    assert held == []


def test_objects_belong_to_the_session_that_a_scoped_one_stands_for_now(engine: Engine) -> None:
    session = scoped_session(sessionmaker(engine))
    for user in rows(select(User), session, page=4):
        assert user in session
        user.name = f"new {user.id}"
        session.commit()
        session.remove()
    names = session.scalars(select(User.name).order_by(User.id))
    assert list(names) == [f"new {number}" for number in range(1, 11)]
    session.remove()


def test_an_object_is_handed_out_though_another_it_refers_to_was_loaded_anew(
    engine: Engine,
) -> None:
    statement = select(Order).options(joinedload(Order.user))
    given, held = [], []
    with Session(engine) as session:
        for order in rows(statement, session, page=4):
            given.append((order.id, order.user.id))
            assert order.user in session
            session.expunge_all()
            held = list(session.scalars(select(User)))
            session.commit()
    assert given == [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3), (6, 3)]
    assert len(held) == 10


def test_objects_that_were_loaded_anew_are_handed_out_in_their_rows(engine: Engine) -> None:
    given = []
    with Session(engine) as session:
        for row in rows(select(Order, User.name, User).join(User), session, page=4):
            order, name, user = row
            assert order in session
            assert user in session
            assert (row.Order, row.name, row.User) == (order, name, user)
            given.append((order.id, name, user.id))
            session.expunge_all()
            held = [session.get(User, number) for number in range(1, 11)]
            session.commit()
    assert len(held) == 10
    assert given == [
        (1, "n1", 1),
        (2, "n2", 2),
        (3, "n2", 2),
        (4, "n3", 3),
        (5, "n3", 3),
        (6, "n3", 3),
    ]


def test_an_object_that_the_user_deleted_is_not_handed_out(engine: Engine) -> None:
    with Session(engine) as session:
        session.execute(delete(Order))
        session.commit()
        given = []
        for user in rows(select(User), session, page=4):
            given.append(user.id)
            other = session.get(User, user.id + 1)
            if other is not None:
                session.delete(other)
            session.commit()
    assert given == [1, 3, 5, 7, 9]


def test_rows_of_several_objects_are_read_anew_too(engine: Engine) -> None:
    statement = select(User, Order).outerjoin(Order).where(User.id > 2)
    with Session(engine) as session, pytest.raises(InvalidStepError, match="two rows"):
        list(rows(statement, session))
    several = select(Order, User).join(User)
    with Session(engine) as session:
        given = []
        for order, user in rows(several, session, page=4):
            given.append((order.id, user.id))
            session.execute(delete(Order).where(Order.id == 3))
            session.commit()
    assert given == [(1, 1), (2, 2), (4, 3), (5, 3), (6, 3)]


def test_objects_of_an_engine_are_detached_and_can_be_read(engine: Engine) -> None:
    for user in rows(select(User), engine, page=4):
        assert inspect(user).detached
        assert user.name == f"n{user.id}"


def test_objects_do_not_pile_up_in_the_session(engine: Engine) -> None:
    gc.disable()
    try:
        with Session(engine, expire_on_commit=False) as session:
            for user in rows(select(User), session, page=2):
                user.name += "!"
                session.commit()
                assert len(session.identity_map) <= 2 * 2 + 1
    finally:
        gc.enable()


def test_a_page_is_selects_that_begin_behind_a_key(engine: Engine, statements: list[str]) -> None:
    list(rows(select(User.id), engine, key=[User.born.desc(), User.id], page=4))
    columns = "users.id, users.born AS rq_steps_key_0, users.id AS rq_steps_key_1"
    order = "ORDER BY users.born DESC, users.id ASC LIMIT ? OFFSET ?"
    behind = ["WHERE users.born = ? AND users.id > ? ", "WHERE users.born < ? "]
    found = [" ".join(statement.split()) for statement in statements]
    expected = ["", *behind, *behind]
    assert found == [f"SELECT {columns} FROM users {where}{order}" for where in expected]


def test_a_source_over_a_select_is_a_source(engine: Engine) -> None:
    source: Source[Any] = rows(select(User), engine)
    assert (source.kind, source.contract, source.unit) == ("select", ["users.id"], "rows")
    with Session(engine) as session:
        attached = rows(select(User), session, count=True)
        assert (attached.kind, attached.contract, attached.unit) == (
            "select",
            ["users.id"],
            "rows",
        )
        assert attached.total == 10
        assert not session.in_transaction()
