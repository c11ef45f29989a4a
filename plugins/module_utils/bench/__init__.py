# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""Measuring the points of a plan: stands on the rooms ``slurm`` (who runs it) and ``results`` (is it valid)."""

from __future__ import annotations
