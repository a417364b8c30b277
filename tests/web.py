"""A web server of a test: it serves what it is told to, and counts what it has sent."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

_CHUNK = 65_536


@dataclass
class Served:
    """A file, and how it is served."""

    content: bytes
    ranges: bool = True
    """Are they honoured?"""
    length: bool = True
    """Is it told? Else the file comes in chunks."""
    packs: bool = False
    """Is it packed for whom takes gzip? Then there are no ranges, as with nginx."""
    status: int | None = None
    """Answered in the place of the file."""
    cut: int | None = None
    """The byte of the file before which a connection breaks."""
    requests: list[Request] = field(default_factory=list)

    @property
    def sent(self) -> int:
        """Bytes, of all requests."""
        return sum(request.sent for request in self.requests)


@dataclass
class Request:
    method: str
    in_chunks: bool
    headers: Message
    begin: int = 0
    sent: int = 0


class Web:
    """Files by their names.

    Args:
        url: of the server, without a slash at its end.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.files: dict[str, Served] = {}

    def serve(self, name: str, content: bytes) -> Served:
        served = self.files[name] = Served(content)
        return served

    def url_of(self, name: str) -> str:
        return f"{self.url}/{name}"


@contextmanager
def served() -> Iterator[Web]:
    """A server, as long as it lasts."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.web = Web(f"http://127.0.0.1:{server.server_port}")  # type: ignore[attr-defined]  # for its handlers
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server.web  # type: ignore[attr-defined]  # as above
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(lambda served, request, data: None)

    def do_GET(self) -> None:
        self._answer(self._send)

    def _answer(self, send: Callable[[Served, Request, bytes], None]) -> None:
        served = self.server.web.files.get(self.path.strip("/").partition("?")[0])  # type: ignore[attr-defined]  # as above
        if served is None or served.status is not None:
            self.send_error(404 if served is None else served.status or 500)
            return
        packs = served.packs and "gzip" in self.headers.get("Accept-Encoding", "")
        request = Request(self.command, packs or not served.length, self.headers)
        served.requests.append(request)
        data = self._begin(served, request)
        send(served, request, data)

    def _begin(self, served: Served, request: Request) -> bytes:
        """Send the head of an answer; what is to follow."""
        data, size = served.content, len(served.content)
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if served.length and request.in_chunks:
            self.send_response(200)
            self.send_header("Content-Encoding", "gzip")
            data = gzip.compress(data)
        elif wanted and served.ranges:
            request.begin, end = int(wanted[1]), min(int(wanted[2]) + 1, size)
            data = data[request.begin : end]
            if not data:
                self.send_response(416)
            else:
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {request.begin}-{end - 1}/{size}")
        else:
            self.send_response(200)
        if request.in_chunks:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(len(data)))
        self.send_header("Connection", "close")
        self.end_headers()
        return data

    def _send(self, served: Served, request: Request, data: bytes) -> None:
        whole = len(data)
        if served.cut is not None:
            data = data[: max(served.cut - request.begin, 0)]
        try:
            for at in range(0, len(data), _CHUNK):
                chunk = data[at : at + _CHUNK]
                request.sent += len(chunk)  # before who gets it can look
                self.wfile.write(
                    b"%x\r\n%b\r\n" % (len(chunk), chunk) if request.in_chunks else chunk
                )
            if request.in_chunks and len(data) == whole:
                self.wfile.write(b"0\r\n\r\n")
        except OSError:  # the other side has had enough
            return

    def log_message(self, format: str, *args: object) -> None:
        pass
