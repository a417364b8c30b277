"""A server's stand-in that loses an answer now and then, and the connection with it."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from types import TracebackType


class LossyProxy:
    """Passes everything on to a server; what it is told to lose, it breaks off after.

    Args:
        port: of the server, on this machine.
    """

    def __init__(self, port: int) -> None:
        self._server = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.lost = 0
        self._to_lose: bytes | None = None
        self._pairs: list[_Pair] = []
        self._acceptor = threading.Thread(target=self._accept)
        self._acceptor.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._listener.getsockname()[1]}/0"

    def lose_answer_to(self, command: bytes) -> None:
        """The next command with these bytes in it reaches the server; its answer gets lost."""
        self._to_lose = command

    def __enter__(self) -> LossyProxy:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._acceptor.join()
        self._listener.close()
        for pair in self._pairs:
            pair.close()

    def is_to_lose(self, command: bytes) -> bool:
        """Is this the one?"""
        if self._to_lose is None or self._to_lose not in command:
            return False
        self._to_lose = None
        self.lost += 1
        return True

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._server))
            self._pairs.append(_Pair(self, client, server))


class _Pair:
    """A connection of a client, and the one to the server that stands for it."""

    def __init__(self, proxy: LossyProxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy = proxy
        self._client = client
        self._server = server
        self._loses = False
        self._threads = [
            threading.Thread(target=self._pass_commands),
            threading.Thread(target=self._pass_answers),
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        self._break()
        for thread in self._threads:
            thread.join()
        self._client.close()
        self._server.close()

    def _pass_commands(self) -> None:
        while command := _received(self._client):
            if self._proxy.is_to_lose(command):
                self._loses = True
            _send(self._server, command)
        self._break()

    def _pass_answers(self) -> None:
        while (answer := _received(self._server)) and not self._loses:
            _send(self._client, answer)
        self._break()

    def _break(self) -> None:
        for each in (self._client, self._server):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


def _received(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65_536)
    except OSError:
        return b""


def _send(connection: socket.socket, data: bytes) -> None:
    with suppress(OSError):
        connection.sendall(data)
