"""The tests of RQ's that our workers must not pass, each with its reason."""

DIFFERENCES: dict[str, str] = {
    "tests/test_retry.py::TestWorkerRetry::"
    "test_worker_handles_enqueue_at_front_on_retry_with_interval": (
        "A worker that ends at once stops its scheduler before that has its own handlers. Ours are "
        "a little slower to begin, since they give up the worker's sockets; so it ends without "
        "giving its lock back, which runs out after a minute."
    ),
}
