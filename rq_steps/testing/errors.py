"""What is wrong with a test, and not with the job."""

from __future__ import annotations


class RehearsalError(Exception):
    """A rehearsal cannot be what the test says."""
