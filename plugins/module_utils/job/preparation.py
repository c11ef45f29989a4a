# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens before an engine starts: side services, setup script, dynamo, the model; see plan/preambles.py."""

from __future__ import annotations

import contextlib
import hashlib
import os

from ..backends import BACKENDS
from ..failures import Finding
from ..frontends import FRONTENDS
from ..json_types import JsonObject
from ..services import dynamo_install
from ..services.base import Service
from ..services.exporters import EXPORTERS
from ..services.generic import GENERIC
from ..topology.modes import LONG_MODE

SCRIPT_DIGEST = "setup_script_sha256"  # in the planned spec, if the script could be read


def script_path(spec: JsonObject) -> str:
    """Return the setup script's path below configs_dir."""
    script: str = spec["setup_script"]
    return os.path.normpath(script)


def with_content(spec: JsonObject) -> JsonObject:
    """Return *spec* with a digest of the setup script, so that an edited script restarts the steps that run it.

    The spec is unchanged if there is no setup script or it cannot be read here. Planning itself reads no files.
    """
    folder = spec["cluster"]["configs_dir"]
    if not (spec["setup_script"] and folder):
        return spec
    for below in ("", "patches"):  # the order of plan/preambles.py
        with contextlib.suppress(OSError), open(os.path.join(folder, below, script_path(spec)), "rb") as stream:
            return dict(spec, **{SCRIPT_DIGEST: hashlib.sha256(stream.read()).hexdigest()[:16]})
    return spec


def services(spec: JsonObject) -> list[Service]:
    """Return the side services of the job."""
    parts = (FRONTENDS[spec["frontend"]["type"]], BACKENDS[spec["backend"]["type"]])
    own = [service for part in parts for service in part.services if service.wanted(spec)]
    return [*own, *(service for service in (EXPORTERS, GENERIC) if service.wanted(spec))]


def problems(spec: JsonObject) -> list[Finding]:
    """Return ``[(path, problem, remedy)]`` of the side services."""
    backend = BACKENDS[spec["backend"]["type"]]
    return [
        problem
        for service in services(spec)
        for problem in service.problems(spec, lambda mode: backend.mode_config(spec, mode))
    ]


def _idle_mounts(spec: JsonObject) -> list[str]:
    """Return the keys of mounts that have no effect because the job does not run in a container."""
    if spec["cluster"]["container_runtime"] != "none":
        return []
    images = [f"backend.{long}_container" for long in LONG_MODE.values() if spec["backend"][f"{long}_container"]]
    return [*(key for key in ("extra_mount", "container_mounts") if spec[key]), *images]


def notes(spec: JsonObject) -> list[str]:
    """Return notes on the preparation."""
    found = [note for service in services(spec) for note in service.notes(spec)]
    if spec["infra"]["etcd_nats_dedicated_node"] and not any(one not in (EXPORTERS, GENERIC) for one in services(spec)):
        idle = f"frontend {spec['frontend']['type']} needs neither, so that node stays idle."
        found.append(f"infra.etcd_nats_dedicated_node: {idle}")
    if spec["observability"]["enable_otel"] and not spec["observability"]["otel_endpoint"]:
        found.append("observability.enable_otel: no effect without otel_endpoint, where traces go.")
    found += dynamo_install.notes(spec)
    if spec["model"]["container"] and spec["cluster"]["container_runtime"] == "none":
        found.append("model.container: the cluster file sets container_runtime to none, so the image is not used.")
    if _idle_mounts(spec):
        why = "the job does not run in a container and sees the host's file system"
        found.append(f"{', '.join(_idle_mounts(spec))}: no effect, {why}.")
    if spec["model"]["stage_dir"] and spec["model"]["path"].startswith("hf:"):
        found.append("model.stage_dir: the model is downloaded by its hf: id, so nothing is staged.")
    return found


def bare_notes(job: JsonObject, spec: JsonObject, runtime: str) -> list[str]:
    """Return a note, as a list, for the raw *job* that names no image although containers are available.

    There is none if another note already says that the job does not run in a container.

    :param runtime: the cluster file's container_runtime.
    """
    said = dynamo_install.keeps_host(spec) or _idle_mounts(spec)
    if job["model"].get("container") is not None or runtime == "none" or said:
        return []
    return ["model.container: not set, so workers run directly on the nodes. Write none to confirm."]
