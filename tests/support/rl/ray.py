#!/usr/bin/env python3
# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands in for ``ray start --block``: it writes down how it was started, and waits."""

from __future__ import annotations

import json
import os
import pathlib
import socket
import sys
import time

FOLDER = pathlib.Path(sys.argv[1])
NAMES = ("SANDBOX_REMOTE_RUNTIME_API_URL", "RAY_TMPDIR", "CUDA_VISIBLE_DEVICES", "MODEL")
seen = {name: os.environ.get(name) for name in NAMES}
seen.update(arguments=sys.argv[2:], has_key=bool(os.environ.get("ALLHANDS_API_KEY")))
(FOLDER / f"ray-{socket.gethostname()}.json").write_text(json.dumps(seen))
time.sleep(3600)
