# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""mmlu: questions of many fields with four answers, after some thinking."""

from __future__ import annotations

from ...json_types import JsonObject
from . import Accuracy, fields_of, tasks


class Mmlu(Accuracy):
    type = "mmlu"
    task = "srt_mmlu"
    columns_ = ("question", ("choices", "A"), "answer")
    sgl = "mmlu"
    fields = fields_of("num_examples", "max_tokens", "repeat", "num_threads", "temperature", "top_p", "top_k")
    defaults = {"num_examples": 200, "max_tokens": 2048, "repeat": 8, "num_threads": 512, "temperature": 0.0}

    def task_file(self, spec: JsonObject) -> JsonObject:
        return tasks.choice("mmlu")
