# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entry of the module ``cluster_file``: srtslurm.yaml has the settings that are given, and keeps what it had."""

from __future__ import annotations

import os
import tempfile

from ..entry import Context
from ..failures import Error, SpecError
from ..files import doubt, write_text_atomic
from ..job.cluster import CLUSTER, FILE_NAME, VARIABLE, find_cluster_file, load_cluster
from ..json_types import Json, JsonObject
from ..schema.types import Bool, Int
from ..survey import cluster_text
from ..survey.cluster_text import Line

ARGUMENT_SPEC = {
    "path": {"type": "path"},
    "settings": {"type": "dict", "default": {}},
    "proposals": {"type": "list", "elements": "dict", "default": []},
}


def run(params: JsonObject, ctx: Context) -> JsonObject:
    """Return ``{changed, path, settings, added, kept, notes, diff}``; Error for a setting that no job understands."""
    path = os.path.abspath(params["path"] or _usual())
    lines = _lines(params["settings"], params["proposals"])
    before = _text(path)
    text, added = cluster_text.merged(before, lines, path)
    settings = cluster_text.given_in(text, path)
    asked = {one.key: one.value for one in lines}
    kept = {key: value for key, value in settings.items() if key in asked and asked[key] is not None}
    differing = [
        f"{key} stays {settings[key]}; {asked[key]} was not written. Edit {path} to change it."
        for key in kept
        if key not in added and not isinstance(asked[key], dict) and not _same(settings[key], asked[key])
    ]
    notes = differing + [
        f"{key} is kept, but no job understands it: jobs refuse {path} until it is corrected."
        for key in cluster_text.unknown(settings)
    ]
    if not cluster_text.unknown(settings):
        _check(text, path)
    changed = text != before
    if changed and not ctx.check_mode:
        _write(path, text)
    folder = os.path.dirname(path)
    why = doubt(folder) if os.path.isdir(folder) else None
    if why:
        notes.append(f"{why}, so that jobs do not trust {path} unless it is named: -e cluster_file={path}.")
    return {
        "changed": changed,
        "path": path,
        "settings": settings,
        "added": added,
        "notes": notes,
        "diff": {"before": before, "after": text, "before_header": path, "after_header": path},
    }


def _usual() -> str:
    """Return the file that jobs use, else that in the working directory, which is new."""
    named = os.environ.get(VARIABLE)
    if named:
        return os.path.expanduser(named)
    return find_cluster_file() or FILE_NAME


def _lines(settings: JsonObject, proposals: list[JsonObject]) -> list[Line]:
    """Return the settings as lines, in the order in which the manual has them; Error for one that is not known.

    What is proposed counts where nobody has given a value, or has said ``none``.
    """
    given: dict[str, Line] = {}
    for one in proposals:
        given[one["key"]] = Line(one["key"], one["value"], str(one.get("why") or ""))
    for key, value in settings.items():
        if value not in ("", {}):
            given[key] = Line(key, None if str(value).strip().lower() == "none" else value)
    for key in given:
        if key not in CLUSTER.fields:
            raise Error(f"settings: {key} is no key of srtslurm.yaml. docs/job-reference.md lists them.")
    chosen = [given[key] for key in CLUSTER.fields if key in given]
    return [one._replace(value=_plain(one.key, one.value)) for one in chosen if one.value is not None]


def _plain(key: str, value: Json) -> Json:
    """Return a *value* that was typed, and is a number or a truth value by its key, as such."""
    kind, text = CLUSTER.fields[key].type, str(value).strip()
    if isinstance(kind, Int) and text.isdecimal():
        return int(text)
    if isinstance(kind, Bool) and text.lower() in ("true", "false"):
        return text.lower() == "true"
    return value


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise Error(f"Cannot read {path}: {error}.") from None


def _same(one: object, other: object) -> bool:
    return str(one).strip().lower() == str(other).strip().lower()


def _check(text: str, path: str) -> None:
    """Raise SpecError, which names the lines, if jobs would not accept this text of the file."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        try:
            load_cluster(stream.name)
        except SpecError as error:
            raise SpecError([{**one, "file": path} for one in error.problems]) from None


def _write(path: str, text: str) -> None:
    try:
        os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
        # A link stays one: its target is replaced.
        mode = os.stat(path).st_mode & 0o777 if os.path.exists(path) else 0o644
        write_text_atomic(os.path.realpath(path), text, mode)
    except OSError as error:
        raise Error(f"{path} cannot be written: {error.strerror}. Name another file with cluster_file.") from None
