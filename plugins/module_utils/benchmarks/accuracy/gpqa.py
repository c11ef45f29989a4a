# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""gpqa: questions for graduates with four answers."""

from __future__ import annotations

from ...json_types import JsonObject
from . import Accuracy, fields_of, tasks


class Gpqa(Accuracy):
    type = "gpqa"
    task = "srt_gpqa"
    columns_ = ("Question", "Correct Answer", "Incorrect Answer 1", "Incorrect Answer 2", "Incorrect Answer 3")
    sgl = "gpqa"
    fields = fields_of("num_examples", "max_tokens", "repeat", "num_threads", "temperature", "top_p", "top_k")
    defaults = {"num_examples": 198, "max_tokens": 32768, "repeat": 8, "num_threads": 128, "temperature": 0.0}

    def task_file(self, spec: JsonObject) -> JsonObject:
        return tasks.choice("gpqa")
