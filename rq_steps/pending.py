"""Steps that have yet to be called, or awaited."""

from __future__ import annotations

from collections.abc import Callable

from rq_steps.errors import InvalidStepError
from rq_steps.events import logger


class Pending:
    """What was declared inside a continuable and not called, or called and not awaited."""

    def __init__(self) -> None:
        self._declared: dict[object, str] = {}
        self._called: dict[object, str] = {}

    def declared(self, declaration: object, name: str) -> None:
        """A step has been declared."""
        self._declared[declaration] = name

    def entered(self, declaration: object) -> None:
        """A step that was declared is run, or skipped."""
        self._declared.pop(declaration, None)

    def called(self, name: str) -> Callable[[], None]:
        """An async step has been called. Returns what says that it is awaited."""
        key = object()
        self._called[key] = name

        def awaited() -> None:
            self._called.pop(key, None)

        return awaited

    def refuse_unawaited(self) -> None:
        """The continuable has returned.

        Raises:
            InvalidStepError: an async step was called and not awaited.
        """
        for name in self._called.values():
            raise InvalidStepError(f"step '{name}' was called and not awaited: it has not run")

    def warn_of_uncalled(self, job_id: str) -> None:
        """The continuable has returned: a step that was declared should have been called, too."""
        for name in self._declared.values():
            logger.warning(
                "Job %s: step '%s' was declared and never called: "
                "@step only declares it, call %s() to run it",
                job_id,
                name,
                name,
            )
