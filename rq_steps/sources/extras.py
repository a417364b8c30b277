"""Packages that come with an extra of rq-steps."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def imported(module: str, use: str, extra: str) -> Any:
    """A module of a package that need not be there.

    Args:
        use: what it does, for the message.
        extra: what brings it.

    Raises:
        ModuleNotFoundError: it is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        message = f"{use}: install it, or rq-steps[{extra}]"
        raise ModuleNotFoundError(message, name=error.name) from error
