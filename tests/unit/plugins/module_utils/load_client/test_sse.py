# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes to events, as the standard for server-sent events says."""

from __future__ import annotations

import time

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.load_client import sse
from hypothesis import given
from hypothesis import strategies as st


class Events(sse.EventStream):
    def __init__(self):
        super().__init__()
        self.events, self.too_long = [], 0

    def event(self, name, data, comment):
        self.events.append((name.decode(), data.decode(), comment.decode()))

    def overlong(self):
        self.too_long += 1


def read(*parts):
    stream = Events()
    for part in parts:
        stream.take(part)
    stream.end()
    return stream.events


@pytest.mark.parametrize(
    ("data", "events"),
    [
        (b"data: a\n\n", [("", "a", "")]),
        (b"data:a\n\n", [("", "a", "")]),
        (b"data:  a\n\n", [("", " a", "")]),
        (b"data: a\ndata: b\n\n", [("", "a\nb", "")]),
        (b"data\ndata\n\n", [("", "\n", "")]),
        (b"data\n\n", [("", "", "")]),
        (b"data: a\n\ndata: b\n\n\n", [("", "a", ""), ("", "b", "")]),
        (b"event: x\ndata: a\n\ndata: b\n\n", [("x", "a", ""), ("", "b", "")]),
        (b"event: x\n\n", [("x", "", "")]),
        (b": hello\n\n", [("", "", "hello")]),
        (b"id: 1\nretry: 5\nother: x\nwithout\n\n", []),
        (b"\xef\xbb\xbfdata: a\n\n", [("", "a", "")]),
        (b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\n", []),
        (b"data: a", [("", "a", "")]),  # more lenient than the standard
        (b"", []),
        (b"\xef\xbb", []),
    ],
)
@pytest.mark.parametrize("line_end", [b"\n", b"\r", b"\r\n"])
def test_events_of_the_standard_with_each_line_end_and_in_any_pieces(data, events, line_end):
    data = data.replace(b"\n", line_end)
    assert read(data) == events
    assert read(*(data[index : index + 1] for index in range(len(data)))) == events


def test_an_event_ends_with_its_line_and_does_not_wait_for_more():
    stream = Events()
    stream.take(b"data: a\r\r")
    assert stream.events == [("", "a", "")]
    stream.take(b"\ndata: b\r")
    stream.take(b"\n\r\n")
    assert stream.events == [("", "a", ""), ("", "b", "")]


PARTS = [b"data: a", b"data", b"event: x", b":c", b"\r", b"\n", b"\r\n", sse.BOM]


@given(st.lists(st.sampled_from(PARTS)), st.lists(st.integers(1, 9), min_size=1))
def test_pieces_make_no_difference(parts, sizes):
    data, pieces, place = b"".join(parts), [], 0
    for size in sizes * len(data):
        pieces.append(data[place : place + size])
        place += size
    assert read(*filter(None, pieces)) == read(data)


@pytest.mark.parametrize("size", [1, 1000])
def test_a_long_line_takes_linear_time(size, monkeypatch):
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 1 << 30)

    def seconds(length):
        stream, piece, began = Events(), b"x" * size, time.thread_time()
        stream.take(b"data: ")
        for _unused in range(length // size):
            stream.take(piece)
        stream.end()
        assert len(stream.events[0][1]) == length
        return time.thread_time() - began

    length = 50_000 * size
    assert min(seconds(4 * length) for _unused in range(3)) < 10 * min(seconds(length) for _unused in range(3)) + 0.01


@pytest.mark.parametrize("piece", [b"x" * 65536, b"data: y\n" * 5000, b"event: y\n" * 5000])
def test_an_event_has_a_bound(piece):
    stream = Events()
    stream.take(b"data: ")
    for _unused in range(2 * sse.MAX_EVENT_BYTES // len(piece)):
        stream.take(piece)
    assert stream.too_long
    assert sum(map(len, stream._parts)) <= sse.MAX_EVENT_BYTES


def test_many_events_have_none():
    stream = Events()
    for _unused in range(100):
        stream.take(b"data: " + b"y" * (sse.MAX_EVENT_BYTES // 10) + b"\n\n")
    assert not stream.too_long
    assert len(stream.events) == 100


def test_a_long_comment_is_cut():
    assert read(b": " + b"x" * 5000 + b"\n\n") == [("", "", "x" * 1000)]
