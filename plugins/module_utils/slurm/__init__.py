# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""What Slurm is: options, commands, the sbatch script, the srun line. Knows no job of ours."""
