"""What a job calls, as RQ keeps it from when it is enqueued."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from inspect import isclass, ismethod
from typing import Any

from rq.serializers import DefaultSerializer, JSONSerializer

from rq_steps.testing.errors import RehearsalError


class Call:
    """A function with its arguments. Each call has new ones, out of the serializer: what an
    execution does to them, or to the object whose method it is, the next one does not see.

    Raises:
        RehearsalError: what is given cannot be serialized.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        *,
        pickling: bool,
    ) -> None:
        self._serializer: Any = DefaultSerializer if pickling else JSONSerializer
        self._function = function
        owners = []
        if ismethod(function) and not isclass(function.__self__):
            self._function, owners = function.__func__, [function.__self__]
        self._kept = self._dumped([[*owners, *args], dict(kwargs)])

    def __call__(self) -> Any:
        args, kwargs = self._serializer.loads(self._kept)
        return self._function(*args, **kwargs)

    def _dumped(self, arguments: object) -> bytes:
        try:
            return bytes(self._serializer.dumps(arguments))
        except Exception as error:
            raise RehearsalError(
                f"RQ could not enqueue the job with these arguments: {error}"
            ) from error
