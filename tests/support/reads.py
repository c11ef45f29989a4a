# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of a module's parameters its code reads.

Parameters are followed from the entry through all functions and classes that get them, under the name ``params``; an
action has them as ``args`` or ``arguments`` as well. A key counts where it is looked up in them: ``params["key"]``,
``params.get("key")``, ``params[name] for name in (...)``.
"""

from __future__ import annotations

import ast
import importlib
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
PACKAGE = "ansible_collections.srt.slurm."
NAMES = ("params", "_params", "args", "arguments")
DEFINITIONS = (ast.FunctionDef, ast.ClassDef)


class Code:
    """The source files of the collection.

    :param changed: ``{path relative to the root: text}`` instead of what is in the files.
    :param names: the names under which the parameters are handed on.
    """

    def __init__(self, changed=None, names=NAMES):
        self.changed, self.names, self.trees = changed or {}, names, {}

    def tree(self, path):
        """Return the syntax tree of a file."""
        if path not in self.trees:
            text = self.changed.get(str(path)) or (ROOT / path).read_text(encoding="utf-8")
            self.trees[path] = ast.parse(text)
        return self.trees[path]

    def definition(self, path, name):
        """Return (path, node) of the function, class or constant *name* as *path* knows it, or None."""
        for node in self.tree(path).body:
            if isinstance(node, DEFINITIONS) and node.name == name:
                return path, node
            if isinstance(node, (ast.Assign, ast.AnnAssign)):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                if any(isinstance(one, ast.Name) and one.id == name for one in targets):
                    return path, node.value
            if isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    if name == (alias.asname or alias.name):
                        source = self.file_of(path, node, "")
                        return self.definition(source, alias.name) if source else None
        return None

    def member(self, path, module, name):
        """Return the same for ``module.name``."""
        for node in ast.walk(self.tree(path)):
            for alias in node.names if isinstance(node, ast.ImportFrom) else ():
                if module == (alias.asname or alias.name):
                    source = self.file_of(path, node, alias.name)
                    return self.definition(source, name) if source else None
        return None

    @staticmethod
    def file_of(path, node, name):
        """Return the path of what an import statement in *path* names, or None."""
        if node.level:
            base = path.parents[node.level - 1]
        elif (node.module or "").startswith(PACKAGE):
            base = pathlib.Path(*node.module.removeprefix(PACKAGE).split("."))
        else:
            return None
        base = base.joinpath(*(node.module or "").split(".")) if node.level and node.module else base
        found = base / name if name else base
        return next((one for one in (found.with_suffix(".py"), found / "__init__.py") if (ROOT / one).is_file()), None)

    def keys(self, path, *names):
        """Return the keys that are read from here on, from the functions and classes *names* of the file *path*."""
        open_, seen, found = [self.definition(path, name) for name in names], set(), set()
        while open_:
            entry = open_.pop()
            if not entry or not isinstance(entry[1], DEFINITIONS) or id(entry[1]) in seen:
                continue
            place, node = entry
            seen.add(id(node))
            found |= self.read_in(place, node)
            open_ += [self.callee(place, call) for call in ast.walk(node) if self.passes(call)]
            bases = [base.id for base in getattr(node, "bases", ()) if isinstance(base, ast.Name)]
            open_ += [self.definition(place, name) for name in bases]
        return found

    def callee(self, path, call):
        """Return the definition of what *call* calls; a method is part of its class."""
        function = call.func
        if isinstance(function, ast.Name):
            return self.definition(path, function.id)
        if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
            return self.member(path, function.value.id, function.attr)
        return None

    def read_in(self, path, scope):
        """Return the keys by which *scope* looks something up in parameters."""
        found = set()
        for node in ast.walk(scope):
            key = self.looked_up(node)
            if isinstance(key, ast.Constant):
                found.add(key.value)
            elif isinstance(key, ast.Name):
                found |= self.values_of(path, scope, key.id)
        return found

    def values_of(self, path, scope, name):
        """Return the texts that the variable *name* has in *scope*: of a loop, or of a method's calls."""
        found = set()
        for node in ast.walk(scope):
            if isinstance(node, (ast.For, ast.comprehension)) and getattr(node.target, "id", "") == name:
                found |= self.texts(path, node.iter)
            if isinstance(node, ast.FunctionDef) and name in [one.arg for one in node.args.args]:
                for call in ast.walk(scope):
                    if isinstance(call, ast.Call) and getattr(call.func, "attr", "") == node.name and call.args:
                        found |= self.texts(path, call.args[0])
        return found

    def texts(self, path, node):
        """Return the text constants that *node* stands for."""
        if isinstance(node, ast.Name):
            known = self.definition(path, node.id)
            if known and isinstance(known[1], ast.Call):  # it is computed
                module = ".".join(known[0].with_suffix("").parts).removesuffix(".__init__")
                return set(getattr(importlib.import_module(f"{PACKAGE}{module}"), node.id))
            return self.texts(known[0], known[1]) if known else set()
        parts = node.keys if isinstance(node, ast.Dict) else getattr(node, "elts", [node])
        return {one.value for one in parts if isinstance(one, ast.Constant)}

    def holds(self, node):
        """Return whether *node* is the parameters, or a copy of them."""
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "dict":
            return any(map(self.holds, node.args))
        if isinstance(node, ast.Dict):
            return any(key is None and self.holds(value) for key, value in zip(node.keys, node.values))
        return getattr(node, "id", getattr(node, "attr", "")) in self.names

    def passes(self, node):
        """Return whether *node* is a call that hands the parameters on."""
        return isinstance(node, ast.Call) and any(map(self.holds, [*node.args, *(one.value for one in node.keywords)]))

    def looked_up(self, node):
        """Return the key by which *node* looks something up in parameters, else None."""
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load) and self.holds(node.value):
            return node.slice
        lookup = isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("get", "pop") and node.args
        return node.args[0] if lookup and self.holds(node.func.value) else None
