# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the entry of a module of RL runs in the sandbox: ``launch.py ENTRY JSON`` prints its result as JSON."""

from __future__ import annotations

import importlib
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "collections"))
UTILS = "ansible_collections.srt.slurm.plugins.module_utils"


def main(word, text):
    context = importlib.import_module(f"{UTILS}.entry").Context
    error_type = importlib.import_module(f"{UTILS}.failures").Error
    entry = importlib.import_module(f"{UTILS}.stages.{word}")
    params = {name: one.get("default") for name, one in entry.ARGUMENT_SPEC.items()}
    given = json.loads(text)
    check = given.pop("check_mode", False)
    try:
        result = entry.run({**params, **given}, context(check_mode=check, diff=check))
    except error_type as error:
        result = {"error": error.msg}
    sys.stdout.write(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
