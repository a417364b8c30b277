"""What a deployment may set for all its workers, by environment variables; every one in seconds."""

from __future__ import annotations

import os
from math import isfinite


def _seconds(name: str, default: float) -> float:
    """A variable of the environment.

    Raises:
        ValueError: it is no number of seconds greater than 0.
    """
    text = os.environ.get(name, "")
    try:
        value = float(text) if text else default
    except ValueError:
        value = 0.0
    if not isfinite(value) or value <= 0:
        raise ValueError(f"{name} must be a number of seconds greater than 0, found {text!r}")
    return value


LEASE = _seconds("RQ_STEPS_LEASE", 25.0)
"""How long a job counts as alive when nothing is heard of it. The same for all that share a Redis.

A busy worker looks for lost jobs every 30 s, as often as RQ lets it: together less than a minute.
"""
RENEW_EVERY = LEASE / 4
LOOK_EVERY = LEASE / 4
"""How often a worker that is idle looks for lost jobs."""

OUTAGE = _seconds("RQ_STEPS_OUTAGE", 600.0)
"""How long an execution waits for Redis; then it ends, as if it had been killed."""

GRACE = _seconds("RQ_STEPS_GRACE", 10.0)
"""What a shutdown leaves a job before it is killed: `docker stop` gives 10 s."""

NEWER_WAIT = _seconds("RQ_STEPS_NEWER_WAIT", 30.0)
"""How long a job waits whose record is too new, and that an older worker has put back."""
NEWER_FOR = _seconds("RQ_STEPS_NEWER_FOR", 3600.0)
"""For how long it is put back, while no newer worker picks it up; then it fails."""
