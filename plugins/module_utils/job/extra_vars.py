# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding the job among the extra vars of a playbook run. Independent of Ansible: origins come from a function."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Callable, Optional

from .. import run_options
from ..failures import Code, Error, Problem, SpecError
from ..json_types import Json, JsonObject, KeyPath
from ..schema.source import Source, check_size, parse_yaml
from ..schema.spelling import is_number
from ..schema.types import UNPLAIN, kind_of
from ..schema.words import nearest
from ..secrets import references
from ..secrets.names import is_plain, looks_secret
from .schema import JOB

# Keys beside base in a file of several jobs.
VARIANTS = ("override_", "zip_override_")
# Keys that every job has; they identify the file of a flat job.
MARKS = ("model", "resources")
FORMS = ("job", "job_file")  # the other forms of a job


# The file and the line (from 1) of a value; the file is None for the command line.
Origin = tuple[Optional[str], Optional[int]]


def effective(extra: JsonObject, variables: Mapping[str, Json]) -> tuple[JsonObject, dict[str, str]]:
    """Return (the extra vars with the run options that other variables set, {option: that variable}).

    A job among the extra vars counts instead of one of an inventory, in whatever form it is.

    :param extra: the extra vars.
    :param variables: all variables of the task.
    """
    set_by = run_options.set_by(extra, variables)
    forms = {*MARKS, *(set_by.get(form) for form in FORMS)}
    if forms & extra.keys():
        set_by = {name: one for name, one in set_by.items() if name not in FORMS or one in extra}
    values = {name: (extra if one in extra else variables)[one] for name, one in set_by.items()}
    return {**extra, **values}, {name: one for name, one in set_by.items() if name != one}


def misspelt(name: str) -> str | None:
    """Return the variable that is probably meant by *name*, which begins like a run option but is none; or None."""
    if not name.startswith(run_options.PREFIX) or run_options.option_of(name):
        return None
    options = [run_options.full_name(option) for option in run_options.OPTIONS]
    cut = len(run_options.PREFIX)
    near = nearest(name[cut:], [option[cut:] for option in options], cutoff=0.75)
    return run_options.PREFIX + near if near else None


def passed_on(values: JsonObject) -> JsonObject:
    """Return the extra vars in *values* that are passed to the playbook inside a submitted job."""
    return {name: value for name, value in values.items() if run_options.travels(name) and name not in JOB.fields}


def in_clear(
    values: JsonObject, vaulted: Collection[str], marked: Collection[str], used: Collection[str]
) -> tuple[JsonObject, list[str]]:
    """Return (the extra vars in *values* that may be written to a file, the names of the others).

    SpecError if one of our playbooks reads one that may not.

    :param vaulted: texts that come from a vault, wherever they are used.
    :param marked: names of variables that come from a vault.
    :param used: names that our playbooks and roles read; only the job's templates can have read the others.
    """
    telling = {text for text in vaulted if not is_plain(text)}
    kept: JsonObject = {}
    left_out: list[str] = []
    problems: list[Problem] = []
    for name, value in values.items():
        secret = any(references.exposed({name: value}, telling)) or _named(name, value)
        if name not in used and (secret or name in marked):
            left_out.append(name)
        elif secret or name in marked and not is_plain(value):
            problem = (
                "is a secret or comes from a vault. The playbook in the job would read it from an unencrypted file."
            )
            remedy = "If it is not a secret, set it outside the vault; otherwise set it in an environment of the job."
            problems.append(Source("extra vars").problem((name,), "secret", problem, remedy))
        else:
            kept[name] = value
    if problems:
        raise SpecError(problems)
    return kept, left_out


def _named(name: str, value: Json) -> bool:
    """Return whether *value* contains text under a name that looks like a secret's."""
    if isinstance(value, dict):
        return any(_named(str(key), item) for key, item in value.items())
    if isinstance(value, list):
        return any(_named(name, item) for item in value)
    return looks_secret(name, value)


class ExtraVars:
    """The extra vars with their origins.

    :param values: the variables as Ansible loaded them.
    :param origin: ``origin(value) -> (file, line)``; file is a path, or None for the command line.
    :param spelling: ``spelling(number) -> text`` returns how a number was written, or None if unknown.
    :param final: ``final(value)`` returns the value after templating.
    :param more: further known names. Near misses of them are not reported.
    :param set_by: ``{option: the variable that sets it}`` of options that are not set by their own name.
    :param files: ``{path: text}`` of the files that the command line names as @FILE.

    ``unplain`` takes up the problems of values that no job can hold, of every job whose source was asked for.
    SpecError if aliases make a variable larger than memory: Ansible loads it as it is written.
    """

    def __init__(
        self,
        values: JsonObject,
        origin: Callable[[Json], Origin],
        spelling: Callable[[Json], str | None] = lambda number: None,
        final: Callable[[Json], Json] = lambda value: value,
        more: Collection[str] = (),
        set_by: Mapping[str, str] | None = None,
        files: Mapping[str, str] | None = None,
    ) -> None:
        self.files = files or {}
        self.values, self.origin, self.spelling, self.set_by = values, origin, spelling, set_by or {}
        self.unplain: list[Problem] = []
        self.final, self.ours = final, (*run_options.OF_JOBS, *more)
        self._check_sizes()

    def _check_sizes(self) -> None:
        """Raise SpecError if the variables are too large to be walked through."""
        problems = []
        for name, value in self.values.items():
            try:
                check_size(value)
            except ValueError as error:
                problems.append(self.problem(name, "out_of_range", str(error), "Use fewer aliases."))
        if problems:
            raise SpecError(problems)
        try:
            check_size([*self.values.values()])
        except ValueError as error:
            raise Error(f"The set of all extra vars {error} Use fewer aliases.") from None

    def file_of(self, name: str) -> str | None:
        """Return the file that *name* comes from, or None for the command line."""
        return self._origin(name)[0] or self.origin(self.values[name])[0]

    def _origin(self, name: str) -> Origin:
        """Return the origin of the variable *name*; that of an option is of the variable that sets it."""
        if name in self.set_by:
            return self.origin(self.values[name])
        return self.origin(next(key for key in self.values if key == name))

    def form(self) -> str | None:
        """Return "job", "job_file", "flat" or None; Error if several are used at once."""
        forms = [name for name in FORMS if self.values.get(name)]
        if any(mark in self.values for mark in MARKS):
            forms.append("flat")
        if not forms and "base" in self.values and any(name.startswith(VARIANTS) for name in self.values):
            file = self.file_of("base") or "FILE"
            raise Error(f"The extra vars are a base with overrides. Pass the file as -e job_file={file} instead.")
        if len(forms) > 1:
            names = {"flat": "model and resources at the top level"}
            raise Error(
                f"The job is given twice, as {' and as '.join(names.get(form, form) for form in forms)}. Keep one."
            )
        return forms[0] if forms else "flat" if self._meant() else None

    def _meant(self) -> str | None:
        """Return the first file with keys that only a job has: it lacks both model and resources."""
        ours = [name for name in self.values if name in JOB.fields and name not in run_options.OF_JOBS]
        return next((file for file in self.files if any(self.file_of(name) == file for name in ours)), None)

    def empty(self) -> str | None:
        """Return the first file that has no variables at all, or None."""
        return next((file for file, text in self.files.items() if not self._read(text, file)[0]), None)

    def duplicates(self, file: str | None) -> list[Problem]:
        """Return the problems of keys that *file* repeats: Ansible takes the last one, with a warning."""
        problems = self._read(self.files[file], file)[1].faults if file and file in self.files else []
        return [problem for problem in problems if problem["code"] == "duplicate"]

    def repetitions(self, file: str | None) -> list[str]:
        """Return the notes on keys that *file* repeats with the same value."""
        return self._read(self.files[file], file)[1].notes if file and file in self.files else []

    @staticmethod
    def _read(text: str, file: str | None) -> tuple[bool, Source]:
        """Return whether *text* holds anything, and what is known of it: Ansible reads more than plain YAML."""
        source = Source(file)
        try:
            document, source = parse_yaml(text, file)
            return bool(document), source
        except SpecError as error:
            source.faults = error.problems
        except Error:
            pass
        return True, source

    def job(self) -> tuple[Json, Source]:
        """Return (raw job, Source) of the forms "flat" and "job"; the values still carry Ansible's tags."""
        if self.form() == "job":
            job = self.values["job"]
            return job, self.source(job, self.file_of("job"))
        file = self._job_file()
        known = set(JOB.fields)
        job = {
            key: value
            for key, value in self.values.items()
            if key not in self.set_by
            and not key.startswith(run_options.AWX_PREFIXES)  # it writes all variables to one file
            and ((file and self.file_of(key) == file) or (key in known and key not in run_options.OF_JOBS))
        }
        return job, self.source(job, file)

    def _job_file(self) -> str | None:
        """Return the file of the flat form: the one that holds both model and resources, if it holds all it should."""
        there = [mark for mark in MARKS if mark in self.values]
        files = list(dict.fromkeys(self.file_of(mark) for mark in there)) or [self._meant()]
        if len(files) > 1:
            raise Error(f"model comes from {files[0]}, resources from {files[1]}. Put the job in one file.")
        if files[0] is None and len(there) < len(MARKS):
            missing = next(mark for mark in MARKS if mark not in there)
            raise Error(f"The extra vars have {there[0]} but no {missing}. A job needs both, in one file.")
        return files[0]

    def source(self, job: Json, file: str | None) -> Source:
        """Return the :class:`Source` of *job* from the origins of its keys and values."""
        source = Source(file)
        self._index(job, (), source)
        return source

    def _index(self, value: Json, path: KeyPath, source: Source) -> None:
        file, line = self.origin(value)
        if path and line:
            source.put_value(path, line, not isinstance(value, (dict, list)), file)
        text = self.spelling(value) if is_number(value) else None
        if text is not None:
            source.texts[path] = text
        if isinstance(value, UNPLAIN):  # a template would turn it into a list in arbitrary order
            problem = f"is {kind_of(value)}, which a job cannot hold."
            self.unplain.append(source.problem(path, "wrong_type", problem, "Write a list, a mapping or text."))
        if isinstance(value, dict):
            for key, item in value.items():
                file, line = self.origin(key)
                if line:
                    source.put_key((*path, str(key)), line, file)
                self._index(item, (*path, str(key)), source)
        elif isinstance(value, list):
            for index, item in enumerate(value):
                self._index(item, (*path, index), source)

    def problems(self) -> list[Problem]:
        """Return the problems of names that are near misses of ours; other names are ignored."""
        form = self.form()
        file = self._job_file() if form == "flat" else None
        problems = []
        for name in self.values:
            if self.known(name) or file and self.file_of(name) == file:
                continue
            if name in JOB.fields:
                if form != "flat":
                    text, remedy = "is a key of a job, but is not in the job.", "Move it into the job file."
                    problems.append(self.problem(name, "unknown_key", text, remedy))
                continue
            known = (*run_options.OF_JOBS, *(JOB.fields if form == "flat" else ()))
            near = misspelt(name) or nearest(name, known, cutoff=0.75)
            if near:
                problems.append(self.unknown(name, f"Did you mean {near}?"))
        return problems + self.unusable()

    def known(self, name: str) -> bool:
        """Return whether *name* is one of our variables, or clearly not a misspelling of one."""
        if name.startswith(run_options.PREFIX):
            return not misspelt(name)
        return name in self.ours or name.startswith(run_options.OUR_PREFIXES + run_options.FOREIGN_PREFIXES)

    def unusable(self) -> list[Problem]:
        """Return the problems of invalid values of our variables."""
        problems = []
        for name in self.values:
            try:
                if name in self.ours and name in run_options.OPTIONS:
                    run_options.OPTIONS[name].parse(self.value(name))
            except run_options.Unusable as error:
                problems.append(self.problem(name, "invalid", error.problem, error.remedy))
        return problems

    def value(self, name: str, default: Json = None) -> Json:
        """Return the variable *name* after templating."""
        return self.final(self.values[name]) if name in self.values else default

    def where(self, name: str) -> tuple[str, int | None]:
        """Return (file, line) of the variable *name*; ("extra vars", None) for the command line."""
        file, line = self._origin(name)
        return file or "extra vars", line

    def problem(self, name: str, code: Code, text: str, remedy: str | None) -> Problem:
        """Return the record of a problem of the variable *name*."""
        file, line = self.where(name)
        path = self.set_by.get(name, name)
        return {"file": file, "line": line, "path": path, "code": code, "problem": text, "remedy": remedy}

    def unknown(self, name: str, remedy: str) -> Problem:
        """Return the record of a variable *name* that is none of ours."""
        return self.problem(name, "unknown_key", "is not a variable of srt.slurm.", remedy)
