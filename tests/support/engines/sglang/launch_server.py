# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m sglang.launch_server``, for tests."""

from __future__ import annotations

import sys

import fake_engine

if __name__ == "__main__":
    fake_engine.main(sys.argv[1:])
