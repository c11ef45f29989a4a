# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""longbenchv2: questions about long texts with four answers. Texts that are too long lose their middle."""

from __future__ import annotations

from ...failures import Finding
from ...json_types import JsonObject
from ...schema.section import Field
from ...schema.types import Int, ListOf, Str
from ...topology.layout import Layout
from . import Accuracy, fields_of, tasks


class LongBenchV2(Accuracy):
    type = "longbenchv2"
    task = "srt_longbenchv2"
    columns_ = ("question", "context", "choice_A", "choice_B", "choice_C", "choice_D", "answer", "domain")
    makes_prompts = True
    fields = {
        **fields_of("num_examples", "max_tokens", "repeat", "num_threads", "temperature", "top_p", "top_k"),
        "max_context_length": Field(
            Int(1), None, "longbenchv2: most tokens of prompt and answer; default: 128000. Longer texts are shortened."
        ),
        "categories": Field(ListOf(Str()), None, "longbenchv2: the domains that are asked about; default: all."),
    }
    defaults = {"max_tokens": 16384, "num_threads": 16, "max_context_length": 128000, "temperature": 0.0}

    def problems(self, spec: JsonObject) -> list[Finding]:
        found = super().problems(spec)
        context, answer = self.value(spec, "max_context_length"), self.value(spec, "max_tokens")
        if context <= answer:
            problem = f"is {context}, and an answer may have {answer} tokens (max_tokens), which leaves no prompt."
            found.append((("benchmark", "max_context_length"), problem, "Set max_tokens lower, or this higher."))
        if spec["model"]["path"].startswith("hf:"):
            problem = f"is {spec['model']['path']}, but texts are shortened with the tokenizer.json of a directory."
            found.append((("model", "path"), problem, "Write the directory of the model.", "invalid"))
        return found

    def task_file(self, spec: JsonObject) -> JsonObject:
        return tasks.choice("longbenchv2", tasks.LONG)

    def document_options(self, layout: Layout) -> JsonObject:
        spec = layout.spec
        room = self.value(spec, "max_context_length") - self.value(spec, "max_tokens")
        return {
            "tokenizer": layout.source_model,
            "most_tokens": room,
            "categories": spec["benchmark"]["categories"],
        }
