"""The scripts beside this file, and how they are called."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Any

from redis.exceptions import ConnectionError, NoScriptError, TimeoutError

if TYPE_CHECKING:
    from redis import Redis
    from redis.commands.core import Script


# Read at once: whoever upgrades rq_steps under a running worker changes the files, and not the code
# that calls them.
_SOURCES = {
    each.name: each.read_text(encoding="utf-8")
    for each in files("rq_steps").iterdir()
    if each.name.endswith(".lua")
}


def script(client: Redis, name: str) -> Script:
    """The script `<name>.lua`. Its keys and answers stand in its header."""
    return client.register_script(source(name))


def source(name: str) -> str:
    """The text of `<name>.lua`, for a transaction: there a script that is not loaded would fail."""
    return _SOURCES[f"{name}.lua"]


class Wire:
    """Calls one script over a connection that is held, with a command packed by hand: what a save
    costs is mostly its client, and this takes less than half of redis-py's time.

    Whatever goes wrong is left to redis-py, with the retries that the client is set up for; so the
    script must bear to be run twice.
    """

    def __init__(self, client: Redis, name: str) -> None:
        self._client = client
        self._script = script(client, name)
        self._held: Redis | None = None

    def call(self, keys: list[str], args: list[str | bytes | int]) -> Any:
        """What the script answers."""
        if not self._may_hold:
            return self._script(keys=keys, args=args)
        command = _pack(["EVALSHA", self._script.sha, len(keys), *keys, *args])
        try:
            return self._send(command)
        except (NoScriptError, ConnectionError, TimeoutError):
            self.close()
            return self._script(keys=keys, args=args)

    @property
    def _may_hold(self) -> bool:
        """Not of a pool of two: user code may need both."""
        most: int = self._client.connection_pool.max_connections
        return most > 2

    def close(self) -> None:
        """Give the connection back."""
        held, self._held = self._held, None
        if held is not None:
            held.close()

    def _send(self, command: bytes) -> Any:
        if self._held is None:
            self._held = self._client.client()  # type: ignore[no-untyped-call]  # of redis
        connection: Any = self._held.connection
        try:
            connection.send_packed_command([command])
            return connection.read_response()
        except NoScriptError:
            raise
        except BaseException:
            connection.disconnect()  # an answer may be under way, which is nobody else's
            raise


def _pack(parts: list[Any]) -> bytes:
    packed = [b"*%d\r\n" % len(parts)]
    for part in parts:
        data = part if isinstance(part, bytes) else str(part).encode()
        packed.append(b"$%d\r\n%b\r\n" % (len(data), data))
    return b"".join(packed)
