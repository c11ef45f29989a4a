# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shell script that runs the program of a point, in whatever image, and writes down how it ended.

An image may have no Python. The program may leave its results anywhere in the container: those that the job names are
copied to the run directory, unless they are older than the program.
"""

from __future__ import annotations

from ..programs import folder_of

NAME = folder_of("run_point.sh")
PATTERNS_END = "--"
COPIES = "found"  # the directory, in that of the result files, of those that the patterns match, by their whole paths

# run_point.sh RESULT [PATTERN ...] -- PROGRAM [ARGUMENT ...]
TEXT = r"""#!/bin/bash
# Runs a program. If it succeeds, writes RESULT (JSON), and copies the new files that the patterns match.
# Files of the program belong into $SRT_RESULT_DIR.
umask 077
result=$1
shift
patterns=()
while [ "$1" != -- ]; do
  patterns+=("$1")
  shift
done
shift
export SRT_RESULT_DIR="${result%.json}.files"
mkdir -p -- "$SRT_RESULT_DIR" || exit 1
begun="$SRT_RESULT_DIR/.begun"
: > "$begun" || exit 1
started=$(date -u +%Y-%m-%dT%H:%M:%SZ)
SECONDS=0
# Whoever ends the step signals the program too. Wait for it: it may have to write what it has.
stopped=
trap 'stopped=143' TERM INT HUP
"$@"
code=$?
if [ -n "$stopped" ] && [ "$code" -eq 0 ]; then
  code=$stopped
fi
duration=$SECONDS
ended=$(date -u +%Y-%m-%dT%H:%M:%SZ)
shopt -s globstar nullglob
old=0
copied=0
IFS=
for pattern in "${patterns[@]}"; do
  for file in $pattern; do
    [ -f "$file" ] || continue
    if [ "$file" -ot "$begun" ]; then
      old=$((old + 1))
      continue
    fi
    target="$SRT_RESULT_DIR/found$file"
    mkdir -p -- "${target%/*}" && cp -- "$file" "$target" && copied=$((copied + 1))
  done
done
if [ "$code" -eq 0 ]; then
  format='{"exit_code": %d, "started_at": "%s", "ended_at": "%s", "duration_s": %d, "concurrency": %s, '
  format+='"copied": %d, "too_old": %d}\n'
  level=${SRT_CONCURRENCY:-null}
  printf "$format" "$code" "$started" "$ended" "$duration" "$level" "$copied" "$old" > "$result.new" || exit 1
  mv -- "$result.new" "$result" || exit 1
fi
exit "$code"
"""
