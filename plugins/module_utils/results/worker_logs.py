# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""Worker logs to figures. One file per engine, one line in PARSERS; imports are static for AnsiballZ."""

from __future__ import annotations

import os
import re

from ..backends import sglang_log, trtllm_log, vllm_log
from ..backends.worker_figures import Metrics, summarise

__all__ = ["PARSERS", "parse_log", "summarise"]

PARSERS = {"sglang": sglang_log.read_line, "trtllm": trtllm_log.read_line, "vllm": vllm_log.read_line}

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def parse_log(backend, path):
    """Return the figures of one worker log as a dict, or None when there is no such log.

    :param backend: type of the engine; one without batch lines in its log (mocker) has no parser: all are None.
    """
    read_line, metrics = PARSERS.get(backend), Metrics()
    if read_line is None:
        return dict.fromkeys(metrics.record()) if os.path.exists(path) else None
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            for line in stream:
                read_line(_COLOURS.sub("", line) if "\x1b" in line else line, metrics)
    except FileNotFoundError:
        return None
    return metrics.record()
