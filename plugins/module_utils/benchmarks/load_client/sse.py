# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parser of streamed completions: text, usage, end, error. Works on bytes, without connections or clocks."""

from __future__ import annotations

import json
from typing import Any


class StreamParser:
    """Reads the server-sent events of one response.

    After the last byte, :meth:`problem` returns whether the response is complete.

    :ivar usage: dict of the server's token counts, or None.
    :ivar finish_reason: as sent, or None.
    :ivar error: text of an error event, or None.
    :ivar chunks: number of chunks with text.
    :ivar texts: these texts, when *keep_texts*.
    """

    def __init__(self, keep_texts: bool = False) -> None:
        self.usage: dict[str, int] | None = None
        self.finish_reason: str | None = None
        self.error: str | None = None
        self.done = False
        self.chunks = 0
        self.texts: list[str] | None = [] if keep_texts else None
        self._rest = b""
        self._event_name = b""

    def feed(self, data: bytes) -> int:
        """Take the next bytes; return how many chunks with text they completed.

        A chunk that only names the role, or whose text is empty, does not count as a token.
        """
        if self._rest:
            data = self._rest + data
        lines = data.split(b"\n")
        self._rest = lines.pop()
        before = self.chunks
        for line in lines:
            if line.startswith(b"data:"):
                self._data(line[5:].strip())
            elif line.startswith(b"event:"):
                self._event_name = line[6:].strip()
            elif line.startswith(b":"):
                if self._event_name == b"error":  # dynamo puts the message into a comment
                    self.error = self.error or _text(line[1:].strip())
            elif not line.strip():
                if self._event_name == b"error":
                    self.error = self.error or "error event without a message"
                self._event_name = b""
        return self.chunks - before

    def finish(self) -> int:
        """Take the end of the stream: a last line may lack its newline. Returns like :meth:`feed`."""
        return self.feed(b"\n\n") if self._rest else 0

    def problem(self) -> str | None:
        """Return why the response is incomplete, or None.

        Servers differ in how they end: any of a finish reason, usage or ``[DONE]`` is an end.
        """
        if self.error:
            return self.error
        if not (self.done or self.finish_reason or self.usage):
            return "the stream ended early: no finish reason, usage or [DONE]"
        return None

    def _data(self, payload: bytes) -> None:
        if payload == b"[DONE]":
            self.done = True
            return
        if self._event_name == b"error":
            self.error = self.error or _text(payload)
            return
        try:
            event = json.loads(payload)
        except ValueError:
            self.error = self.error or f"unreadable event: {_text(payload)}"
            return
        if not isinstance(event, dict):
            self.error = self.error or f"unreadable event: {_text(payload)}"
            return
        if event.get("error") or event.get("object") == "error":
            self.error = self.error or error_text(event)
            return
        usage = event.get("usage")
        if usage:
            self.usage = usage
        for choice in event.get("choices") or ():
            self._choice(choice)

    def _choice(self, choice: dict[str, Any]) -> None:
        if choice.get("finish_reason"):
            self.finish_reason = choice["finish_reason"]
        text = choice.get("text")
        if text is None:
            delta = choice.get("delta") or {}
            text = delta.get("content") or delta.get("reasoning_content") or delta.get("reasoning")
        if text:
            self.chunks += 1
            if self.texts is not None:
                self.texts.append(text)


def error_text(body: dict[str, Any]) -> str:
    """Return the message inside an error *body* (any of the shapes that servers use)."""
    inner = body.get("error", body)
    if isinstance(inner, dict):
        inner = inner.get("message") or json.dumps(inner)
    return _text(str(inner))


def _text(value: bytes | str) -> str:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return value[:300]
