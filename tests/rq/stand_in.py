"""Puts other workers in the place of RQ's, and a private server in the place of localhost:6379.

In every Python that RQ's tests start, pytest's own included: see sitecustomize.py.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from typing import Any

from redis.connection import Connection

PACKAGE_VARIABLE = "RQ_TESTS_WORKERS"
PORT_VARIABLE = "RQ_TESTS_PORT"

USUAL_PORT = 6379
NAMES = ("Worker", "SimpleWorker", "SpawnWorker")
STOCK = "rq.worker"


installed = False


def install() -> None:
    global installed
    redirect_connections(int(os.environ[PORT_VARIABLE]))
    replace_workers(os.environ[PACKAGE_VARIABLE])
    installed = True


def redirect_connections(port: int) -> None:
    """RQ's tests name no port, and some name the usual one."""
    original: Callable[..., None] = Connection.__init__

    def redirected(self: Connection, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        if self.port == USUAL_PORT:
            self.port = port

    # The one place that all of redis-py's ways to connect share.
    setattr(Connection, "__init__", redirected)  # noqa: B010 - mypy refuses the assignment


def replace_workers(package: str) -> None:
    """Under every name by which RQ's modules, its command line and its tests know them."""
    stock = importlib.import_module(STOCK)
    stock_classes = {name: getattr(stock, name) for name in NAMES}
    classes = workers_of(package)
    for module in [module for name, module in sys.modules.items() if name.split(".")[0] == "rq"]:
        for name, stock_class in stock_classes.items():
            if getattr(module, name, None) is stock_class:
                setattr(module, name, classes[name])
    # The pool has its worker as a default argument: it must not have been imported before.
    pool = importlib.import_module("rq.worker_pool")
    assert pool.Worker is classes["Worker"], "the pool keeps RQ's worker"


def workers_of(package: str) -> dict[str, type]:
    module = importlib.import_module(package)
    return {name: getattr(module, name) for name in NAMES}
