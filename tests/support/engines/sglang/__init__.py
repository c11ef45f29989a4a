# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands in for SGLang in tests: see fake_engine.py."""
