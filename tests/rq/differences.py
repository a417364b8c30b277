"""The tests of RQ's that our workers must not pass, and those that they are given more time for."""

DIFFERENCES: dict[str, str] = {}
"""The first, each with its reason."""

IMPATIENT = (
    "tests/test_worker_pool.py::TestWorkerPool::test_check_workers",
    "tests/test_worker_pool.py::TestWorkerPool::test_reap_workers",
)
"""Tests of RQ's that give a worker half a second to start, and tell it to end, whether it has or
not: on a busy machine any worker fails them."""
