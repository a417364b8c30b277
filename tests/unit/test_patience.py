"""How long Redis is waited for."""

from __future__ import annotations

from math import inf

import pytest
from redis.exceptions import ConnectionError

from rq_steps import patience
from rq_steps.patience import LONGEST_PAUSE, GaveUp, patiently


class Clock:
    """Time passes while somebody sleeps, and only then."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += max(seconds, 0.001)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(patience, "monotonic", clock.monotonic)
    monkeypatch.setattr(patience, "sleep", clock.sleep)
    return clock


class Away:
    """Fails so many times."""

    def __init__(self, times: float) -> None:
        self.left = times

    def __call__(self) -> str:
        if self.left:
            self.left -= 1
            raise ConnectionError("away")
        return "back"


def test_an_outage_of_hours_is_waited_for(clock: Clock) -> None:
    assert patiently(Away(3000), "A worker", outage=inf) == "back"
    assert clock.now > 3 * 3600


def test_an_outage_that_is_too_long_is_given_up(clock: Clock) -> None:
    with pytest.raises(GaveUp, match="away"):
        patiently(Away(inf), "A worker", outage=60)
    assert 60 <= clock.now <= 60 + LONGEST_PAUSE


def test_who_wants_to_leave_leaves_in_the_middle_of_a_pause(clock: Clock) -> None:
    with pytest.raises(GaveUp):
        patiently(Away(inf), "A worker", outage=inf, leaving=lambda: clock.now >= 1000)
    assert 1000 <= clock.now <= 1001
