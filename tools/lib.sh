# shellcheck shell=bash disable=SC2034
# Sourced by the tools: where things are (names that only they use) and how they speak.
#
# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later

ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
VENV=$ROOT/.venv
CACHE=$ROOT/.cache
# The tests have a sandbox of their own, and the role that makes sandboxes is tested on another one (named in
# extensions/molecule/inventory.yml too). The third is where bin/sandbox looks when it is told nothing.
TESTS_SANDBOX=$CACHE/sandbox
MOLECULE_SANDBOX=$CACHE/molecule-sandbox
SANDBOX=$ROOT/.sandbox

# An ordinary user's PATH has no sbin, where slurmctld, slurmd, munged and nginx live.
export PATH="$VENV/bin:$PATH:/usr/local/sbin:/usr/sbin:/sbin"

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
    BOLD=$'\e[1m' PLAIN=$'\e[0m'
else
    BOLD='' PLAIN=''
    export NO_COLOR=1 ANSIBLE_NOCOLOR=1 PY_COLORS=0
fi

say() { printf '%s\n' "$*"; }
heading() { printf '\n%s== %s ==%s\n' "$BOLD" "$*" "$PLAIN"; }
die() {
    printf '%s: %s\n' "$(basename -- "$0")" "$*" >&2
    exit 1
}

# Is $1 a command that can be run?
have() { command -v -- "$1" >/dev/null 2>&1; }
