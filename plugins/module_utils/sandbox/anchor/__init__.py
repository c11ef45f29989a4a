# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""The anchor: the program that makes and holds the namespaces of a sandbox."""
