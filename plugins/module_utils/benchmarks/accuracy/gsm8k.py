# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""gsm8k: grade-school mathematics, with the last number of the answer."""

from __future__ import annotations

from ...json_types import Json, JsonObject
from . import Accuracy, fields_of, tasks


class Gsm8k(Accuracy):
    type = "gsm8k"
    task = "srt_gsm8k"
    columns_ = ("question", "answer")
    sgl = "gsm8k"
    fields = fields_of(
        *("shots_data", "num_examples", "max_tokens", "repeat", "num_threads"),
        *("num_shots", "temperature", "top_p", "top_k"),
    )
    defaults = {"num_examples": 1319, "num_threads": 512, "num_shots": 5, "temperature": 0.0}

    def value(self, spec: JsonObject, key: str) -> Json:
        if key == "max_tokens" and spec["benchmark"][key] is None:
            return 256 if spec["backend"]["type"] == "vllm" else 16384
        return super().value(spec, key)

    def task_file(self, spec: JsonObject) -> JsonObject:
        return tasks.gsm8k()
