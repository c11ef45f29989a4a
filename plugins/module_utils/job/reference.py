# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reference page and the JSON Schemas of job files and cluster files, written from the schema itself."""

from __future__ import annotations

import json
from collections.abc import Iterator

from .. import run_options
from ..backends import BACKENDS
from ..failures import CODES
from ..metrics import METRICS
from ..schema.section import Field, Section, Variants
from ..schema.types import ListOf, plain
from ..topology.placeholders import NAMES
from . import json_schema
from .cluster import CLUSTER
from .layouts import places
from .layouts.schema import JOB2
from .schema import JOB

INTRO = f"""\
<!-- Written by bin/make-job-reference from the schema; do not edit. -->
# Job files and the cluster file

A job file is YAML. The keys below stand at the top level, or under one key `job`. Editors find errors with
[job.schema.json](job.schema.json): begin the file with `# yaml-language-server: $schema=<path of job.schema.json>`.
The schema knows which keys belong to which backend, and marks older spellings and keys without effect. For
srtslurm.yaml there is [cluster.schema.json](cluster.schema.json).

* An unknown key is an error that names the line and the correct key. Keys may be written with dashes; a note names the
  correct spelling. Mappings with "any keys" go to the engine as they are.
* `null` means that the key is not set. For a key with a default in the cluster file, `null` rejects that default.
* A number may be written as text, and 8.0 is 8; 8.5 is not a whole number. `on`, `off`, `yes` and `no` are truth values
  unless they are in quotes; as keys they are text.
* Where text is expected, a number keeps its spelling: `010`, `0.10` and `12:30:00` stay as they are, except for time
  limits, which need quotes. Fractions also need quotes where their spelling is lost, as in JSON on the command line.
* `$NAME`, `${{NAME}}` and `${{NAME:-default}}` are replaced in paths, mounts and images; an unset one is an error.
  Values of environment tables stay as they are, except for `{{node}}` and `{{node_id}}` in those of workers.
* `container_mounts` may hold {", ".join(f"`{{{name}}}`" for name in NAMES)}.
* An image is a short name of the cluster file, a file, or a name in a registry: `NAME:TAG`, `ORG/NAME`,
  `REGISTRY#NAME:TAG`, `docker://...`. A single word that is none of them is an error, unless `check_paths` is false.
  Images other than the model's are only checked if a step of the job uses them. Apptainer gets the same names as
  `docker://REGISTRY/NAME:TAG`.
* A relative path is looked up beside the file that names it (the job file or the cluster file), then in the working
  directory. If it exists in neither, it is relative to the working directory, or to that file if it begins with a dot.
* `model.stage_dir` is an absolute path on the compute nodes. `configs_dir` must exist for a job in containers; the
  `configs` of `srtctl_root` may be missing, and a note says so. With `check_paths` false no path is checked.
* In `sbatch_directives` and `srun_options` a value is text; `true` or `""` is an option without a value, `false` or
  `null` omits the option. A directive that contradicts the plan (nodes, tasks, too few GPUs) or cannot work (`array`,
  `wrap`) is an error, and so is a misspelt option. Options that the collection sets itself (`output`, `requeue`, ...)
  are dropped with a note. An unknown option may belong to a plugin of the site: it is passed on, with a note.
* A value is text, a number, true or false, null, a list or a mapping: YAML tags such as `!!set` and `!!binary` are
  errors, and a date needs quotes where text is meant. `!vault` works in files that are given as `-e @FILE`.
* An error in the cluster file names the line of the cluster file, also when only the job makes it an error.

## Several jobs in one file

* `base:` with `override_<x>:` makes one job for each override: base with the override merged in, called
  `<name>_<x>`. Mappings merge, everything else replaces, `null` deletes.
* `zip_override_<x>:` makes one job for each position of its lists, called `<name>_<x>_<i>`. A list of one item applies
  to all; a list of lists gives lists.
* `sweep: {{a: [1, 2], b: [3, 4]}}` makes one job for each combination. `"{{a}}"` anywhere in a value stands for the
  parameter; alone it keeps its type, in a longer text it becomes text. `sweep: {{mode: grid, parameters: {{...}}}}` is
  the same; `mode: zip` combines the lists position by position.
* A base or an override may have a sweep too.
* Beside `base` a key that begins with `x-` or `_` may hold anything, such as an anchor for the others.

`-e job_file=FILE` selects all variants; `FILE:override_x`, `FILE:zip_override_x[2]`, `FILE:base` and globs such as
`'FILE:override_*'` select some. So do the name of a job, the end of it that a sweep or an override adds
(`FILE:isl1024_osl8`), a glob of these, and a number from 0 (`FILE:3`). A selector that matches nothing is an error that
lists the jobs. A directory stands for all files in it. `playbooks/sweep.yml` runs several jobs, `bench.yml` runs one;
`--check --diff` shows all. `playbooks/plan.yml` writes the dry runs of the valid jobs; if others are not valid it names
them and fails.

## Mounts

A path inside the container has one source. Later sources in this list override earlier ones: run directory and `/logs`,
`/model`, the staging directory, `/configs`, the cluster file's `default_mounts`, `extra_mount`, `$INFMAX_WORKSPACE` at
`/infmax-workspace`, `container_mounts`.
"""
KINDS = """
## Kinds of problems

All problems of a job, its variants and the cluster file are reported together. The failed result of the module
`job_spec` has them in `problems`, each with `file`, `line`, `path`, `code`, `problem` and `remedy`. The text may change
with any version; the code does not:

| code | |
|---|---|
"""


def documents() -> dict[str, str]:
    """Return ``{file name: text}`` of the generated documents."""
    return {
        "job-reference.md": page(),
        "job-reference-2.md": second_page(),
        "run-options.md": run_options_page(),
        "metrics.md": metrics_page(),
        "job.schema.json": json.dumps(json_schema.job_file(), indent=2) + "\n",
        "cluster.schema.json": json.dumps(json_schema.cluster_file(), indent=2) + "\n",
    }


def metrics_page() -> str:
    """Return the page of all metrics."""
    lines = [
        "<!-- Written by bin/make-job-reference from plugins/module_utils/metrics.py; do not edit. -->",
        "# Metrics",
        "",
        "The figures of a point in `results[]` of rollup.json and the columns of rollup.csv. Latencies are over",
        "completed requests. The type of a benchmark defines which metrics it has. What is not known is null in",
        "rollup.json and empty in rollup.csv, never 0. [results.md](results.md) says which to plot against which.",
        "",
        "| name | label | unit | formula | better | divided by |",
        "|---|---|---|---|---|---|",
        *(
            f"| `{one.name}` | {one.label} | {one.full_unit} | {one.formula} | {one.better or ''} | "
            f"{f'{one.gpus} GPUs' if one.gpus else ''} |"
            for one in METRICS.values()
        ),
    ]
    return "\n".join(lines) + "\n"


def page() -> str:
    """Return the reference page."""
    kinds = (f"| `{code}` | {text} |\n" for code, text in CODES.items())
    parts = [INTRO, KINDS, *kinds, "\n# Job\n", *_section(JOB, "")]
    parts += ["\n# Cluster file\n\n`srtslurm.yaml`, found by `-e cluster_file=`, the variable `SRTSLURM_CONFIG`, or "]
    parts += ["in the working directory and above it. The older form with all keys under `cluster:` is accepted.\n"]
    parts += _section(CLUSTER, "", heading=False)
    return "".join(parts)


SECOND = """\
<!-- Written by bin/make-job-reference from the schema; do not edit. -->
# Job files in the second layout

The keys of a job file with `schema: 2`. [recipes.md](recipes.md) says how both layouts relate, and what of the public
recipes is not built yet. What the first layout says in the same words is in [job-reference.md](job-reference.md), as is
everything that holds for both: overrides, sweeps, paths, mounts and the cluster file.

# Job
"""


def second_page() -> str:
    """Return the reference page of the second layout: what differs from the first."""
    return "".join([SECOND, *_section(JOB2, "", known=JOB)])


NAMES_2 = {old: new for new, old in places.FRONTENDS.items()}

RUN_OPTIONS = """\
<!-- Written by bin/make-job-reference from the table of run options; do not edit. -->
# Run options

Run options are extra vars beside the job: `-e name=value`, or in a file (`-e @run.yaml`). Values are parsed strictly,
and a misspelt name is an error, before anything is submitted.

Any other variable sets an option by its name with `srt_slurm_` before it: `srt_slurm_output_dir` in an inventory, for
example, so that each cluster has its own directory, or in a job template of AWX. The extra var `output_dir` comes
first. Without the prefix, a variable of an inventory is not an option: a run says so in a note and does not use it.
(`srt_slurm_submit_host` itself comes from `-e` alone, as it selects the hosts of the plays.)

An option with * also reaches the playbook inside a
submitted job (`submit.yml`), as all variables of roles do (`ansible-doc -t role srt.slurm.ROLE`); the other options
take effect at submission. An option in **bold** selects the run.

| option | type | default | playbooks | |
|---|---|---|---|---|
"""


def run_options_page() -> str:
    """Return the page of the run options."""
    rows = []
    for name, one in run_options.OPTIONS.items():
        if not one.internal:
            shown = (f"**`{name}`**" if one.chooses else f"`{name}`") + (" *" if one.travels else "")
            cells = (shown, run_options.TYPES[one.parse], _default_of(one), ", ".join(one.playbooks), _escaped(one.doc))
            rows.append(f"| {' | '.join(cells)} |\n")
    return RUN_OPTIONS + "".join(rows)


def _default_of(option: run_options.Option) -> str:
    """Return the default of a run *option* for the page."""
    if isinstance(option.default, dict):
        return ", ".join(f"{playbook}: `{json.dumps(value)}`" for playbook, value in option.default.items())
    return "" if option.default in (None, ()) else f"`{json.dumps(option.default)}`"


def _section(section: Section, path: str, heading: bool = True, known: Section | None = None) -> Iterator[str]:
    """Yield the table of *section*, then those of the sections in it; those of *known* are on the other page."""
    elsewhere = [field.type for field in known.fields.values()] if known else []
    if path and heading:
        yield f"\n## {path}\n"
    if section.doc and path:
        yield f"\n{section.doc}\n"
    yield "\n| key | type | default | |\n|---|---|---|---|\n"
    below: list[tuple[str, Section | Variants]] = []
    for key, field in section.fields.items():
        type_, name = plain(field.type), f"{path}.{key}" if path else key
        shown, inner = _escaped(type_.name), isinstance(type_, (Section, Variants))
        item = type_.item if isinstance(type_, ListOf) else type_
        if isinstance(item, (Section, Variants)):
            other = any(field.type is one for one in elsewhere)
            if not other:
                below.append((name, item))
            many = "" if item is type_ else "list, "
            page = "job-reference.md" if other else ""
            shown = f"{many}see [{name}]({page}#{name.replace('.', '').lower()})"
        yield f"| `{key}` | {shown} | {_default(field, inner)} | {_escaped(field.doc)} |\n"
    for name, part in below:
        if isinstance(part, Variants):
            yield f"\n## {name}\n\nThe keys depend on `{part.key}`: {', '.join(part.sections)}"
            yield f" (default {part.default}).\n"
            for word, one in part.sections.items():
                names = [
                    NAMES_2.get(one, one) if known else one for one in getattr(BACKENDS.get(word), "frontends", ())
                ]
                served = f" Frontends: {', '.join(names)}." if names else ""
                yield f"\n### {name}: {word}\n" + (f"\n{served.strip()}\n" if served else "")
                yield from _section(one, f"{name}.{word}", heading=False)
        else:
            yield from _section(part, name)


def _default(field: Field, inner: bool) -> str:
    if field.required:
        return "**required**"
    if field.default is None:
        return "" if inner else "not set"
    if field.default in ({}, []):
        return "none"
    return f"`{json.dumps(field.default)}`"


def _escaped(text: str) -> str:
    text = text.replace("mapping of anything", "mapping, any keys")
    text = text.replace("mapping of option values", "mapping of option values, any keys")
    return text.replace("mapping of text", "mapping of text, any keys").replace("|", "\\|")
