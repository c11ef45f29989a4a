# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever bytes a server sends, a request ends, and a broken answer is never called whole."""

from __future__ import annotations

import asyncio
import json
import threading
import types

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.load_client.request import Client, Record, Request
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("aiohttp")

ASKED = 4
LIMIT_S = 5.0
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def event(text, finish=None, **more):
    return b"data: " + json.dumps({"choices": [{"text": text, "finish_reason": finish}], **more}).encode() + b"\n\n"


def usage(count=ASKED):
    return b"data: " + json.dumps({"choices": [], "usage": {"completion_tokens": count}}).encode() + b"\n\n"


TOKENS, END = event("a") * ASKED, event("", "length") + usage() + b"data: [DONE]\n\n"
PIECES = [
    event("a"), event(""), event("", "length"), event("b", "abort"), event("a", usage={"completion_tokens": 1}),
    usage(), usage(99), usage(True), b"data: [DONE]\n\n", b"data: {}\n\n", b'data: {"choices":[null]}\n\n',
    b"data: ", b"\n", b"\r", b"\r\n", b"event: error\n", b": x\n\n", b"\xef\xbb\xbf", b"\xff", b"[" * 9999, b"\0",
]  # fmt: skip
FRAMES = [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 302 X\r\n", b"Location: /x\r\n", b"Transfer-Encoding: chunked\r\n",
          b"Content-Length: 50\r\n", b"Content-Length: -1\r\n", b"Content-Encoding: gzip\r\n", b"\r\n", b"5\r\n",
          b"0\r\n\r\n", b"ZZ\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", b"Content-Type: application/json\r\n"]  # fmt: skip


@pytest.fixture(scope="module")
def answered():
    """A function from the bytes of a server, which then closes the connection, to the record of the request."""
    loop, given_bytes = asyncio.new_event_loop(), []

    async def answer(reader, writer):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]))
            for piece in given_bytes:
                writer.write(piece)
                await writer.drain()
            writer.close()
        except (OSError, asyncio.IncompleteReadError):
            pass

    server = loop.run_until_complete(asyncio.start_server(answer, "127.0.0.1", 0))
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    options = types.SimpleNamespace(
        base_url=url, endpoint="/v1/completions", model="m", temperature=0, ignore_eos=True, extra_body={},
        reuse_connections=False, quick_ack=True, request_timeout=LIMIT_S, save_texts=False, session_header=None,
    )  # fmt: skip

    async def one():
        record = Record(Request(0, b'"text"', 1, ASKED))
        async with Client(options, lambda *_seen: None) as client:
            task = asyncio.ensure_future(client.send(record))
            while not task.done():
                await asyncio.wait({task}, timeout=0.05)
                client.end_broken()
            task.result()
        return record

    def ask(*pieces):
        given_bytes[:] = pieces
        record = asyncio.run(one())
        assert "no complete response" not in (record.error or "")
        assert record.end - record.start < LIMIT_S
        if record.error is None:
            assert 0 < record.tokens_out <= ASKED
            assert record.last >= (record.first or 0)
        return record

    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield ask
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)


def chunked(data, size):
    parts = [data[place : place + size] for place in range(0, len(data), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def test_the_whole_answer_is_whole(answered):
    assert answered(HEAD + b"\r\n" + TOKENS + END).error is None
    record = answered(HEAD + CHUNKED + chunked(TOKENS + END, 7))
    assert (record.error, record.tokens_out, record.mismatch) == (None, ASKED, False)


@FUZZ
@given(cut=st.integers(0, len(TOKENS)))
def test_an_answer_that_was_cut_is_not_whole(answered, cut):
    assert answered(HEAD + b"\r\n" + (TOKENS + END)[:cut]).error


@FUZZ
@given(share=st.floats(0, 1), size=st.integers(1, 400))
def test_an_answer_that_was_cut_between_its_chunks_is_not_whole(answered, share, size):
    data = HEAD + CHUNKED + chunked(TOKENS + END, size)
    assert answered(data[: int(share * (len(data) - len(b"0\r\n\r\n")))]).error


@FUZZ
@given(st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=20)), max_size=12))
def test_any_events(answered, pieces):
    record, data = answered(HEAD + b"\r\n", *pieces), b"".join(pieces)
    if record.error is None:
        assert b"[DONE]" in data or b"length" in data or b'"completion_tokens": 4' in data


@FUZZ
@given(st.lists(st.one_of(st.sampled_from(FRAMES + PIECES), st.binary(max_size=20)), max_size=12))
def test_any_bytes(answered, pieces):
    answered(*pieces)


@FUZZ
@given(place=st.integers(0, 2000), length=st.integers(0, 20), other=st.binary(max_size=20), plain=st.booleans())
def test_any_damage_to_a_good_answer(answered, place, length, other, plain):
    good = b"\r\n" + TOKENS + END if plain else CHUNKED + chunked(TOKENS + END, 50)
    data = HEAD + good
    answered(data[:place] + other + data[place + length :])
