# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The types a field can have.

A type is an object with ``name`` (for people), ``coerce(value) -> value`` (raises :class:`Unfit` with
one sentence that says what is wrong) and ``schema() -> dict`` (its part of a JSON Schema).

Coercion follows plain rules and never loses anything: a number may be written as text and a whole
float as an integer; ``8.5`` is not an integer, and a truth value is not text.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping
from typing import TypeVar

from ..failures import Code
from ..json_types import Json, JsonObject
from .json_form import PARAMETER, bounded, loose, nullable
from .spelling import WrittenFloat, WrittenInt, bare, is_number
from .words import nearest, normal

# What YAML can make, and Ansible's reader of YAML too, but JSON cannot hold.
UNPLAIN = (set, frozenset, bytes, bytearray)
KINDS = (
    ((set, frozenset), "a set (YAML's tag !!set)"),
    ((bytes, bytearray), "binary data (YAML's tag !!binary)"),
    (datetime.datetime, "a YAML timestamp"),
    (datetime.date, "a YAML date"),
)
TRUE_WORDS = ("true", "yes", "on", "1")
FALSE_WORDS = ("false", "no", "off", "0")
BOTH_WORDS = (*TRUE_WORDS, *FALSE_WORDS)
LONGEST_DAYS = 366  # of a time limit
MOST_AT_ONCE = 65535  # requests: each has a connection, and so a port, to one address

_Number = TypeVar("_Number", int, float)


class Unfit(ValueError):
    """A value that a type does not accept: one sentence that says why, and its *code* (see failures.py)."""

    def __init__(self, text: str, code: Code = "wrong_type") -> None:
        super().__init__(text)
        self.code = code


class Type:
    """Base: accepts plain data. YAML dates and keys that are not text become text."""

    name = "anything"

    def coerce(self, value: Json) -> Json:
        """Return *value* in the form that the spec stores."""
        if isinstance(value, UNPLAIN):
            raise Unfit(f"holds {kind_of(value)}, which a job cannot hold. Write a list, a mapping or text.")
        if isinstance(value, dict):
            return {str(key): Type.coerce(self, item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [Type.coerce(self, item) for item in value]
        value = bare(value)
        if value is None or isinstance(value, (bool, int, str)):
            return value
        if isinstance(value, float) and math.isfinite(value):
            return value
        return str(value)

    def schema(self) -> JsonObject:
        """Return the JSON Schema of the accepted values."""
        return {}


class Str(Type):
    """Text; numbers are taken as they were written, see :mod:`.spelling`."""

    name = "text"

    def coerce(self, value: Json) -> Json:
        if isinstance(value, bool):
            word = "true" if value else "false"
            raise Unfit(
                f'is a truth value; expected text. Write "{word}" with quotes if you mean text. '
                "YAML reads unquoted on, off, yes and no as truth values."
            )
        if isinstance(value, float) and bare(value) is value:
            # It may have been 0.10 as well as 0.1.
            problem = f"is the number {value}; expected text. Its original spelling is unknown."
            raise Unfit(f'{problem} Write it with quotes, for example "{value}".')
        if is_number(value):
            return str(value)
        if isinstance(value, datetime.date):
            raise Unfit(f'is {kind_of(value)}; expected text. Write "{value}" with quotes.')
        if not isinstance(value, str):
            raise Unfit(f"is {kind_of(value)}; expected text.")
        return value

    def schema(self) -> JsonObject:
        return {"type": ["string", "number"]}


class Option(Str):
    """The value of a command line option: text, true for a bare option, false to omit it.

    Empty text means true, as in srtctl's files.
    """

    name = "option values"

    def coerce(self, value: Json) -> Json:
        if isinstance(value, bool):
            return bool(value)
        return super().coerce(value) or True

    def schema(self) -> JsonObject:
        return {"type": ["string", "number", "boolean"]}


class Time(Str):
    """A time limit as Slurm reads it: minutes, MM:SS, HH:MM:SS, D-HH, D-HH:MM, D-HH:MM:SS."""

    name = "time limit"

    def coerce(self, value: Json) -> Json:
        if isinstance(value, (WrittenInt, WrittenFloat)) and ":" in value.text:
            value = value.text  # YAML 1.1 reads an unquoted 4:00:00 as a number, but what is written is plain
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            raise Unfit(
                f"is the number {bare(value)}. YAML reads an unquoted 4:00:00 as a number. "
                'Write it with quotes, for example "4:00:00" or "240" (minutes).'
            )
        value = super().coerce(value).strip()
        days, dash, rest = value.rpartition("-")
        parts = rest.split(":")
        numbers = parts + ([days] if dash else [])
        if not all(part.isdigit() for part in numbers) or len(parts) > 3:
            raise Unfit(f'is "{value}", which is not a Slurm time. Write "HH:MM:SS" or "D-HH:MM:SS".', "invalid")
        # Hours come first after days, and without days if there are three numbers; else the first are minutes.
        limits = [(24, "hours"), (60, "minutes"), (60, "seconds")]
        first = 0 if dash or len(parts) == 3 else 1
        free = 0 if dash else 1  # the largest unit has no limit
        for part, (limit, unit) in list(zip(parts, limits[first:]))[free:]:
            if int(part) >= limit:
                raise Unfit(f'is "{value}", with {part} {unit}; expected at most {limit - 1}.', "out_of_range")
        _check_length(value, int(days or 0), [0] * first + [int(part) for part in parts])
        return value

    def schema(self) -> JsonObject:
        minutes, hours = r"[0-5]?\d", r"([01]?\d|2[0-3])"
        forms = rf"\d+(:{minutes}){{0,2}}|\d+-{hours}(:{minutes}){{0,2}}"
        return {"type": "string", "pattern": rf"^\s*({forms})\s*$|{PARAMETER}"}


def _check_length(text: str, days: int, clock: list[int]) -> None:
    """Raise Unfit if a time limit, written as *text*, is no time or absurd; *clock* is hours, minutes, seconds."""
    hours, minutes, seconds = [*clock, 0, 0][:3]
    length_s = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    if not length_s:
        raise Unfit(
            f'is "{text}", which Slurm takes for no limit. Write the time that the job may take.', "out_of_range"
        )
    if length_s > LONGEST_DAYS * 86400:
        raise Unfit(f'is "{text}", {length_s // 86400} days; expected at most {LONGEST_DAYS}.', "out_of_range")


class Int(Type):
    """A whole number, with optional bounds."""

    name = "whole number"

    def __init__(self, minimum: int | None = None, maximum: int | None = None) -> None:
        self.minimum, self.maximum = minimum, maximum

    def coerce(self, value: Json) -> Json:
        number = value
        if isinstance(value, str):
            try:
                number = int(value.strip().replace("_", ""), 10)
            except ValueError:
                raise Unfit(f'is "{value}"; expected a whole number.') from None
        if isinstance(number, float) and math.isfinite(number) and number == int(number):
            number = int(number)
        if isinstance(number, bool) or not isinstance(number, int):
            raise Unfit(f"is {shown(value)}; expected a whole number.")
        return within(int(number), self.minimum, self.maximum)

    def schema(self) -> JsonObject:
        return bounded(loose("integer", "-?[0-9_]+"), self.minimum, self.maximum)


class Float(Type):
    """A finite number, with optional bounds."""

    name = "number"

    def __init__(self, minimum: float | None = None, maximum: float | None = None) -> None:
        self.minimum, self.maximum = minimum, maximum

    def coerce(self, value: Json) -> Json:
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise Unfit(f"is {shown(value)}; expected a number.")
        try:
            number = float(value)
        except ValueError:
            raise Unfit(f'is "{value}"; expected a number.') from None
        if not math.isfinite(number):
            raise Unfit(f"is {value}; expected a finite number.", "out_of_range")
        return within(number, self.minimum, self.maximum)

    def schema(self) -> JsonObject:
        return bounded(loose("number", "-?[0-9._eE+-]+"), self.minimum, self.maximum)


class Bool(Type):
    """true or false; YAML's words and 0 and 1 are accepted."""

    name = "true or false"

    def coerce(self, value: Json) -> Json:
        if isinstance(value, bool):
            return bool(value)
        word = str(bare(value)).strip().lower() if isinstance(value, (str, int)) else ""
        if word in TRUE_WORDS:
            return True
        if word in FALSE_WORDS:
            return False
        raise Unfit(f"is {shown(value)}; expected true or false.")

    def schema(self) -> JsonObject:
        words = "".join(f"[{one.lower()}{one.upper()}]" if one.isalpha() else one for one in "|".join(BOTH_WORDS))
        return {**loose("boolean", words), "type": ["boolean", "string", "integer"], "minimum": 0, "maximum": 1}


class Choice(Type):
    """One of a few words."""

    def __init__(self, *words: str) -> None:
        self.words, self.name = words, "one of " + ", ".join(words)

    def coerce(self, value: Json) -> Json:
        if value in self.words:
            return str(value)
        hint = nearest(str(value), self.words)
        text = f"is {shown(value)}; expected {self.name}." + (f" Did you mean {hint}?" if hint else "")
        raise Unfit(text, "not_a_choice")

    def schema(self) -> JsonObject:
        return {"anyOf": [{"enum": list(self.words)}, {"type": "string", "pattern": PARAMETER}]}


class ListOf(Type):
    """A list whose items have one type; ``fields`` problems name the item."""

    def __init__(self, item: Type | None = None) -> None:
        self.item = item or Type()
        self.name = f"list of {self.item.name}"

    def schema(self) -> JsonObject:
        return {"type": ["array", "string"], "items": self.item.schema(), "pattern": f"^{PARAMETER}$"}


class MapOf(Type):
    """A mapping from text to values of one type; the keys are free.

    :param named: types of certain keys, ``{key with underscores, without leading dashes: Type}``.
    """

    def __init__(self, item: Type | None = None, named: Mapping[str, Type] | None = None) -> None:
        self.item, self.named = item or Type(), named or {}
        self.name = f"mapping of {self.item.name}"

    def type_of(self, key: object) -> Type:
        """Return the type of the value under *key*."""
        return self.named.get(normal(str(key).lstrip("-")), self.item) if self.named else self.item

    def schema(self) -> JsonObject:
        schema: JsonObject = {"type": ["object", "string"], "additionalProperties": nullable(self.item.schema())}
        for key, type_ in self.named.items():
            for name in dict.fromkeys((key, key.replace("_", "-"))):
                schema.setdefault("properties", {})[name] = nullable(type_.schema())
        return {**schema, "pattern": f"^{PARAMETER}$"}


class OptionalSection(Type):
    """A section that may be absent: then the value is null instead of the section's defaults."""

    name = "mapping"

    def __init__(self, section: Type) -> None:
        self.section = section

    def schema(self) -> JsonObject:
        return self.section.schema()


def plain(type_: Type) -> Type:
    """Return *type_*, or what an optional section is when it is there."""
    return type_.section if isinstance(type_, OptionalSection) else type_


class OneOf(Type):
    """The first of several types that accepts the value; scalars and containers may be mixed."""

    def __init__(self, *types: Type) -> None:
        self.types, self.name = types, " or ".join(one.name for one in types)

    def schema(self) -> JsonObject:
        return {"anyOf": [one.schema() for one in self.types]}


class Concurrencies(Type):
    """Concurrency levels: a list of whole numbers above 0, or text such as "4x16"; stored as a list."""

    name = 'list of whole numbers, or text such as "4x16"'

    def coerce(self, value: Json) -> Json:
        if isinstance(value, str):
            value = value.split("x")
        elif isinstance(value, int) and not isinstance(value, bool):
            value = [value]
        if not isinstance(value, list) or not value:
            raise Unfit(f'is {shown(value)}; expected a list such as [4, 16] or text such as "4x16".')
        number = Int(1, MOST_AT_ONCE)
        try:
            levels = [number.coerce(item) for item in value]
        except Unfit as error:
            text = f'has an item that {error} Write a list such as [4, 16] or text such as "4x16".'
            raise Unfit(text, error.code) from None
        return levels

    def schema(self) -> JsonObject:
        number = Int(1, MOST_AT_ONCE).schema()
        text = {"type": "string", "pattern": rf"^\s*\d+\s*(x\s*\d+\s*)*$|{PARAMETER}"}
        return {"anyOf": [{"type": "array", "items": number, "minItems": 1}, {**number, "type": "integer"}, text]}


def within(number: _Number, minimum: _Number | None, maximum: _Number | None) -> _Number:
    """Return *number* if it is inside the bounds, otherwise raise Unfit."""
    if minimum is not None and number < minimum:
        raise Unfit(f"is {number}; expected at least {minimum}.", "out_of_range")
    if maximum is not None and number > maximum:
        raise Unfit(f"is {number}; expected at most {maximum}.", "out_of_range")
    return number


def kind_of(value: object) -> str:
    """Return the kind of *value* in words."""
    if value is None:
        return "empty"
    for kind, words in KINDS:
        if isinstance(value, kind):
            return words
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return shown(value)


def shown(value: object) -> str:
    """Return a short text of *value* for messages."""
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = f'"{value}"' if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."
