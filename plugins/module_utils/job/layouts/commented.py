# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""YAML text that is changed in place: comments, quotes and the order of keys stay."""

from __future__ import annotations

import io
import re
from typing import Any

from ...failures import Error

# A list that is indented more than its key.
INDENTED_LIST = re.compile(r"^( *)[^\s#-][^\n]*:\s*\n\1 +- ", re.M)


def parser(text: str) -> Any:
    """Return a parser and printer of YAML that keeps what *text* has; Error without ruamel.yaml."""
    try:
        from ruamel.yaml import YAML
    except ImportError:
        raise Error("ruamel.yaml is missing. Install it beside Ansible: pip install ruamel.yaml.") from None
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.allow_duplicate_keys = True  # equal ones; others are refused before
    yaml.width = 4096
    if INDENTED_LIST.search(text):
        yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def load(text: str) -> tuple[Any, Any]:
    """Return (parser, document) of *text*."""
    yaml = parser(text)
    return yaml, yaml.load(text)


def dump(yaml: Any, document: Any) -> str:
    """Return *document* as text."""
    stream = io.StringIO()
    yaml.dump(document, stream)
    return stream.getvalue()


def new_map(**items: Any) -> Any:
    """Return a new mapping with *items*."""
    from ruamel.yaml.comments import CommentedMap

    return CommentedMap(items)


def new_list(items: list[Any]) -> Any:
    """Return a new list of *items*."""
    from ruamel.yaml.comments import CommentedSeq

    return CommentedSeq(items)


def child(table: Any, key: str, after: str | None = None) -> Any:
    """Return the mapping at *key* of *table*; a new one, behind the key *after*, if there is none."""
    if not isinstance(table.get(key), dict):
        put(table, key, new_map(), after)
    return table[key]


def put(table: Any, key: str, value: Any, after: str | None = None) -> None:
    """Set *key*; a new key comes behind the key *after* if that is there."""
    if key in table or after not in table:
        table[key] = value
        return
    table.insert(list(table).index(after) + 1, key, value)
    _sink(table, after, key)


def _sink(table: Any, before: str, key: str) -> None:
    """Give *key* the comment lines behind *before*, which stand before what follows both."""
    # The lines belong to the key that was next, so the new key must not separate them.
    comment = table.ca.items.pop(before, None)
    if comment is not None and not isinstance(table[key], (dict, list)):
        table.ca.items[key] = comment
    elif comment is not None:
        table.ca.items[before] = comment


def move(table: Any, key: str, other: Any, name: str, after: str | None = None) -> None:
    """Move *key* of *table*, with its comments, to *name* of *other*; if it is there, the value is only removed."""
    value = table.pop(key)
    comment = table.ca.items.pop(key, None)
    if name in other:
        return
    put(other, name, value, after)
    if comment is not None:
        other.ca.items[name] = comment


def rename(table: Any, key: str, name: str, value: Any = None) -> None:
    """Call *key* of *table* *name*, at its place; *value* replaces its value if it is given."""
    index = list(table).index(key)
    value = table.pop(key) if value is None else (table.pop(key), value)[1]
    comment = table.ca.items.pop(key, None)
    table.insert(index, name, value)
    if comment is not None:
        table.ca.items[name] = comment


def comments(text: str) -> list[str]:
    """Return the comments in YAML *text*, sorted."""
    from ruamel.yaml import YAML
    from ruamel.yaml.tokens import CommentToken

    found: list[str] = []
    for token in YAML().scan(text):
        for one in _tokens(getattr(token, "comment", None) or getattr(token, "_comment", None)):
            if isinstance(one, CommentToken):
                found += [line.strip() for line in one.value.splitlines() if line.strip()]
    return sorted(found)


def _tokens(comment: Any) -> list[Any]:
    if isinstance(comment, (list, tuple)):
        return [one for part in comment for one in _tokens(part)]
    return [] if comment is None else [comment]
