# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The frontends by type, and the ``frontend`` section of a job. A new frontend is one file and one line here."""

from __future__ import annotations

from ..json_types import JsonObject
from ..schema.section import TEXTS, Field, Section
from ..schema.types import Bool, Choice, Int, MapOf, Str, Type
from .dynamo import Dynamo
from .nginx import HEADER, TIME, Word
from .router import SglangRouter
from .trtllm_serve import TrtllmServe
from .vllm import VllmServe

FRONTENDS = {one.type: one for one in (Dynamo(), SglangRouter(), TrtllmServe(), VllmServe())}


def _read_by(value: JsonObject) -> list[set[str]]:
    """Return the keys of the type that *value* selects, and those of all types."""
    chosen = FRONTENDS.get(str(value.get("type") or Dynamo.type))
    own = {key for one in FRONTENDS.values() for key in one.fields}
    return [(set(SECTION.fields) - own).union(chosen.fields if chosen else ())]


SECTION = Section(
    "frontend",
    {
        "type": Field(Choice(*FRONTENDS), Dynamo.type, "The HTTP side of the service."),
        "enable_multiple_frontends": Field(Bool(), True, "Several frontends behind nginx on several nodes."),
        "num_additional_frontends": Field(Int(0), 9, "Frontends beyond the first; at most one per worker node."),
        "nginx_container": Field(Str(), "nginx:1.27.4", "Image of nginx when the job runs in containers."),
        "nginx_raise_ulimit": Field(Bool(), False, "Raise nginx's open-file limit to 1048576."),
        "nginx_session_affinity": Field(Bool(), False, "Send all requests of a session to the same frontend."),
        "nginx_session_affinity_header": Field(
            Word("header", HEADER, "X-Session-ID"), "X-Dynamo-Session-ID", "The header that names the session."
        ),
        "nginx_keepalive_timeout": Field(
            Word("time", TIME, "600s, 10m or 1h 30m"), "600s", "How long idle connections stay open."
        ),
        "args": Field(MapOf(Type()), {}, "Options of the frontend's command line."),
        "env": Field(TEXTS, {}, "Environment of the frontend."),
        "orchestrator_placement": Field(
            Choice("head", "first_decode", "last_decode"), "head", "Node of the public port."
        ),
        "dedicated_node": Field(Bool(), False, "A dedicated node for the frontend."),
        **{key: field for one in FRONTENDS.values() for key, field in one.fields.items()},
    },
    doc="The HTTP side of the service.",
    read_by=_read_by,
)
