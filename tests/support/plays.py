# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Playbooks and roles without a run: the modules that they call, with their arguments as Ansible templates them.

What only reads and computes is run: job_spec, dry_run, and what the actions add to arguments from the extra vars. That
job_spec is called is not recorded: an option takes effect by what follows from its result. All other modules have a
result as of a run whose first stage fails with a retryable fault, so that tasks after it count.
"""

from __future__ import annotations

import contextlib
import functools
import json
import pathlib
import types
from unittest import mock

import jinja2
from ansible._internal._templating._utils import Omit
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import lookup_loader
from ansible.template import Templar
from ansible_collections.srt.slurm.plugins.action import job_spec as job_spec_action
from ansible_collections.srt.slurm.plugins.action import sync
from ansible_collections.srt.slurm.plugins.lookup import run_option
from ansible_collections.srt.slurm.plugins.module_utils.entry import Context
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.job.extra_vars import effective, passed_on
from ansible_collections.srt.slurm.plugins.module_utils.stages import dry_run, sweep_record
from ansible_collections.srt.slurm.plugins.plugin_utils import below, runs
from ansible_collections.srt.slurm.plugins.plugin_utils.values import plain

ROOT = pathlib.Path(__file__).resolve().parents[2]
JOB = {"id": "7", "name": "test", "state": "RUNNING", "nodes": [{"name": "n1", "address": "n1"}]}
FOUND = {"job": JOB, "actions": ["submitted"], "log": None, "retried": 0, "excluded": []}
RESULTS = {
    "srt.slurm.slurm_job": FOUND,
    "srt.slurm.slurm_job_info": FOUND,
    "srt.slurm.topology_plan": {
        "plan_path": "/out/7/plan.json",
        "nodes": [{"name": "n1"}],
        "inventory": {"groups": {"n1": ["srt_nodes"]}, "first": "n1", "limited_to": []},
    },
    "srt.slurm.sweep_info": {"folder": None, "jobs": []},
    "srt.slurm.run_info": {"run_dir": "/out/7", "job": JOB},
    "srt.slurm.runs_info": {"runs": [{"id": "7", "path": "/out/7"}]},
    "srt.slurm.rl_launch": {"action": "submit", "jobs": {}, "dir": "/jobs/1"},
    "srt.slurm.rollup": {"path": "/out/7/rollup.json", "chosen_ok": True, "chosen_reasons": []},
    "srt.slurm.slurm_sandbox": {"nodes": [], "action": "start", "duration_s": 1.0, "exec": []},
    "srt.slurm.cluster_file": {"path": "/site/srtslurm.yaml", "settings": {}, "added": [], "notes": []},
    "srt.slurm.cluster_info": {
        "facts": {
            "architecture": "x86_64",
            "slurm_version": "23.11",
            "accounting": None,
            "pmix": None,
            "pyxis": True,
            "partition": "batch (4 nodes)",
            "usable_nodes": 4,
        },
        "proposals": [
            {"key": "default_partition", "value": "batch", "why": "the default"},
            {"key": "default_account", "value": None, "why": "none is known"},
            {"key": "cluster", "value": "alps", "why": "Slurm's name"},
        ],
        "questions": {"default_partition": "Partition", "default_account": "Account", "cluster": "Name"},
        "partitions": ["batch"],
        "notes": [],
    },
    "srt.slurm.cluster_programs": {"programs": {"etcd": "/site/configs/etcd"}},
    "srt.slurm.container_images": {"containers": {"one": "/site/images/one.sqsh"}, "notes": []},
    "srt.slurm.doctor_info": {"healthy": True, "checks": [], "lines": []},
    "ansible.builtin.pause": {"user_input": "research"},
    "ansible.builtin.command": {"rc": 0, "stdout": "", "stderr": ""},
}
HOSTS = ("localhost", "login")
# What they set is an effect only where it is used.
SETTING = ("ansible.builtin.set_fact", "ansible.builtin.add_host")
COMPILED = {}


def short_lookup(name, *args, get=lookup_loader.get, **options):
    """Return a lookup: by its full name it is found only where a collection loader is installed."""
    if name == "srt.slurm.run_option":
        return run_option.LookupModule(*args, **options)
    return get(name.removeprefix("ansible.builtin."), *args, **options)


def compile_once(self, source, *args, real=jinja2.Environment.compile, **options):
    """Compile each template once: the same ones are rendered again and again."""
    key = (type(self), str(source), args, tuple(options.items()))
    if key not in COMPILED:
        COMPILED[key] = real(self, source, *args, **options)
    return COMPILED[key]


@functools.cache
def content(path):
    """Return the content of a YAML file, whose strings may be templates."""
    return DataLoader().load_from_file(str(path), trusted_as_template=True)


class End(Exception):
    """The play ends here."""


class Play:
    """The calls of a playbook or role.

    :param given: extra vars.
    :param folder: an empty directory for what a real run writes.
    :param root: the collection.
    :param inventory: variables of the inventory.
    :ivar calls: what is called, in order: each a list of the module, its arguments, its environment and its host.
    """

    def __init__(self, given, folder, root=ROOT, inventory=None):
        self.given, self.folder, self.root, self.variables = given, folder, root, inventory or {}
        self.loader, self.calls, self.facts = DataLoader(), [], {}
        self.magic = {
            "omit": Omit,
            "playbook_dir": str(root / "playbooks"),
            "ansible_playbook_python": "/python",
            "ansible_version": {"full": "2.19.0"},
            "ansible_run_tags": ["all"],
            "ansible_skip_tags": [],
            "ansible_check_mode": False,
            "ansible_failed_task": {"name": "Preflight"},
            "ansible_failed_result": {"msg": "lost", "retryable": True, "bad_nodes": ["n1"]},
            "groups": {"srt_stages": ["n1"]},
            "hostvars": dict.fromkeys(HOSTS, self.facts),
        }

    def playbook(self, name):
        """Add the calls of a playbook and of those that it starts; return the calls."""
        with contextlib.ExitStack() as stack:
            stack.enter_context(mock.patch.object(lookup_loader, "get", short_lookup))
            stack.enter_context(mock.patch.object(jinja2.Environment, "compile", compile_once))
            for module in (job_spec_action, below, runs, run_option):
                stack.enter_context(mock.patch.object(module, "load_extra_vars", lambda _loader: self.given))
            try:
                for play in self.load(f"playbooks/{name}.yml"):
                    own = play.get("vars", {})
                    # Ansible chooses the hosts before it reads the inventory's variables.
                    hosts = Templar(self.loader, variables={**self.magic, **self.facts, **self.given})
                    self.calls.append(["play", plain(hosts.template(play["hosts"]))])
                    self.tasks(play["tasks"], own, self.root / "playbooks")
            except End:
                pass
            except Error as error:
                self.calls.append(["error", error.msg])
        return self.calls

    def role(self, name, point, variables):
        """Add the calls of an entry point of a role with *variables*; return the calls."""
        folder = f"roles/{name}"
        own = {**self.load(f"{folder}/defaults/main.yml"), **variables}
        self.tasks(self.load(f"{folder}/tasks/{point}.yml"), own, self.root / folder / "tasks")
        return self.calls

    def load(self, path):
        """Return the content of a file of the collection."""
        return content(self.root / path)

    def template(self, value, own):
        """Return *value* after templating, as plain values."""
        return plain(self.templar(own).template(value))

    def templar(self, own):
        """Return Ansible's Templar with all variables in their order of precedence."""
        return Templar(self.loader, variables={**self.variables, **self.magic, **own, **self.facts, **self.given})

    def tasks(self, tasks, base, folder):
        """Add the calls of *tasks*, whose files are in *folder*."""
        for task in tasks:
            own = {**base, **task.get("vars", {})}
            conditions = task.get("when", [])
            templar = self.templar(own)
            wanted = conditions if isinstance(conditions, list) else [conditions]
            if "loop" in task:
                self.loop(task, own, wanted, folder)
            elif all(templar.evaluate_conditional(one) for one in wanted):
                for part in ("block", "rescue", "always"):
                    self.tasks(task.get(part, []), own, folder)
                if "block" not in task:
                    self.task(task, own, folder)

    def loop(self, task, own, wanted, folder):
        """Add the calls of a task for each of its items."""
        results, control = [], task.get("loop_control", {})
        index, word = control.get("index_var"), control.get("loop_var", "item")
        for number, item in enumerate(self.template(task["loop"], own)):
            each = {**own, word: item, **({index: number} if index else {})}
            if all(self.templar(each).evaluate_conditional(one) for one in wanted):
                included = module_of(task).endswith(("_tasks", "_role"))
                result = self.task(task, each, folder) if included else self.call(task, each)
                results.append(result if included else {**(result or {}), word: item})
        if "register" in task:
            self.facts[task["register"]] = {"results": results}

    def task(self, task, own, folder):
        """Add the calls of one task."""
        key = module_of(task)
        if key.endswith("_role"):
            wanted = self.template(task[key], own)
            name = wanted["name"].rpartition(".")[2]
            self.role(name, wanted.get("tasks_from", "main"), own)
        elif key.endswith("_tasks"):
            wanted = self.template(task[key], own)
            name = wanted["file"] if isinstance(wanted, dict) else wanted
            path = folder / name if (folder / name).exists() else folder / "tasks" / name
            self.tasks(self.load(path), own, folder)
        else:
            result = self.call(task, own)
            if "register" in task:
                self.facts[task["register"]] = result

    def call(self, task, own):
        """Add the call of a module; return its result."""
        key = module_of(task)
        args = self.template(task[key], own)
        where = [self.template(task[one], own) for one in ("environment", "delegate_to") if one in task]
        known = self.special(key, args, own)
        if key not in ("srt.slurm.job_spec", *SETTING):
            self.calls.append([key, args, *where])
        if key == "ansible.builtin.meta" and args == "end_play":
            raise End
        if key in SETTING:
            self.facts.update({name: value for name, value in args.items() if name not in ("name", "groups")})
        return known if known is not None else RESULTS.get(key, {})

    def special(self, key, args, own):
        """Complete the *args* of a call in place as its action does; return its result if it is computed, else None."""
        if key == "srt.slurm.job_spec":
            return self.job_spec(args, own)
        if key == "srt.slurm.dry_run":
            defaults = {name: one.get("default") for name, one in dry_run.ARGUMENT_SPEC.items()}
            shown = dry_run.run({**defaults, **args}, Context(check_mode=True, diff=True))
            args["shown"] = [[job["points"], job["tags"]] for job in shown["jobs"]] + [shown["diff"]]
            args.update(jobs=None, concurrencies=None)  # only what is shown of them is an effect
        elif key == "srt.slurm.sweep_record":
            given = ArgumentSpecValidator(sweep_record.ARGUMENT_SPEC).validate(args).validated_parameters
            return sweep_record.run(given, Context(check_mode=True))
        elif key.removeprefix("srt.slurm.") in ("report", "run_info", "step_log_info", "sweep_info", "sync"):
            action = types.SimpleNamespace(_loader=self.loader, _final=lambda value: value, tell=lambda line: None)
            kind = sync.ActionModule if key == "srt.slurm.sync" else runs.RunAction
            completed = kind._with_output_dir(action, args, self.variables)
            args.clear()
            args.update(completed)
        elif key in ("srt.slurm.compare", "srt.slurm.runs_info"):
            playbook = "compare" if key.endswith("compare") else "runs"
            action = types.SimpleNamespace(
                _loader=self.loader, _final=lambda value: value, tell=lambda line: None, playbook=playbook
            )
            completed = below.BelowAction._completed(action, args, self.variables)
            args.clear()
            args.update(completed)
        elif key == "srt.slurm.ab_run":
            for number, side in enumerate(("baseline", "candidate")):
                self.inner(number, args[side]["jobs"][0], self.given, self.variables)
        elif key == "srt.slurm.sweep_run":
            for number, job in enumerate(args["jobs"]):
                self.inner(number, job, self.given, self.variables)
        elif key == "srt.slurm.slurm_job" and args.get("playbook"):
            self.inner(0, args["playbook"]["job"], passed_on(effective(self.given, self.variables)[0]))
        return None

    def inner(self, number, job, given, inventory=None):
        """Add the calls of the playbook bench for *job*, which was read before."""
        path = self.folder / f"frozen{number}.json"
        path.write_text(json.dumps({"jobs": [job], "origins": [{}], "notes": []}))
        inside = Play({**given, "srt_slurm_frozen": str(path)}, self.folder, self.root, inventory)
        self.calls += [["inside", *call] for call in inside.playbook("bench")]

    def where(self):
        """Return where a task is: in a playbook of the collection."""
        return f"{self.root / 'playbooks' / 'bench.yml'}:1"

    def job_spec(self, args, own):
        """Return the result of job_spec."""
        action = job_spec_action.ActionModule.__new__(job_spec_action.ActionModule)
        action._task = types.SimpleNamespace(args=dict(args), check_mode=False, diff=False, get_path=self.where)
        action._connection = types.SimpleNamespace(transport="local")
        action._loader, action._templar = self.loader, self.templar(own)
        params = action.validate_argument_spec(argument_spec=action.argument_spec)[1]
        return action.entry(action.completed(params, self.variables), Context())


def module_of(task):
    """Return the full name of the module of *task*."""
    return next(key for key in task if "." in key)
