"""What a signal handler leaves to other threads."""

import signal
import threading

from rq_steps.errands import Errands


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
