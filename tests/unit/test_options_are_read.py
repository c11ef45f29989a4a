# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every option that is documented is read, and every one that is read is documented: modules, roles, run options."""

from __future__ import annotations

import ast
import importlib
import pathlib
import re
import shutil

import jobs
import plays
import pytest
import reads
import yaml
from ansible_collections.srt.slurm.plugins.module_utils import run_options
from ansible_collections.srt.slurm.plugins.module_utils.sandbox import entry
from ansible_collections.srt.slurm.plugins.module_utils.schema.words import nearest
from playbook_variables import made_in, trees, variables

ROOT = jobs.ROOT
UTILS = pathlib.Path("plugins", "module_utils")
MODULES = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("*.py"))
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir())
PLAYBOOKS = sorted(path.stem for path in (ROOT / "playbooks").glob("*.yml"))

# Modules.


def documentation(module):
    """Return the options of *module* as its manual has them, those of its fragments among them."""
    text = (ROOT / "plugins" / "modules" / f"{module}.py").read_text(encoding="utf-8")
    page = yaml.safe_load(re.search(r'^DOCUMENTATION = r"""\n(.*?)^"""', text, re.M | re.S)[1])
    options = dict(page.get("options") or {})
    for fragment in page.get("extends_documentation_fragment") or ():
        name, _dot, part = fragment.removeprefix("srt.slurm.").partition(".")
        found = importlib.import_module(f"ansible_collections.srt.slurm.plugins.doc_fragments.{name}").ModuleDocFragment
        options.update(yaml.safe_load(getattr(found, (part or "DOCUMENTATION").upper())).get("options") or {})
    return options


def argument_spec(module):
    """Return the ARGUMENT_SPEC that the action of *module* checks, or the module itself if it has none."""
    if module == "slurm_sandbox":
        return entry.ARGUMENT_SPEC
    return importlib.import_module(f"ansible_collections.srt.slurm.plugins.action.{module}").ActionModule.argument_spec


def documented_as(spec):
    """Return the argument *spec* as a manual has it: what is not said there is left out."""
    found = {}
    for name, one in spec.items():
        found[name] = {key: one.get(key) for key in ("type", "elements", "choices", "default", "required")}
        found[name]["required"] = bool(one.get("required"))
        found[name]["suboptions"] = documented_as(one.get("suboptions") or one.get("options") or {})
    return found


@pytest.mark.parametrize("module", MODULES)
def test_the_manual_of_a_module_has_its_options(module):
    assert documented_as(documentation(module)) == documented_as(argument_spec(module))


# The file of a module's entry, where it is not stages/<module>.py.
ENTRIES = {
    "ab_run": pathlib.Path("plugins", "action", "ab_run.py"),
    "interactive": pathlib.Path("plugins", "action", "interactive.py"),
    "slurm_job": UTILS / "allocation" / "slurm_job.py",
    "slurm_sandbox": UTILS / "sandbox" / "entry.py",
    "sweep_run": pathlib.Path("plugins", "action", "sweep_run.py"),
}


def read_of(module, changed=None):
    """Return the keys of its parameters that the entry or the action of *module* reads."""
    code = reads.Code(changed)
    keys = code.keys(ENTRIES.get(module, UTILS / "stages" / f"{module}.py"), "run")
    action = pathlib.Path("plugins", "action", f"{module}.py")
    return keys | (code.keys(action, "ActionModule") if (ROOT / action).is_file() else set())


@pytest.mark.parametrize("module", MODULES)
def test_every_option_of_a_module_is_read(module):
    assert set(argument_spec(module)) - read_of(module) == set()


# What the entries of these modules get from the action or from each other, and what only the action takes.
HANDED_ON = {
    "ab_run": {"confidence", "job_id"},
    "job_spec": {"places", "problems", "set_by"},
    "run_info": {"cluster_file"},
    "slurm_job_info": set(argument_spec("slurm_job")),
    "step_log_info": {"cluster_file"},
}


@pytest.mark.parametrize("module", MODULES)
def test_every_option_that_is_read_is_documented(module):
    assert read_of(module) - set(argument_spec(module)) - HANDED_ON.get(module, set()) == set()


@pytest.mark.parametrize(
    ("module", "option", "file", "text", "without"),
    [
        ("health_wait", "slice_s", "module_utils/stages/health_wait.py", r'params\["slice_s"\]', "5.0"),
        (
            "srun_worker",
            "wait_timeout_s",
            "module_utils/stages/srun_worker.py",
            r"self.params\[.wait_timeout_s.\]",
            "1",
        ),
        ("dry_run", "concurrencies", "module_utils/stages/dry_run.py", r"chosen\(self.plan, params\)", "self.plan"),
        ("bench_run", "min_completed", "module_utils/stages/measurement.py", r'self._params\["min_completed"\]', "1"),
        ("slurm_job", "end_timeout_s", "module_utils/allocation/call.py", r', "end_timeout_s"\)', ")"),
        ("slurm_job", "retries", "module_utils/allocation/requeue.py", r"params\[.retries.\]", "1"),
        ("topology_plan", "secrets_path", "plugin_utils/secrets.py", '"secrets_path"', '"something_else"'),
    ],
)
def test_an_option_that_only_dead_code_would_read_is_not_read(module, option, file, text, without):
    path = ROOT / "plugins" / file
    source, count = re.subn(text, without, path.read_text(encoding="utf-8"))
    assert count and option in read_of(module)
    source += f"\n\ndef nobody_calls_this(params):\n    return params[{option!r}]\n"
    assert option not in read_of(module, {str(path.relative_to(ROOT)): source})


def of_calls(code):
    """Return (the attributes in which a call of slurm_job keeps its parameters, those that the room allocation reads).

    Reading them for the same object's other attributes does not count.
    """
    _path, made = code.definition(UTILS / "allocation" / "call.py", "Call")
    (init,) = (node for node in made.body if getattr(node, "name", "") == "__init__")
    kept = {node.attr for node in ast.walk(init) if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)}
    read = set()
    for path in sorted((ROOT / UTILS / "allocation").glob("*.py")):
        for node in ast.walk(code.tree(path.relative_to(ROOT))):
            if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "call":
                read.add(node.attr)
    return kept, read


def test_what_a_call_of_slurm_job_keeps_is_read():
    kept, read = of_calls(reads.Code())
    assert "end_timeout_s" in kept and kept - read == set()


def test_every_option_of_the_playbook_in_a_job_is_read():
    code = reads.Code(names=("playbook",))
    keys = code.keys(pathlib.Path("plugins", "action", "slurm_job.py"), "ActionModule")
    for name in ("slurm_job", "submission", "call"):
        path = UTILS / "allocation" / f"{name}.py"
        keys |= code.keys(path, *(one.name for one in code.tree(path).body if isinstance(one, reads.DEFINITIONS)))
    assert keys == set(argument_spec("slurm_job")["playbook"]["options"])


# Roles.


def role_yaml(role, name):
    return yaml.safe_load((ROOT / "roles" / role / name).read_text(encoding="utf-8"))


def role_tasks(role):
    """Yield the tasks of *role*."""
    for path in sorted((ROOT / "roles" / role / "tasks").glob("*.yml")):
        yield from yaml.safe_load(path.read_text(encoding="utf-8"))


POINTS = [(role, point) for role in ROLES for point in role_yaml(role, "meta/argument_specs.yml")["argument_specs"]]


def two_values(name, option):
    """Return the default of a role's option, or some value, and another one."""
    default = option.get("default")
    if "choices" in option:
        values = [default, next(one for one in option["choices"] if one != default)]
        return [[], [values[1]]] if option["type"] == "list" else values
    some = {"str": "one", "path": "/one", "int": 41, "float": 41.5, "bool": True, "dict": {"one": 1}}
    some["list"] = [7] if option.get("elements") == "int" else ["one"]
    if option["type"] == "bool":
        return [default, not default]
    if default is None:
        return [f"/another/{name}" if option["type"] in ("str", "path") else {"another": 1}, some[option["type"]]]
    return [default, some[option["type"]]]


def without_effect(role, point, folder, root=ROOT):
    """Return the options of an entry point of *role* that change nothing in the calls of its modules."""
    options = role_yaml(role, "meta/argument_specs.yml")["argument_specs"][point]["options"]
    values = {name: two_values(name, option) for name, option in options.items()}
    base = {name: value for name, (value, _other) in values.items()}

    def calls(**changed):
        return plays.Play({}, folder, root).role(role, point, {**base, **changed})

    # What removes a sandbox has options that what starts it lacks.
    states = [{f"{role}_state": one} for one in options.get(f"{role}_state", {}).get("choices", ())] or [{}]
    return [
        name
        for name, (_value, other) in values.items()
        if all(calls(**state) == calls(**{**state, name: other}) for state in states if name not in state)
        and not (states[0] and name in states[0] and calls(**states[0]) != calls(**states[1]))
    ]


@pytest.mark.parametrize(("role", "point"), POINTS)
def test_every_option_of_a_role_takes_effect(tmp_path, role, point):
    assert without_effect(role, point, tmp_path) == []


@pytest.mark.parametrize(
    ("role", "point", "option", "argument"),
    [
        ("worker", "main", "worker_names", "names"),
        ("worker", "main", "worker_state", "state"),
        ("allocation", "stop", "allocation_end_timeout_s", "end_timeout_s"),
        ("allocation", "start", "allocation_secrets_path", "secrets_path"),
        ("preflight", "main", "preflight_clean", "clean"),
    ],
)
def test_an_option_that_a_role_does_not_pass_on_takes_no_effect(tmp_path, role, point, option, argument):
    shutil.copytree(ROOT / "roles" / role, tmp_path / "roles" / role)
    path = tmp_path / "roles" / role / "tasks" / f"{point}.yml"
    text, count = re.subn(rf'( {argument}): "{{{{ {option}\b.*', r"\1: always", path.read_text(encoding="utf-8"))
    path.write_text(f"{text}\n# {option}\n", encoding="utf-8")
    assert count == 1 and without_effect(role, point, tmp_path, tmp_path) == [option]


@pytest.mark.parametrize("role", ROLES)
def test_the_manual_of_a_role_has_its_defaults(role):
    defaults = role_yaml(role, "defaults/main.yml")
    documented = {}
    for spec in role_yaml(role, "meta/argument_specs.yml")["argument_specs"].values():
        for name, one in spec["options"].items():
            assert documented.setdefault(name, one) == one, f"{name} differs between entry points"
            assert bool(one.get("required")) == (name not in defaults), name
            if "default" in one:
                assert one["default"] == defaults[name], name
    assert set(defaults) <= set(documented)


@pytest.mark.parametrize("role", ROLES)
def test_a_role_has_the_defaults_of_its_module(role):
    """Where a role hands its variable to a module as it is, both mean the same when it is not given."""
    defaults = role_yaml(role, "defaults/main.yml")
    for task in role_tasks(role):
        for key, arguments in task.items():
            if not key.startswith("srt.slurm."):
                continue
            spec = argument_spec(key.rsplit(".", 1)[1])
            for name, value in arguments.items():
                variable = re.fullmatch(r"\{\{ (\w+) \}\}", str(value))
                if not variable or variable[1] not in defaults or "{{" in str(defaults[variable[1]]):
                    continue
                if not spec[name].get("required"):
                    assert defaults[variable[1]] == (spec[name].get("default") or NOTHING[spec[name]["type"]]), (
                        variable[1]
                    )


# What a role has for a module's option without a default.
NOTHING = {"str": "", "path": "", "list": [], "dict": {}, "float": 0, "int": 0, "bool": False}

# Run options.

PUBLIC = {name: option for name, option in run_options.OPTIONS.items() if not option.internal}
LOOKUP = re.compile(r"lookup\('srt\.slurm\.run_option', '(\w+)'(?:, default=([^()]*?))?\)")


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_what_a_playbook_reads_is_a_run_option(playbook):
    """By its lookup, as a bare variable may come from an inventory; but plays choose their hosts before that."""
    known = {name for name, one in run_options.OPTIONS.items() if playbook in one.playbooks}
    refused = {"job_id"} if playbook == "submit" else set()
    looked_up = {name for text, _tree in trees(playbook) for name, _default in LOOKUP.findall(text)}
    assert looked_up - known == refused
    assert variables(playbook) - {run_options.SUBMIT_HOST} == set()


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_what_a_playbook_makes_is_no_run_option(playbook):
    """Else its own variable would count instead of the one of an inventory."""
    own = {f"{role}_timeout_s" for role in ("health", "teardown")}  # handed to the roles whose variables they are
    options = set(run_options.OPTIONS) | {run_options.full_name(name) for name in run_options.OPTIONS}
    assert made_in(playbook) & options <= own


def role_variables():
    """Return the names of the variables of all roles."""
    return {name for role in ROLES for name in role_yaml(role, "defaults/main.yml")}


def test_a_job_is_read_by_its_form():
    from ansible_collections.srt.slurm.plugins.module_utils.job.extra_vars import ExtraVars

    assert ExtraVars({"job": {"name": "x"}}, lambda value: (None, None)).form() == "job"


def test_playbooks_have_the_defaults_of_the_table():
    found = 0
    for playbook in PLAYBOOKS:
        for text, _tree in trees(playbook):
            for name, value in LOOKUP.findall(text):
                default = run_options.OPTIONS[name].default
                default = default[playbook] if isinstance(default, dict) else default
                if default is None or not value:  # the table says in words what holds, or the module has the default
                    continue
                given = yaml.safe_load(value)
                assert given == (list(default) if isinstance(default, tuple) else default), (playbook, name)
                found += 1
    assert found > 15


def test_roles_have_the_defaults_of_the_table():
    for role in ROLES:
        for name, value in role_yaml(role, "defaults/main.yml").items():
            if name in PUBLIC:
                assert value == PUBLIC[name].default, name
    assert role_yaml("allocation", "defaults/main.yml")["allocation_lease_s"] == run_options.LEASE_S
    assert argument_spec("slurm_job")["lease_s"]["default"] == run_options.LEASE_S


def test_the_variables_of_roles_are_ours():
    assert sorted(run_options.ROLES) == ROLES
    for name in role_variables():
        assert name.startswith(run_options.OUR_PREFIXES)


def test_playbooks_of_the_table_are_there():
    assert {name for option in PUBLIC.values() for name in option.playbooks} == set(PLAYBOOKS)


@pytest.mark.parametrize("name", run_options.CHOOSING)
def test_a_typo_in_what_chooses_a_run_is_known(name):
    for typo in (name.replace("_", ""), name[:-1], name + "s"):
        assert nearest(typo, run_options.CHOOSING, 0.6) == name


@pytest.mark.parametrize("name", PUBLIC)
def test_defaults_are_values_of_the_option(name):
    default = PUBLIC[name].default
    for value in default.values() if isinstance(default, dict) else [default]:
        if value is not None:
            PUBLIC[name].parse(value)
    assert PUBLIC[name].doc.endswith(".") and PUBLIC[name].parse in run_options.TYPES


def test_the_readme_names_only_run_options():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    table = text[text.index("| run option | meaning |") :].split("\n\n", 1)[0]
    rows = [line.split("|")[1] for line in table.splitlines()[2:]]
    named = {name for row in rows for name in re.findall(r"`(\w+)", row)}
    assert named and named <= set(PUBLIC)
