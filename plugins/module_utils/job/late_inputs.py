# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What late stages of a run need: the load client's tokenizer, programs that measure, data, and side services.

It is looked up before submission: a run would otherwise fail after its models were loaded.
"""

from __future__ import annotations

import os

from ..benchmarks import BENCHMARKS
from ..failures import Finding
from ..json_types import JsonObject, KeyPath
from ..services.nats_etcd import PROGRAMS, NatsEtcd
from ..supplies import data as data_sets
from ..supplies import harness
from . import preparation
from .inputs import TOKENIZER_FILE, host_path
from .paths import ELSEWHERE, Environment, Paths, runtime_of

TOKENIZER: KeyPath = ("benchmark", "custom_tokenizer")


def complete_tokenizer(spec: JsonObject, environment: Environment) -> list[Finding]:
    """Resolve the directory of the load client's own tokenizer in place; return the problem of one that is relative."""
    own = BENCHMARKS[spec["benchmark"]["type"]].own_tokenizer(spec)
    if not own or own.startswith(("/", "hf:")) or "$" in own:
        return []
    if spec["cluster"]["container_runtime"] != "none":
        problem = f'is "{own}", a relative path, but the load client runs in a container.'
        return [(TOKENIZER, problem, "Write its path in the container, or hf:ORG/NAME.", "invalid")]
    paths = Paths(environment)
    spec["benchmark"]["custom_tokenizer"] = paths.absolute(TOKENIZER, own)
    return paths.problems


def tokenizer_problems(spec: JsonObject, environment: Environment) -> list[Finding]:
    """Return the problem, as a list, of a tokenizer that the load client would not find."""
    benchmark, look = BENCHMARKS[spec["benchmark"]["type"]], environment.lookup
    if not environment.check_paths or not benchmark.makes_prompts:
        return []
    own = benchmark.own_tokenizer(spec)
    path: KeyPath = TOKENIZER if own else ("model", "path")
    folder = host_path(spec, own) if own else spec["model"]["path"]
    if not folder or not folder.startswith("/"):
        return []
    remedy = f"Set benchmark.custom_tokenizer to a directory with a {TOKENIZER_FILE}, {ELSEWHERE}"
    if not look.exists(folder):
        # A model that does not exist is already reported.
        problem = f"is {folder}, which does not exist {look.where}."
        return [(path, problem, f"Correct it, {ELSEWHERE}", "not_found")] if own else []
    if os.path.basename(folder) == TOKENIZER_FILE or look.exists(os.path.join(folder, TOKENIZER_FILE)):
        return []
    if not own and not look.exists(os.path.join(folder, "config.json")):  # no model that an engine could load either
        return []
    problem = f"is {folder}, which has no {TOKENIZER_FILE}: the load client makes its prompts with it."
    return [(path, problem, remedy, "not_found")]


def harness_problems(spec: JsonObject, environment: Environment) -> list[Finding]:
    """Return the problem, as a list, of a program that measures and is not where it is looked for."""
    name, look = BENCHMARKS[spec["benchmark"]["type"]].harness(spec), environment.lookup
    found = harness.find(spec, name) if name else None
    if not name or not found or not found.shown or not environment.check_paths or look.exists(found.shown):
        return []
    return [harness.missing(spec, name, found, look.where)]


def harness_unset(spec: JsonObject) -> list[Finding]:
    """Return the problem, as a list, of a job that has no place for the program that its benchmark needs."""
    name = BENCHMARKS[spec["benchmark"]["type"]].harness(spec)
    return [harness.missing(spec, name, None, "")] if name and not harness.find(spec, name) else []


def complete_data(spec: JsonObject, environment: Environment) -> list[Finding]:
    """Resolve the paths of data sets in place; return what is wrong with them. Their content is checked later."""
    problems: list[Finding] = []
    for one in BENCHMARKS[spec["benchmark"]["type"]].data(spec):
        paths, key = Paths(environment), ("benchmark", one.key)
        text = paths.replaced(key, one.source)
        if not data_sets.is_address(text) and "$" not in text:
            text = paths.absolute(key, text)
            paths.mount(key, text, "", runtime_of(spec))
        spec["benchmark"][one.key] = text
        problems += paths.problems or data_sets.problems(spec, one._replace(source=text))
    return problems


def notes(spec: JsonObject, environment: Environment) -> list[str]:
    """Return a note, as a list, on programs of side services that the image must have."""
    if spec["cluster"]["container_runtime"] == "none":
        return []
    if not any(isinstance(service, NatsEtcd) for service in preparation.services(spec)):
        return []
    folder, image = spec["cluster"]["configs_dir"], spec["model"]["container"]
    if not folder:
        return [f"configs_dir: not set, so the image {image} must have {' and '.join(PROGRAMS)}."]
    look = environment.lookup
    if not environment.check_paths or "$" in folder or not look.exists(folder):
        return []
    lost = [name for name in PROGRAMS if not look.exists(os.path.join(folder, name))]
    if not lost:
        return []
    return [f"configs_dir: {folder} has no {' and no '.join(lost)}, so the image {image} must have what is missing."]
