# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a streamed answer says: tokens, usage, end, error. Works on bytes, without connections or clocks.

No type of a field is trusted: what is not as it should be makes the answer an error.
"""

from __future__ import annotations

import json
from typing import Any

from .sse import MAX_EVENT_BYTES, EventStream

# The words of OpenAI and TGI for an answer that is whole; anything else (abort, error, content_filter) is a failure.
GOOD_ENDS = frozenset({"stop", "length", "tool_calls", "function_call", "eos_token", "stop_sequence"})
DELTA_TEXTS = ("content", "reasoning_content", "reasoning", "refusal")
LARGEST_COUNT = 1 << 53

_first_value = json.JSONDecoder().raw_decode


class Answer(EventStream):
    """Reads the events of one response.

    A *chunk* is an event that shows that at least one token was generated: on completions each one with a text, also
    when it is empty (half a character, a special token), unless it only tells the end; on chat each one with
    text, reasoning or a tool call. A chunk may hold several tokens.

    After the last byte, :meth:`problem` returns whether the response is complete.

    :ivar chunks: number of chunks.
    :ivar finished: set by each chunk with a finish reason, for the reader, who clears it.
    :ivar opened_empty: whether the first chunk had no text: it may be no token, but only say that the answer begins.
    :ivar finish_reason: as sent, or None.
    :ivar model: who answers, as the first event with a name says, or None.
    :ivar prompt_tokens, completion_tokens: the server's counts, or None.
    :ivar chat: whether it has the form of chat completions.
    :ivar error: why the response is broken, or None; nothing that follows matters.
    :ivar texts: the texts of chunks, when *keep_texts*.
    :ivar content: of chat, the parts of what is said, without reasoning and tool calls, when *keep_content*.
    :ivar silent: chunks that have no part in it, then.
    """

    def __init__(self, keep_texts: bool = False, keep_content: bool = False) -> None:
        super().__init__()
        self.chunks = 0
        self.opened_empty = False
        self.finished = False
        self.finish_reason: str | None = None
        self.model: str | None = None
        self.prompt_tokens: int | None = None
        self.completion_tokens: int | None = None
        self.chat = False
        self.error: str | None = None
        self.texts: list[str] | None = [] if keep_texts else None
        self.content: list[str] | None = [] if keep_content else None
        self.silent = 0
        self._ended = False  # by [DONE], or usage that only comes at the end

    def feed(self, data: bytes) -> int:
        """Take the next bytes, or the end if there are none; return how many chunks they completed."""
        before = self.chunks
        if data:
            self.take(data)
        else:
            self.end()
        return self.chunks - before

    def problem(self) -> str | None:
        """Return why the response is incomplete, or None.

        Servers differ in how they end: with a finish reason, with usage in an event of its own, or with ``[DONE]``.
        """
        if not (self.error or self.finish_reason or self._ended):
            return "the stream ended early: no finish reason, usage or [DONE]"
        return self.error

    def event(self, name: bytes, data: bytes, comment: bytes) -> None:
        if name == b"error":
            # Dynamo puts the message into a comment.
            self._fail(_error_message(data.strip() or comment.strip()) or "error event without a message")
        elif data == b"[DONE]" or data.strip() == b"[DONE]":
            self._ended = True
        elif data:
            try:
                self._object(_json_value(data))
            except _Malformed as error:
                self._fail(f"malformed event: {error}")
            except (ValueError, RecursionError):
                if data.strip() and name in (b"", b"message"):  # an event with another name is for somebody else
                    self._fail(f"unreadable event: {clean(data)}")

    def overlong(self) -> None:
        self._fail(f"an event has more than {MAX_EVENT_BYTES >> 20} MiB")

    def _fail(self, reason: str) -> None:
        self.error = self.error or reason

    def _object(self, event: Any) -> None:
        if event.__class__ is not dict:
            raise ValueError("not an object")
        if event.get("error") or event.get("object") == "error":
            self._fail(error_text(event))
            return
        if self.model is None and isinstance(event.get("model"), str):
            self.model = event["model"]
        choices, finished = event.get("choices"), False
        if choices:
            self._ended = False  # what looked like the end was none
            for choice in _checked(choices, list, "choices"):
                if choice.__class__ is not dict:
                    raise _Malformed(f"a choice is {_shown(choice)}, expected an object")
                finished = self._choice(choice) or finished
        else:
            _checked(choices, list, "choices")
        usage = _checked(event.get("usage"), dict, "usage")
        if usage:
            self._usage(usage, whole=finished or not choices)

    def _usage(self, usage: dict[str, Any], whole: bool) -> None:
        """Take counts; only those of *whole* answers prove the end, as some servers send them with each chunk."""
        for key in ("prompt_tokens", "completion_tokens"):
            count = usage.get(key)
            if count is None:
                continue
            if count.__class__ is not int or not 0 <= count <= LARGEST_COUNT:
                raise _Malformed(f"usage.{key} is {_shown(count)}, which is not a number of tokens")
            setattr(self, key, count)
        self._ended = self._ended or bool(whole and self.completion_tokens)

    def _choice(self, choice: dict[str, Any]) -> bool:
        """Take a choice; return whether it tells the end of the answer."""
        if choice.get("index"):
            self._fail("an answer of several choices, where one was asked for")
        text: Any = choice.get("text")
        reason: Any = choice.get("finish_reason")
        if text.__class__ is str:
            shown = True
        elif "delta" in choice:
            self.chat = True
            shown, text = _delta(_checked(choice["delta"], dict, "delta") or {})
        else:
            shown, text = False, _checked(text, str, "text") or ""
        if reason != "" and _checked(reason, str, "finish_reason"):
            if reason not in GOOD_ENDS:
                self._fail(f"finish_reason {clean(reason)[:60]}")
            self.finish_reason, self.finished = reason, True
            shown = shown and (self.chat or bool(text))
        if shown:
            self.chunks += 1
            if self.chunks == 1:
                self.opened_empty = not text and not self.chat
            if self.texts is not None:
                self.texts.append(text)
            if self.content is not None:
                said = (choice.get("delta") or {}).get("content")
                self.content.append(said or "")
                self.silent += not said
        return bool(reason)


class _Malformed(Exception):
    """A field is not what it should be."""


def _checked(value: Any, kind: type, name: str) -> Any:
    """Return *value* if it is of the type *kind*, or null."""
    if value is not None and not isinstance(value, kind):
        raise _Malformed(f"{name} is {_shown(value)}, expected {_KINDS[kind]}")
    return value


def _shown(value: Any) -> str:
    return clean(json.dumps(value))[:40]


_KINDS: dict[type, str] = {list: "a list", dict: "an object", str: "text"}


def _delta(delta: dict[str, Any]) -> tuple[bool, str]:
    """Return whether a chat delta shows that a token was generated, and its text."""
    text = "".join([_checked(delta[key], str, key) or "" for key in DELTA_TEXTS if key in delta])
    calls = _checked(delta.get("tool_calls"), list, "tool_calls")
    if calls and not all(call.__class__ is dict for call in calls):
        raise _Malformed(f"tool_calls is {_shown(calls)}, expected objects")
    return bool(text or calls or _checked(delta.get("function_call"), dict, "function_call")), text


def error_text(body: Any) -> str:
    """Return the message inside an error *body* (any of the shapes that servers use)."""
    inner = body.get("error") or body if isinstance(body, dict) else body
    if isinstance(inner, dict):
        inner = inner.get("message") or json.dumps(inner)
    return clean(inner if isinstance(inner, str) else json.dumps(inner))


def _error_message(data: bytes) -> str:
    try:
        return error_text(_json_value(data))
    except (ValueError, RecursionError):
        return clean(data)


def _json_value(data: bytes) -> Any:
    """Return the value of JSON; ValueError or RecursionError if it is none."""
    text = data.decode("utf-8", "replace").lstrip()
    value, end = _first_value(text)
    if end != len(text) and not text[end:].isspace():
        raise ValueError("more than one value")
    return value


def clean(text: bytes | str) -> str:
    """Return the begin of *text* from a server as one line that a terminal and a log take."""
    if isinstance(text, bytes):
        text = text[:2000].decode("utf-8", "replace")
    return " ".join("".join(mark if mark.isprintable() else " " for mark in text[:600]).split())[:300]
