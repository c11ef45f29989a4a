# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""nginx before several frontends."""

from __future__ import annotations

import re

from ..json_types import Json, JsonObject
from ..log_lines import CLEAR, PLAIN, LogLines
from ..plan_file import PlanFile
from ..schema.json_form import PARAMETER
from ..schema.types import Str, Unfit, shown
from ..topology.layout import Layout
from ..topology.step import DraftStep, in_private_dir, make_step, one_file

CONFIG = "nginx.conf"
# From the largest unit to the smallest, each at most once; a final number without a unit is seconds.
TIME = "(?=[0-9])" + "".join(f"([0-9]+{unit} *)?" for unit in ("w", "d", "h", "m(?!s)", "s", "ms")) + "([0-9]+)?"
LINES = LogLines(
    fatal=(
        (PLAIN, "port", r"bind\(\) to \S+ failed"),
        (CLEAR, "missing", r"\[emerg\].*\(2: No such file"),
        (CLEAR, "permission", r"\[emerg\].*\(13: Permission denied"),
        (CLEAR, "usage", r"\[emerg\].*(?:unknown directive|invalid (?:number|parameter|value)|unexpected \")"),
    ),
    words=("bind()", "emerg"),
    levels=(r"\[(debug|info|notice|warn|error|crit|alert|emerg)\]",),
)
HEADER = r"[A-Za-z0-9_-]+"

# What nginx keeps in temporary files.
BUFFERED = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")

AFFINITY = """
  map ${header} $srt_affinity {{
    ""      $request_id;
    default ${header};
  }}
"""

# In braces: what nginx_file() fills in.
TEMPLATE = """\
# Written by srt.slurm for job {job_id}.
# Without root the next line is only warned about; with root the workers must reach the private paths.
user root;
worker_processes 4;
worker_rlimit_nofile {files};
pid {private}/nginx.pid;
error_log stderr warn;

events {{
  worker_connections 65535;
  multi_accept on;
}}

http {{
{paths}
  access_log off;
  client_max_body_size 256m;
  client_body_buffer_size 1m;
  keepalive_timeout {keepalive};
  keepalive_requests 1000000;
{variable}
  upstream frontends {{
{balance}{servers}
    keepalive 512;
    keepalive_timeout {keepalive};
    keepalive_requests 1000000;
  }}

  server {{
    listen {port} backlog=65535;
    location / {{
      proxy_pass http://frontends;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_buffering off;
      proxy_connect_timeout 10s;
      proxy_read_timeout 24h;
      proxy_send_timeout 24h;
    }}
  }}
}}
"""


class Word(Str):
    """Text for nginx.conf that matches *pattern*: a *name* such as *example*."""

    def __init__(self, name: str, pattern: str, example: str) -> None:
        self.name, self.pattern, self.example = name, pattern, example

    def coerce(self, value: Json) -> Json:
        text = super().coerce(value).strip()
        if not re.fullmatch(self.pattern, text):
            problem = f"is {shown(text)}, which is not a valid {self.name} for nginx. Write it as in {self.example}."
            raise Unfit(problem, "invalid")
        return text

    def schema(self) -> JsonObject:
        return {**super().schema(), "pattern": rf"^\s*({self.pattern})\s*$|{PARAMETER}"}


def nginx_file(layout: Layout) -> PlanFile:
    """Return nginx.conf. It works for root and for an ordinary user, and several times on one host."""
    options, private = layout.spec["frontend"], layout.private_dir("nginx")
    keepalive = options["nginx_keepalive_timeout"]
    variable, balance = _affinity(options)
    text = TEMPLATE.format(
        job_id=layout.job_id,
        port=layout.ports["frontend"],
        private=private,
        # Two connections for each request, all of which one worker may get.
        files=1048576 if options["nginx_raise_ulimit"] else 131072,
        paths="\n".join(f"  {kind}_temp_path {private}/{kind};" for kind in BUFFERED),
        keepalive=f'"{keepalive}"' if " " in keepalive else keepalive,  # one argument
        variable=variable,
        balance=balance,
        servers="\n".join(
            f"    server {layout.address(node)}:{layout.frontend_port} max_fails=0;" for node in layout.frontends
        ),
    )
    return one_file(CONFIG, text)


def _affinity(options: JsonObject) -> tuple[str, str]:
    """Return (the variable that names a session's frontend, the rule that follows it); empty texts without affinity."""
    if not options["nginx_session_affinity"]:
        return "", ""
    header = "http_" + options["nginx_session_affinity_header"].lower().replace("-", "_")
    return AFFINITY.format(header=header), "    hash $srt_affinity consistent;\n"


def nginx_step(layout: Layout) -> DraftStep:
    """Return the step of nginx on the head node."""
    command = ["nginx", "-c", f"{layout.run_dir}/{CONFIG}", "-e", "stderr", "-g", "daemon off;"]
    raised = layout.spec["frontend"]["nginx_raise_ulimit"]
    return make_step(
        "nginx",
        "frontend",
        [layout.roles.head],
        in_private_dir(layout.private_dir("nginx"), command),
        files=[CONFIG],
        # nginx lives in /usr/sbin, which an ordinary user's PATH may not have.
        preamble='export PATH="$PATH:/usr/sbin:/sbin"\n'
        + ("ulimit -n 1048576" if raised else 'ulimit -S -n "$(ulimit -H -n)" || true'),
    )
