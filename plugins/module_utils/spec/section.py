# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""Sections: a table of fields, and the walk that checks a document against it.

The walk collects every problem with file, line and path instead of stopping at the first.
"""

from __future__ import annotations

import copy

from .source import NOWHERE
from .types import ListOf, MapOf, OneOf, OptionalSection, Str, Type, kind_of, shown
from .words import nearest, normal


class Field:
    """One key of a section.

    :param type: a :class:`Type`, :class:`Section` or :class:`Variants`.
    :param default: value when the key is absent; a section without default is filled from its own fields.
    :param required: absence (or null) is a problem.
    :param doc: one or two sentences for the reference page.
    """

    def __init__(self, type_, default=None, doc="", required=False):
        self.type, self.default, self.doc, self.required = type_, default, doc, required

    def schema(self):
        """Return the JSON Schema of the field: its type, null unless it is required, and the doc."""
        schema = dict(self.type.schema())
        if not self.required:
            if "enum" in schema:
                schema["enum"] = [*schema["enum"], None]
            elif "anyOf" in schema:
                schema["anyOf"] = [*schema["anyOf"], {"type": "null"}]
            elif "type" in schema:
                kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
                schema["type"] = [*kinds, "null"]
        return dict(schema, description=self.doc) if self.doc else schema


class Section(Type):
    """A mapping with known keys; ``fields`` is {key: Field}."""

    def __init__(self, name, fields, doc=""):
        self.title, self.fields, self.doc = name, fields, doc

    @property
    def name(self):
        return "mapping"

    def variant(self, _value):
        """Return the section that describes *_value*: this one."""
        return self

    def schema(self):
        return {
            "type": "object",
            "additionalProperties": False,
            "properties": {key: field.schema() for key, field in self.fields.items()},
            "required": [key for key, field in self.fields.items() if field.required],
        }


class Variants(Type):
    """A mapping whose keys depend on the word under ``key``, for example ``backend.type``."""

    name = "mapping"

    def __init__(self, key, default, sections):
        self.key, self.default, self.sections = key, default, sections

    def variant(self, value):
        """Return the section that *value* selects, or None when the word is unknown."""
        word = value.get(self.key)
        return self.sections.get(self.default if word is None else str(word))

    def schema(self):
        return {"anyOf": [section.schema() for section in self.sections.values()]}


class Checker:
    """Checks one document; ``problems`` fills up while it walks.

    :param places: what :func:`known_places` returned, to tell where a misplaced key belongs.
    """

    def __init__(self, source=NOWHERE, places=None):
        self.source, self.places, self.problems, self.paths = source, places or {}, [], []

    def problem(self, path, text, remedy=None, on_key=False):
        """Record a problem at *path* (a tuple of keys)."""
        self.paths.append(tuple(path))
        self.problems.append(self.source.problem(path, text, remedy, on_key))

    def check(self, type_, value, path=()):
        """Return *value* coerced to *type_* with all defaults; problems go to ``self.problems``."""
        if isinstance(type_, OptionalSection):
            type_ = type_.section
        if isinstance(type_, (Section, Variants)):
            return self._section(type_, value, path)
        if isinstance(type_, ListOf):
            return self._list(type_, value, path)
        if isinstance(type_, MapOf):
            return self._map(type_, value, path)
        if isinstance(type_, OneOf):
            return self._one_of(type_, value, path)
        try:
            return type_.coerce(value)
        except ValueError as error:
            self.problem(path, str(error))
            return None

    def _section(self, type_, value, path):
        if value is None:
            value = {}
        if not isinstance(value, dict):
            self.problem(path, f"is {kind_of(value)}, a mapping of keys is expected.")
            return None
        section = type_.variant(value)
        if section is None:
            words = list(type_.sections)
            hint = nearest(str(value[type_.key]), words)
            self.problem(
                path + (type_.key,),
                f"is {shown(value[type_.key])}, expected is one of {', '.join(words)}.",
                f"Did you mean {hint}?" if hint else None,
            )
            return None
        for key in value:
            if key not in section.fields:
                self._unknown(section, key, path)
        return {key: self._field(field, key, value, path) for key, field in section.fields.items()}

    def _field(self, field, key, value, path):
        given = value.get(key)
        if given is None:
            if field.required:
                self.problem(path, f'has no "{key}".' if path else f'The key "{key}" is missing.', field.doc or None)
                return None
            if field.default is None and isinstance(field.type, (Section, Variants)):
                return fill(field.type)
            return copy.deepcopy(field.default)
        return self.check(field.type, given, path + (key,))

    def _unknown(self, section, key, path):
        if isinstance(key, bool):
            self._truth(key, path)
            return
        hint = nearest(str(key), section.fields)
        elsewhere = None if hint else self._elsewhere(str(key))
        remedy = f'Did you mean "{hint}"?' if hint else None
        if elsewhere:
            remedy = f'This key belongs under "{elsewhere}".'
        if not remedy:
            remedy = f"Known keys here: {', '.join(sorted(section.fields))}."
        self.problem(path + (key,), "is not a known key.", remedy, on_key=True)

    def _truth(self, key, path):
        """Report a key that YAML took for a truth value."""
        problem = f"has a key that YAML reads as {'true' if key else 'false'}."
        remedy = "Put it in quotes; without them on, off, yes and no are truth values."
        self.problem((*path, str(key)), problem, remedy, on_key=True)

    def _elsewhere(self, key):
        """Return the dotted place where *key* is known, if it is known in exactly one place."""
        places = self.places.get(normal(key), ())
        return places[0] if len(places) == 1 else None

    def _list(self, type_, value, path):
        if not isinstance(value, list):
            self.problem(path, f"is {kind_of(value)}, a list is expected.")
            return None
        return [self.check(type_.item, item, path + (index,)) for index, item in enumerate(value)]

    def _map(self, type_, value, path):
        if not isinstance(value, dict):
            self.problem(path, f"is {kind_of(value)}, a mapping is expected.")
            return None
        for key in value:
            if isinstance(key, bool):
                self._truth(key, path)
        if isinstance(type_.item, Str):
            # Null says that there is nothing under this name, as in an override that takes it away.
            value = {key: item for key, item in value.items() if item is not None}
        return {str(key): self.check(type_.item, item, path + (key,)) for key, item in value.items()}

    def _one_of(self, type_, value, path):
        for one in type_.types:
            trial = Checker(self.source)
            result = trial.check(one, value, path)
            if not trial.problems:
                return result
        self.problem(path, f"is {shown(value)}, expected is {type_.name}.")
        return None


def fill(type_):
    """Return the defaults of a section whose keys are all absent."""
    section = type_.variant({})
    return {
        key: fill(field.type)
        if field.default is None and isinstance(field.type, (Section, Variants)) and not field.required
        else copy.deepcopy(field.default)
        for key, field in section.fields.items()
    }


def optional(section, doc=""):
    """Return the field of a section that is null when it is absent."""
    return Field(OptionalSection(section), None, doc)


def known_places(section, prefix=""):
    """Return {normalised key: [dotted section, ...]} over *section* and everything below it."""
    places = {}
    for key, field in section.fields.items():
        places.setdefault(normal(key), []).append(prefix.rstrip(".") or "the top level")
        below = field.type.section if isinstance(field.type, OptionalSection) else field.type
        for one in below.sections.values() if isinstance(below, Variants) else [below]:
            if isinstance(one, Section):
                for name, found in known_places(one, f"{prefix}{key}.").items():
                    bucket = places.setdefault(name, [])
                    bucket.extend(place for place in found if place not in bucket)
    return places


TEXTS = MapOf(Str())
