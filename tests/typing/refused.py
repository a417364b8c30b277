"""What type checkers have to refuse, line by line. It is never run.

What is ignored has to be an error: `mypy --strict` complains of every other `type: ignore`.
"""

from collections.abc import AsyncIterator, Callable
from datetime import date

from sqlalchemy import Engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

import rq_steps.sources
import rq_steps.testing
from rq_steps import Step, continuable, step
from rq_steps.sources import batches, chain, nested, numbered, queryset
from rq_steps.sources import rows as rows_of


@step
def plain(number: int) -> str:
    return str(number)


@step
def handed(step: Step, number: int, *, text: str = "") -> str:
    return text


@step(name="other", start=0)
def in_parentheses(step: Step, number: int) -> str:
    return str(number)


@step
def anything(thing: object) -> str:
    return str(thing)


@step
async def awaited(step: Step, number: int) -> str:
    return str(number)


class Importer:
    @step
    def plain(self, number: int) -> str:
        return str(number)

    @step
    def handed(self, step: Step, number: int, *, text: str = "") -> str:
        return text

    @classmethod
    @step
    def of_class(cls, step: Step, number: int) -> str:
        return str(number)

    @staticmethod
    @step
    def static(step: Step, number: int) -> str:
        return str(number)

    @continuable
    def run(self, number: int) -> str:
        return self.handed(number)


@continuable
def process(number: int, *, text: str = "") -> str:
    return plain(number)


@continuable(max_resumptions=5)
async def process_async(number: int) -> str:
    return await awaited(number)


importer = Importer()


def takes_number(number: int) -> None: ...


def takes_function(function: Callable[[int], str]) -> None: ...


def a_step_is_not_passed_by_the_caller(given: Step) -> None:
    handed(given, 1)  # type: ignore[call-arg, arg-type]
    handed(1, step=given)  # type: ignore[call-arg]
    handed(given)  # type: ignore[arg-type]
    in_parentheses(given, 1)  # type: ignore[call-arg, arg-type]
    importer.handed(given, 1)  # type: ignore[call-arg, arg-type]
    Importer.handed(importer, given, 1)  # type: ignore[call-arg, arg-type]
    importer.of_class(given, 1)  # type: ignore[call-arg, arg-type]
    importer.static(given, 1)  # type: ignore[call-arg, arg-type]
    handed.with_options(name="x")(given, 1)  # type: ignore[call-arg, arg-type]


def arguments_are_the_functions_own() -> None:
    plain()  # type: ignore[call-arg]
    plain("x")  # type: ignore[arg-type]
    plain(1, 2)  # type: ignore[call-arg]
    plain(nmber=1)  # type: ignore[call-arg]
    handed("x")  # type: ignore[arg-type]
    handed(text="x")  # type: ignore[call-arg]
    handed(1, "x")  # type: ignore[call-arg]
    handed(1, text=2)  # type: ignore[arg-type]
    in_parentheses()  # type: ignore[call-arg]
    anything()  # type: ignore[call-arg]
    importer.plain("x")  # type: ignore[arg-type]
    importer.handed()  # type: ignore[call-arg]
    importer.handed(1, text=2)  # type: ignore[arg-type]
    Importer.plain(1)  # type: ignore[call-arg, arg-type]
    Importer.plain("not an importer", 1)  # type: ignore[arg-type]
    Importer.of_class()  # type: ignore[call-arg]
    Importer.of_class("x")  # type: ignore[arg-type]
    importer.static("x")  # type: ignore[arg-type]
    importer.run("x")  # type: ignore[arg-type]
    process()  # type: ignore[call-arg]
    process("x")  # type: ignore[arg-type]
    process(1, "x")  # type: ignore[call-arg]


async def results_are_the_functions_own() -> None:
    takes_number(plain(1))  # type: ignore[arg-type]
    takes_number(handed(1))  # type: ignore[arg-type]
    takes_number(importer.handed(1))  # type: ignore[arg-type]
    takes_number(Importer.of_class(1))  # type: ignore[arg-type]
    takes_number(Importer.static(1))  # type: ignore[arg-type]
    takes_number(plain.with_options(name="x")(1))  # type: ignore[arg-type]
    takes_number(importer.plain.with_options(name="x")(1))  # type: ignore[arg-type]
    takes_number(process(1))  # type: ignore[arg-type]
    takes_number(awaited(1))  # type: ignore[arg-type]
    takes_number(await awaited(1))  # type: ignore[arg-type]
    takes_number(await process_async(1))  # type: ignore[arg-type]
    awaited(1)  # type: ignore[unused-coroutine]
    process_async(1)  # type: ignore[unused-coroutine]


async def rows() -> AsyncIterator[int]:
    yield 1


async def pages_of(number: int) -> AsyncIterator[int]:
    yield number


async def items_are_the_sources_own(step: Step) -> None:
    for text in step.each(["x"]):
        takes_number(text)  # type: ignore[arg-type]
    for batch in step.each(batches([1], 2)):
        takes_number(batch)  # type: ignore[arg-type]
    async for row in step.each(numbered(rows())):
        takes_number(row)  # type: ignore[arg-type]


async def what_is_async_has_its_own_loop(step: Step) -> None:
    for _ in step.each(rows()):  # type: ignore[attr-defined]
        pass
    async for _ in step.each([1]):  # type: ignore[attr-defined]
        pass
    for _ in step.each(batches(rows(), 2)):  # type: ignore[attr-defined]
        pass
    step.each(5)  # type: ignore[call-overload]
    for _ in step.each(chain([1], rows())):  # type: ignore[attr-defined]
        pass
    async for _ in step.each(chain([1], [2])):  # type: ignore[attr-defined]
        pass
    for _ in step.each(nested(rows(), lambda row: [row])):  # type: ignore[attr-defined]
        pass
    for _ in step.each(nested([1], pages_of)):  # type: ignore[attr-defined]
        pass
    async for _ in step.each(nested([1], lambda number: [number])):  # type: ignore[attr-defined]
        pass
    nested(rows(), takes_number)  # type: ignore[arg-type]
    chain(rows(), 5)  # type: ignore[call-overload]
    nested([1], takes_number)  # type: ignore[arg-type]
    nested(["a"], rows_of)  # type: ignore[arg-type]
    batches([1], "2")  # type: ignore[call-overload]


class Base(DeclarativeBase): ...


class User(Base):
    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)


def tables_have_rows_of_their_own(engine: Engine) -> None:
    for user in rows_of(select(User), engine):
        takes_number(user)  # type: ignore[arg-type]
    for row in rows_of(select(User.id), engine):
        takes_number(row)  # type: ignore[arg-type]
    rows_of(User, engine)  # type: ignore[call-overload]
    rows_of(select(User))  # type: ignore[call-overload]
    rows_of(select(User), "sqlite://")  # type: ignore[call-overload]
    rows_of(select(User), engine, page="9")  # type: ignore[call-overload]
    queryset([1])  # type: ignore[arg-type]
    queryset(select(User))  # type: ignore[arg-type]


def options_are_those_of_the_decorator() -> None:
    step("validate")  # type: ignore[call-overload]
    step(nam="validate")  # type: ignore[call-overload]
    step(name=1)  # type: ignore[call-overload]
    step(isolated="yes")  # type: ignore[call-overload]
    plain.with_options("x")  # type: ignore[call-arg]
    plain.with_options(nam="x")  # type: ignore[call-arg]
    plain.with_options(name=1)  # type: ignore[arg-type]
    plain.with_options(isolated="yes")  # type: ignore[arg-type]
    importer.plain.with_options(name=1)  # type: ignore[arg-type]
    importer.plain.with_option(name="x")  # type: ignore[attr-defined]
    Importer.of_class.with_options(name="x")  # type: ignore[attr-defined]
    continuable(5)  # type: ignore[call-overload]
    continuable(max_resumption=5)  # type: ignore[call-overload]
    continuable(max_resumptions="5")  # type: ignore[call-overload]
    continuable(resume_wait=date(2024, 2, 29))  # type: ignore[call-overload]
    continuable(error_wait={1, 2})  # type: ignore[call-overload]
    continuable(resume_queue=1)  # type: ignore[call-overload]
    continuable(save_every=None)  # type: ignore[call-overload]


def only_functions_are_decorated() -> None:
    step(5)  # type: ignore[call-overload]
    step()(5)  # type: ignore[call-overload]
    continuable()(5)  # type: ignore[type-var]


class Offspring(Importer):
    @step
    def plain(self, number: str) -> str:  # type: ignore[override]
        return number

    @step
    def handed(self, step: Step, number: int, *, text: str = "") -> int:  # type: ignore[override]
        return number


@step
def handed_too_late(number: int, step: Step) -> str:
    return str(number)


@step
def handed_by_another_name(handle: Step, number: int) -> str:
    return str(number)


def a_step_is_handed_first_and_by_its_name() -> None:
    takes_function(handed_too_late)  # type: ignore[arg-type]
    takes_function(handed_by_another_name)  # type: ignore[arg-type]
    handed_by_another_name(1)  # type: ignore[call-arg, arg-type]


def front_doors_have_no_name_that_there_is_not() -> None:
    rq_steps.steps()  # type: ignore[attr-defined]
    rq_steps.sources.csv_dict("rows.csv")  # type: ignore[attr-defined]
    rq_steps.testing.Rehearsals()  # type: ignore[attr-defined]
