# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""The life of a job seen from outside: submit, find, adopt, requeue, end; and the client of its holder."""
