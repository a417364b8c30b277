"""The judge of the chaos run, on journals that are made up."""

from __future__ import annotations

from itertools import count

from tests.chaos.fleet import Victim
from tests.chaos.jobs import Order
from tests.chaos.journal import BEGIN, DONE, END, START, Line
from tests.chaos.strikes import Strike, Strikes
from tests.chaos.verdict import account_of

ORDER = Order("import_by_index", "import-1", 100, 0.01)
EACH = 0.02
"""Seconds for an item."""


def _works(
    pid: int, at: float, *, first: int = 0, last: int = 99, start: bool = True
) -> list[Line]:
    """An execution that begins at this time, and does the items of the step load."""
    execution, clock = f"execution-{pid}", count(at, EACH / 2)
    lines = [Line(execution, pid, START, "-", 0, next(clock))] if start else []
    if first == 0:
        lines += [Line(execution, pid, what, "prepare", 0, next(clock)) for what in (BEGIN, DONE)]
    for item in range(first, last + 1):
        lines += [Line(execution, pid, what, "load", item, next(clock)) for what in (BEGIN, DONE)]
    return lines


def _problems(
    *strikes: Strike, lines: list[Line], order: Order = ORDER, canceled: float | None = None
) -> list[str]:
    return account_of(order, lines, canceled, Strikes(list(strikes))).problems


def test_a_job_that_does_item_after_item_is_as_it_must_be() -> None:
    assert not _problems(lines=_works(1, at=0))


def test_a_job_that_was_put_back_just_behind_its_end_begins_anew() -> None:
    lines = _works(1, at=0)
    end = lines[-1].at
    lines.append(Line("execution-1", 1, END, "-", 0, end))
    lines += _works(2, at=10)
    assert not _problems(Strike("cancel and requeue", end + 0.01, job="import-1"), lines=lines)
    assert _problems(Strike("cancel and requeue", end - 0.01, job="import-1"), lines=lines)
    assert _problems(lines=lines)


def test_an_item_that_was_left_out_is_seen() -> None:
    lines = _works(1, at=0, last=49) + _works(2, at=10, first=51)
    kill = Strike("SIGKILL horse", 5, (1,))
    [problem] = _problems(kill, lines=lines)
    assert "load 51 begun before ('load', 50) was done" in problem


def test_an_item_whose_body_never_ended_must_be_done_again() -> None:
    lines = _works(1, at=0, last=49)[:-1] + _works(2, at=10, first=50)
    [problem] = _problems(Strike("SIGKILL horse", 5, (1,)), lines=lines)
    assert "load 50 begun before ('load', 49) was done" in problem


def test_a_step_before_its_turn_is_seen() -> None:
    lines = _works(1, at=0, last=49)
    lines.append(Line("execution-1", 1, BEGIN, "number", 0, 5))
    assert any("number 0 begun before" in problem for problem in _problems(lines=lines))


def test_a_kill_may_cost_the_work_of_one_save() -> None:
    lines = _works(1, at=0, last=49) + _works(2, at=10, first=40)
    assert not _problems(Strike("SIGKILL horse", 5, (1,)), lines=lines)


def test_more_than_the_work_of_one_save_is_too_much() -> None:
    lines = _works(1, at=0, last=80) + _works(2, at=10, first=10)
    [problem] = _problems(Strike("SIGKILL horse", 5, (1,)), lines=lines)
    assert "1.40 s of work" in problem


def test_the_time_of_a_freeze_is_no_work() -> None:
    frozen = Strike("SIGSTOP horse", 10, (1,), until=20.0)
    before = _works(1, at=9.7, last=9)
    after = _works(1, at=20, first=10, last=12, start=False)
    lines = before + after + _works(2, at=30, first=5)
    assert not _problems(frozen, lines=lines)


def test_a_warm_stop_costs_nothing() -> None:
    lines = _works(1, at=0, last=49) + _works(2, at=10, first=49)
    [problem] = _problems(Strike("SIGTERM horse", 2, (1,)), lines=lines)
    assert "for no reason" in problem


def test_an_execution_that_works_on_beside_the_next_one_is_seen() -> None:
    lines = sorted(_works(1, at=0, last=99) + _works(2, at=1, first=49), key=lambda line: line.at)
    problems = _problems(Strike("SIGSTOP horse", 0.5, (1,), until=0.6), lines=lines)
    assert any("s of work" in problem for problem in problems)


def test_where_every_item_is_saved_only_the_one_in_hand_is_repeated() -> None:
    order = Order("import_saving_each", "import-1", 100, 0.01)
    lines = _works(1, at=0, last=49) + _works(2, at=10, first=48)
    [problem] = _problems(Strike("SIGKILL horse", 5, (1,)), lines=lines, order=order)
    assert "2 items, although each was saved" in problem


def test_a_job_that_goes_on_after_it_was_told_to_leave_is_seen() -> None:
    told = Strike("SIGTERM horse", 0.5, (1,), told=Victim(worker=9, horse=1, leader=9))
    [problem] = _problems(told, lines=_works(1, at=0))
    assert "goes on for" in problem


def test_a_work_horse_that_outlives_its_worker_is_seen() -> None:
    told = Strike("SIGKILL worker", 0.5, (9,), told=Victim(worker=9, horse=1, leader=9))
    [problem] = _problems(told, lines=_works(1, at=0))
    assert "goes on for" in problem


def test_a_canceled_job_that_works_on_is_seen() -> None:
    [problem] = _problems(Strike("cancel", 0.5, job="import-1"), lines=_works(1, 0), canceled=0.5)
    assert "after it was canceled" in problem
