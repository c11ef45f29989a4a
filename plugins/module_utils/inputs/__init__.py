# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run reads and did not write: fingerprints of models, tokenizers and images, and a model's chat template.

It is a separate program: preflight copies the files of this folder into the run directory and runs them on the nodes,
where the paths of a job may exist only. It needs the standard library of Python 3.8 and nothing of this collection.
"""

from __future__ import annotations
