# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The load client: sends random prompts of exact length to an OpenAI-compatible server and times the responses.

It is a separate program: the files of this folder are copied into the run directory and run on
the bench node as ``python3 <run_dir>/programs/load_client --base-url ...``. It needs aiohttp and tokenizers
there (uvloop is used when present) and nothing of this collection.

=============  ==========================================================
options        the command line
prompts        texts with an exact number of tokens
dataset        prompts of a file
request_trace  lengths, times and common beginnings of a file
session_file   sessions of a file
sessions       several requests, each after the answer to the one before
workload       the requests of a run, from one of these
sse            the bytes of one streamed response as events
answer         what these events say
request        one request, timed
health         whether the client itself ran when it should
open_files     the limit of open files
load           many requests: warm-up, concurrency, arrival times, stall
fleet          several processes that send one load
wire           messages between the load clients of several nodes
clocks         how far their clocks are apart
nodes          how they find each other
follower       the program on a node that is not the first
progress       the line on the screen and the progress file
stats          records to the figures of a result file
turns          the figures of sessions
main           all of it together; signals and exit codes
=============  ==========================================================
"""

from __future__ import annotations
