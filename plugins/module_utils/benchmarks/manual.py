# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""manual: the service is brought up and nothing is measured."""

from __future__ import annotations

from .base import Unmeasured


class Manual(Unmeasured):
    type = "manual"
