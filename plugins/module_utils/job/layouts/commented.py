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
INDENTED_LIST = re.compile(r"^( *)[^\s#-][^\n]*:(?: *#[^\n]*)?\n\1 +- ", re.M)


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


def of(table: Any, key: str) -> Any:
    """Return the comment of *key* of *table*, or None."""
    return table.ca.items.get(key)


def insert_first(table: Any, key: str, value: Any) -> None:
    """Set *key*, before all others."""
    table.insert(0, key, value)


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


def _sink(table: Any, before: Any, key: str) -> None:
    """Give *key* the comment lines behind *before*, which stand before what follows both."""
    # The lines belong to the key that was next, so the new key must not separate them.
    comment = table.ca.items.pop(before, None)
    if comment is not None and not isinstance(table[key], (dict, list)):
        table.ca.items[key] = comment
    elif comment is not None:
        table.ca.items[before] = comment


def move(table: Any, key: str, other: Any, name: str, after: str | None = None) -> None:
    """Move *key* of *table*, with its comments, to *name* of *other*; if it is there, the value is only removed."""
    index = list(table).index(key)
    value = table.pop(key)
    comment = table.ca.items.pop(key, None)
    if index:
        _leave_lines(table, list(table)[index - 1], comment)
    if name in other:
        return
    put(other, name, value, after)
    if comment is not None:
        other.ca.items[name] = comment


def _leave_lines(table: Any, before: str, comment: Any) -> None:
    """Leave the lines behind the end of a key's line, in its *comment*, to the scalar at *before*.

    They stand before what follows in the file, which does not move with the key.
    """
    token = comment[2] if comment and len(comment) > 2 else None
    if token is None or isinstance(table[before], (dict, list)):
        return
    first, newline, rest = token.value.partition("\n")
    if not rest.strip():
        return
    token.value = first + newline
    there = table.ca.items.setdefault(before, [None, None, None, None])
    if there[2] is None:
        there[2] = type(token)("\n" + rest, token.start_mark, None)
    else:
        there[2].value = there[2].value.rstrip("\n") + "\n" + rest


def rename(table: Any, key: str, name: str, value: Any = None) -> None:
    """Call *key* of *table* *name*, at its place; *value* replaces its value if it is given."""
    index = list(table).index(key)
    old: Any = table.pop(key)
    value = old if value is None else value
    comment = table.ca.items.pop(key, None)
    table.insert(index, name, value)
    if comment is not None:
        table.ca.items[name] = comment
    if hasattr(old, "ca") and not isinstance(value, (dict, list)):
        # The comment lines before the first key of the old mapping would not be printed before a scalar.
        put_lines(table, name, first_lines(comment, old))
        last = list(old)[-1] if old else None
        items = table.ca.items.setdefault(name, [None, None, None, None])
        if last in old.ca.items and items[2] is None:
            items[2] = old.ca.items[last][2]


def first_lines(comment: Any, table: Any) -> list[str]:
    """Return the comment lines before the first key of *table*; *comment* is that of its own key."""
    tokens = {id(one): one for one in _tokens([(comment or ())[3:], getattr(table.ca, "comment", None)])}
    lines = [line.strip() for one in tokens.values() for line in one.value.splitlines()]
    return [line.lstrip("#").strip() for line in lines if line.startswith("#")]


def put_lines(table: Any, key: str, lines: list[str]) -> None:
    """Put the comment *lines* before *key*."""
    if lines:
        table.yaml_set_comment_before_after_key(key, before="\n".join(lines), indent=table.lc.col or 0)


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
