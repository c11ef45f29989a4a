# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which variables the templates of a playbook read, and which it makes itself."""

from __future__ import annotations

import re

import jinja2
import jobs
import yaml

ROOT = jobs.ROOT
# Given by Ansible, or made by a role that the playbook runs.
MADE = re.compile(r"ansible_\w+|inventory_hostname|\w+_result|item|groups|hostvars|omit|playbook_dir|lookup")


def trees(playbook):
    """Yield the text and the document of *playbook* and of the task files that it runs."""
    tasks = sorted(f"tasks/{one.name}" for one in (ROOT / "playbooks/tasks").glob("*.yml"))
    of_submit = [name for name in tasks if "submit" in name]
    own = {"bench": [name for name in tasks if name not in of_submit], "submit": of_submit}
    for name in [f"{playbook}.yml", *own.get(playbook, ())]:
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


def made_in(playbook):
    """Return the names of the variables that *playbook* itself makes."""
    made = set()
    for _text, tree in trees(playbook):
        open_ = [tree]
        while open_:
            one = open_.pop()
            if isinstance(one, dict):
                made |= set(one.get("vars") or ()) | {
                    one.get("register"),
                    (one.get("loop_control") or {}).get("index_var"),
                    (one.get("loop_control") or {}).get("loop_var"),
                }
                made |= set(one.get("ansible.builtin.set_fact") or ()) | set(
                    one.get("ansible.builtin.add_host") or ()
                ) - {"name"}
                open_ += one.values()
            elif isinstance(one, list):
                open_ += one
    return made


def variables(playbook):
    """Return the names of the variables that templates of *playbook* read and nothing in it makes."""
    read = set()
    for _text, tree in trees(playbook):
        for text in strings(tree):
            if "{{" in text:
                names = jinja2.Environment().parse(text).find_all(jinja2.nodes.Name)
                read |= {one.name for one in names}
    return {name for name in read - made_in(playbook) if not MADE.fullmatch(name)}
