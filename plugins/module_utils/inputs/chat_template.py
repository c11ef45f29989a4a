# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The chat template of a model, as text: where the files of models have it."""

from __future__ import annotations

import json
import os
from typing import Any

LARGEST = 16 << 20
TOKENS = ("bos_token", "eos_token", "unk_token", "pad_token")
NAMED = "default"  # of several templates by name


def chat_template(folder: str) -> dict[str, Any]:
    """Return ``{template, tokens: {name: text}}`` of the model in *folder*, or ``{why}``."""
    if os.path.isfile(folder):
        folder = os.path.dirname(folder)
    try:
        config = _object(os.path.join(folder, "tokenizer_config.json"))
        template = _text(os.path.join(folder, "chat_template.jinja"))
        if template is None:
            template = _object(os.path.join(folder, "chat_template.json")).get("chat_template")
        template = _one(config.get("chat_template")) if template is None else _one(template)
    except (OSError, ValueError) as error:
        return {"why": f"the chat template in {folder} cannot be read: {error}", "unreadable": True}
    if not template:
        there = os.path.isdir(folder)
        why = f"{folder} has no chat template" if there else f"{folder} does not exist"
        return {"why": why, "unreadable": not there}
    tokens = {name: _token(config.get(name)) for name in TOKENS}
    return {"template": template, "tokens": {name: text for name, text in tokens.items() if text is not None}}


def _text(path: str) -> str | None:
    """Return the content of a text file, None without one."""
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read(LARGEST)
    except FileNotFoundError:
        return None


def _object(path: str) -> dict[str, Any]:
    """Return the JSON object in a file, {} without one."""
    value = json.loads(_text(path) or "{}")
    return value if isinstance(value, dict) else {}


def _one(template: Any) -> str | None:
    """Return the template for plain conversations; some models have a list of ``{name, template}``."""
    if isinstance(template, list):
        named = {one.get("name"): one.get("template") for one in template if isinstance(one, dict)}
        template = named.get(NAMED)
    elif isinstance(template, dict):
        template = template.get(NAMED)
    return template if isinstance(template, str) else None


def _token(value: Any) -> str | None:
    if isinstance(value, dict):
        value = value.get("content")
    return value if isinstance(value, str) else None
