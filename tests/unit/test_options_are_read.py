# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every option that is documented is read, and every one that is read is documented: modules, roles, run options."""

from __future__ import annotations

import ast
import importlib
import re

import jinja2
import jobs
import pytest
import yaml
from ansible_collections.srt.slurm.plugins.action import job_spec as job_spec_action
from ansible_collections.srt.slurm.plugins.module_utils import run_options
from ansible_collections.srt.slurm.plugins.module_utils.sandbox import entry
from ansible_collections.srt.slurm.plugins.module_utils.schema.words import nearest

ROOT = jobs.ROOT
UTILS = ROOT / "plugins" / "module_utils"
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


def sources(module):
    """Return the files whose code reads the arguments of *module*: its action, its entry, and what they import."""
    first = ROOT / "plugins" / "action" / f"{module}.py"
    found, open_ = set(), [first if first.is_file() else UTILS / "sandbox" / "entry.py"]
    while open_:
        path = open_.pop()
        if path in found:
            continue
        found.add(path)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                open_ += [one for one in imported(path, node) if one.is_file() and is_reader(one)]
    return found


def imported(path, node):
    """Yield the files that an import statement in *path* may mean."""
    if node.level:
        base = path.parents[node.level - 1].joinpath(*(node.module or "").split("."))
    elif (node.module or "").startswith("ansible_collections.srt.slurm."):
        base = ROOT.joinpath(*node.module.split(".")[3:])
    else:
        return
    yield base.with_suffix(".py")
    for alias in node.names:
        yield base / f"{alias.name}.py"


def is_reader(path):
    """Return whether code in *path* may see a module's arguments."""
    room = path.relative_to(ROOT / "plugins").parts
    return room[0] in ("plugin_utils", "action") or room[1] in ("stages", "allocation", "sandbox", "job")


def read_keys(path):
    """Return the text constants by which the code of *path* looks something up: x["key"], x.get("key"), f("key")."""
    keys = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
            keys.add(node.slice.value)
        elif isinstance(node, ast.Call):
            keys |= {one.value for one in node.args if isinstance(one, ast.Constant)}
        elif isinstance(node, (ast.Tuple, ast.List)):
            keys |= {one.value for one in node.elts if isinstance(one, ast.Constant)}
    return keys


@pytest.mark.parametrize("module", MODULES)
def test_every_option_of_a_module_is_read(module):
    read = set().union(*map(read_keys, sources(module)))

    def unread(spec, path=""):
        for name, one in spec.items():
            if name not in read:
                yield path + name
            yield from unread(one.get("options") or {}, f"{path}{name}.")

    assert list(unread(argument_spec(module))) == []


# Roles.


def role_yaml(role, name):
    return yaml.safe_load((ROOT / "roles" / role / name).read_text(encoding="utf-8"))


def role_tasks(role):
    """Yield the tasks of *role*."""
    for path in sorted((ROOT / "roles" / role / "tasks").glob("*.yml")):
        yield from yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("role", ROLES)
def test_every_option_of_a_role_is_used(role):
    for point, spec in role_yaml(role, "meta/argument_specs.yml")["argument_specs"].items():
        text = (ROOT / "roles" / role / "tasks" / f"{point}.yml").read_text(encoding="utf-8")
        parts = [f"{found}.yml" for found in re.findall(r"(?:include|import)_tasks: \"?(\S+)\.yml", text)]
        if "{{" in text and "_tasks:" in text and not parts:
            parts = [path.name for path in (ROOT / "roles" / role / "tasks").glob("*.yml")]
        text += "".join((ROOT / "roles" / role / "tasks" / name).read_text(encoding="utf-8") for name in parts)
        assert [name for name in spec["options"] if not re.search(rf"\b{name}\b", text)] == [], point


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
# Given by Ansible, or made by a role that the playbook runs.
MADE = re.compile(r"ansible_\w+|\w+_result|item|groups|hostvars|omit|playbook_dir|lookup")


def trees(playbook):
    """Yield the text and the document of *playbook* and of the task files that it runs."""
    names = [f"{playbook}.yml", *(f"tasks/{one.name}" for one in (ROOT / "playbooks/tasks").glob("*.yml"))]
    for name in names if playbook == "bench" else names[:1]:
        text = (ROOT / "playbooks" / name).read_text(encoding="utf-8")
        yield text, yaml.safe_load(text)


def strings(tree, conditions=("when", "that")):
    """Yield the Jinja expressions of *tree*, bare conditions wrapped in braces."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            bare = key in conditions
            for text in strings(value):
                yield f"{{{{ {text} }}}}" if bare and "{{" not in text else text
    elif isinstance(tree, list):
        for value in tree:
            yield from strings(value)
    elif isinstance(tree, str):
        yield tree


def variables(playbook):
    """Return the names of the variables that templates of *playbook* read and nothing in it makes."""
    made, read = set(), set()
    for _text, tree in trees(playbook):
        open_ = [tree]
        while open_:
            one = open_.pop()
            if isinstance(one, dict):
                made |= set(one.get("vars") or ()) | {
                    one.get("register"),
                    (one.get("loop_control") or {}).get("index_var"),
                }
                made |= set(one.get("ansible.builtin.set_fact") or ()) | set(one.get("ansible.builtin.add_host") or ())
                open_ += one.values()
            elif isinstance(one, list):
                open_ += one
        for text in strings(tree):
            if "{{" in text:
                names = jinja2.Environment().parse(text).find_all(jinja2.nodes.Name)
                read |= {one.name for one in names}
    return {name for name in read - made if not MADE.fullmatch(name)}


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_what_a_playbook_reads_is_a_run_option(playbook):
    known = {name for name, one in run_options.OPTIONS.items() if playbook in one.playbooks}
    refused = {"job_id"} if playbook == "submit" else set()
    assert variables(playbook) - known == refused


def role_variables():
    """Return the names of the variables of all roles."""
    return {name for role in ROLES for name in role_yaml(role, "defaults/main.yml")}


@pytest.mark.parametrize("name", [name for name in PUBLIC if name != "job"])
def test_every_run_option_is_read_by_its_playbooks(name):
    """By the playbook, by its action from the extra vars, by a role's variable of this name, or by what it runs."""
    from_extra_vars = {*job_spec_action.TAKEN, "job_file", "cluster_file"}
    for playbook in PUBLIC[name].playbooks:
        # sweep.yml runs bench.yml with its own extra vars, submit.yml sends them along.
        inside = playbook in ("sweep", "submit") and (PUBLIC[name].travels or playbook == "sweep")
        read = variables(playbook) | (variables("bench") if inside else set())
        assert name in read or name in from_extra_vars or name in role_variables(), playbook


def test_a_job_is_read_by_its_form():
    from ansible_collections.srt.slurm.plugins.module_utils.job.extra_vars import ExtraVars

    assert ExtraVars({"job": {"name": "x"}}, lambda value: (None, None)).form() == "job"


def test_playbooks_have_the_defaults_of_the_table():
    found = 0
    for playbook in PLAYBOOKS:
        for text, _tree in trees(playbook):
            for name, value in re.findall(r"\b(\w+)\s*\|\s*default\(([^()]*)\)", text):
                if name not in run_options.OPTIONS or value.split(",")[0] == "omit":
                    continue
                default = run_options.OPTIONS[name].default
                default = default[playbook] if isinstance(default, dict) else default
                if default is None:  # the table says in words what holds
                    continue
                given = yaml.safe_load(value.split(",")[0])
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
