# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The versions in ``identity.frameworks`` of a job, compared with those that the logs of its run say. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ..json_types import JsonObject

# Other names of what provenance.py calls by one name.
ALIASES = {"ai_dynamo": "dynamo", "ai_dynamo_runtime": "dynamo", "trtllm": "tensorrt_llm", "nats_server": "nats"}
KEY = "identity.frameworks"


def notes(spec: JsonObject, engines: Mapping[str, Sequence[str]]) -> list[str]:
    """Return what ran in another version than ``identity`` of *spec* says, and what nobody knows, one line each.

    :param engines: ``{program: versions that logs say}``, see provenance.py.
    """
    expected = (spec.get("identity") or {}).get("frameworks") or {}
    found, unknown = [], []
    for name, wanted in expected.items():
        seen = engines.get(_plain_name(name)) or []
        if not seen:
            unknown.append(name)
        elif not all(_same(str(wanted), one) for one in seen):
            found.append(f"{KEY}.{name}: it is {wanted}, but logs say {' and '.join(seen)}.")
    if unknown:
        found.append(f"{KEY}: no log says which version of {', '.join(unknown)} ran.")
    return found


def _plain_name(name: str) -> str:
    plain = re.sub(r"[-_.\s]+", "_", name.strip().lower())
    return ALIASES.get(plain, plain)


def _same(wanted: str, seen: str) -> bool:
    """Return whether two versions are the same; a build (``+cu129``) counts only if both name one."""
    one, other = (text.strip().lower().lstrip("v").partition("+") for text in (wanted, seen))
    return one[0] == other[0] and (not one[2] or not other[2] or one[2] == other[2])
