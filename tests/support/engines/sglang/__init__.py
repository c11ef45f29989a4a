# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""Stands in for SGLang in tests: see fake_engine.py."""
