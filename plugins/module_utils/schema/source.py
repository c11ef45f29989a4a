# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a value came from: YAML text that remembers the line of every key and value."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from types import ModuleType
from typing import Any, Callable, Optional

from ..failures import Code, Error, Problem, SpecError
from ..json_types import Json, KeyPath
from .nodes import alike

# The file and the line (from 1) of a key or a value; None if unknown.
Place = tuple[Optional[str], Optional[int]]
Places = dict[KeyPath, Place]


class Source:
    """The file and line of each key and value in one document.

    ``keys`` and ``values`` map a path (tuple of keys and indexes) to ``(file, line)``. A path that is
    absent has the line of its nearest parent. ``texts`` is ``{path: text}``: how the numbers are written.
    ``borrowed`` maps a path whose value comes from another document to ``(that document's Source, path in it)``:
    problems with such a value are reported against the other document. ``written`` maps the path of a value that a
    reader has moved to its path in the file: problems name that. ``faults`` are the problems of the document that do
    not keep it from being read, ``notes`` what its reader should know.
    """

    def __init__(self, file: str | None = None, keys: Places | None = None, values: Places | None = None) -> None:
        self.file, self.keys, self.values = file, keys or {}, values or {}
        self.texts: dict[KeyPath, str] = {}
        self.borrowed: dict[KeyPath, tuple[Source, KeyPath]] = {}
        self.written: dict[KeyPath, KeyPath] = {}
        self.faults: list[Problem] = []
        self.notes: list[str] = []

    def put_key(self, path: KeyPath, line: int, file: str | None = None) -> None:
        """Record the line of the key at *path*; *file* if it is not the document's own."""
        self.keys[path] = (file or self.file, line)

    def put_value(self, path: KeyPath, line: int, is_scalar: bool, file: str | None = None) -> None:
        """Record the line of the value at *path*; record its key first."""
        # A mapping or list begins with its first key or item, but users look for the key above it.
        inside = None if is_scalar else self.keys.get(path)
        self.values[path] = inside or (file or self.file, line)

    def lender(self, path: Sequence[str | int]) -> tuple[Source, KeyPath]:
        """Return (source, path) of the document that has the value at *path*: this one unless it is borrowed."""
        path = tuple(path)
        for end in range(len(path), 0, -1):
            if path[:end] in self.borrowed:
                source, there = self.borrowed[path[:end]]
                return source, there + path[end:]
        return self, path

    def where(self, path: Sequence[str | int], on_key: bool = False) -> Place:
        """Return (file, line) of the value, or of the key, at *path*."""
        source, path = self.lender(path)
        if source is not self:
            return source.where(path, on_key)
        if on_key and path in self.keys:
            return self.keys[path]
        for end in range(len(path), 0, -1):
            for table in (self.values, self.keys):
                if path[:end] in table:
                    return table[path[:end]]
        return self.file, None

    def problem(
        self, path: Sequence[str | int], code: Code, text: str, remedy: str | None = None, on_key: bool = False
    ) -> Problem:
        """Return a problem record of :class:`SpecError` for *path*."""
        source, there = self.lender(path)
        if source is not self:
            place = self.values.get(tuple(path))
            if place and there != tuple(path):  # this document refers to what the other one defines
                user = f"{os.path.basename(place[0] or 'the job')}:{place[1]}"
                text = f"{text.rstrip('.')} (used by {self.name(path)}, {user})."
            return source.problem(there, code, text, remedy, on_key)
        file, line = self.where(path, on_key)
        return {"file": file, "line": line, "path": self.name(path), "code": code, "problem": text, "remedy": remedy}

    def name(self, path: Sequence[str | int]) -> str:
        """Return *path* as the file has it, dotted."""
        path = tuple(path)
        for end in range(len(path), 0, -1) if self.written else ():
            if path[:end] in self.written:
                return dotted(self.written[path[:end]] + path[end:])
        return dotted(path)

    def given(self, path: KeyPath, by: str) -> None:
        """Record that the value at *path* comes from *by*, such as an option, instead of the file."""
        size = len(path)
        for table in (self.keys, self.values):
            for other in [one for one in table if one[:size] == path]:
                del table[other]
            table[path] = (by, None)

    def under(self, path: KeyPath) -> Source:
        """Return the source of the part of the document at *path*."""
        size = len(path)
        return Source(
            self.where(path)[0],
            {key[size:]: place for key, place in self.keys.items() if key[:size] == path and len(key) > size},
            {key[size:]: place for key, place in self.values.items() if key[:size] == path and len(key) > size},
        )

    def laid_over(self, base: Source) -> Source:
        """Return the source of a document merged over one with the source *base*."""
        return Source(self.file or base.file, {**base.keys, **self.keys}, {**base.values, **self.values})

    def copied(self, old: Sequence[str | int], new: Sequence[str | int]) -> Source:
        """Return this source with the lines at and below *old* copied to *new*."""
        old, new = tuple(old), tuple(new)
        size = len(old)
        keys, values = dict(self.keys), dict(self.values)
        for table in (keys, values):
            table.update({new + path[size:]: place for path, place in list(table.items()) if path[:size] == old})
        copy = Source(self.file, keys, values)
        copy.written = self.written
        return copy


NOWHERE = Source()


def dotted(path: Sequence[str | int]) -> str:
    """Return ("a", "b", 0) as ``a.b[0]``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else (f".{part}" if text else str(part))
    return text


def load_yaml(path: str) -> tuple[Json, Source]:
    """Return (document, Source) of the YAML file at *path*; Error when it cannot be read."""
    try:
        with open(path, encoding="utf-8") as stream:
            text = stream.read()
    except OSError as error:
        raise Error(f"Cannot read {path}: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise Error(f"{path} is not UTF-8 text: {error.reason} at byte {error.start}.") from None
    return parse_yaml(text, path)


PLAIN_TAGS = tuple(
    f"tag:yaml.org,2002:{name}" for name in ("map", "seq", "str", "int", "float", "bool", "null", "timestamp")
)
NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
MERGE = "tag:yaml.org,2002:merge"
# A value that begins with a quote and has no closing one.
ODD = re.compile(r"""[^'"#]*[:\-\[{,]\s*(?:"[^"]*|'[^']*)$""")
# Nested aliases can make a small file larger than memory.
MOST_VALUES = 500000


def parse_yaml(text: str, file: str | None) -> tuple[Json, Source]:
    """Return (document, Source) of YAML *text*; SpecError with the line when it is malformed.

    A key that is there twice is one of the source's ``faults``, or of its ``notes`` if both values are equal.
    """
    # Planning must not need PyYAML on the submit host; only reading job and cluster files does.
    import yaml

    if text.startswith("$ANSIBLE_VAULT"):
        raise Error(f"{file} is encrypted. Pass it as -e @{file} with the vault password; Ansible decrypts it.")
    # The C loader is ten times as fast, but not always built.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)
    index = _Index(yaml, file)
    try:
        node = loader.get_single_node()
        if node is None:
            return None, index.source
        index.value(node, ())
        if index.problems:
            raise SpecError(sorted([*index.problems, *index.source.faults], key=lambda one: one["line"] or 0))
        document = loader.construct_document(node)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or str(error)
        if "single document" in str(error):
            reason = "it has more than one document (---). A file holds one; use base with override_* for variants"
        line = mark.line + 1 if mark else None
        fault = _not_yaml(file, line, f"is not YAML: {reason}.")
        raise SpecError([{**fault, "remedy": _remedy(error, text)}]) from None
    except RecursionError:
        raise Error(f"{file} is nested too deeply for a job file.") from None
    except (ValueError, OverflowError) as error:
        index.bad_value(node, (), loader.construct_object)
        raise SpecError(index.problems or [_not_yaml(file, None, f"has a bad value: {error}.")]) from None
    finally:
        loader.dispose()
    return document, index.source


def _not_yaml(file: str | None, line: int | None, text: str) -> Problem:
    return {"file": file, "line": line, "path": "", "code": "not_yaml", "problem": text}


def check_size(value: Json) -> None:
    """Raise ValueError with the reason if *value*, as YAML loaded it, has too many values or contains itself.

    Aliases are one object that is in several places; everything that walks, copies or prints it sees all the places.
    """
    sizes: dict[int, int] = {}

    def size(item: Json) -> int:
        inside = item.values() if isinstance(item, dict) else item if isinstance(item, (list, tuple)) else None
        if inside is None:
            return 1
        if id(item) not in sizes:
            sizes[id(item)] = -1
            sizes[id(item)] = 1 + sum(map(size, inside))
        if sizes[id(item)] < 0:
            raise ValueError("contains itself.")
        return sizes[id(item)]

    try:
        count = size(value)
    except RecursionError:
        raise ValueError("is nested too deeply for a job.") from None
    if count > MOST_VALUES:
        raise ValueError(f"expands to more than {MOST_VALUES} values.")


def numbers(text: str) -> dict[tuple[int, int], tuple[str, Json]]:
    """Return ``{(line, column): (text, value)}`` of the numbers in *text*, counted from 1; empty if it is not YAML."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)
    found: dict[tuple[int, int], tuple[str, Json]] = {}
    seen: set[int] = set()
    try:
        stack = [loader.get_single_node()]
        while stack:
            node = stack.pop()
            if node is None or id(node) in seen:
                continue
            seen.add(id(node))
            if isinstance(node, yaml.MappingNode):
                stack += [one for pair in node.value for one in pair]
            elif isinstance(node, yaml.SequenceNode):
                stack += node.value
            elif node.tag in NUMBERS:
                place = (node.start_mark.line + 1, node.start_mark.column + 1)
                found[place] = (node.value, loader.construct_object(node))
    except (yaml.YAMLError, ValueError, OverflowError):
        return {}
    finally:
        loader.dispose()
    return found


def _remedy(error: Exception, text: str) -> str | None:
    """Return the remedy for a YAML *error*, or None."""
    mark, begun = getattr(error, "problem_mark", None), getattr(error, "context_mark", None)
    lines = text.splitlines()
    line = lines[mark.line] if mark and mark.line < len(lines) else ""
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return "The line begins with a tab. Indent with spaces."
    if begun and "quoted scalar" in (getattr(error, "context", None) or ""):
        return f"The quote that begins in line {begun.line + 1} is not closed."
    if mark and line[mark.column : mark.column + 1] in ("@", "`", "%"):
        return f"A value that begins with {line[mark.column]} needs quotes."
    if "mapping values" in str(error):
        return "Quote text that contains a colon and a space. Write each key on its own line."
    # An unclosed quote extends to the next quote, so the error appears later.
    opened = [number for number in range(mark.line if mark else 0) if ODD.match(lines[number])]
    if "expected" in str(error) and opened:
        return f"The quote in line {opened[-1] + 1} may be unclosed."
    if "expected" in str(error):
        return "Check the indentation and the brackets of this line and the lines before it."
    return None


class _Index:
    """Walks the nodes of a document: records lines in ``source``, and values that no job can hold in ``problems``."""

    def __init__(self, yaml: ModuleType, file: str | None) -> None:
        self.yaml, self.source, self.count = yaml, Source(file), 0
        self.problems: list[Problem] = []
        self.open: set[int] = set()
        self.repeated: set[int] = set()  # keys that are reported; an alias repeats them

    def problem(self, node: Any, path: KeyPath, text: str, remedy: str | None, code: Code = "not_yaml") -> None:
        fault = _not_yaml(self.source.file, node.start_mark.line + 1, text)
        self.problems.append({**fault, "path": dotted(path), "code": code, "remedy": remedy})

    def value(self, node: Any, path: KeyPath) -> None:
        """Record the line of *node* at *path*, and of every key and value below it."""
        self.count += 1
        if id(node) in self.open:
            self.problem(node, path, "contains itself.", "Write out what it refers to.")
            return
        if self.count > MOST_VALUES:
            if self.count == MOST_VALUES + 1:
                text = f"expands the file to more than {MOST_VALUES} values."
                self.problem(node, path, text, "Use fewer aliases.", "out_of_range")
            return
        if node.tag not in PLAIN_TAGS:
            self.tagged(node, path)
            return
        if path:
            self.source.put_value(path, node.start_mark.line + 1, isinstance(node, self.yaml.ScalarNode))
        self.open.add(id(node))
        if node.tag in NUMBERS:
            self.source.texts[path] = node.value
        elif isinstance(node, self.yaml.SequenceNode):
            for index, item in enumerate(node.value):
                self.value(item, path + (index,))
        elif isinstance(node, self.yaml.MappingNode):
            self.mapping(node, path)
        self.open.discard(id(node))

    def bad_value(self, node: Any, path: KeyPath, construct: Callable[[Any], Json]) -> None:
        """Report the scalars below *node* that *construct* cannot convert, such as the date 2024-13-01."""
        if isinstance(node, self.yaml.ScalarNode):
            try:
                construct(node)
            except (ValueError, OverflowError, self.yaml.YAMLError):
                text = f"is {node.value}, which YAML reads as a number or a date, but it is not a valid one."
                self.problem(node, path, text, "Put it in quotes if it is text.", "invalid")
        for key, item in node.value if isinstance(node, self.yaml.MappingNode) else ():
            self.bad_value(item, (*path, key.value), construct)
        for index, item in enumerate(node.value if isinstance(node, self.yaml.SequenceNode) else ()):
            self.bad_value(item, (*path, index), construct)

    def tagged(self, node: Any, path: KeyPath) -> None:
        """Report a value with a tag that is not plain YAML."""
        tag = node.tag.replace("tag:yaml.org,2002:", "!!")
        remedy = "Write a list, a mapping or text."
        if tag.startswith("!vault"):
            remedy = "Give the file as -e @FILE: Ansible decrypts it."
        elif tag.startswith("!unsafe"):
            remedy = "Give the file as -e @FILE, or write the text without the tag."
        elif tag in ("!!merge", "!!value"):  # << and = stand for something in YAML 1.1
            remedy = "Put it in quotes."
        self.problem(node, path, f"has the YAML tag {tag}, which a job cannot hold.", remedy)

    def mapping(self, node: Any, path: KeyPath) -> None:
        """Record the keys of a mapping; what it merges in comes first, because its own keys replace that."""
        for key_node, value_node in node.value:
            if key_node.tag == MERGE:
                # Of several the first wins.
                several = isinstance(value_node, self.yaml.SequenceNode)
                for one in reversed(value_node.value) if several else [value_node]:
                    self.merged(one, path)
        seen: dict[str, tuple[int, Any]] = {}
        for key_node, value_node in node.value:
            if key_node.tag == MERGE:
                continue
            if not isinstance(key_node, self.yaml.ScalarNode):
                self.problem(key_node, path, "has a key that is not text.", None)
                continue
            # A key is the word that was written: YAML 1.1 would read on, yes, no and null as values.
            key_node.tag = "tag:yaml.org,2002:str"
            key = key_node.value
            here = path + (key,)
            line = key_node.start_mark.line + 1
            if key in seen and id(key_node) not in self.repeated:
                self.repeated.add(id(key_node))
                self.twice(here, line, *seen[key], value_node)
            seen[key] = (line, value_node)
            self.source.put_key(here, line)
            self.value(value_node, here)

    def twice(self, path: KeyPath, line: int, first: int, before: Any, value: Any) -> None:
        """Report the key at *path* in *line*, which has the value *before* in the line *first* too."""
        text = f"appears twice, first in line {first}"
        if alike(before, value):
            self.source.notes.append(f"{self.source.file}:{line}: {dotted(path)} {text}, with the same value.")
            return
        fault = _not_yaml(self.source.file, line, f"{text}, with another value.")
        self.source.faults.append({**fault, "path": dotted(path), "code": "duplicate", "remedy": "Keep one of them."})

    def merged(self, node: Any, path: KeyPath) -> None:
        """Record the keys that ``<<`` brings in."""
        if isinstance(node, self.yaml.MappingNode) and id(node) not in self.open:
            self.open.add(id(node))
            self.mapping(node, path)
            self.open.discard(id(node))
