"""Holds what the jobs wrote down against what was done to them."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from typing import NamedTuple

from redis import Redis
from rq.job import Job

from tests.chaos.clerk import DIED_TOO_OFTEN, VANISHED_AFTER, Clerk
from tests.chaos.fleet import Fleet
from tests.chaos.jobs import Order, written
from tests.chaos.journal import BEGIN, DONE, END, LEFT, Line, read
from tests.chaos.leftovers import leftovers
from tests.chaos.strikes import KINDS, Strikes

SLACK = 0.5
"""Seconds that a thread which wanted to save may have had to wait for a processor."""
STARTING = 3.0
"""Seconds within which `rq worker` begins; it ends at once where there is no server."""

Place = tuple[str, int]
"""A step and an item."""


@dataclass
class Execution:
    """One execution, as it wrote itself down."""

    id: str
    pid: int
    lines: list[Line]

    @property
    def worker(self) -> int:
        return self.lines[0].item

    @property
    def began(self) -> float:
        return self.lines[0].at

    @property
    def ended(self) -> float:
        return self.lines[-1].at

    @property
    def left(self) -> bool:
        return any(line.what == LEFT for line in self.lines)

    @property
    def returned(self) -> bool:
        return any(line.what == END for line in self.lines)

    @property
    def begins(self) -> list[Line]:
        return [line for line in self.lines if line.what == BEGIN]


class Recovery(NamedTuple):
    """How long it took from a blow to the next execution of the job that it hit."""

    kind: str
    seconds: float


@dataclass
class Account:
    """What one job's journal says."""

    order: Order
    problems: list[str] = field(default_factory=list)
    executions: int = 0
    items: int = 0
    repeats: int = 0
    longest_repeat: float = 0.0
    recoveries: list[Recovery] = field(default_factory=list)


@dataclass
class Verdict:
    """What has come of it all. No problems: everything held."""

    problems: list[str]
    table: str
    kinds: Counter[str] = field(default_factory=Counter)
    """How often each kind of blow was dealt."""


def judge(clerk: Clerk, fleet: Fleet, strikes: Strikes, redis: Redis) -> Verdict:
    """Judge a run whose workers have ended."""
    accounts = [_account(order, clerk, strikes) for order in clerk.orders.values()]
    problems = [problem for account in accounts for problem in account.problems]
    problems += [*_endings(clerk), *_rows(clerk), *_deserters(fleet, strikes)]
    problems += [*_failures(clerk), *_vanished(clerk, strikes), *leftovers(redis, clerk)]
    return Verdict(problems, _table(accounts, clerk, strikes), strikes.kinds)


# One job


def _account(order: Order, clerk: Clerk, strikes: Strikes) -> Account:
    lines = read(clerk.folder, order.name)
    account = account_of(order, lines, clerk.canceled.get(order.name), strikes)
    if any(vanished.job == order.name for vanished in clerk.vanished):
        account.recoveries.clear()  # the clerk has waited, and put it back
    return account


def account_of(
    order: Order, lines: list[Line], canceled: float | None, strikes: Strikes
) -> Account:
    """See whether a job's journal is as it must be.

    Args:
        canceled: when it was canceled for good; None: it was not.
    """
    executions = _executions(lines)
    account = Account(order, executions=len(executions))
    account.items = sum(line.what == BEGIN for line in lines)
    account.repeats = account.items - len({_place(line) for line in lines if line.what == BEGIN})
    account.problems += [f"{order.name}: {problem}" for problem in _disorder(order, lines)]
    for life in _lives(order, executions, strikes):
        for execution in life:
            _weigh(account, execution, life, strikes)
    if canceled is not None:
        account.problems += _hold_to_cancellation(order, executions, canceled, strikes)
    account.problems += _hold_to_being_told(order, executions, strikes)
    account.recoveries += _recoveries(executions, strikes)
    return account


def _executions(lines: list[Line]) -> list[Execution]:
    """In the order in which they began."""
    by_id: dict[str, Execution] = {}
    for line in lines:
        by_id.setdefault(line.execution, Execution(line.execution, line.pid, [])).lines.append(line)
    return list(by_id.values())


def _lives(
    order: Order, executions: list[Execution], strikes: Strikes
) -> Iterator[list[Execution]]:
    """A job that has come to its end just before it was canceled and put back begins anew."""
    life = list[Execution]()
    for execution in executions:
        ended = [each.ended for each in life if each.returned]
        if ended and strikes.put_back(order.name, ended[-1], execution.began):
            yield life
            life = []
        life.append(execution)
    yield life


def _place(line: Line) -> Place:
    return line.step, line.item


def _disorder(order: Order, lines: list[Line]) -> Iterator[str]:
    """An item begins when the one before it is done, by whatever execution; none is left out."""
    places = [(step, item) for step, items in order.steps.items() for item in range(items)]
    before: dict[Place, Place | None] = {places[0]: None} | {b: a for a, b in pairwise(places)}
    done: set[Place | None] = {None}
    for line in lines:
        if line.what == DONE:
            done.add(_place(line))
        elif line.what == BEGIN and before[_place(line)] not in done:
            yield f"{line.step} {line.item} begun before {before[_place(line)]} was done ({line})"
    yield from _jumps(places, lines)


def _jumps(places: list[Place], lines: list[Line]) -> Iterator[str]:
    """Each execution goes on item by item."""
    number = {place: n for n, place in enumerate(places)}
    for execution in _executions(lines):
        for first, second in pairwise(execution.begins):
            if number[_place(second)] != number[_place(first)] + 1:
                yield f"jumped from {first} to {second}"


def _weigh(
    account: Account, execution: Execution, executions: list[Execution], strikes: Strikes
) -> None:
    """What later executions repeated of this one must be little, and somebody's doing."""
    order = account.order
    numbers = _numbers(order)
    for later in executions[executions.index(execution) + 1 :]:
        if not later.begins or not execution.begins:
            continue
        resumed_at = numbers[_place(later.begins[0])]
        lost = [
            line
            for line in execution.begins
            if numbers[_place(line)] >= resumed_at or line.at > later.began
        ]
        if lost:
            _hold_to_limits(account, execution, later, lost, strikes)


def _numbers(order: Order) -> dict[Place, int]:
    places = [(step, item) for step, items in order.steps.items() for item in range(items)]
    return {place: number for number, place in enumerate(places)}


def _hold_to_limits(
    account: Account, execution: Execution, later: Execution, lost: list[Line], strikes: Strikes
) -> None:
    order = account.order
    story = f"{order.name}: {execution.id} (pid {execution.pid}) begun {lost[0]} … {lost[-1]}"
    story += f" done again by {later.id} (pid {later.pid}) from {later.begins[0]}"
    lost_it = strikes.explain_loss(execution.pid, order.name, execution.began, later.began)
    if not lost_it and not strikes.explain_double([execution.worker, later.worker], later.began):
        account.problems.append(f"{story}, for no reason")
    if order.save_every == 0 and len(lost) > 1:
        account.problems.append(f"{story}: {len(lost)} items, although each was saved")
    first, last = lost[0].at, lost[-1].at
    span = last - first - strikes.frozen(execution.pid, first, last)
    account.longest_repeat = max(account.longest_repeat, span)
    if span > order.save_every + SLACK:
        account.problems.append(f"{story}: {span:.2f} s of work")


def _hold_to_cancellation(
    order: Order, executions: list[Execution], canceled: float, strikes: Strikes
) -> Iterator[str]:
    """A canceled job stops at its next save."""
    for execution in executions:
        last = max((line.at for line in execution.begins), default=0.0)
        awake = last - canceled - strikes.frozen(execution.pid, canceled, last)
        if awake > order.save_every + SLACK:
            yield f"{order.name}: works {awake:.2f} s after it was canceled"


def _hold_to_being_told(
    order: Order, executions: list[Execution], strikes: Strikes
) -> Iterator[str]:
    """An execution that is told to leave does, at its next checkpoint."""
    by_pid = {execution.pid: execution for execution in executions}
    for strike in strikes.all:
        if strike.told is None or strike.told.executes not in by_pid:
            continue
        execution = by_pid[strike.told.executes]
        if execution.began > strike.at + VANISHED_AFTER:
            continue  # another process, which has been given the same number
        if strike.told.horse is None and not execution.began <= strike.at <= execution.ended:
            continue  # a worker without horses has other jobs before and after
        told = max(strike.at, execution.began)
        last = max((line.at for line in execution.begins), default=told)
        asleep = max(strikes.frozen(pid, told, last) for pid in strike.told.processes)
        if last - told - asleep > SLACK:
            yield (
                f"{order.name}: {execution.id} (pid {execution.pid}) goes on for "
                f"{last - told - asleep:.2f} s after {strike.kind} at {strike.at:.3f}"
            )


def _recoveries(executions: list[Execution], strikes: Strikes) -> Iterator[Recovery]:
    """From the blow that ended an execution to the beginning of the next one."""
    for execution, later in pairwise(executions):
        blows = [
            strike
            for strike in strikes.on(execution.pid, execution.began, later.began)
            if not strike.lasts or strike.is_freeze
        ]
        if blows:
            away = strikes.away(blows[-1].at, later.began)
            yield Recovery(blows[-1].kind, later.began - blows[-1].at - away)


# All of them


def _endings(clerk: Clerk) -> Iterator[str]:
    jobs = Job.fetch_many(list(clerk.orders), clerk.redis)
    for order, job in zip(clerk.orders.values(), jobs, strict=True):
        expected = "canceled" if order.name in clerk.canceled else "finished"
        status = "gone" if job is None else job.get_status(refresh=False)
        if status != expected:
            yield f"{order.name} is {status}, not {expected}"
        elif job is not None and expected == "finished":
            value = job.return_value()
            if value != 2 * order.rows:
                yield f"{order.name} returned {value}, not {2 * order.rows}"


def _rows(clerk: Clerk) -> Iterator[str]:
    """The database against the journals: each row is there, and as often as it was begun."""
    found = written(clerk.folder)
    for order in clerk.orders.values():
        lines = read(clerk.folder, order.name)
        begins = Counter(_place(line) for line in lines if line.what == BEGIN)
        dones = Counter(_place(line) for line in lines if line.what == DONE)
        writes = {place: found.get((order.name, *place), 0) for place in _numbers(order)}
        missing = [place for place, times in writes.items() if not times]
        wrong = [p for p, times in writes.items() if not dones[p] <= times <= begins[p]]
        if missing and order.name not in clerk.canceled:
            yield f"{order.name}: {len(missing)} rows are missing, the first is {missing[0]}"
        if wrong:
            yield f"{order.name}: {len(wrong)} rows written too often, the first is {wrong[0]}"


def _deserters(fleet: Fleet, strikes: Strikes) -> Iterator[str]:
    """Workers end when they are made to."""
    asked = {pid for strike in strikes.all for pid in strike.pids}
    for gone in fleet.gone:
        began_in_outage = strikes.outages(gone.started, gone.started + STARTING)
        if gone.pid not in asked and not gone.asked_to_end and not began_in_outage:
            yield f"{gone.name} (pid {gone.pid}) ended by itself: {_last_words(gone.output)}"


def _last_words(output: str) -> str:
    """The error, and where in RQ and here it was met."""
    lines = [line.strip() for line in output.splitlines()]
    errors = [line for line in lines if re.match(r"[\w.]+(Error|Exception)\b", line)]
    frames = [line for line in lines if re.match(r'File ".*/(rq|rq_steps)/', line)]
    return " | ".join([*frames[-3:], *errors[-1:]]) or " | ".join(lines[-3:])


def _failures(clerk: Clerk) -> Iterator[str]:
    for failure in clerk.failures:
        if DIED_TOO_OFTEN not in failure.why:
            yield f"{failure.job} failed: {failure.why}"


def _vanished(clerk: Clerk, strikes: Strikes) -> Iterator[str]:
    """Only a worker that is killed with a job in its hands may lose it, and only RQ's BLPOP."""
    for vanished in clerk.vanished:
        blows = [s for s in strikes.all if vanished.since - 2 < s.at < vanished.since + 2]
        if not any("SIGKILL" in blow.kind or blow.is_of_server for blow in blows):
            yield f"{vanished.job} vanished from its queue at {vanished.since:.3f}, for no reason"


def _table(accounts: list[Account], clerk: Clerk, strikes: Strikes) -> str:
    seconds: defaultdict[str, list[float]] = defaultdict(list)
    for account in accounts:
        for recovery in account.recoveries:
            seconds[recovery.kind].append(recovery.seconds)
    rows = [f"{'':<24}{'times':>8}{'recovery: median':>20}{'slowest':>10}"]
    for kind in KINDS:
        row = f"{kind:<24}{strikes.kinds[kind]:>8,}"
        if kind in seconds:
            row += f"{median(seconds[kind]):>18.2f} s{max(seconds[kind]):>8.2f} s"
        rows.append(row)
    died = sum(DIED_TOO_OFTEN in failure.why for failure in clerk.failures)
    for label, number in (
        ("kills", strikes.kills),
        ("jobs", len(accounts)),
        ("  canceled for good", len(clerk.canceled)),
        ("  failed, died too often", died),
        ("  lost by BLPOP", len(clerk.vanished)),
        ("executions", sum(account.executions for account in accounts)),
        ("items", sum(account.items for account in accounts)),
        ("items repeated", sum(account.repeats for account in accounts)),
    ):
        rows.append(f"{label:<24}{number:>8,}")
    longest = max((account.longest_repeat for account in accounts), default=0.0)
    rows.append(f"{'most work repeated':<24}{longest:>8.2f} s")
    rows.append(f"{'time of striking':<24}{strikes.seconds:>8.0f} s")
    return "\n".join(rows)
