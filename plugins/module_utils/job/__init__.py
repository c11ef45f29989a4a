# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""From job.yaml and srtslurm.yaml to a spec: loading, older forms, variants, defaults, validation, reference pages."""
