# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""Dry runs: what jobs would do, shown and written, without Slurm. Stands on plan and on slurm's printers."""
