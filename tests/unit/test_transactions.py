"""No checkpoint cuts an open transaction: `rq_steps.transactions`."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.orm import Session, scoped_session, sessionmaker
from sqlalchemy.pool import NullPool, StaticPool

from rq_steps import CheckpointError, Step, StepsError, step
from rq_steps.keeper import Departure
from rq_steps.transactions import Transactions
from tests.unit.memory import STOPPING, Job


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = create_engine("sqlite://", poolclass=StaticPool)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE rows (number INTEGER)"))
    yield engine
    engine.dispose()


INSERT = text("INSERT INTO rows VALUES (1)")


class Guarded:
    """A connection that says itself whether it is in a transaction."""

    def __init__(self, *, open: bool = False) -> None:
        self.in_transaction = open


CUTS: dict[str, Callable[[Step], object]] = {
    "checkpoint": lambda step: step.checkpoint(),
    "set": lambda step: step.set(5),
    "advance": lambda step: step.advance(from_=4),
    "interrupt": lambda step: step.interrupt(),
    "each": lambda step: list(step.each([1, 2])),
    "each generator": lambda step: list(step.each(iter([1, 2]))),
}


# Guarded connections


@pytest.mark.parametrize("cut", sorted(CUTS))
def test_a_checkpoint_inside_an_open_transaction_is_an_error(cut: str, job: Job) -> None:
    @step
    def write(step: Step) -> None:
        step.guard(Guarded(open=True))
        CUTS[cut](step)

    execution = job.execute(write)
    assert isinstance(execution.error, CheckpointError)
    assert isinstance(execution.error, StepsError)
    assert str(execution.error) == (
        "checkpoint inside an open transaction of Guarded: "
        "commit it, or leave its block, before the step goes on to the next item"
    )
    assert execution.departure is None


@pytest.mark.parametrize("cut", sorted(CUTS))
def test_a_checkpoint_outside_of_transactions_passes(cut: str, job: Job) -> None:
    @step
    def write(step: Step) -> None:
        step.guard(Guarded())
        CUTS[cut](step)

    assert job.execute(write).error is None


def test_the_error_comes_at_the_first_item_and_not_at_the_first_deploy(job: Job) -> None:
    visited = []
    connection = Guarded()

    @step
    def write(step: Step) -> None:
        step.guard(connection)
        for item in step.each(range(5)):
            visited.append(item)
            connection.in_transaction = True

    execution = job.execute(write)
    assert isinstance(execution.error, CheckpointError)
    assert visited == [0]


def test_a_connection_that_is_guarded_within_the_loop_is_looked_at_from_then_on(job: Job) -> None:
    visited = []
    connection = Guarded()

    @step
    def write(step: Step) -> None:
        for item in step.each(range(5)):
            visited.append(item)
            if item == 1:
                step.guard(connection)
            if item == 3:
                connection.in_transaction = True

    assert isinstance(job.execute(write).error, CheckpointError)
    assert visited == [0, 1, 2, 3]


def test_the_last_item_is_followed_by_no_checkpoint(job: Job) -> None:
    connection = Guarded()

    @step
    def write(step: Step) -> None:
        step.guard(connection)
        for _ in step.each([1]):
            connection.in_transaction = True

    assert job.execute(write).error is None


def test_a_guarded_connection_is_looked_at_before_each_later_step(job: Job) -> None:
    connection = Guarded()

    @step
    def first(step: Step) -> None:
        step.guard(connection)

    @step
    def second() -> None:
        pass

    def both() -> None:
        first()
        connection.in_transaction = True
        second()

    assert isinstance(job.execute(both).error, CheckpointError)
    assert job.names == ["first"]


def test_an_isolated_step_does_not_cut_a_transaction_either(job: Job) -> None:
    connection = Guarded()

    @step
    def first(step: Step) -> None:
        step.guard(connection)

    @step(isolated=True)
    def second() -> None:
        pass

    def both() -> None:
        first()
        connection.in_transaction = True
        second()

    execution = job.execute(both)
    assert isinstance(execution.error, CheckpointError)
    assert execution.departure is None


def test_all_guarded_connections_are_looked_at(job: Job) -> None:
    @step
    def write(step: Step) -> None:
        step.guard(Guarded())
        step.guard(Guarded(open=True))
        step.guard(Guarded())
        step.checkpoint()

    assert isinstance(job.execute(write).error, CheckpointError)


def test_who_is_leaving_leaves_though_a_transaction_is_open_by_then(job: Job) -> None:
    """Its Interrupt was swallowed: the error would hide that it is leaving."""
    connection = Guarded()

    @step
    def write(step: Step) -> None:
        step.guard(connection)
        job.call()
        try:
            step.checkpoint()
        except BaseException:
            connection.in_transaction = True
        step.checkpoint()

    assert job.execute(write).departure == STOPPING


def test_a_step_outside_a_continuable_is_guarded_too() -> None:
    @step
    def write(step: Step) -> None:
        step.guard(Guarded(open=True))
        step.checkpoint()

    with pytest.raises(CheckpointError):
        write()


@pytest.mark.parametrize("connection", [None, 5, object()])
def test_what_does_not_tell_of_transactions_cannot_be_guarded(connection: object) -> None:
    @step
    def write(step: Step) -> None:
        step.guard(connection)

    with pytest.raises(TypeError, match=r"^step\.guard takes a session or connection that tells "):
        write()


def test_nothing_is_watched_where_nothing_is_guarded() -> None:
    transactions = Transactions()
    assert not transactions.watched
    transactions.check()
    transactions.guard(Guarded())
    assert transactions.watched


@pytest.mark.parametrize("cut", ["set", "advance", "each", "each generator"])
def test_what_is_rolled_back_at_a_refused_checkpoint_is_done_again(cut: str, job: Job) -> None:
    @step(start=0)
    def write(step: Step) -> None:
        step.guard(Guarded(open=True))
        CUTS[cut](step)

    assert isinstance(job.execute(write).error, CheckpointError)
    assert job.cursor == 0


# SQLAlchemy and the DB-API


def test_a_session_of_sqlalchemy_is_committed_between_items(engine: Engine, job: Job) -> None:
    @step
    def write(step: Step, commit: bool) -> None:
        with Session(engine) as session:
            step.guard(session)
            for _ in step.each(range(3)):
                session.execute(INSERT)
                if commit:
                    session.commit()

    assert isinstance(job.execute(lambda: write(False)).error, CheckpointError)
    assert "transaction of Session:" in str(job.execute(lambda: write(False)).error)
    assert job.execute(lambda: write(True)).error is None


def test_of_a_scoped_session_the_one_in_hand_is_watched(engine: Engine, job: Job) -> None:
    sessions = scoped_session(sessionmaker(engine))
    removed: list[bool] = []

    @step
    def write(step: Step, commit: bool) -> None:
        step.guard(sessions)
        for _ in step.each(range(3)):
            sessions.execute(INSERT)
            if commit:
                sessions.commit()
            if not removed:
                sessions.remove()
                removed.append(True)

    error = job.execute(lambda: write(False)).error
    assert isinstance(error, CheckpointError)
    assert "transaction of scoped_session:" in str(error)
    assert removed  # the error was of the session after it
    sessions.remove()
    assert job.execute(lambda: write(True)).error is None
    sessions.remove()


def test_a_scoped_session_that_has_no_scope_here_is_in_no_transaction(
    engine: Engine, job: Job
) -> None:
    """As that of Flask-SQLAlchemy outside of an app context."""
    scopes = ["a request"]

    def scope() -> str:
        if not scopes:
            raise RuntimeError("outside of a scope")
        return scopes[0]

    sessions = scoped_session(sessionmaker(engine), scopefunc=scope)

    @step
    def write(step: Step) -> None:
        step.guard(sessions)
        step.checkpoint()
        scopes.clear()
        step.checkpoint()

    assert job.execute(write).error is None


def test_to_guard_a_scoped_session_makes_no_session(engine: Engine, job: Job) -> None:
    sessions = scoped_session(sessionmaker(engine))

    @step
    def write(step: Step) -> None:
        step.guard(sessions)
        step.checkpoint()

    assert job.execute(write).error is None
    assert not sessions.registry.has()


def test_a_connection_of_sqlalchemy_leaves_its_block_between_items(
    engine: Engine, job: Job
) -> None:
    @step(name="write")
    def in_a_block_each(step: Step) -> None:
        with engine.connect() as connection:
            step.guard(connection)
            for _ in step.each(range(3)):
                with connection.begin():
                    connection.execute(INSERT)

    @step(name="write")
    def in_one_block(step: Step) -> None:
        with engine.connect() as connection, connection.begin():
            step.guard(connection)
            for _ in step.each(range(3)):
                connection.execute(INSERT)

    assert isinstance(job.execute(in_one_block).error, CheckpointError)
    assert job.execute(in_a_block_each).error is None
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM rows")).scalar() == 3


def test_a_savepoint_is_a_transaction_too(engine: Engine, job: Job) -> None:
    @step
    def write(step: Step) -> None:
        with Session(engine) as session, session.begin(), session.begin_nested():
            step.guard(session)
            step.checkpoint()

    assert isinstance(job.execute(write).error, CheckpointError)


def test_a_connection_of_the_db_api_is_committed_between_items(job: Job) -> None:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE rows (number INTEGER)")

    @step
    def write(step: Step) -> None:
        step.guard(connection)
        step.checkpoint()
        connection.execute("INSERT INTO rows VALUES (1)")
        step.checkpoint()

    assert isinstance(job.execute(write).error, CheckpointError)
    connection.rollback()
    connection.close()


class Psycopg:
    """What one of psycopg's tells of itself."""

    def __init__(self, *, closed: bool = False, broken: bool = False) -> None:
        self.closed = closed
        self.broken = broken
        self.info = SimpleNamespace(transaction_status=4 if closed else 0)

    def close(self) -> None:
        self.closed, self.info.transaction_status = True, 4


@pytest.mark.parametrize(
    "connect",
    [
        lambda: sqlite3.connect(":memory:"),
        lambda: create_engine("sqlite://", poolclass=NullPool).connect(),
        lambda: Session(create_engine("sqlite://", poolclass=NullPool)),
        lambda: create_engine("sqlite://", poolclass=NullPool).raw_connection(),
        Psycopg,
    ],
    ids=["sqlite3", "connection", "session", "raw connection", "psycopg"],
)
def test_a_guarded_connection_that_is_closed_is_in_no_transaction(
    connect: Callable[[], Any], job: Job
) -> None:
    @step
    def first(step: Step) -> None:
        with closing(connect()) as connection:
            step.guard(connection)

    @step
    def second(step: Step) -> None:
        step.checkpoint()

    def both() -> None:
        first()
        second()

    assert job.execute(both).error is None


def broken_psycopg2() -> Any:
    return SimpleNamespace(closed=2, info=SimpleNamespace(transaction_status=4))


@pytest.mark.parametrize("broken", [lambda: Psycopg(closed=True, broken=True), broken_psycopg2])
def test_a_connection_that_broke_may_have_lost_a_transaction(
    broken: Callable[[], Any], job: Job
) -> None:
    @step
    def write(step: Step) -> None:
        step.guard(broken())
        step.checkpoint()

    assert isinstance(job.execute(write).error, CheckpointError)


# Django


@pytest.mark.parametrize("cut", sorted(CUTS))
def test_an_atomic_block_of_django_is_not_cut(cut: str, django: Any, job: Job) -> None:
    @step
    def write(step: Step) -> None:
        with django.transaction.atomic():
            CUTS[cut](step)

    error = job.execute(write).error
    assert isinstance(error, CheckpointError)
    assert "transaction of Django's 'default':" in str(error)
    assert not django.connection.in_atomic_block


def test_every_connection_of_django_is_looked_at(django: Any, job: Job) -> None:
    @step
    def write(step: Step) -> None:
        with django.transaction.atomic(using="archive"):
            step.checkpoint()

    assert "transaction of Django's 'archive':" in str(job.execute(write).error)


def test_items_of_their_own_atomic_blocks_pass(django: Any, job: Job) -> None:
    @step
    def write(step: Step) -> Any:
        visited = []
        for item in step.each(range(3)):
            with django.transaction.atomic():
                visited.append(item)
        return visited

    assert job.execute(write).result == [0, 1, 2]


def test_django_is_looked_at_on_every_item(django: Any, job: Job) -> None:
    visited = []

    @step
    def write(step: Step) -> None:
        with ExitStack() as blocks:
            for item in step.each(range(5)):
                visited.append(item)
                if item == 2:
                    blocks.enter_context(django.transaction.atomic())

    assert isinstance(job.execute(write).error, CheckpointError)
    assert visited == [0, 1, 2]


def test_a_transaction_that_was_open_before_the_execution_is_not_its_own(
    django: Any, job: Job
) -> None:
    """As in the tests of Django's own TestCase, which wraps each in a transaction."""

    @step
    def write(step: Step) -> None:
        for item in step.each(range(3)):
            if item == 1:
                job.call(Departure("max_runtime"))

    with django.transaction.atomic():
        execution = job.execute(write)
    assert execution.error is None
    assert execution.departure == Departure("max_runtime")


@pytest.mark.parametrize("savepoint", [True, False])
def test_a_block_within_one_that_was_open_before_the_execution_is_not_cut(
    savepoint: bool, django: Any, job: Job
) -> None:
    """In Django's TestCase, a loop inside an atomic block is told of as it is on a worker."""

    @step
    def write(step: Step) -> None:
        with django.transaction.atomic(savepoint=savepoint):
            for _ in step.each(range(3)):
                pass

    with django.transaction.atomic():
        error = job.execute(write).error
    assert isinstance(error, CheckpointError)
    assert "transaction of Django's 'default':" in str(error)


def test_a_job_that_is_interrupted_between_two_atomic_blocks_goes_on(django: Any, job: Job) -> None:
    visited = []

    @step
    def write(step: Step) -> None:
        for item in step.each(range(4)):
            with django.transaction.atomic():
                visited.append(item)
                job.call()

    job.execute_until_done(write)
    assert visited == [0, 1, 2, 3]


def test_django_that_is_loaded_and_not_set_up_is_nobodys_concern(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some library may have imported it."""

    class Unset:
        def all(self, initialized_only: bool) -> list[Any]:
            raise RuntimeError("settings are not configured")

    conf = SimpleNamespace(settings=SimpleNamespace(configured=False))
    monkeypatch.setitem(sys.modules, "django.conf", conf)
    monkeypatch.setitem(sys.modules, "django.db", SimpleNamespace(connections=Unset()))

    @step
    def visit(step: Step) -> Any:
        return list(step.each([1, 2]))

    assert job.execute(visit).result == [1, 2]
    assert not Transactions().watched


def test_django_that_a_step_has_set_up_is_looked_at_before_the_next(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Connections:
        def all(self, initialized_only: bool) -> list[Any]:
            return [SimpleNamespace(alias="default", in_atomic_block=True)]

    @step
    def first() -> None:
        conf = SimpleNamespace(settings=SimpleNamespace(configured=True))
        monkeypatch.setitem(sys.modules, "django.conf", conf)
        monkeypatch.setitem(sys.modules, "django.db", SimpleNamespace(connections=Connections()))

    @step
    def second() -> None:
        pass

    def both() -> None:
        first()
        second()

    assert isinstance(job.execute(both).error, CheckpointError)
    assert job.names == ["first"]


def test_a_connection_of_django_that_was_never_used_is_left_alone(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Connections:
        def all(self, initialized_only: bool) -> list[Any]:
            assert initialized_only
            return []

    conf = SimpleNamespace(settings=SimpleNamespace(configured=True))
    monkeypatch.setitem(sys.modules, "django.conf", conf)
    monkeypatch.setitem(sys.modules, "django.db", SimpleNamespace(connections=Connections()))

    @step
    def visit(step: Step) -> Any:
        return list(step.each([1, 2]))

    assert job.execute(visit).result == [1, 2]
    assert Transactions().watched
