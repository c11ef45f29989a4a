# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small, fast server that streams completions as OpenAI style servers do; for tests and benchmarks.

As a program: ``python3 sse_server.py --port 0 --port-file F [--ttft-ms 10 --itl-ms 10 --tokenizer F]``.
In tests: ``with running(Behaviour(...)) as server:`` serves from a thread; ``server.url``,
``server.requests`` (bodies received).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import json
import os
import threading
import zlib


@dataclasses.dataclass
class Behaviour:
    """How the server answers; times in seconds."""

    ttft_s: float = 0.0
    itl_s: float = 0.0
    role_chunk: bool = False  # an empty chunk comes first, at once; on chat it has the role
    usage: str = "own"  # own (a chunk of its own), finish (on the finish chunk), none
    done: bool = True  # ends with [DONE]
    finish: bool = True  # sends a finish reason
    fail_every: int = 0  # each n-th request answers 503
    fail_first: int = 0  # the first n requests do
    error_event: str = ""  # this text as an error event after half of the tokens
    cut: bool = False  # closes the connection after half of the tokens
    hang_after: int = 0  # from the n-th request on: no answer at all
    tokens: int = 0  # tokens to send whatever was asked for
    extra_prompt_tokens: int = 0  # what a chat template would add
    empty_from: int = -1  # tokens from this one on are no text yet
    finish_reason: str = "length"
    counted: object = None  # as completion_tokens, whatever was sent
    pings_s: float = 0.0  # sends comments this often and never ends
    body: bytes = b""  # answers all requests with these bytes and closes the connection
    paces: tuple = ()  # three of (ttft_s, itl_s); the prompt decides which, see Server.pace
    capacity: int = 0  # answers in flight beyond which ...
    overload_s: float = 0.0  # ... an answer begins so much later
    caches: str = ""  # publishes a prefix cache of words at /metrics: the names of its hits and queries
    tokenizer: object = None  # counts prompt tokens; else words are counted
    remembers: bool = False  # the tokens of an answer depend on the whole prompt, see said()
    thinks: int = 0  # of chat, so many tokens are reasoning
    prefill_s: float = 0.0  # for each word of the prompt that is not the begin of an earlier one
    fail_turn: int = 0  # the n-th turn of a chat answers 503, of each third one


def said(messages):
    """Return the token of which the answer of a server that remembers consists: it follows from all *messages*."""
    return f" t{zlib.crc32(json.dumps(messages).encode())}"


class Server:
    """The state that all connections share."""

    def __init__(self, behaviour):
        self.behaviour = behaviour
        self.requests = []
        self.heads = []  # of these
        self.connections = 0
        self.active = 0
        self.port = None
        self.hanging = threading.Event()
        self.known, self.cached, self.asked = set(), 0, 0
        self.chats = 0

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def pace(self, prompt):
        """Return (ttft_s, itl_s) of the answer to *prompt*: of five one is of the first pace, one of the third."""
        how = self.behaviour
        if not how.paces:
            return how.ttft_s, how.itl_s
        number = zlib.crc32(str(prompt).encode()) % 5
        return how.paces[{0: 0, 4: 2}.get(number, 1)]

    def prompt_tokens(self, body):
        prompt = body.get("prompt")
        if prompt is None:
            prompt = " ".join(str(one["content"]) for one in body["messages"])
        tokenizer = self.behaviour.tokenizer
        count = len(tokenizer.encode(prompt).ids) if tokenizer else len(prompt.split())
        return count + self.behaviour.extra_prompt_tokens

    def cache(self, words):
        """Count the *words* of a prompt that are the begin of an earlier one; return how many are not."""
        begins = [tuple(words[:count]) for count in range(1, len(words) + 1)]
        cached = sum(begin in self.known for begin in begins)
        self.cached += cached
        self.asked += len(words)
        self.known.update(begins)
        return len(words) - cached

    def metrics(self):
        """Return the page /metrics."""
        hits, asked = self.behaviour.caches.split()
        labels = '{model="m, {x}"}'
        return f"# HELP {hits} x\n{hits}{labels} {self.cached}.0\n{asked}{labels} {self.asked}\n"


class Connection(asyncio.Protocol):
    """HTTP/1.1, one request at a time."""

    def __init__(self, server):
        self._server = server
        self._buffer = b""
        self._task = None

    def connection_made(self, transport):
        self._transport = transport
        self._server.connections += 1

    def connection_lost(self, exc):
        if self._task:
            self._task.cancel()

    def data_received(self, data):
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._buffer[:end].lower()
        place = head.find(b"content-length:")
        length = int(head[place + 15 :].split(b"\r\n", 1)[0]) if place >= 0 else 0
        if len(self._buffer) < end + 4 + length:
            return
        raw = self._buffer[end + 4 : end + 4 + length]
        self._buffer = self._buffer[end + 4 + length :]
        path = head.split(b" ", 2)[1].decode()
        if not length:
            page = path == "/metrics" and self._server.behaviour.caches
            self._plain(200, self._server.metrics() if page else "{}")
            return
        self._server.heads.append(head.decode())
        self._answer(path, json.loads(raw))

    def _plain(self, status, text):
        head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n"
        self._transport.write((head + text).encode())

    def _answer(self, path, body):
        server, how = self._server, self._server.behaviour
        server.requests.append(body)
        new = 0
        if how.caches or how.prefill_s:
            new = server.cache((body.get("prompt") or " ".join(one["content"] for one in body["messages"])).split())
        number = len(server.requests)
        if how.hang_after and number >= how.hang_after:
            server.hanging.set()
            return
        turn = sum(one["role"] == "user" for one in body.get("messages") or ())
        server.chats += turn == how.fail_turn
        if how.fail_turn and turn == how.fail_turn and server.chats % 3 == 0:
            self._plain(503, json.dumps({"message": "this turn is too much", "code": 503}))
            return
        if number <= how.fail_first or how.fail_every and number % how.fail_every == 0:
            self._plain(503, json.dumps({"message": "Service temporarily unavailable", "code": 503}))
            return
        count = how.tokens or body.get("max_tokens") or body.get("max_completion_tokens") or 16
        if how.body:
            self._transport.write(how.body)
            self._transport.close()
            return
        usage = None
        if how.usage != "none" and (body.get("stream_options") or {}).get("include_usage"):
            prompt = server.prompt_tokens(body)
            counted = count if how.counted is None else how.counted
            usage = {"prompt_tokens": prompt, "completion_tokens": counted, "total_tokens": prompt + count}
        make = _chat if path.endswith("/chat/completions") else _completion
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        ttft_s, itl_s = server.pace(body.get("prompt"))
        pace = (ttft_s + new * how.prefill_s, itl_s)
        text = said(body["messages"]) if how.remembers else " tok"
        self._task = asyncio.ensure_future(self._stream(head, make, count, usage, pace, text))

    async def _stream(self, head, make, count, usage, pace, text):
        self._server.active += 1
        try:
            how = self._server.behaviour
            if how.capacity and self._server.active > how.capacity:
                await asyncio.sleep(how.overload_s)
            await self._tokens(head, make, count, usage, *pace, text)
        finally:
            self._server.active -= 1

    async def _tokens(self, head, make, count, usage, ttft_s, itl_s, text):
        how, loop = self._server.behaviour, asyncio.get_running_loop()
        begin = loop.time()
        token, empty = _chunk(make(text)), _chunk(make(""))
        thought = _chunk({"choices": [{"index": 0, "delta": {"reasoning_content": " hm"}, "finish_reason": None}]})
        full = count if how.empty_from < 0 else how.empty_from
        cut = count // 2 if (how.cut or how.error_event) else count
        write = self._transport.write
        write(head + (_chunk(make("", role=True)) if how.role_chunk else b""))
        if not ttft_s and not itl_s:
            thoughts = min(how.thinks, cut)
            write(thought * thoughts + token * (min(cut, full) - thoughts) + empty * (cut - min(cut, full)))
        else:
            for index in range(cut):
                delay = begin + ttft_s + index * itl_s - loop.time()
                if delay > 0:
                    await asyncio.sleep(delay)
                write(token if index < full else empty)
        if how.cut:
            self._transport.close()
            return
        while how.pings_s:
            write(_raw(b": ping\n\n"))
            await asyncio.sleep(how.pings_s)
        if how.error_event:
            write(_chunk({"error": {"message": how.error_event, "code": 500}}) + b"0\r\n\r\n")
            return
        tail = b""
        if how.finish:
            tail += _chunk(
                dict(make("", finish=how.finish_reason), **({"usage": usage} if how.usage == "finish" else {}))
            )
        if usage and how.usage == "own":
            tail += _chunk({"choices": [], "usage": usage})
        if how.done:
            tail += _raw(b"data: [DONE]\n\n")
        write(tail + b"0\r\n\r\n")


def _completion(text, role=False, finish=None):
    return {
        "id": "cmpl-1",
        "object": "text_completion",
        "usage": None,
        "choices": [{"index": 0, "text": text, "finish_reason": finish}],
    }


def _chat(text, role=False, finish=None):
    delta = {"content": text} if text or role else {}
    if role:
        delta["role"] = "assistant"
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}],
    }


def _chunk(event):
    return _raw(b"data: " + json.dumps(event).encode() + b"\n\n")


def _raw(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


async def _serve(server, ready, stop, port=0):
    loop = asyncio.get_running_loop()
    listener = await loop.create_server(lambda: Connection(server), "127.0.0.1", port, backlog=4096)
    server.port = listener.sockets[0].getsockname()[1]
    ready()
    await stop.wait()
    listener.close()


@contextlib.contextmanager
def running(behaviour=None):
    """Serve from a thread for the time of the block; yields the :class:`Server`."""
    server, ready, control = Server(behaviour or Behaviour()), threading.Event(), {}

    def work():
        async def body():
            control["loop"], control["stop"] = asyncio.get_running_loop(), asyncio.Event()
            await _serve(server, ready.set, control["stop"])

        asyncio.run(body())

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    ready.wait(10)
    try:
        yield server
    finally:
        control["loop"].call_soon_threadsafe(control["stop"].set)
        thread.join(10)


def main():
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--port-file")
    parser.add_argument("--ttft-ms", type=float, default=0.0)
    parser.add_argument("--itl-ms", type=float, default=0.0)
    parser.add_argument("--tokenizer", help="tokenizer.json that counts the prompts")
    options = parser.parse_args()
    tokenizer = None
    if options.tokenizer:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(options.tokenizer)
    server = Server(Behaviour(ttft_s=options.ttft_ms / 1000, itl_s=options.itl_ms / 1000, tokenizer=tokenizer))

    def ready():
        if options.port_file:
            with open(options.port_file + ".new", "w", encoding="ascii") as stream:
                stream.write(str(server.port))
            os.replace(options.port_file + ".new", options.port_file)
        print(server.url, flush=True)

    async def body():
        await _serve(server, ready, asyncio.Event(), options.port)

    try:
        import uvloop
    except ImportError:
        asyncio.run(body())
    else:
        uvloop.run(body())


if __name__ == "__main__":
    main()
