# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One request to the server, timed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import time
from argparse import Namespace
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import aiohttp

from .answer import Answer, clean, error_text

OWN_KEYS = ("prompt", "messages", "max_tokens")  # of a request body: what differs between requests
CLIENT_IDLE_S = 4.0  # below the 5 s after which common servers close an idle connection


class Request(NamedTuple):
    """What to send: the JSON of a text or of messages, its number of tokens, and how many tokens to ask for.

    A turn of a ``session`` has its number from 1, how many come after it, and as ``own_tokens`` those of
    ``prompt_tokens`` that no answer of the model has.
    """

    number: int
    prompt: bytes
    prompt_tokens: int
    max_tokens: int
    session: Any = None  # a sessions.Session, which makes requests itself
    turn: int = 0
    left: int = 0
    own_tokens: int = 0


class Record:
    """The outcome of one request. Times are seconds of the monotonic clock.

    :ivar start: just before the request is sent.
    :ivar first: arrival of the first chunk; None without any: when the first token came is then unknown.
    :ivar last: arrival of the last chunk, or of the one with the finish reason if it is later.
    :ivar end: the time at which the response completed or failed; None while it runs.
    :ivar itl: gaps between chunks (a chunk may hold several tokens); 0 between those of one read.
    :ivar tokens_out: the server's count of output tokens, else the number of chunks (``counted``).
    :ivar tokens_in: the server's count of prompt tokens, or None.
    :ivar mismatch: whether the server's count of output tokens contradicts the chunks.
    :ivar error: why it failed, or None.
    :ivar content: of a turn of a session, what the model said, without its reasoning, in parts.
    :ivar silent: chunks that are not part of ``content``.
    """

    __slots__ = (
        "request",
        "start",
        "first",
        "last",
        "end",
        "itl",
        "chunks",
        "tokens_out",
        "tokens_in",
        "counted",
        "mismatch",
        "error",
        "unreachable",
        "finish_reason",
        "model",
        "texts",
        "content",
        "silent",
    )

    def __init__(self, request: Request) -> None:
        self.request = request
        # Whoever reads one of these knows from the others that it is there.
        self.start: Any = None
        self.first: Any = None
        self.last: Any = None
        self.end: Any = None
        self.itl: list[float] = []
        self.chunks = 0
        self.tokens_out = 0
        self.tokens_in: int | None = None
        self.counted = False
        self.mismatch = False
        self.error: str | None = None
        self.unreachable = False
        self.finish_reason: str | None = None
        self.model: str | None = None
        self.texts: list[str] | None = None
        self.content: list[str] | None = None
        self.silent = 0


class Client:
    """Sends requests over one pool of connections without a limit on their number.

    :param options: see :mod:`.options`.
    :param activity: called as ``activity(now, chunks)`` whenever chunks of an answer arrive.
    """

    def __init__(
        self, options: Namespace, activity: Callable[[float, int], None], clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._options = options
        self._activity = activity
        self._clock = clock
        self._url = options.base_url.rstrip("/") + options.endpoint
        chat = options.endpoint.endswith("/chat/completions")
        base = {
            "model": options.model,
            "temperature": options.temperature,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if options.ignore_eos:
            base["ignore_eos"] = True
        base.update({key: value for key, value in options.extra_body.items() if key not in OWN_KEYS})
        self._head = b'{"messages": ' if chat else b'{"prompt": '
        self._rest = (", " + json.dumps(base)[1:-1] + ', "max_tokens": ').encode()
        # Set as it is entered: aiohttp is imported late, and absent where only the options are read.
        self._session: aiohttp.ClientSession
        self._reading: dict[aiohttp.ClientResponse, bool] = {}  # {response: its connection was closed at the last look}
        self._no_connection: tuple[type[Exception], ...] = ()
        self._header: str | None = options.session_header

    async def __aenter__(self) -> Client:
        import aiohttp

        self._no_connection = (aiohttp.ClientConnectorError,)
        reuse = self._options.reuse_connections
        idle: dict[str, Any] = {"keepalive_timeout": CLIENT_IDLE_S} if reuse else {}
        connector = aiohttp.TCPConnector(
            limit=0,
            force_close=not reuse,
            ttl_dns_cache=None,
            **idle,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=self._options.request_timeout or None),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"Content-Type": "application/json", "Accept": "text/event-stream", "Accept-Encoding": "identity"},
            auto_decompress=False,
        )
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self._session.close()

    def body(self, request: Request) -> bytes:
        """Return the bytes that are sent for *request*."""
        return b"%s%s%s%d}" % (self._head, request.prompt, self._rest, request.max_tokens)

    async def send(self, record: Record) -> None:
        """Send the request of *record* and fill *record* as the answer comes; never raises for a failed request."""
        body, session = self.body(record.request), record.request.session
        named = {self._header: session.name} if session is not None and self._header else None
        record.start = self._clock()
        try:
            # A redirect would measure another server.
            async with self._session.post(self._url, data=body, headers=named, allow_redirects=False) as response:
                self._reading[response] = False
                try:
                    if response.status != 200:
                        record.error = await _refusal(response)
                    elif "json" in response.headers.get("Content-Type", ""):
                        record.error = "the server did not stream: " + await _refusal(response)
                    else:
                        await self._read(record, response)
                finally:
                    del self._reading[response]
        except asyncio.CancelledError:
            record.error = "interrupted"
            raise
        except asyncio.TimeoutError:
            record.error = f"no complete response within {self._options.request_timeout:g} s"
        except self._no_connection as error:
            record.unreachable = True
            record.error = f"cannot connect: {clean(str(error))}"
        except Exception as error:  # whatever an answer does, it fails one request
            record.error = clean(f"{type(error).__name__}: {error}")
        finally:
            record.end = self._clock()

    def end_broken(self) -> None:
        """End answers whose connection is closed, to be called from time to time.

        After garbage between the chunks of HTTP aiohttp closes the connection, but does not tell the reader.
        """
        for response, seen in list(self._reading.items()):
            connection = response.connection
            transport = connection and connection.transport
            closed = bool(connection) and (transport is None or transport.is_closing())
            if closed and seen and not response.content.is_eof():
                response.content.set_exception(ConnectionError("the answer is not valid HTTP"))
            self._reading[response] = closed

    async def _read(self, record: Record, response: aiohttp.ClientResponse) -> None:
        answer = Answer(self._options.save_texts, record.request.session is not None)
        clock, activity, itl, content = self._clock, self._activity, record.itl, response.content
        acknowledge = _acknowledger(response) if self._options.quick_ack else _nothing
        last: float | None = None
        acknowledge()
        while True:
            data = await content.readany()
            now = clock()
            chunks = answer.feed(data)
            if chunks:
                if last is None:
                    record.first = now
                else:
                    itl.append(now - last)
                if chunks > 1:
                    itl.extend([0.0] * (chunks - 1))
                record.last = last = now
                record.chunks = answer.chunks
                activity(now, chunks)
            if answer.finished:
                record.last, answer.finished = now, False
            if not data or answer.error:
                break
        conclude(record, answer, now)


def conclude(record: Record, answer: Answer, now: float) -> None:
    """Read the counts of a finished answer into *record*."""
    record.finish_reason, record.model, record.texts = answer.finish_reason, answer.model, answer.texts
    record.content, record.silent = answer.content, answer.silent
    record.tokens_in, counted = answer.prompt_tokens, answer.completion_tokens
    record.counted = counted is None
    record.tokens_out = answer.chunks if counted is None else counted
    if record.last is None:
        record.last = now
    asked = record.request.max_tokens
    record.error = answer.problem()
    if record.error is None and not record.tokens_out:
        record.error = "the response has no tokens"
    if record.error is None and record.tokens_out > asked:
        how = "sent at least" if record.counted else "counted"
        record.error = f"the server {how} {record.tokens_out} output tokens, more than the {asked} of the request"
    if answer.opened_empty and not record.counted and answer.chunks > record.tokens_out and record.itl:
        record.first += record.itl.pop(0)  # one chunk too many, and the first one had no text: it was no token
    # A parser of reasoning or tool calls may make several chunks of one token; completions may begin with an empty one.
    most = 2 * record.tokens_out if answer.chat else record.tokens_out + 1
    record.mismatch = not 0 < answer.chunks <= most


def _acknowledger(response: aiohttp.ClientResponse) -> Callable[[], None]:
    """Return a function that makes the kernel acknowledge received data at once.

    On a connection that is used again Linux delays acknowledgements by 40 ms. A server without
    TCP_NODELAY (dynamo's frontend is one) holds its next small packet until then: 43 ms instead of
    3 ms of TTFT, measured. The delay is the client's, so it is not part of the server's figures.
    The kernel forgets the option, hence once for each read.
    """
    option = getattr(socket, "TCP_QUICKACK", None)
    connection = response.connection
    peer = connection.transport.get_extra_info("socket") if connection and connection.transport else None
    if option is None or peer is None:
        return _nothing

    def acknowledge() -> None:
        with contextlib.suppress(OSError):
            peer.setsockopt(socket.IPPROTO_TCP, option, 1)

    return acknowledge


def _nothing() -> None:
    pass


async def _refusal(response: aiohttp.ClientResponse) -> str:
    where = clean(response.headers.get("Location", ""))
    if where:
        return f"HTTP {response.status}: redirect to {where[:200]}"
    text = (await response.content.read(4096)).decode("utf-8", "replace").strip()
    with contextlib.suppress(ValueError, RecursionError):
        text = error_text(json.loads(text))
    return f"HTTP {response.status}: {clean(text)[:200]}"
