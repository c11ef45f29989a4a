# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""What the modules do: one file has the entry of the module of the same name."""
