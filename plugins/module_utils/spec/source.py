# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""Where a value came from: YAML text that remembers the line of every key and value."""

from __future__ import annotations

from ..failures import Error, SpecError


class Source:
    """The places of one document.

    ``keys`` and ``values`` map a path (tuple of keys and indexes) to ``(file, line)``. A path that is not
    there takes the place of its nearest parent.
    """

    def __init__(self, file=None, keys=None, values=None):
        self.file, self.keys, self.values = file, keys or {}, values or {}

    def where(self, path, on_key=False):
        """Return (file, line) of the value, or of the key, at *path*."""
        path = tuple(path)
        if on_key and path in self.keys:
            return self.keys[path]
        for end in range(len(path), 0, -1):
            for table in (self.values, self.keys):
                if path[:end] in table:
                    return table[path[:end]]
        return self.file, None

    def problem(self, path, text, remedy=None, on_key=False):
        """Return a problem record of :class:`SpecError` for *path*."""
        file, line = self.where(path, on_key)
        return {"file": file, "line": line, "path": dotted(path), "problem": text, "remedy": remedy}

    def under(self, path):
        """Return the source of the part of the document at *path*."""
        size = len(path)
        return Source(
            self.where(path)[0],
            {key[size:]: place for key, place in self.keys.items() if key[:size] == path and len(key) > size},
            {key[size:]: place for key, place in self.values.items() if key[:size] == path and len(key) > size},
        )

    def laid_over(self, base):
        """Return the source of a document that was merged on top of one with the source *base*."""
        return Source(self.file or base.file, {**base.keys, **self.keys}, {**base.values, **self.values})

    def copied(self, old, new):
        """Return this source with the places of *old* and all below it known at *new* too."""
        old, new = tuple(old), tuple(new)
        size = len(old)
        keys, values = dict(self.keys), dict(self.values)
        for table in (keys, values):
            table.update({new + path[size:]: place for path, place in list(table.items()) if path[:size] == old})
        return Source(self.file, keys, values)


NOWHERE = Source()


def dotted(path):
    """Return ("a", "b", 0) as ``a.b[0]``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else (f".{part}" if text else str(part))
    return text


def load_yaml(path):
    """Return (document, Source) of the YAML file at *path*; Error when it cannot be read."""
    try:
        with open(path, encoding="utf-8") as stream:
            text = stream.read()
    except OSError as error:
        raise Error(f"Cannot read {path}: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise Error(f"{path} is not UTF-8 text: {error.reason} at byte {error.start}.") from None
    return parse_yaml(text, path)


def parse_yaml(text, file):
    """Return (document, Source) of YAML *text*; SpecError with the line when it is malformed or repeats a key."""
    # Planning must not need PyYAML on the submit host; only reading job and cluster files does.
    import yaml

    # The one in C is ten times as fast, and not everywhere.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)
    source = Source(file)
    try:
        node = loader.get_single_node()
        if node is None:
            return None, source
        problems = []
        _index(yaml, node, (), source, loader, problems)
        document = loader.construct_document(node)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or str(error)
        raise SpecError(
            [{"file": file, "line": mark.line + 1 if mark else None, "path": "", "problem": f"is not YAML: {reason}."}]
        ) from None
    finally:
        loader.dispose()
    if problems:
        raise SpecError(problems)
    return document, source


def _index(yaml, node, path, source, loader, problems):
    """Record the place of every key and value under *node*."""
    place = (source.file, node.start_mark.line + 1)
    if path:
        source.values[path] = place
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _index(yaml, item, path + (index,), source, loader, problems)
    if not isinstance(node, yaml.MappingNode):
        return
    seen = {}
    for key_node, value_node in node.value:
        if key_node.tag == "tag:yaml.org,2002:merge":
            continue
        if not isinstance(key_node, yaml.ScalarNode):
            continue
        # A key is the word that was written: YAML 1.1 would read on, yes, no and null as values.
        key_node.tag = "tag:yaml.org,2002:str"
        key = key_node.value
        here = path + (key,)
        line = key_node.start_mark.line + 1
        if key in seen:
            problems.append(
                {
                    "file": source.file,
                    "line": line,
                    "path": dotted(here),
                    "problem": f"is there twice, first in line {seen[key]}.",
                    "remedy": "Keep one of them.",
                }
            )
        seen[key] = line
        source.keys[here] = (source.file, line)
        _index(yaml, value_node, here, source, loader, problems)
