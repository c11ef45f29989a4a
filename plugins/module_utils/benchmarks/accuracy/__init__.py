# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the types that measure accuracy share: a harness asks staged questions, and the score is part of the verdict."""

from __future__ import annotations

import abc
import json
import pkgutil
from collections.abc import Mapping
from typing import Any, ClassVar

from ...failures import Finding
from ...files import text_digest
from ...json_types import Json, JsonObject
from ...plan_file import PlanFile, PointFields
from ...programs import folder_of
from ...schema.section import Field
from ...schema.types import Choice, Float, Int, Str
from ...supplies import harness
from ...supplies.data import Column, Data, binds, path_of
from ...topology.layout import Layout
from ...topology.step import DraftStep, in_private_dir, one_file
from ..base import Point, files_path
from ..program import ProgramBenchmark, Ran, surroundings
from . import (
    documents,  # noqa: F401  a copy of it is shipped, and only what is imported is in a module's payload
    tasks,
)
from .result import evaluate, read_answers

LM_EVAL, SGL_EVAL = "lm-eval", "sgl-eval"
DEADLINE_S, STALL_S = 14400, 3600  # an answer of 32,768 tokens takes half an hour
ANSWER_S = 7200  # after which the harness asks again
SEED = 1234
RETRIES = 3
NO_NETWORK = {
    **dict.fromkeys(("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_EVALUATE_OFFLINE"), "1"),
    **dict.fromkeys(("HF_HUB_DISABLE_TELEMETRY", "DO_NOT_TRACK", "PYTHONUTF8"), "1"),
    **dict.fromkeys(("no_proxy", "NO_PROXY"), "*"),  # the service is in the cluster
    "LMEVAL_LOG_LEVEL": "INFO",
}
GENERATION = {"max_tokens": "max_gen_toks", "temperature": "temperature", "top_p": "top_p", "top_k": "top_k"}
ELSEWHERE = ("harness", "data", "shots_data", "task_dir", "min_score", "num_examples", "repeat", *GENERATION)
FOLDER = folder_of("lm_eval_tasks")

# Keys of several of these types. Each type names those that it reads.
FIELDS = {
    "harness": Field(
        Choice(LM_EVAL, SGL_EVAL),
        LM_EVAL,
        "Accuracy: the program that asks and checks. sgl-eval reads data in its own form: problem, expected_answer.",
    ),
    "min_score": Field(Float(0, 1), None, "Accuracy: with a lower score the result is not valid."),
    "data": Field(Str(), None, "Accuracy: the questions, a file on shared disk or an address (docs/benchmarks.md)."),
    "shots_data": Field(Str(), None, "Accuracy: the examples in the prompt; the first num_shots rows are used."),
    "num_examples": Field(Int(1), None, "Accuracy: number of examples."),
    "max_tokens": Field(Int(1), None, "Accuracy: longest answer."),
    "repeat": Field(Int(1), None, "Accuracy: how often all is asked; each repeat is a point with a seed of its own."),
    "num_threads": Field(Int(1), None, "Accuracy: requests in flight."),
    "num_shots": Field(Int(0), None, "Accuracy: examples in the prompt, from shots_data."),
    "temperature": Field(Float(0), None, "Accuracy: sampling temperature; default: 0."),
    "top_p": Field(Float(0, 1), None, "Accuracy: sampling top p."),
    "top_k": Field(Int(), None, "Accuracy: sampling top k."),
}


class Accuracy(ProgramBenchmark):
    """A type that measures accuracy.

    ``task``     the name of its task, in results
    ``columns_`` that each row of its data must have
    ``defaults`` of its keys; one without is left to the harness
    ``sgl``      the name of sgl-eval's benchmark, None: it has none
    """

    data_keys: ClassVar[tuple[str, ...]] = ("data", "shots_data")
    paths: ClassVar[tuple[str, ...]] = data_keys
    described_by = ("harness", "num_examples", "max_tokens", "temperature", "min_score")
    columns = ("score", "score_stderr", "samples")
    optional_columns = ()
    summary = ("score", "score_stderr", "samples", "failed", "duration")
    client = "harness"
    task: ClassVar[str]
    columns_: ClassVar[tuple[Column, ...]] = ()
    defaults: ClassVar[Mapping[str, Json]] = {}
    sgl: ClassVar[str | None] = None

    # ---- before submission

    def value(self, spec: JsonObject, key: str) -> Json:
        """Return the value of *key* in the benchmark section, or the default of this type."""
        given = spec["benchmark"][key] if key in self.fields else None
        return self.defaults.get(key) if given is None else given

    def harness(self, spec: JsonObject) -> str | None:
        return str(spec["benchmark"]["harness"])

    def data(self, spec: JsonObject) -> list[Data]:
        options, ours = spec["benchmark"], self._runs_lm_eval(spec)
        columns: tuple[Column, ...] = self.columns_ if ours else ("problem", "expected_answer")
        keys = ("data", "shots_data") if ours and "shots_data" in self.fields else ("data",)
        return [Data(key, options[key], columns) for key in keys if options[key]]

    def _runs_lm_eval(self, spec: JsonObject) -> bool:
        return bool(spec["benchmark"]["harness"] == LM_EVAL)

    def problems(self, spec: JsonObject) -> list[Finding]:
        options, found = spec["benchmark"], []
        if not self._runs_lm_eval(spec):
            if not self.sgl:
                found.append((("benchmark", "harness"), f"is sgl-eval, which has no {self.type}.", "Use lm-eval."))
            for key in ("num_shots", "shots_data", "top_k"):
                if key in self.fields and options[key]:
                    found.append((("benchmark", key), "is nothing that sgl-eval knows.", "Leave it out."))
        if options["repeat"] and options["repeats"] != 1:
            found.append((("benchmark", "repeat"), "is there beside repeats, which is the same.", "Use one of them."))
        return [*found, *self._shots_problems(spec)]

    def _shots_problems(self, spec: JsonObject) -> list[Finding]:
        if "num_shots" not in self.fields or not self._runs_lm_eval(spec):
            return []
        shots = self.value(spec, "num_shots")
        if not shots or spec["benchmark"]["shots_data"] or not spec["benchmark"]["data"]:
            return []
        problem = f"is missing: num_shots is {shots}, and the questions must not answer themselves."
        remedy = "Name a file with examples, such as the training split, or set num_shots: 0."
        return [(("benchmark", "shots_data"), problem, remedy, "missing")]

    def unable(self, spec: JsonObject) -> list[Finding]:
        if spec["benchmark"]["data"] or not self._needs_data(spec):
            return []
        form = ", ".join(one if isinstance(one, str) else " or ".join(one) for one in self.columns_)
        problem = f"is missing: {self.type} asks questions that are staged before nodes are asked for."
        remedy = f"Name a file on shared disk, or an address, with the columns {form} (docs/benchmarks.md)."
        return [(("benchmark", "data"), problem, remedy, "missing")]

    def _needs_data(self, spec: JsonObject) -> bool:
        return True

    def notes(self, spec: JsonObject) -> list[str]:
        times = self.times(spec["benchmark"])
        if times > 1 and not self.value(spec, "temperature"):
            key = "repeat" if spec["benchmark"]["repeats"] == 1 else "repeats"
            return [f"benchmark.{key}: all is asked {times} times at temperature 0, so answers hardly differ."]
        return []

    # ---- the plan

    def times(self, options: JsonObject) -> int:
        count: int = options["repeats"]
        if count == 1 and "repeat" in self.fields:
            count = options["repeat"] or int(self.defaults.get("repeat") or 1)
        return count

    def step_repeated(self, step: DraftStep, number: int) -> DraftStep:
        """Return the step with the next seed: sampled answers differ, and nothing else."""
        new = str(SEED + number - 1)
        words = [word.replace(f",seed={SEED}", f",seed={new}") for word in step["argv"]]
        words[words.index("--seed") + 1] = new
        return {**step, "argv": words}

    def in_flight(self, point: PointFields) -> int:
        return int(point["parameters"]["num_threads"])

    @abc.abstractmethod
    def task_file(self, spec: JsonObject) -> JsonObject | None:
        """Return the task of this type without its data; None: it is not one of ours."""

    def named_task(self, spec: JsonObject) -> str:
        """Return the name of the task in results."""
        return self.task

    def document_options(self, layout: Layout) -> JsonObject:
        """Return what documents.py reads from options.json."""
        return {}

    def task_folder(self, layout: Layout) -> str:
        """Return the directory of the task files, as the harness sees it."""
        return f"{layout.run_dir}/{FOLDER}"

    def generation(self, spec: JsonObject) -> JsonObject:
        """Return the options of generation, without those that are left to the harness."""
        found = {name: self.value(spec, key) for key, name in GENERATION.items()}
        return {name: value for name, value in found.items() if value is not None}

    def files(self, layout: Layout) -> list[PlanFile]:
        found = super().files(layout)
        if not self._runs_lm_eval(layout.spec):
            return found
        code = pkgutil.get_data(__name__, "documents.py")
        found.append(one_file(f"{FOLDER}/documents.py", (code or b"").decode()))
        found.append(one_file(f"{FOLDER}/options.json", json.dumps(self.document_options(layout)) + "\n"))
        text = self._task_text(layout.spec)
        return [*found, one_file(f"{FOLDER}/task.yaml", text)] if text else found

    def _task_text(self, spec: JsonObject) -> str | None:
        """Return the task file, with its data."""
        own = self.task_file(spec)
        paths = {one.key: path_of(spec, one) for one in self.data(spec)}
        if own is not None:
            shots = self.value(spec, "num_shots") or 0
            data = tasks.data_of(paths["data"], paths.get("shots_data") if shots else None)
            return tasks.text({"task": self.task, "output_type": "generate_until", **data, "num_fewshot": shots, **own})
        if "data" in paths:
            return tasks.text(tasks.replaced(spec["benchmark"]["task"], paths["data"], paths.get("shots_data")))
        return None

    def points(self, layout: Layout) -> list[Point]:
        spec = layout.spec
        found = harness.find(spec, spec["benchmark"]["harness"])
        if not found or self.unable(spec):
            return []
        name = f"bench_{self.type}"
        folder = f"{layout.run_dir}/{files_path(f'results/{self.type}/{name}.json')}"
        private = f"/tmp/srt_harness_{layout.job_id}_{name}"
        words = self._lm_eval(layout, folder) if self._runs_lm_eval(spec) else self._sgl_eval(layout, folder)
        env: dict[str, Any] = {**NO_NETWORK, "HOME": private, "HF_HOME": f"{private}/hf", **surroundings(spec)}
        mounts = [mount for one in self.data(spec) for mount in binds(layout, path_of(spec, one))]
        mounts += binds(layout, found.mount) if found.mount else []
        ran = Ran(in_private_dir(private, [*found.argv, *words]), env, binds=mounts)
        options = spec["benchmark"]
        stall = options["stall_timeout_s"]
        limits = (options["point_timeout_s"] or DEADLINE_S, STALL_S if stall is None else stall)
        # sgl-eval does not say how many questions there are: that the data have fewer than usual is no fault.
        limit, exact = self.value(spec, "num_examples"), self._runs_lm_eval(spec) or options["num_examples"]
        expect: JsonObject = {
            "task": self.named_task(spec) if self._runs_lm_eval(spec) else self.sgl,
            "model": layout.served_name,
            "limit": limit if exact else None,
            "min_score": options["min_score"],
        }
        parameters = {**self._parameters(layout), **found.parameters, **expect, "limit": limit}
        return [self.program_point(layout, name, {}, self.type, ran, parameters, expect, limits)]

    def _parameters(self, layout: Layout) -> JsonObject:
        """Return what the score depends on, beside the service, the harness and the data."""
        spec = layout.spec
        # How often it is repeated, and where the data is, change no point. Generation options are below.
        asked = {key: self.value(spec, key) for key in self.fields if key not in ELSEWHERE}
        if not self._runs_lm_eval(spec):
            asked.pop("num_shots", None)
        text = self._task_text(spec) or ""
        for one in self.data(spec):  # the same questions from another place are the same
            text = text.replace(path_of(spec, one), one.key)
        code = pkgutil.get_data(__name__, "documents.py") or b""
        return {
            **asked,
            **self.generation(spec),
            "seed": SEED,
            "task_file": text_digest(text + code.decode()),
            "env": {one: value.value for one, value in surroundings(spec).items()},
        }

    def _lm_eval(self, layout: Layout, folder: str) -> list[str]:
        """Return the arguments of lm-eval, which writes to *folder*."""
        spec = layout.spec
        model = {
            "model": layout.served_name,
            "base_url": f"{layout.public_url}/v1/chat/completions",
            "num_concurrent": self.value(spec, "num_threads"),
            "max_retries": RETRIES,
            "timeout": ANSWER_S,
            "tokenized_requests": False,
            "seed": SEED,
        }
        words = ["run", "--model", "local-chat-completions", "--apply_chat_template", "--log_samples"]
        words += ["--model_args", ",".join(f"{name}={value}" for name, value in model.items())]
        words += ["--tasks", self._task_argument(spec), "--include_path", self.task_folder(layout)]
        words += ["--seed", str(SEED), "--output_path", f"{folder}/lm-eval"]
        options = ",".join(f"{name}={value}" for name, value in self.generation(spec).items())
        words += ["--gen_kwargs", options] if options else []
        limit, shots = self.value(spec, "num_examples"), self.value(spec, "num_shots")
        words += ["--limit", str(limit)] if limit else []
        return words + (["--num_fewshot", str(shots)] if shots is not None else [])

    def _task_argument(self, spec: JsonObject) -> str:
        return self.named_task(spec)

    def _sgl_eval(self, layout: Layout, folder: str) -> list[str]:
        """Return the arguments of sgl-eval, which writes below *folder*."""
        spec = layout.spec
        words = ["run", str(self.sgl), "--base-url", f"{layout.public_url}/v1", "--model", layout.served_name]
        words += ["--n-repeats", "1", "--seed", str(SEED), "--out-dir", folder]
        words += [word for one in self.data(spec) for word in ("--from-dataset", path_of(spec, one))]
        keys = {"num_examples": "num-examples", "num_threads": "num-threads", "max_tokens": "max-tokens"}
        keys.update(temperature="temperature", top_p="top-p")
        for key, flag in keys.items():
            value = self.value(spec, key)
            words += [f"--{flag}", str(value)] if value is not None else []
        return words

    # ---- results

    def read(self, path: str) -> JsonObject:
        raw = super().read(path)
        return {**raw, "answers": read_answers(files_path(path))}

    def figures(self, raw: JsonObject) -> dict[str, Any]:
        found, answers = super().figures(raw), raw["answers"]
        if answers:
            empty = answers["empty"]
            found.update(num_prompts=answers["asked"], completed=answers["asked"] - empty, failed=empty)
        return found

    def evaluate(self, raw: JsonObject, expect: JsonObject, min_completed: float) -> list[str]:
        return [*super().evaluate(raw, expect, 0.0), *evaluate(raw, expect, min_completed)]

    def doubts(self, raw: JsonObject) -> list[str]:
        return []  # what leaves a score in doubt is a reason here


def fields_of(*keys: str) -> dict[str, Field]:
    """Return those of FIELDS that a type reads."""
    return {key: FIELDS[key] for key in ("harness", "min_score", "data", *keys)}
