# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entry of the module job_migrate: rewrites a job file into the second layout."""

from __future__ import annotations

import os

from ..entry import Context
from ..failures import Error, SpecError
from ..files import write_text_atomic
from ..job.cluster import Cluster, find_cluster_file, load_cluster
from ..job.layouts import migration
from ..job.layouts.recognition import recognise
from ..job.reading import Document, absolute, read_jobs
from ..json_types import JsonObject
from ..plan.differences import differences
from ..schema.source import parse_yaml
from .planned_jobs import Planned, planned

ARGUMENT_SPEC = {"job_file": {"type": "path", "required": True}, "cluster_file": {"type": "path"}}


def run(params: JsonObject, ctx: Context) -> JsonObject:
    """Return ``{changed, path, jobs, notes}`` and a ``diff``; the file is rewritten unless in check mode.

    Error, with the differences, if a job of the new text has another plan. Nothing is written then.
    """
    path = absolute(params["job_file"])
    (document,) = read_jobs(path)
    if document.selector is not None:
        raise Error("A selector has no meaning here: the whole file is rewritten. Name the file.")
    with open(path, encoding="utf-8") as stream:
        text = stream.read()
    found = document.variants()
    result: JsonObject = {"changed": False, "path": path, "jobs": [], "notes": []}
    if all(recognise(job, source)[0] != 1 for _suffix, job, source in found):
        result["notes"] = [f"{path} is in the second layout already."]
        return result
    cluster = load_cluster(find_cluster_file(params.get("cluster_file")))
    before = planned(document, cluster)
    new, notes = migration.migrated(text, before[0].spec["resources"])
    prove(before, new, path, cluster)
    notes += [f"A comment is lost: {one}" for one in migration.comments_lost(text, new)]
    result.update(changed=True, jobs=[one.name for one in before], notes=notes)
    if ctx.diff:
        result["diff"] = {"before": text, "after": new, "before_header": path, "after_header": path}
    if not ctx.check_mode:
        write_text_atomic(path, new, os.stat(path).st_mode & 0o777)
    return result


def prove(before: list[Planned], new: str, path: str, cluster: Cluster) -> None:
    """Raise Error unless the jobs of the text *new* have the plans of those *before*."""
    try:
        after = planned(Document(*parse_yaml(new, path)), cluster)
    except SpecError as error:
        raise Error(f"{path} is not changed: in the second layout it would not be valid.\n{error.msg}") from None
    wrong = [] if [one.name for one in before] == [one.name for one in after] else ["the names of the jobs differ"]
    for one, other in zip(before, after):
        wrong += [f"{one.name}: {line}" for line in differences(one.plan, other.plan)]
    if wrong:
        listed = "\n".join(wrong[:20])
        raise Error(f"{path} is not changed: in the second layout its plans would differ.\n{listed}", differences=wrong)
