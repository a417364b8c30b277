"""The flag that a checkpoint looks at, and the thread that looks at the clock."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from itertools import count
from math import inf
from time import monotonic
from types import FrameType

import pytest

from rq_steps import watch as watch_room
from rq_steps.attention import Attention, Unattended
from rq_steps.signals import handling, may_handle, unsignalled
from rq_steps.watch import Watch
from tests.unit.instructions import Instructions

DEADLINE = 10.0
"""Seconds; for what takes a few milliseconds."""

HANDOVER = signal.SIGURG


class Loop:
    """Counts how often it is cut."""

    def __init__(self) -> None:
        self.cuts = 0

    def cut(self) -> None:
        self.cuts += 1


def in_a_thread(function: Callable[[], object]) -> None:
    """Run it in another thread, to its end."""
    thread = threading.Thread(target=function)
    thread.start()
    thread.join(DEADLINE)
    assert not thread.is_alive()


def clock_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "rq_steps"]


@contextmanager
def handled_by(signum: int, handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    previous = signal.signal(signum, handler)
    try:
        yield
    finally:
        signal.signal(signum, previous)


# Calls


def test_nothing_is_wanted_before_somebody_calls() -> None:
    assert not Attention().wanted


def test_a_call_stands_until_it_is_answered() -> None:
    attention = Attention()
    attention.call()
    assert attention.wanted
    attention.answered()
    assert not attention.wanted


def test_a_call_after_an_answer_stands_again() -> None:
    attention = Attention()
    attention.call()
    attention.answered()
    attention.call()
    assert attention.wanted


def test_kept_attention_is_wanted_whatever_is_answered() -> None:
    attention = Attention()
    attention.always()
    attention.answered()
    assert attention.wanted


def test_a_call_cuts_the_loop() -> None:
    attention, loop = Attention(), Loop()
    attention.cuts(loop)
    assert loop.cuts == 0
    attention.call()
    assert loop.cuts == 1


def test_to_keep_attention_cuts_the_loop() -> None:
    attention, loop = Attention(), Loop()
    attention.cuts(loop)
    attention.always()
    assert loop.cuts == 1


def test_a_loop_that_begins_while_somebody_calls_is_cut_at_once() -> None:
    attention, loop = Attention(), Loop()
    attention.call()
    attention.cuts(loop)
    assert loop.cuts == 1


def test_a_loop_that_has_ended_is_not_cut() -> None:
    attention, loop = Attention(), Loop()
    attention.cuts(loop)
    attention.release()
    attention.call()
    assert loop.cuts == 0
    assert attention.wanted


# Calls from other threads


def test_a_call_from_a_thread_has_the_main_thread_cut_the_loop() -> None:
    attention, loop = Attention(), Loop()
    cut_in: list[threading.Thread] = []
    loop.cut = lambda: cut_in.append(threading.current_thread())  # type: ignore[method-assign]
    with attention.handed_over():
        attention.cuts(loop)
        in_a_thread(attention.call_from_thread)
        assert attention.wanted
        assert cut_in == [threading.main_thread()]


def test_a_call_from_a_thread_disturbs_nobody_where_no_loop_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    disturbed: list[int] = []
    monkeypatch.setattr("_thread.interrupt_main", disturbed.append)
    attention = Attention()
    in_a_thread(attention.call_from_thread)
    assert attention.wanted
    assert disturbed == []


def test_loops_may_be_cut_only_while_calls_are_handed_over() -> None:
    attention = Attention()
    assert not attention.can_cut
    with attention.handed_over():
        assert attention.can_cut
    assert not attention.can_cut


def test_no_loop_can_be_cut_where_every_checkpoint_is_a_call() -> None:
    attention = Attention()
    with attention.handed_over():
        attention.always()
        assert not attention.can_cut


def test_no_loop_can_be_cut_in_another_thread_than_the_main_one() -> None:
    attention = Attention()
    can_cut: list[bool] = []

    def hand_over() -> None:
        with attention.handed_over():
            can_cut.append(attention.can_cut)

    in_a_thread(hand_over)
    assert can_cut == [False]


def test_a_signal_that_is_somebody_elses_stays_theirs() -> None:
    attention = Attention()
    seen: list[int] = []
    with handled_by(HANDOVER, lambda signum, frame: seen.append(signum)):
        with attention.handed_over():
            assert not attention.can_cut
            signal.raise_signal(HANDOVER)
        assert seen == [HANDOVER]
        assert not attention.wanted


def test_the_signal_is_given_back_when_the_execution_ends() -> None:
    before = signal.getsignal(HANDOVER)
    attention = Attention()
    with suppress(ZeroDivisionError), attention.handed_over():
        assert signal.getsignal(HANDOVER) != before
        raise ZeroDivisionError
    assert signal.getsignal(HANDOVER) == before
    assert not attention.can_cut


def test_a_stray_handover_does_no_harm() -> None:
    signal.raise_signal(HANDOVER)
    attention = Attention()
    attention.cuts(Loop())
    in_a_thread(attention.call_from_thread)
    assert attention.wanted


def test_what_nobody_interrupts_may_always_run_inside_the_interpreter() -> None:
    can_cut: list[bool] = []
    in_a_thread(lambda: can_cut.append(Unattended().can_cut))
    assert can_cut == [True]
    assert not Unattended().wanted


# Signals


@pytest.mark.parametrize("handler", [signal.SIG_DFL, signal.SIG_IGN])
def test_a_signal_without_a_handler_is_nobodys(handler: signal.Handlers) -> None:
    previous = signal.signal(signal.SIGUSR1, handler)
    try:
        assert may_handle(signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, previous)


def test_a_signal_with_a_handler_is_somebodys() -> None:
    with handled_by(signal.SIGUSR1, lambda signum, frame: None):
        assert not may_handle(signal.SIGUSR1)


def test_signals_are_handled_in_the_main_thread_only() -> None:
    may: list[bool] = []
    in_a_thread(lambda: may.append(may_handle(signal.SIGUSR1)))
    assert may == [False]


def test_a_signal_that_the_platform_lacks_is_not_handled() -> None:
    assert not may_handle(None)


def test_a_signal_is_handled_for_a_while_and_no_longer() -> None:
    calls: list[int] = []
    with handled_by(signal.SIGUSR1, lambda signum, frame: calls.append(0)):
        with handling(signal.SIGUSR1, lambda: calls.append(1)):
            signal.raise_signal(signal.SIGUSR1)
        signal.raise_signal(signal.SIGUSR1)
    assert calls == [1, 0]


# The clock


class Calls(Attention):
    """Tells of each call from the clock's thread."""

    __slots__ = ("_count", "_counted")

    def __init__(self) -> None:
        super().__init__()
        self._count = 0
        self._counted = threading.Condition()

    def call_from_thread(self) -> None:
        super().call_from_thread()
        with self._counted:
            self._count += 1
            self._counted.notify_all()

    def wait_for(self, count: int) -> None:
        with self._counted:
            assert self._counted.wait_for(lambda: self._count >= count, DEADLINE)
            assert self._count == count


class Clock:
    """Stands still until a test moves it, and knows how often it was looked at."""

    def __init__(self) -> None:
        self.now = 100.0
        self.looks = 0
        self._looked = threading.Condition()

    def __call__(self) -> float:
        with self._looked:
            self.looks += 1
            self._looked.notify_all()
            return self.now

    @contextmanager
    def looked_at(self) -> Iterator[None]:
        """Until the clock has been looked at twice more: once whether it is time, once how long
        it still takes."""
        with self._looked:
            before = self.looks
        yield
        with self._looked:
            assert self._looked.wait_for(lambda: self.looks >= before + 2, DEADLINE)


@pytest.fixture
def calls() -> Calls:
    return Calls()


@pytest.fixture
def watch(calls: Calls) -> Iterator[Watch]:
    watch = Watch(calls)
    yield watch
    watch.close()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(watch_room, "monotonic", clock)
    return clock


def test_the_watch_calls_when_the_moment_has_come(calls: Calls, watch: Watch) -> None:
    moment = monotonic() + 0.01
    watch.call_at(moment)
    calls.wait_for(1)
    assert monotonic() >= moment
    assert calls.wanted


def test_the_watch_calls_at_once_for_a_moment_that_is_past(calls: Calls, watch: Watch) -> None:
    watch.call_at(monotonic() - 1)
    calls.wait_for(1)


def test_the_watch_does_not_call_before_the_moment(
    calls: Calls, watch: Watch, clock: Clock
) -> None:
    with clock.looked_at():
        watch.call_at(clock.now + 0.001)
    assert not calls.wanted


def test_an_earlier_moment_takes_the_place_of_the_one_before(
    calls: Calls, watch: Watch, clock: Clock
) -> None:
    with clock.looked_at():
        watch.call_at(110)
    clock.now = 105
    watch.call_at(104)
    calls.wait_for(1)


def test_a_later_moment_takes_the_place_of_the_one_before(
    calls: Calls, watch: Watch, clock: Clock
) -> None:
    with clock.looked_at():
        watch.call_at(clock.now + 0.001)
    watch.call_at(120)
    clock.now = 115
    with clock.looked_at():
        watch.call_at(119)
    assert not calls.wanted
    clock.now = 125
    watch.call_at(118)
    calls.wait_for(1)


def test_a_moment_is_called_once(calls: Calls, watch: Watch, clock: Clock) -> None:
    watch.call_at(90)
    calls.wait_for(1)
    watch.call_at(90)
    with clock.looked_at():
        watch.call_at(110)
    calls.wait_for(1)
    watch.call_at(91)
    calls.wait_for(2)


def test_after_its_call_the_watch_rests(calls: Calls, watch: Watch, clock: Clock) -> None:
    with clock.looked_at():
        watch.call_at(90)
    calls.wait_for(1)
    watch.close()
    assert clock.looks <= 4


def test_a_moment_that_never_comes_costs_no_thread(watch: Watch) -> None:
    watch.call_at(inf)
    assert clock_threads() == []


def test_a_moment_beyond_the_longest_wait_can_still_be_replaced(
    calls: Calls, watch: Watch, clock: Clock
) -> None:
    with clock.looked_at():
        watch.call_at(threading.TIMEOUT_MAX * 100)
    watch.call_at(90)
    calls.wait_for(1)


def test_a_watch_can_be_told_to_call_no_more(calls: Calls, watch: Watch, clock: Clock) -> None:
    with clock.looked_at():
        watch.call_at(110)
    watch.call_at(inf)
    clock.now = 115
    watch.close()
    assert not calls.wanted


def test_the_watch_knows_its_moment(watch: Watch, clock: Clock) -> None:
    assert watch.moment == inf
    watch.call_at(110)
    assert watch.moment == 110


def test_the_thread_ends_with_the_watch(calls: Calls) -> None:
    watch = Watch(calls)
    watch.call_at(monotonic() + 1000)
    assert len(clock_threads()) == 1
    watch.close()
    assert clock_threads() == []
    watch.close()


def test_a_watch_that_never_began_ends_too(calls: Calls) -> None:
    Watch(calls).close()


def test_the_watch_ends_a_loop_of_the_main_thread(calls: Calls, watch: Watch) -> None:
    loop = Loop()
    with calls.handed_over():
        calls.cuts(loop)
        watch.call_at(monotonic() + 0.001)
        calls.wait_for(1)
    assert loop.cuts == 1


# What a signal handler raises in the middle of it: a job timeout, or a cold shutdown


class Struck(Exception):
    """Raised by a handler."""


def strike() -> None:
    raise Struck


def is_struck(nth: int, call: Callable[[], object], *modules: str) -> bool:
    """Call, and be struck before the nth instruction in these modules; False where none is left."""
    with Instructions(nth, strike, modules) as instructions, suppress(Struck):
        call()
    return instructions.called


def test_a_watch_that_was_struck_while_it_was_told_of_a_moment_can_be_closed(calls: Calls) -> None:
    for nth in count(1):
        watch = Watch(calls)
        watch.call_at(monotonic() + 2000)
        earlier = partial(watch.call_at, monotonic() + 1000)
        struck = is_struck(nth, earlier, "rq_steps.watch", "threading")
        in_a_thread(watch.close)
        if not struck:
            break
    assert nth > 10


def test_a_watch_that_was_struck_while_it_began_leaves_signals_as_they_were(calls: Calls) -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    for nth in count(1):
        watch = Watch(calls)
        struck = is_struck(nth, partial(watch.call_at, monotonic() + 1000), "rq_steps.watch")
        in_a_thread(watch.close)
        assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before
        if not struck:
            break
    assert nth > 10


def test_an_alarm_that_strikes_as_signals_are_blocked_leaves_them_unblocked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    block = signal.pthread_sigmask
    before = block(signal.SIG_BLOCK, ())

    def block_and_strike(how: int, signums: Collection[int]) -> set[int]:
        previous = block(how, signums)
        if how == signal.SIG_BLOCK and signums:
            raise Struck
        return previous

    monkeypatch.setattr(signal, "pthread_sigmask", block_and_strike)
    with suppress(Struck), unsignalled():
        pass
    assert block(signal.SIG_BLOCK, ()) == before
