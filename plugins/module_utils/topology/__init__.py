# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""Nodes, endpoints, processes, ports: who runs where. Knows no engine and no Slurm."""
