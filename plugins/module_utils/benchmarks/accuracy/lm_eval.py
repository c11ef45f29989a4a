# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""lm-eval: a task that lm-eval brings, or one of the user's, over staged data."""

from __future__ import annotations

from ...failures import Finding
from ...json_types import Json, JsonObject
from ...schema.section import Field
from ...schema.types import Str
from ...supplies.data import Data
from ...topology.layout import Layout
from . import Accuracy, fields_of


class LmEval(Accuracy):
    type = "lm-eval"
    data_keys = (*Accuracy.data_keys, "task_dir")
    paths = (*Accuracy.paths, "task_dir")
    fields = {
        **fields_of(
            *("shots_data", "num_examples", "max_tokens", "repeat", "num_threads"),
            *("num_shots", "temperature", "top_p", "top_k"),
        ),
        "task": Field(Str(), None, "lm-eval: name of a task of lm-eval that generates text, or of one in task_dir."),
        "task_dir": Field(
            Str(), None, "lm-eval: directory on shared disk with task files (YAML) of your own and what they include."
        ),
    }
    defaults = {"num_threads": 256}

    def problems(self, spec: JsonObject) -> list[Finding]:
        found = super().problems(spec)
        task = spec["benchmark"]["task"]
        if task is not None and not all(one.isalnum() or one in "_-" for one in task):
            found.append((("benchmark", "task"), f"is {ascii(task)}; expected the name of one task.", None, "invalid"))
        if spec["benchmark"]["task_dir"]:
            found += [
                (("benchmark", key), "is there beside task_dir, whose task files name their data.", "Leave one out.")
                for key in ("data", "shots_data")
                if spec["benchmark"][key]
            ]
        return found

    def unable(self, spec: JsonObject) -> list[Finding]:
        if spec["benchmark"]["task"] is None:
            remedy = "Name a task of lm-eval, such as gsm8k, and its questions under data."
            return [(("benchmark", "task"), "is missing. Benchmark type lm-eval needs it.", remedy, "missing")]
        return super().unable(spec)

    def _needs_data(self, spec: JsonObject) -> bool:
        return not spec["benchmark"]["task_dir"]  # its task file names its data

    def data(self, spec: JsonObject) -> list[Data]:
        folder = spec["benchmark"]["task_dir"]
        return [*super().data(spec), *([Data("task_dir", folder, (), folder=True)] if folder else [])]

    def task_file(self, spec: JsonObject) -> None:
        return None

    def value(self, spec: JsonObject, key: str) -> Json:
        options = spec["benchmark"]
        if key == "num_shots" and options[key] is None and options["data"] and not options["shots_data"]:
            return 0  # the task would take its examples from the questions
        return super().value(spec, key)

    def named_task(self, spec: JsonObject) -> str:
        return str(spec["benchmark"]["task"])

    def _task_argument(self, spec: JsonObject) -> str:
        task = self.named_task(spec)
        return f"srt_{task}" if spec["benchmark"]["data"] else task

    def task_folder(self, layout: Layout) -> str:
        return layout.spec["benchmark"]["task_dir"] or super().task_folder(layout)
