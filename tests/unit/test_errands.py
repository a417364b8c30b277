"""What a signal handler leaves to other threads."""

import logging
import signal
import threading

import pytest

from rq_steps.errands import Errands, LogBeside


def test_who_waits_for_errands_finds_them_done() -> None:
    errands, may_go_on, done = Errands(), threading.Event(), list[int]()

    def errand(number: int) -> None:
        may_go_on.wait()
        done.append(number)

    errands.send(lambda: errand(1))
    errands.send(lambda: errand(2))
    assert done == []
    may_go_on.set()
    errands.wait(30)
    assert sorted(done) == [1, 2]


def test_an_errand_that_takes_too_long_is_not_waited_for() -> None:
    errands, may_go_on = Errands(), threading.Event()
    errands.send(may_go_on.wait)
    errands.wait(0.01)
    assert not may_go_on.is_set()
    may_go_on.set()
    errands.wait(30)


def test_an_errand_takes_no_signals() -> None:
    errands, masks = Errands(), list[set[int]]()
    errands.send(lambda: masks.append(signal.pthread_sigmask(signal.SIG_BLOCK, ())))
    errands.wait(30)
    assert {signal.SIGTERM, signal.SIGINT} <= masks[0]
    assert signal.SIGTERM not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_an_errand_for_which_no_thread_is_to_be_had_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_arguments: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("_thread.start_new_thread", refuse)
    errands, done = Errands(), list[int]()
    errands.send(lambda: done.append(1))
    errands.wait(30)
    assert done == []


def test_lines_that_nobody_wants_are_no_errands(caplog: pytest.LogCaptureFixture) -> None:
    errands, log = Errands(), logging.getLogger("rq_steps.of_this_test")
    beside = LogBeside(log, errands)
    with caplog.at_level(logging.INFO, log.name):
        beside.debug("the %s", "first")
        beside.warning("the %s", "second")
        errands.wait(30)
    assert [record.getMessage() for record in caplog.records] == ["the second"]
