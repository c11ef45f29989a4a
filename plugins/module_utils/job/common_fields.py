# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sections and tables that both the job file and the cluster file have."""

from __future__ import annotations

from ..schema.section import Field, Section, optional
from ..schema.types import Bool, Int, ListOf, MapOf, Option, Str, Time

# The reference marks keys by these words, see unsupported.py.
NOT_DONE = "Never done here: runs refuse it."
NO_EFFECT = "Accepted for old files; has no effect."

HEALTH_CHECK = Section(
    "health_check",
    {
        "max_attempts": Field(Int(1), 180, "Times interval_seconds: how long to wait for the service."),
        "interval_seconds": Field(Int(1), 10, "Times max_attempts: how long to wait for the service."),
        "fatal_log_markers": Field(
            Bool(), True, "A line in a worker's log that the engine never survives ends the wait at once."
        ),
        "extra_fatal_log_patterns": Field(
            ListOf(Str()), [], "Regular expressions of further such lines of workers and frontends."
        ),
    },
    doc="How long to wait for the service.",
)

# YAML reads an unquoted 4:00:00 as the number 14400, which Slurm would take as minutes.
DIRECTIVES = MapOf(Option(), {"time": Time(), "t": Time(), "time_min": Time()})

STORAGE = Section(
    "storage",
    {
        "bucket": Field(Str(), required=True, doc="Bucket."),
        "prefix": Field(Str(), None, "What the names of all objects begin with, for example my-team/."),
        "region": Field(Str(), None, "Region; default: that of the environment or the profile."),
        "endpoint_url": Field(Str(), None, "URL of a server that speaks S3; default: AWS."),
        "path_style": Field(
            Bool(),
            None,
            "Whether URLs have the bucket in their path, not in the host; default: with endpoint_url.",
        ),
        "profile": Field(Str(), None, "Profile of ~/.aws with the credentials."),
        "access_key_id": Field(Str(), None, "Key id. Better: the environment, a profile, or srt-secret:VARIABLE."),
        "secret_access_key": Field(Str(), None, "Secret key. Better: the same."),
        "session_token": Field(Str(), None, "Token of temporary credentials. Better: the same."),
        "include": Field(ListOf(Str()), [], "Globs of the files that go; default: all."),
        "exclude": Field(ListOf(Str()), [], "Globs of files that stay."),
        "archive": Field(Bool(), False, "Copy one archive (tar.zst or tar.gz) for each run instead of its files."),
    },
    doc="Object storage that speaks S3.",
)

PUBLISHER = Section(
    "publisher",
    {
        "name": Field(Str(), required=True, doc="Name, of letters, digits, _ and -, at most 64; of its receipt too."),
        "command": Field(ListOf(Str()), required=True, doc="Program and arguments. No shell reads them."),
        "timeout_seconds": Field(Int(1, 3600), 60, "Seconds after which it is killed."),
    },
    doc="A program on the submit host that gets word of a finished run.",
)

REPORTING = Section(
    "reporting",
    {
        "status": optional(
            Section(
                "status",
                {
                    "endpoint": Field(Str(), None, "URL of the status API."),
                    "endpoints": Field(ListOf(Str()), None, "Additional URLs."),
                    "token_env": Field(
                        Str(), "SRTCTL_STATUS_TOKEN", "Variable of the playbook's environment with the bearer token."
                    ),
                },
            ),
            "Where the progress of the run is reported.",
        ),
        "publishers": Field(ListOf(PUBLISHER), None, "Programs that get word of a finished run."),
        "ai_analysis": optional(
            Section(
                "ai_analysis",
                {
                    "enabled": Field(Bool(), False, f"Analyse failures. {NOT_DONE}"),
                    **{
                        key: Field(type_, None, f"Of the analysis. {NO_EFFECT}")
                        for key, type_ in {
                            "openrouter_api_key": Str(),
                            "gh_token": Str(),
                            "repos_to_search": ListOf(Str()),
                            "pr_search_days": Int(1),
                            "prompt": Str(),
                        }.items()
                    },
                },
            ),
            "Analysis of failures by a language model. Not done here.",
        ),
        "s3": optional(STORAGE, "Where the run is copied at its end."),
    },
    doc="Reports to other systems. A job's own replaces that of the cluster file as a whole.",
)
