# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sections: a table of fields, and the walk that checks a document against it.

The walk collects every problem with file, line and path instead of stopping at the first.
"""

from __future__ import annotations

import copy
import datetime
from collections.abc import Collection, Mapping, Sequence
from typing import Callable

from ..failures import Code, Problem
from ..json_types import Json, JsonObject, KeyPath
from ..secrets.references import is_environment
from .json_form import PARAMETER, mapping, nullable
from .source import NOWHERE, Source
from .types import (
    Int,
    ListOf,
    MapOf,
    OneOf,
    OptionalSection,
    Str,
    Type,
    Unfit,
    kind_of,
    plain,
    shown,
)
from .words import nearest, normal, other_form

# {normalised key: {dotted section: the variants that have the key there, () for all}}
KnownPlaces = dict[str, dict[str, tuple[str, ...]]]


class Field:
    """One key of a section.

    :param type: a :class:`Type`, :class:`Section` or :class:`Variants`.
    :param default: value when the key is absent; a section without default is filled from its own fields.
    :param required: an absent or null value is a problem.
    :param doc: one or two sentences for the reference page.
    """

    def __init__(self, type_: Type, default: Json = None, doc: str = "", required: bool = False) -> None:
        self.type, self.default, self.doc, self.required = type_, default, doc, required

    def schema(self) -> JsonObject:
        """Return the JSON Schema of the field: its type, or null, and the doc."""
        schema = nullable(self.type.schema())
        return {**schema, "description": self.doc} if self.doc else schema


class Section(Type):
    """A mapping with known keys; ``fields`` is {key: Field}.

    :param read_by: returns the keys that a misspelt one of a mapping probably means, the likeliest group first.
    """

    name = "mapping"

    def __init__(
        self,
        name: str,
        fields: dict[str, Field],
        doc: str = "",
        read_by: Callable[[JsonObject], Sequence[Collection[str]]] = lambda _value: (),
    ) -> None:
        self.title, self.fields, self.doc, self.read_by = name, fields, doc, read_by

    def below(self, key: str) -> Section:
        """Return the section that the field *key* holds."""
        section = plain(self.fields[key].type)
        if not isinstance(section, Section):
            raise TypeError(f"{self.title}.{key} is no section")
        return section

    def variant(self, _value: JsonObject) -> Section:
        """Return the section that describes *_value*: this one."""
        return self

    def schema(self) -> JsonObject:
        """Return the JSON Schema of a mapping that may lack keys, as an override does; see :meth:`complete`."""
        return mapping({key: field.schema() for key, field in self.fields.items()})

    def complete(self) -> JsonObject:
        """Return the JSON Schema of the required keys, in addition to :meth:`schema`; empty if there are none."""
        required = [key for key, field in self.fields.items() if field.required]
        below: dict[str, JsonObject] = {}
        for key, field in self.fields.items():
            type_ = plain(field.type)
            found = type_.complete() if isinstance(type_, (Section, Variants)) else {}
            if field.required:
                found = {"not": {"type": "null"}, **found}
            if found:
                below[key] = found
        # A key may be written with dashes.
        spelt = [[{"required": [key]}, {"required": [key.replace("_", "-")]}] for key in required if "_" in key]
        whole = {
            "required": [key for key in required if "_" not in key],
            "allOf": [{"anyOf": both} for both in spelt],
            "properties": below,
        }
        return {key: value for key, value in whole.items() if value}


class Variants(Type):
    """A mapping whose keys depend on the word under ``key``, for example ``backend.type``."""

    name = "mapping"

    def __init__(self, key: str, default: str, sections: dict[str, Section]) -> None:
        self.key, self.default, self.sections = key, default, sections

    def variant(self, value: JsonObject) -> Section | None:
        """Return the section that *value* selects, or None when the word is unknown."""
        word = value.get(self.key)
        return self.sections.get(self.default if word is None else str(word))

    def schema(self) -> JsonObject:
        """Return the JSON Schema: all keys of all variants, and for each variant the keys that it does not have."""
        tables = {
            word: {key: field.schema() for key, field in section.fields.items()}
            for word, section in self.sections.items()
        }
        union: dict[str, JsonObject] = {}
        specific: set[str] = set()
        for table in tables.values():
            for key, schema in table.items():
                if union.setdefault(key, schema) != schema:
                    specific.add(key)
        for key in specific:
            union[key] = {"description": union[key].get("description", "")}
        union[self.key] = {
            "anyOf": [{"enum": list(tables)}, {"type": ["string", "null"], "pattern": PARAMETER}],
            "description": tables[self.default][self.key].get("description", ""),
        }
        branches = [
            {"if": self._is(word), "then": self._then(word, tables, specific - {self.key})} for word in self.sections
        ]
        return {**mapping(union), "allOf": branches}

    def complete(self) -> JsonObject:
        """Return the JSON Schema of the default variant, for a mapping that does not select one."""
        forbidden = self._then(self.default, {word: one.fields for word, one in self.sections.items()}, ())
        absent = {"anyOf": [{"not": {"required": [self.key]}}, {"properties": {self.key: {"type": "null"}}}]}
        return {"if": {"type": "object", **absent}, "then": forbidden}

    def _is(self, word: str) -> JsonObject:
        return {"type": "object", "properties": {self.key: {"const": word}}, "required": [self.key]}

    def _then(self, word: str, tables: Mapping[str, Mapping[str, Json]], specific: Collection[str]) -> JsonObject:
        keys = dict.fromkeys(key for table in tables.values() for key in table)
        properties: JsonObject = {key: False for key in keys if key not in tables[word]}
        properties.update((key, tables[word][key]) for key in keys if key in specific and key in tables[word])
        return {"properties": properties}


class Checker:
    """Checks one document; ``problems`` fills up while it walks.

    :param places: what :func:`~.places.known_places` returned, to find where a misplaced key belongs.

    ``wrong`` has the path of every unusable value: it is missing or invalid, or its key is misspelt or misplaced.
    ``meant`` has the paths that the misspelt and misplaced keys probably mean; they are in ``wrong`` too.
    """

    def __init__(self, source: Source = NOWHERE, places: KnownPlaces | None = None) -> None:
        self.source, self.places = source, places or {}
        self.problems: list[Problem] = []
        self.wrong: set[KeyPath] = set()
        self.meant: set[KeyPath] = set()

    def problem(
        self, path: Sequence[str | int], code: Code, text: str, remedy: str | None = None, on_key: bool = False
    ) -> None:
        """Record a problem at *path* (a tuple of keys)."""
        self.problems.append(self.source.problem(path, code, text, remedy, on_key))

    def bad(self, path: Sequence[str | int], code: Code, text: str, remedy: str | None = None) -> None:
        """Record an invalid value at *path*."""
        self.wrong.add(tuple(path))
        self.problem(path, code, text, remedy)

    def check(self, type_: Type, value: Json, path: KeyPath = ()) -> Json:
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
        except Unfit as error:
            if hidden(value, path):
                self.bad(path, error.code, f"is a number or a date; expected {type_.name}.", "Write it with quotes.")
            else:
                self.bad(path, error.code, str(error))
            return None

    def _section(self, type_: Section | Variants, value: Json, path: KeyPath) -> JsonObject | None:
        if value is None:
            value = {}
        if not isinstance(value, dict):
            self.bad(path, "wrong_type", f"is {kind_of(value)}; expected a mapping of keys.")
            return None
        if isinstance(type_, Variants):
            slip = self._misspelt_word(type_, value)
            if slip is not None:
                self.wrong.add(path)  # its keys depend on the word
                self.unknown(slip, path, [type_.key])
                return None
        section = type_ if isinstance(type_, Section) else self._variant(type_, value, path)
        if section is None:
            return None
        for key in value:
            if key not in section.fields:
                remedy = self._of_other_type(type_, section, key) or _one_of_these(section, key, value[key])
                self.unknown(key, path, section.fields, remedy, section.read_by(value))
        return {key: self._field(field, key, value, path) for key, field in section.fields.items()}

    def _variant(self, type_: Variants, value: JsonObject, path: KeyPath) -> Section | None:
        """Return the section that *value* selects; None, with a problem, if the word is unknown."""
        section = type_.variant(value)
        if section is None:
            word, words = value[type_.key], list(type_.sections)
            hint = nearest(str(word), words)
            remedy = f"Did you mean {hint}?" if hint else None
            self.wrong.add(path)
            text = f"is {shown(word)}; expected one of {', '.join(words)}."
            self.bad((*path, type_.key), "not_a_choice", text, remedy)
        return section

    @staticmethod
    def _misspelt_word(type_: Variants, value: JsonObject) -> str | None:
        """Return a misspelling in *value* of the key that selects the variant, if that key is absent."""
        if value.get(type_.key) is not None:
            return None
        known = {key for section in type_.sections.values() for key in section.fields}
        return next((key for key in value if key not in known and nearest(str(key), [*known]) == type_.key), None)

    def _field(self, field: Field, key: str, value: JsonObject, path: KeyPath) -> Json:
        given = value.get(key)
        if given is None:
            if field.required and path + (key,) in self.meant:  # a misspelt key is not missing
                return None
            if field.required:
                problem = f'lacks the key "{key}".' if path else f'The key "{key}" is missing.'
                self.wrong.add(path + (key,))
                self.problem(path, "missing", problem, f"Add {key}: {field.doc}" if field.doc else None)
                return None
            if field.default is None and isinstance(field.type, (Section, Variants)):
                return fill(field.type)
            return copy.deepcopy(field.default)
        return self.check(field.type, given, path + (key,))

    def unknown(
        self,
        key: str | int,
        path: KeyPath,
        fields: Collection[str],
        remedy: str | None = None,
        likely: Sequence[Collection[str]] = (),
    ) -> None:
        """Report the unknown *key* at *path*, where *fields* are known, first of all those in the groups *likely*."""
        if isinstance(key, bool):
            self._truth(key, path)
            return
        if not remedy:
            form = other_form(key, fields)
            hint = form or next(filter(None, (nearest(str(key), group) for group in (*likely, fields))), None)
            named = None if hint else self._named_after(key, path)
            places = list(self.places.get(normal(key), ()))
            if hint:
                self._means(path, key, (*path, hint))
            elif named:
                self._means(path, key, named)
            elif len(places) == 1:
                self._means(path, key, (*filter(None, places[0].split(".")), normal(key)))
            same = form or named or hint and normal(hint) == normal(key)
            move = f'Write it as "{named[1]}" under "{named[0]}".' if named else None
            hints = [f'Did you mean "{hint}"?' if hint else move, None if same else self._elsewhere(str(key))]
            remedy = " ".join(filter(None, hints)) or f"Known keys here: {', '.join(sorted([*likely, fields][0]))}."
        self.problem(path + (key,), "unknown_key", "is not a known key.", remedy, on_key=True)

    def _means(self, path: KeyPath, key: str | int, meant: KeyPath) -> None:
        self.wrong |= {(*path, key), meant}
        self.meant.add(meant)

    def _named_after(self, key: str | int, path: KeyPath) -> tuple[str, str] | None:
        """Return (section, key) if the names are the other way round: port in section x means ports.x."""
        section, name = f"{normal(key)}s", normal(path[-1]) if path else ""
        return (section, name) if section in self.places.get(name, ()) else None

    def _of_other_type(self, type_: Section | Variants, section: Section, key: str | int) -> str | None:
        """Return the remedy for a key that other variants of this section have, or None."""
        if not isinstance(type_, Variants) or normal(key) in map(normal, section.fields):
            return None
        words = [word for word, one in type_.sections.items() if normal(key) in map(normal, one.fields)]
        here = next(word for word, one in type_.sections.items() if one is section)
        return f"It is a key of {type_.key} {' or '.join(words)}; the {type_.key} here is {here}." if words else None

    def _truth(self, key: bool, path: KeyPath) -> None:
        """Report a key that YAML read as a truth value."""
        problem = f"has a key that YAML reads as {'true' if key else 'false'}."
        remedy = "Put it in quotes. YAML reads unquoted on, off, yes and no as truth values."
        self.problem((*path, str(key)), "wrong_type", problem, remedy, on_key=True)

    def _elsewhere(self, key: str) -> str | None:
        """Return a sentence with the sections that have *key*, or None if there are none or too many."""
        places = self.places.get(normal(key), {})
        if not 0 < len(places) < 5:
            return None
        texts = [
            f'"{place}"' + (f" of type {' or '.join(words)}" if words else "")
            for place, words in places.items()
            if place
        ]
        found = [*(["at the top level"] if "" in places else []), *(["under " + " or ".join(texts)] if texts else [])]
        return f"This key belongs {' or '.join(found)}."

    def _list(self, type_: ListOf, value: Json, path: KeyPath) -> list[Json] | None:
        if not isinstance(value, list):
            self.bad(path, "wrong_type", f"is {kind_of(value)}; expected a list.")
            return None
        return [self.check(type_.item, item, path + (index,)) for index, item in enumerate(value)]

    def _map(self, type_: MapOf, value: Json, path: KeyPath) -> JsonObject | None:
        if not isinstance(value, dict):
            kind = "one value" if hidden(value, path) else kind_of(value)
            self.bad(path, "wrong_type", f"is {kind}; expected a mapping.")
            return None
        for key in value:
            if isinstance(key, bool):
                self._truth(key, path)
        if isinstance(type_.item, Str):
            # Null removes the entry, as in an override.
            value = {key: item for key, item in value.items() if item is not None}
        return {str(key): self.check(type_.type_of(key), item, path + (key,)) for key, item in value.items()}

    def _one_of(self, type_: OneOf, value: Json, path: KeyPath) -> Json:
        for one in type_.types:
            trial = Checker(self.source)
            result = trial.check(one, value, path)
            if not trial.problems:
                return result
        self.bad(path, "wrong_type", f"is {shown(value)}; expected {type_.name}.")
        return None


def _one_of_these(section: Section, key: str | int, value: Json) -> str | None:
    """Return the remedy for an unknown *key* with a mapping in a *section* that holds only sections, or None.

    Such a key is meant as a section, not as a key of another section with the same name.
    """
    below = [field.type for field in section.fields.values()]
    if not isinstance(value, dict) or not all(isinstance(one, (OptionalSection, Section)) for one in below):
        return None
    if nearest(str(key), section.fields) or other_form(key, section.fields):
        return None
    return f"Known keys here: {', '.join(section.fields)}."


def hidden(value: Json, path: KeyPath) -> bool:
    """Return whether *value* at *path* belongs to an environment. It may be a secret and must not be printed."""
    kinds = (str, int, float, datetime.date)
    return isinstance(value, kinds) and not isinstance(value, bool) and any(map(is_environment, path))


def fill(type_: Section | Variants) -> JsonObject:
    """Return the defaults of a section whose keys are all absent."""
    section = type_ if isinstance(type_, Section) else type_.sections[type_.default]
    return {
        key: fill(field.type)
        if field.default is None and isinstance(field.type, (Section, Variants)) and not field.required
        else copy.deepcopy(field.default)
        for key, field in section.fields.items()
    }


def optional(section: Section, doc: str = "") -> Field:
    """Return the field of a section that is null when it is absent."""
    return Field(OptionalSection(section), None, doc)


def port(number: int, doc: str) -> Field:
    """Return the field of a port that is *number* unless the job has another."""
    return Field(Int(1, 65535), number, doc)


TEXTS = MapOf(Str())
