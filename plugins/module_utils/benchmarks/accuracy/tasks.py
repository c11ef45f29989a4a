# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The task files of lm-eval: what is asked, how the answer is found in what the model says, and what is right."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ...json_types import JsonObject
from ...supplies.data import form_of

FUNCTION = "!function "
# The last number of the answer, as after "####" in the examples.
NUMBER = r"(-?\$?\d[\d,]*(?:\.\d+)?)"
# A letter alone, in whatever marks.
LETTER = r"""[\*_\$\(\[`'"\s]*(?:\\(?:text|textbf|mathbf|mathrm)\{\s*)?\(?([A-D])(?![^\W_])"""
# The last letter after "Answer:", or in a box.
CHOICE = r"(?i:answer)[\*_\s]*[:：]" + LETTER + r"|\\boxed\{\s*" + LETTER
LONG = r"(?i:the correct answer is)(?:[\*_\s]*[:：])?" + LETTER
STOPS = {"until": ["</s>", "<|im_end|>"]}  # the server ends answers itself; without any, lm-eval adds a blank line


def gsm8k() -> JsonObject:
    """Return the task of grade-school mathematics: question, answer that ends with its number after ``####``."""
    return {
        "custom_dataset": f"{FUNCTION}documents.gsm8k",
        "doc_to_text": "Question: {{question}}\nAnswer:",
        "doc_to_target": "{{answer}}",
        "generation_kwargs": {"until": ["Question:", *STOPS["until"]]},
        "filter_list": _last("number", NUMBER),
        "metric_list": [
            {
                "metric": "exact_match",
                "aggregation": "mean",
                "higher_is_better": True,
                "ignore_case": True,
                "regexes_to_ignore": ["(?s).*####", ",", r"\$", r"\s", r"\.0*$"],
            }
        ],
        "metadata": {"version": 1},
    }


def choice(function: str, pattern: str = CHOICE) -> JsonObject:
    """Return the task of questions with four answers that *function* of documents.py makes."""
    return {
        "custom_dataset": f"{FUNCTION}documents.{function}",
        "doc_to_text": "{{prompt}}",
        "doc_to_target": "{{target}}",
        "generation_kwargs": dict(STOPS),
        "filter_list": _last("letter", pattern),
        "metric_list": [
            {"metric": "exact_match", "aggregation": "mean", "higher_is_better": True, "ignore_case": True}
        ],
        "metadata": {"version": 2},
    }


def _last(name: str, pattern: str) -> list[Any]:
    found = {"function": "regex", "group_select": -1, "regex_pattern": pattern}
    return [{"name": name, "filter": [found, {"function": "take_first"}]}]


def data_of(path: str, shots: str | None) -> JsonObject:
    """Return what a task says about its data: the questions in *path*, the examples of the prompt in *shots*."""
    found: JsonObject = {
        "dataset_kwargs": {"data_files": {"test": path}},
        "test_split": "test",
    }
    if shots:
        found["dataset_kwargs"]["data_files"]["shots"] = shots
        found.update(fewshot_split="shots", fewshot_config={"sampler": "first_n"})
    return found


def replaced(task: str, path: str, shots: str | None) -> JsonObject:
    """Return a group of the known *task* alone, with its data replaced, whatever the task calls its splits."""
    files = {"test": path, "validation": path, "train": shots or path, "dev": shots or path}
    return {
        "group": f"srt_{task}",
        "task": [
            {
                "task": task,
                "dataset_path": form_of(path),
                "dataset_name": None,
                "dataset_kwargs": {"data_files": files},
            }
        ],
    }


def text(task: Mapping[str, Any]) -> str:
    """Return *task* as YAML. JSON is YAML, but for the tag of a function."""
    found = json.dumps(task, indent=1, ensure_ascii=True)
    for line in found.splitlines():
        if f'"{FUNCTION}' in line:
            name = line.split(f'"{FUNCTION}')[1].split('"')[0]
            found = found.replace(f'"{FUNCTION}{name}"', f"{FUNCTION}{name}")
    return found + "\n"
