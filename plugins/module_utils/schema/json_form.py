# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Forms of JSON Schema that types and sections share."""

from __future__ import annotations

from ..json_types import JsonObject

# A sweep parameter.
PARAMETER = r"\{.+\}"


def mapping(properties: JsonObject) -> JsonObject:
    """Return the JSON Schema of a mapping with *properties* only, also in their older spelling."""
    schema: JsonObject = {"type": "object", "additionalProperties": False, "properties": properties}
    dashed = "|".join(key.replace("_", "-") for key in properties if "_" in key)
    if dashed:
        message = "Write it with underscores."
        schema["patternProperties"] = {f"^({dashed})$": {"deprecated": True, "deprecationMessage": message}}
    return schema


def loose(type_: str, pattern: str) -> JsonObject:
    """Return the JSON Schema of *type_*, or text that matches *pattern* or has a ``{placeholder}``."""
    return {"type": [type_, "string"], "pattern": rf"^\s*({pattern})\s*$|{PARAMETER}"}


def nullable(schema: JsonObject) -> JsonObject:
    """Return the JSON Schema *schema*, accepting null too."""
    if "anyOf" in schema:
        return {**schema, "anyOf": [*schema["anyOf"], {"type": "null"}]}
    if "type" in schema:
        kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        return {**schema, "type": [*kinds, "null"]}
    return schema


def bounded(schema: JsonObject, minimum: float | None, maximum: float | None) -> JsonObject:
    """Return the JSON Schema *schema* with the bounds."""
    bounds = {"minimum": minimum, "maximum": maximum}
    return {**schema, **{word: bound for word, bound in bounds.items() if bound is not None}}
