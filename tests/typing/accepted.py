"""What type checkers have to accept, and which types they have to see. It is never run."""

import asyncio
import functools
from abc import ABC, abstractmethod
from collections.abc import AsyncIterable, AsyncIterator, Callable, Coroutine, Iterable, Iterator
from datetime import timedelta
from typing import Any, Generic, Protocol, TypeVar

from redis import Redis
from rq import Queue
from sqlalchemy import Engine, Select, Table, func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, aliased, mapped_column, registry
from typing_extensions import Self, assert_type

from rq_steps import Step, continuable, step
from rq_steps.sources import (
    AsyncSource,
    BadRecord,
    Source,
    async_source_of,
    batches,
    chain,
    csv_dicts,
    csv_rows,
    lines,
    nested,
    numbered,
    queryset,
)
from rq_steps.sources import rows as rows_of

T = TypeVar("T")

# Functions


@step
def plain(number: int) -> str:
    return str(number)


@step
def nothing() -> None: ...


@step
def handed(step: Step, number: int, *, text: str = "") -> str:
    for each in step.each([number]):
        assert_type(each, int)
    return text


@step
def over_files(step: Step, path: str) -> None:
    for line in step.each(lines(path)):
        assert_type(line, str)
    for kept in step.each(lines(path, keepends=True)):
        assert_type(kept, str)
    for row in step.each(csv_rows(path, delimiter=";")):
        assert_type(row, list[str])
    for named in step.each(csv_dicts(path, bad="raise")):
        assert_type(named, dict[str, Any])
    for handed_out in step.each(csv_rows(path, "excel-tab", bad="hand_out")):
        assert_type(handed_out, list[str] | BadRecord)
    for own in step.each(Letters()):
        assert_type(own, str)


class Letters(Source[str]):
    kind = "letters"

    def open(self, cursor: int | None) -> Iterator[tuple[str, int]]:
        yield "a", 1


@step()
def in_parentheses(step: Step, number: int) -> str:
    return str(number)


@step(name="other", start=0, isolated=True)
def with_all_options(step: Step, number: int = 5) -> str:
    return str(number)


@step(start=(1, "a"))
def without_step_in_parentheses(number: int) -> str:
    return str(number)


@step
def many(step: Step, *numbers: int, **texts: str) -> list[int]:
    return list(numbers)


assert_type(plain(1), str)
assert_type(plain(number=1), str)
assert_type(handed(1), str)
assert_type(handed(1, text="x"), str)
assert_type(handed(text="x", number=1), str)
assert_type(in_parentheses(1), str)
assert_type(with_all_options(), str)
assert_type(with_all_options(1), str)
assert_type(without_step_in_parentheses(number=1), str)
assert_type(many(1, 2, a="x"), list[int])
nothing()


# A parameter that could take a Step, and has another name, is the caller's


@step
def anything(thing: object) -> str:
    return str(thing)


@step
def untold(thing: Any) -> str:
    return str(thing)


@step
def anything_after(step: Step, thing: object) -> str:
    return str(thing)


@step
def numbers(start: int, step: int) -> list[int]:
    return list(range(start, 10, step))


assert_type(anything("x"), str)
assert_type(untold("x"), str)
assert_type(anything_after("x"), str)
assert_type(numbers(1, 2), list[int])
assert_type(numbers(1, step=2), list[int])


# Generics


@step
def generic(things: Iterable[T]) -> list[T]:
    return list(things)


@step
def generic_handed(step: Step, thing: T, *, times: int = 1) -> list[T]:
    return [thing] * times


assert_type(generic([1]), list[int])
assert_type(generic("x"), list[str])
assert_type(generic_handed("x"), list[str])
assert_type(generic_handed(1.5, times=2), list[float])


# What is iterated


class Tickets(Source[str]):
    def open(self, cursor: Any) -> Iterator[tuple[str, Any]]:
        yield "ticket", 1


class AsyncTickets(AsyncSource[str]):
    async def open(self, cursor: Any) -> AsyncIterator[tuple[str, Any]]:
        yield "ticket", 1


async def rows() -> AsyncIterator[bytes]:
    yield b""


async def tickets_of(name: str) -> AsyncIterator[str]:
    yield name


async def fetched(name: str) -> AsyncIterator[bytes]:
    return rows()


@step
def iterated(step: Step, numbers: list[int], texts: dict[str, float]) -> None:
    assert_type(step.each(numbers), Iterator[int])
    for each in step.each(numbers):
        assert_type(each, int)
    for text in step.each(texts):
        assert_type(text, str)
    for ticket in step.each(Tickets()):
        assert_type(ticket, str)
    for row in step.each(csv_dicts("orders.csv")):
        assert_type(row, dict[str, Any])
    for batch in step.each(batches(numbers, 2)):
        assert_type(batch, list[int])
    for number, line in step.each(numbered(lines("log.txt"), start=1)):
        assert_type(number, int)
        assert_type(line, str)
    for either in step.each(chain(numbers, range(3))):
        assert_type(either, int)
    for path, line in step.each(nested(["a.txt", "b.txt"], lines)):
        assert_type(path, str)
        assert_type(line, str)
    for pairs in step.each(batches(nested(numbers, lambda number: [str(number)]), 2)):
        assert_type(pairs, list[tuple[int, str]])


@step
async def iterated_async(step: Step, numbers: AsyncIterable[int]) -> None:
    assert_type(step.each(numbers), AsyncIterator[int])
    async for each in step.each(numbers):
        assert_type(each, int)
    async for row in step.each(rows()):
        assert_type(row, bytes)
    async for ticket in step.each(AsyncTickets()):
        assert_type(ticket, str)
    async for batch in step.each(batches(numbers, 2)):
        assert_type(batch, list[int])
    async for number, row in step.each(numbered(rows())):
        assert_type(number, int)
        assert_type(row, bytes)
    for other in step.each([1.5]):
        assert_type(other, float)


@step
async def wrapped_async(step: Step, numbers: AsyncIterable[int]) -> None:
    async for either in step.each(chain([b""], rows())):
        assert_type(either, bytes)
    async for number, ticket in step.each(nested(numbers, lambda number: [str(number)])):
        assert_type(number, int)
        assert_type(ticket, str)
    async for path, ticket in step.each(nested(["a", "b"], tickets_of)):
        assert_type(path, str)
        assert_type(ticket, str)
    async for path, row in step.each(nested(["a"], fetched)):
        assert_type(path, str)
        assert_type(row, bytes)
    async for path, row in step.each(nested(async_source_of(["a"]), lambda path: rows())):
        assert_type(path, str)
        assert_type(row, bytes)
    async for pairs in step.each(batches(nested(["a"], fetched), 2)):
        assert_type(pairs, list[tuple[str, bytes]])
    async for deep in step.each(nested(nested(rows(), lambda row: [1.5]), lambda pair: "ab")):
        assert_type(deep, tuple[tuple[bytes, float], str])


# Tables


class Base(DeclarativeBase): ...


class User(Base):
    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    email: Mapped[str | None]
    settings: Mapped[dict[str, Any]]


@registry().mapped
class Registered:
    __tablename__ = "registered"

    id: Mapped[int] = mapped_column(primary_key=True)


UntypedBase: Any = object


class Untyped(UntypedBase):  # type: ignore[misc]  # without --strict it is allowed
    id: Mapped[int]


def objects(engine: Engine, session: Session) -> None:
    assert_type(rows_of(select(User), engine), Source[User])
    assert_type(rows_of(select(User).where(User.id > 5).distinct(), session), Source[User])
    assert_type(rows_of(select(aliased(User)), engine, key=User.id.desc(), page=9), Source[User])


@step
def rows_of_columns(step: Step, engine: Engine) -> None:
    for user in step.each(rows_of(select(User), engine)):
        assert_type(user, User)
    for row in step.each(rows_of(select(User.id, User.name), engine, count=True)):
        assert_type(row.t, tuple[int, str])
    for with_object in step.each(rows_of(select(User, User.email), engine)):
        assert_type(with_object.t, tuple[User, str | None])
    for of_registered in step.each(rows_of(select(Registered, User.id), engine)):
        assert_type(of_registered.t, tuple[Registered, int])
    for one in step.each(rows_of(select(User.email), engine)):
        assert_type(one.t, tuple[str | None])
    for count in step.each(rows_of(select(func.count(User.id)), engine)):
        assert_type(count.t, tuple[int])


def a_class_or_a_column(engine: Engine, table: Table, given: Select[Any], unknown: Any) -> None:
    """Where nothing tells an object from a row of one column."""
    assert_type(rows_of(select(Registered), engine), Source[Any])
    assert_type(rows_of(select(Untyped), engine), Source[Any])
    assert_type(rows_of(select(User.settings), engine), Source[Any])
    assert_type(rows_of(select(table), engine), Source[Any])
    assert_type(rows_of(given, engine), Source[Any])
    assert_type(rows_of(unknown, engine), Source[Any])


Model = TypeVar("Model")


class QuerySet(ABC, Generic[Model, T]):
    """As django-stubs have it."""

    @abstractmethod
    def __iter__(self) -> Iterator[T]: ...

    @abstractmethod
    def order_by(self, *field_names: str) -> Self: ...


def querysets(objects: QuerySet[User, User], dicts: QuerySet[User, dict[str, int]]) -> None:
    assert_type(queryset(objects), Source[User])
    assert_type(queryset(dicts, key=["-id"], page=9, count=True), Source[dict[str, int]])


# Where a function is asked for


class Described(Protocol):
    def __call__(self, number: int, *, text: str = ...) -> str: ...


described: Described = handed
called: Callable[[int], str] = plain
doubled: Callable[[], str] = functools.partial(plain, 1)
assert_type(list(map(plain, [1])), list[str])
assert_type(plain.__name__, str)
assert_type(plain.__qualname__, str)


# async def


@step
async def awaited(step: Step, number: int) -> str:
    return str(number)


@step(name="other")
async def awaited_alone(number: int) -> str:
    return str(number)


coroutine: Coroutine[Any, Any, str] = awaited(1)
assert_type(asyncio.run(awaited_alone(number=1)), str)


async def awaiting() -> None:
    assert_type(await awaited(1), str)
    assert_type(await awaited.with_options(name="x")(1), str)
    assert_type(await asyncio.gather(awaited(1), awaited_alone(1)), tuple[str, str])


# with_options

assert_type(plain.with_options(name="x")(1), str)
assert_type(handed.with_options(name="x", start=5, isolated=False)(1, text="x"), str)
assert_type(handed.with_options(start=None)(number=1), str)
assert_type(generic.with_options(name="x")([1]), list[int])


# Methods


class Importer:
    @step
    def plain(self, number: int) -> str:
        return str(number)

    @step
    def handed(self, step: Step, number: int, *, text: str = "") -> str:
        return text

    @step(name="other")
    def with_all_options(self, step: Step, number: int = 5) -> str:
        return str(number)

    @step()
    def anything(self, thing: object) -> str:
        return str(thing)

    @step
    def generic(self, step: Step, thing: T) -> list[T]:
        return [thing]

    @step
    async def awaited(self, step: Step, number: int) -> str:
        return str(number)

    @classmethod
    @step
    def of_class(cls, step: Step, number: int) -> dict[str, int]:
        return {cls.__name__: number}

    @classmethod
    @step(name="another")
    def of_class_alone(cls, number: int, *, text: str = "") -> str:
        return cls.__name__

    @staticmethod
    @step
    def static(step: Step, number: int) -> str:
        return str(number)

    @staticmethod
    @step()
    def static_alone(thing: object) -> str:
        return str(thing)

    @continuable
    def run(self, number: int, *, text: str = "") -> str:
        def closure(step: Step, number: int) -> str:
            return self.plain(number)

        assert_type(self.plain(number), str)
        assert_type(self.handed(number, text="x"), str)
        assert_type(self.handed.with_options(name="x")(number), str)
        assert_type(self.of_class_alone(number), str)
        assert_type(self.static(number), str)
        assert_type(step(closure)(number), str)
        return self.with_all_options()

    @continuable(max_resumptions=5)
    async def run_async(self, number: int) -> str:
        return await self.awaited(number)

    @classmethod
    @continuable
    def run_class(cls, number: int) -> Self:
        assert_type(cls.of_class_alone(number), str)
        assert_type(cls.of_class(number), dict[str, int])
        return cls()

    @staticmethod
    @continuable
    def run_static(number: int) -> str:
        return Importer.static(number)


importer = Importer()
assert_type(importer.plain(1), str)
assert_type(importer.plain(number=1), str)
assert_type(importer.handed(1, text="x"), str)
assert_type(importer.with_all_options(), str)
assert_type(importer.anything("x"), str)
assert_type(importer.generic(1.5), list[float])
assert_type(asyncio.run(importer.awaited(1)), str)
assert_type(importer.of_class(1), dict[str, int])
assert_type(importer.of_class_alone(1, text="x"), str)
assert_type(importer.static(1), str)
assert_type(importer.static_alone("x"), str)
assert_type(Importer.of_class(number=1), dict[str, int])
assert_type(Importer.of_class_alone(1), str)
assert_type(Importer.static(1), str)
assert_type(Importer.static_alone("x"), str)
assert_type(Importer.static.with_options(name="x")(1), str)
assert_type(Importer.plain(importer, 1), str)
assert_type(Importer.handed(importer, 1, text="x"), str)
assert_type(importer.plain.with_options(name="x")(1), str)
assert_type(importer.plain.__name__, str)
bound: Described = importer.handed


# Inheritance


class Offspring(Importer):
    @step
    def plain(self, number: int) -> str:
        return super().plain(number)

    @step
    def handed(self, step: Step, number: int, *, text: str = "") -> str:
        return text

    @classmethod
    @step
    def of_class(cls, step: Step, number: int) -> dict[str, int]:
        return super().of_class(number)


class Abstract(ABC):
    @step
    @abstractmethod
    def below(self, step: Step, number: int) -> str: ...


class Concrete(Abstract):
    @step
    def below(self, step: Step, number: int) -> str:
        return str(number)


class Holder(Generic[T]):
    def __init__(self, thing: T) -> None:
        self.thing = thing

    @step
    def held(self, step: Step, other: T) -> list[T]:
        return [self.thing, other]


assert_type(Offspring().plain(1), str)
assert_type(Offspring().handed(1, text="x"), str)
assert_type(Offspring.of_class(1), dict[str, int])
assert_type(Concrete().below(1), str)
assert_type(Holder(1).held(2), list[int])


# Continuables are what they were


@continuable
def process(number: int, *, text: str = "") -> str:
    @step
    def closure(step: Step, more: int) -> int:
        return number + more

    assert_type(closure(1), int)
    assert_type(closure.with_options(name="x")(1), int)
    return plain(number)


@continuable()
def process_in_parentheses(number: int = 1) -> str:
    return plain(number)


@continuable(
    max_resumptions=50,
    resume_wait=timedelta(seconds=2),
    resume_queue="imports",
    resume_errors=False,
    error_wait=[1, 2.5, timedelta(minutes=1)],
    max_runtime=3600,
    max_total_runtime=None,
    save_every=0.5,
)
async def process_async(number: int) -> str:
    return await awaited(number)


@continuable
def process_generic(thing: T) -> list[T]:
    return generic([thing])


assert_type(process(1, text="x"), str)
assert_type(process(number=1), str)
assert_type(process.__name__, str)
assert_type(process_in_parentheses(), str)
assert_type(asyncio.run(process_async(1)), str)
assert_type(process_generic(1.5), list[float])
assert_type(importer.run(1, text="x"), str)
assert_type(asyncio.run(importer.run_async(1)), str)
assert_type(Offspring.run_class(1), Offspring)
assert_type(Importer.run_static(1), str)


# RQ's own


def enqueue(connection: Redis) -> None:
    queue = Queue("imports", connection=connection)
    queue.enqueue(process, 42)
    queue.enqueue(process_async, 42)
    queue.enqueue(plain, 42)
    queue.enqueue(importer.run, 42)
    queue.enqueue(importer.handed, 42)
