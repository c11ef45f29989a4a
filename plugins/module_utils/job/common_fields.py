# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sections and tables that both the job file and the cluster file have."""

from __future__ import annotations

from ..schema.section import Field, Section, optional
from ..schema.types import Bool, Int, ListOf, MapOf, Option, Str, Time

HEALTH_CHECK = Section(
    "health_check",
    {
        "max_attempts": Field(Int(1), 180, "With interval_seconds: how long to wait for the service."),
        "interval_seconds": Field(Int(1), 10, "With max_attempts: how long to wait for the service."),
    },
    doc="How long to wait for the service.",
)

# YAML reads an unquoted 4:00:00 as the number 14400, which Slurm would take as minutes.
DIRECTIVES = MapOf(Option(), {"time": Time(), "t": Time(), "time_min": Time()})

REPORTING = Section(
    "reporting",
    {
        "status": optional(
            Section(
                "status",
                {"endpoint": Field(Str(), None, "URL."), "endpoints": Field(ListOf(Str()), None, "Further URLs.")},
            ),
            "Status API. Accepted, not used yet.",
        ),
        "ai_analysis": optional(
            Section(
                "ai_analysis",
                {
                    "enabled": Field(Bool(), False, "Analyse failures."),
                    "openrouter_api_key": Field(Str(), None, "Key."),
                    "gh_token": Field(Str(), None, "Token."),
                    "repos_to_search": Field(
                        ListOf(Str()), ["sgl-project/sglang", "ai-dynamo/dynamo"], "Repositories."
                    ),
                    "pr_search_days": Field(Int(1), 14, "Days."),
                    "prompt": Field(Str(), None, "Prompt."),
                },
            ),
            "Analysis of failures. Accepted, not used yet.",
        ),
        "s3": optional(
            Section(
                "s3",
                {
                    "bucket": Field(Str(), required=True, doc="Bucket."),
                    "prefix": Field(Str(), None, "Prefix."),
                    "region": Field(Str(), None, "Region."),
                    "endpoint_url": Field(Str(), None, "Endpoint."),
                    "access_key_id": Field(Str(), None, "Key id."),
                    "secret_access_key": Field(Str(), None, "Secret."),
                },
            ),
            "Where results are copied. Accepted, not used yet.",
        ),
    },
    doc="Reports to others.",
)
