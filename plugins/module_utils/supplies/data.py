# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The data sets of benchmarks: files, or addresses that are downloaded to ``data_dir`` before nodes are asked for."""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Iterator
from typing import Callable, NamedTuple, Union
from urllib.parse import urlsplit

from ..failures import Error, Finding
from ..json_types import Json, JsonObject
from ..topology.layout import Layout

SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
FORMS = {".jsonl": "json", ".json": "json", ".csv": "csv"}  # and what the library datasets calls them
CHECKED = 20  # rows
MOST_JSON = 1 << 30  # bytes of a file that is one JSON value
LONGEST_LINE = 1 << 24

# A column, or several of which one is needed.
Column = Union[str, tuple[str, ...]]


class Data(NamedTuple):
    """A data set that a benchmark reads.

    :ivar key: of the ``benchmark`` section, which has its path or address.
    :ivar source: that value.
    :ivar columns: that each row must have.
    :ivar folder: it is a directory, whose content is not checked.
    :ivar rows: returns the number of rows of a file in a form of the benchmark's own, ValueError if it is none.
    """

    key: str
    source: str
    columns: tuple[Column, ...] = ()
    folder: bool = False
    rows: Callable[[str], int] | None = None


def is_address(source: str) -> bool:
    """Return whether *source* is downloaded."""
    return bool(SCHEME.match(source))


def path_of(spec: JsonObject, data: Data) -> str:
    """Return the path of *data* on the hosts: of an address that of its copy in ``data_dir``."""
    if not is_address(data.source):
        return data.source
    folder: str = spec["cluster"]["data_dir"] or "<data_dir>"
    return os.path.join(folder, spec["benchmark"]["type"], name_of(data.source))


def name_of(address: str) -> str:
    """Return the name of the file that is downloaded from *address*."""
    return os.path.basename(urlsplit(address).path)


def form_of(path: str) -> str | None:
    """Return what the library datasets calls the format of the file *path*; None if it is none of these."""
    return FORMS.get(os.path.splitext(path)[1].lower())


def problems(spec: JsonObject, data: Data) -> list[Finding]:
    """Return what is wrong with the source of *data*, as far as its text tells."""
    path, source = ("benchmark", data.key), data.source
    if data.folder:
        problem = f"is {source}, an address. Only a directory on shared disk is read."
        return [(path, problem, None, "invalid")] if is_address(source) else []
    if is_address(source):
        parts = urlsplit(source)
        if parts.scheme.lower() not in ("http", "https"):
            return [(path, f"is {source}; only http and https can be downloaded.", None, "invalid")]
        if parts.username or parts.password:
            remedy = "Download the file yourself, and write its path."
            return [(path, "has a user or password, which files of the run would show.", remedy, "secret")]
        if not name_of(source):
            return [(path, f"is {source}, which does not end with the name of a file.", None, "invalid")]
        if not spec["cluster"]["data_dir"]:
            problem = f"is {source}, and no data_dir is set, to which it would be downloaded."
            remedy = "Set data_dir in srtslurm.yaml to a directory on shared disk, or write the path of a file."
            return [(path, problem, remedy, "missing")]
    name = name_of(source) if is_address(source) else source
    if not data.rows and not form_of(name):
        remedy = "Convert it: one JSON object a line (.jsonl), a list of JSON objects (.json), or .csv with a header."
        return [(path, f"is {source}; its name ends with none of {', '.join(FORMS)}.", remedy, "invalid")]
    return []


def check(path: str, data: Data) -> int | None:
    """Return the number of rows of the file *path*, None if it is not counted; Error for what *data* cannot be."""
    if data.folder:
        return None
    if data.rows:
        try:
            return data.rows(path)
        except ValueError as error:
            raise Error(f"benchmark.{data.key}: {error}") from None
    count = 0
    where = f"benchmark.{data.key}: {path}"
    try:
        for line, row in _rows(path):
            count += 1
            if count <= CHECKED:
                _check_row(where, line, row, data.columns)
    except (OSError, ValueError, csv.Error) as error:
        raise Error(f"{where} cannot be read as {os.path.splitext(path)[1]}: {error}") from None
    if not count:
        raise Error(f"{where} has no rows. Give a file with questions.")
    return count


def _check_row(where: str, line: int, row: Json, columns: tuple[Column, ...]) -> None:
    if not isinstance(row, dict):
        raise Error(f"{where}: row {line} is not an object with columns. It needs {_words(columns)}.")
    for column in columns:
        names = (column,) if isinstance(column, str) else column
        if all(row.get(name) is None for name in names):
            has = ", ".join(map(str, row)) or "nothing"
            raise Error(f"{where}: row {line} has no {' or '.join(names)}. It needs {_words(columns)}; it has {has}.")


def _words(columns: tuple[Column, ...]) -> str:
    return ", ".join(one if isinstance(one, str) else " or ".join(one) for one in columns)


def _rows(path: str) -> Iterator[tuple[int, Json]]:
    """Yield (number, row) of the file *path*."""
    suffix = os.path.splitext(path)[1].lower()
    with open(path, encoding="utf-8-sig", newline="") as stream:
        if suffix == ".csv":
            yield from enumerate(csv.DictReader(stream), 1)
        elif suffix == ".jsonl":
            for number, line in enumerate(iter(lambda: stream.readline(LONGEST_LINE), ""), 1):
                if line.strip():
                    yield number, json.loads(line)
        else:
            if os.fstat(stream.fileno()).st_size > MOST_JSON:
                raise ValueError(f"it has more than {MOST_JSON} bytes. Write one object a line, as .jsonl")
            value = json.load(stream)
            if not isinstance(value, list):
                raise ValueError("it is not a list of objects")
            yield from enumerate(value, 1)


def binds(layout: Layout, path: str) -> list[str]:
    """Return the mount, as a list, that shows *path* of the hosts to a container at the same place."""
    return [f"{path}:{path}"] if layout.contained else []
