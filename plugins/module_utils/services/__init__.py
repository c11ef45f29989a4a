# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""Side services of a deployment, such as NATS and etcd: their checks, steps and files."""
