# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of sbatch and srun that a job may set, for both planning and submission.

Planning reports invalid ones with file and line; submission writes the same options to its script.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping

from ..json_types import Json, JsonObject

# An option as given, the problem and the remedy.
Fault = tuple[str, str, str]
NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
# Unicode categories Cc, Zl and Zp: control characters, line and paragraph separators.
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
# pyxis writes mounts between double quotes into a shell script.
SHELL_MARKS = '$`"'

SHORT = {
    "A": "account", "B": "extra-node-info", "C": "constraint", "D": "chdir", "F": "nodefile", "G": "gpus",
    "H": "hold", "J": "job-name", "L": "licenses", "M": "clusters", "N": "nodes", "O": "overcommit", "Q": "quiet",
    "S": "core-spec", "V": "version", "W": "wait", "b": "begin", "c": "cpus-per-task", "d": "dependency",
    "e": "error", "h": "help", "i": "input", "k": "no-kill", "m": "distribution", "n": "ntasks", "o": "output",
    "p": "partition", "q": "qos", "s": "oversubscribe", "t": "time", "v": "verbose", "w": "nodelist",
    "x": "exclude",
}  # fmt: skip
SBATCH_SHORT = {**SHORT, "a": "array"}
SRUN_SHORT = {
    **SHORT, "E": "preserve-env", "I": "immediate", "K": "kill-on-bad-exit", "T": "threads", "X": "disable-status",
    "Z": "no-allocate", "l": "label", "r": "relative", "u": "unbuffered",
}  # fmt: skip
ALIASES = {"tasks-per-node": "ntasks-per-node", "share": "oversubscribe", "workdir": "chdir"}

_BOTH = """
account acctg-freq bb bbf begin cluster-constraint clusters comment constraint container container-id contiguous
core-spec cores-per-socket cpu-bind cpu-freq cpus-per-gpu cpus-per-task deadline delay-boot dependency distribution
error exclude exclusive export extra extra-node-info gid gpu-bind gpu-freq gpus gpus-per-node gpus-per-socket
gpus-per-task gres gres-flags help hint hold input job-name licenses mail-type mail-user mcs-label mem mem-bind
mem-per-cpu mem-per-gpu mincpus network nice no-kill nodefile nodelist nodes ntasks ntasks-per-core ntasks-per-gpu
ntasks-per-node ntasks-per-socket oom-kill-step open-mode output overcommit oversubscribe partition power prefer
priority profile propagate qos quiet reboot reservation resv-ports segment signal sockets-per-node spread-job
spread-segments consolidate-segments stepmgr switches test-only thread-spec threads-per-core time time-min tmp
tres-bind tres-per-task uid usage use-min-nodes verbose version wait wckey x11
"""
_SBATCH = """
array batch chdir export-file get-user-env ignore-pbs kill-on-invalid-dep no-requeue parsable requeue wait-all-nodes
wrap
"""
_PYXIS_FLAGS = """
container-mount-home no-container-mount-home container-remap-root no-container-remap-root container-entrypoint
no-container-entrypoint container-entrypoint-log container-writable container-readonly
"""
_SRUN = """
accel-bind bcast bcast-exclude chdir compress container-env container-image container-mounts container-name
container-save container-unshare container-workdir disable-status epilog exact external het-group immediate interactive
jobid kill-on-bad-exit label mpi msg-timeout multi-prog no-allocate overlap preserve-env prolog pty quit-on-interrupt
relative send-libs slurmd-debug task-epilog task-prolog threads unbuffered
"""
# Options that may be used without a value; all others need one.
_ALONE = """
bcast compress consolidate-segments contiguous disable-status exact exclusive export external get-user-env help hold
ignore-pbs immediate interactive kill-on-bad-exit kill-on-invalid-dep label multi-prog nice no-allocate no-kill
no-requeue overcommit overlap oversubscribe parsable preserve-env propagate pty quiet quit-on-interrupt reboot requeue
resv-ports send-libs spread-job spread-segments stepmgr test-only unbuffered usage use-min-nodes verbose version wait
wait-all-nodes x11
"""
SBATCH = set(_BOTH.split() + _SBATCH.split())
SRUN = set(_BOTH.split() + _SRUN.split() + _PYXIS_FLAGS.split())
ALONE = set(_ALONE.split() + _PYXIS_FLAGS.split())

# Options that the collection sets; a directive with one of these names is ignored with a note.
LEFT_OUT = {
    "output": "the run directory holds the output",
    "error": "the run directory holds the output",
    "open-mode": "the run directory holds the output",
    "chdir": "the job starts in its output folder",
    "job-name": "the job's name is the top-level key name",
    "signal": "the holder ends the steps on this signal",
    "requeue": "a requeued job would start in a used run directory",
    "hold": "the job is released once its run directory is written",
    "wait": "the collection does the waiting",
    "parsable": "the collection reads sbatch's answer",
    "quiet": "the collection reads sbatch's answer",
    "verbose": "the collection reads sbatch's answer",
}
NO_JOB = "sbatch would not submit a job"
SBATCH_REFUSED = {
    "array": "one job is one allocation: use a sweep",
    "wrap": "the batch script is the holder",
    "container": "the batch script is the holder, which runs on the node; set the image in model.container",
    "clusters": "jobs are looked up on the cluster of the submit host",
    "test-only": NO_JOB,
    "help": NO_JOB,
    "usage": NO_JOB,
    "version": NO_JOB,
}

# srun options of a step that must not change: the holder identifies the step by them.
SRUN_FIXED = (
    "jobid", "nodes", "ntasks", "nodelist", "job-name", "output", "error", "open-mode", "input", "overlap", "export",
    "chdir",
)  # fmt: skip
NODES = "the plan sets the nodes of a step"
SRUN_REFUSED = {
    "het-group": NODES,
    "nodefile": NODES,
    "exclude": NODES,
    "relative": NODES,
    "clusters": NODES,
    "pty": "a step has no terminal",
    "interactive": "a step has no terminal",
    "multi-prog": "the plan sets the step's command",
    "no-allocate": "a step runs in the job's allocation",
    "immediate": "the step would give up while other steps of the job start",
    "test-only": "srun would not start a step",
    "help": "srun would not start a step",
    "usage": "srun would not start a step",
    "version": "srun would not start a step",
}


def sbatch_name(key: object) -> str:
    """Return the long name of an sbatch option that is written ``--time-min``, ``time_min`` or ``t``."""
    return _long(key, SBATCH_SHORT)


def srun_name(key: object) -> str:
    """Return the long name of an srun option."""
    return _long(key, SRUN_SHORT)


def _long(key: object, short: Mapping[str, str]) -> str:
    name = str(key).lstrip("-").replace("_", "-")
    return ALIASES.get(name, short.get(name, name))


def plain(value: Json) -> str | None:
    """Return the text of an option's *value*, or None if the option has no value."""
    return None if value is None or value is True or value == "" else str(value)


def mount_fault(path: str, runtime: str) -> tuple[str, str] | None:
    """Return (problem, remedy) of a *path* that cannot be a side of a mount in the container *runtime*, or None."""
    remedy = "Use another path, such as a symbolic link to it."
    if CONTROL.search(path):
        return "has a line break or control character.", remedy
    for mark, name in ((",", "comma"), (":", "colon")):
        if mark in path:
            return f"has a {name}, at which {runtime} would split the mount.", remedy
    mark = next((mark for mark in SHELL_MARKS if mark in path), "") if runtime == "pyxis" else ""
    return (f"has {mark}, which a shell of pyxis would interpret.", remedy) if mark else None


def requested(allocation: Mapping[str, Json]) -> JsonObject:
    """Return the sbatch options of an allocation request: ordered ``{option: value or None}``."""
    ours = {
        "nodes": allocation["nodes"],
        "ntasks": allocation.get("ntasks"),
        "ntasks-per-node": allocation.get("ntasks_per_node"),
        "gpus-per-node": allocation.get("gpus_per_node") or None,
        "segment": allocation.get("segment"),
        "account": allocation.get("account"),
        "partition": allocation.get("partition"),
        "time": allocation.get("time_limit"),
    }
    wanted = {key: value for key, value in ours.items() if value is not None}
    if allocation.get("exclusive"):
        wanted["exclusive"] = None
    return wanted


def merge_directives(wanted: JsonObject, given: JsonObject) -> tuple[JsonObject, list[str], list[Fault]]:
    """Return (options, notes, problems) of a job's directives *given* merged over *wanted*, ours.

    ``problems`` are (key as given, problem, remedy); those keys are not in ``options``.
    """
    merged, notes = dict(wanted), []
    problems: list[Fault] = []
    seen: dict[str, str] = {}
    for key, value in given.items():
        name, value = sbatch_name(key), plain(value)
        problem = _bad_name(name, SBATCH, SBATCH_REFUSED, "sbatch") or _bad_value(name, value, SBATCH)
        if not problem and name in seen:
            problem = (f"appears twice, also as {seen[name]}.", "Keep one of them.")
        seen.setdefault(name, key)
        if problem:
            problems.append((key, *problem))
        elif name in LEFT_OUT:
            notes.append(f"sbatch_directives.{key} is ignored: {LEFT_OUT[name]}.")
        elif name == "comment":
            merged[name] = " ".join(filter(None, [merged.get(name), value]))
        else:
            if name not in SBATCH:
                notes.append(f"sbatch_directives.{key}: not a known sbatch option; passed on.")
            if name in merged and str(merged[name]) != str(value):
                notes.append(f"sbatch_directives.{key}={value} replaces {merged[name]}.")
            merged[name] = value
    if "ntasks-per-node" in seen and "ntasks" not in seen and str(merged.get("ntasks-per-node")).isdigit():
        merged["ntasks"] = int(merged["nodes"]) * int(merged["ntasks-per-node"])
    return merged, notes, problems


def srun_problems(given: JsonObject, runtime: str = "pyxis") -> tuple[list[Fault], list[str]]:
    """Return ([(key, problem, remedy)], notes) of a job's srun options *given*.

    :param runtime: the container runtime of the job: pyxis, apptainer or none.
    """
    notes: list[str] = []
    problems: list[Fault] = []
    seen: dict[str, str] = {}
    for key, value in given.items():
        name = srun_name(key)
        problem = _bad_name(name, SRUN, SRUN_REFUSED, "srun") or _bad_value(name, plain(value), SRUN)
        if name in SRUN_FIXED:
            problem = ("is set by the plan and cannot be changed.", "Leave it out.")
        elif not problem and name in seen:
            problem = (f"appears twice, also as {seen[name]}.", "Keep one of them.")
        elif not problem and name not in SRUN:
            notes.append(f"srun_options.{key}: not a known srun option; passed on.")
        seen.setdefault(name, key)
        if problem:
            problems.append((key, *problem))
        elif name.startswith(("container-", "no-container-")):
            notes.append(f"srun_options.{key}: {_of_container(name, runtime)}")
    return problems, notes


def _of_container(name: str, runtime: str) -> str:
    """Return the effect of the pyxis option *name*, set by a job, on the container of the plan."""
    if runtime != "pyxis":
        own = "the plan uses no container" if runtime == "none" else f"the plan's container runs in {runtime}"
        return f"an option of pyxis, passed on to srun without further effect: {own}."
    if name == "container-mounts":
        return "added to the plan's mounts. The keys for mounts are container_mounts and extra_mount."
    return "replaces the plan's setting of the container, in the steps of workers and the load client."


def _bad_name(name: str, known: Collection[str], refused: Mapping[str, str], command: str) -> tuple[str, str] | None:
    """Return (problem, remedy) of an option that cannot work, or None. Site plugins may add options."""
    if not NAME.fullmatch(name) or len(name) == 1:
        return f"is not an option of {command}.", "Write the option's long name, for example cpus-per-task."
    reason = refused.get(name) or refused.get(name.partition("container-")[1].rstrip("-"))
    if reason:
        return f"cannot be used: {reason}.", "Leave it out."
    near = [] if name in known else difflib.get_close_matches(name.lower(), known, 1, 0.85)
    return (f"is not an option of {command}.", f'Did you mean "{near[0]}"?') if near else None


def _bad_value(name: str, value: str | None, known: Collection[str]) -> tuple[str, str] | None:
    if value is None and name in known and name not in ALONE:
        return "has no value.", "Give it one, or write false to leave the option out."
    if value and CONTROL.search(value):
        return "has a line break or control character, which Slurm cannot take.", "Write it on one line."
    return None


def contradictions(options: JsonObject, allocation: Mapping[str, Json], gpus: int) -> list[Fault]:
    """Return [(option, problem, remedy)]: where merged *options* ask for another allocation than the plan needs.

    :param allocation: the allocation request.
    :param gpus: GPUs of a node that the plan uses.
    """
    found, nodes, per_node = [], allocation["nodes"], allocation["ntasks_per_node"]
    text = {key: str(value) for key, value in options.items() if value is not None}

    def say(key: str, problem: str, remedy: str = "Leave it out: it follows from resources.") -> None:
        found.append((key, problem, remedy))

    def least(key: str, needed: int, why: str) -> None:
        number = _count(text[key])
        if number is not None and number < needed:
            say(key, f"is {text[key]}; {why} needs {needed}.", f"Leave it out, or ask for {needed} or more.")

    low, _dash, high = text.get("nodes", "").partition("-")
    if {low, high or low} != {str(nodes)}:
        say("nodes", f"is {text.get('nodes')}; the plan needs {nodes}.")
    if "ntasks-per-node" in text:
        least("ntasks-per-node", per_node, "the plan, of tasks on a node,")
    tasks = _count(text.get("ntasks-per-node", "")) or per_node
    if "ntasks" in text and text["ntasks"] != str(nodes * tasks):
        say("ntasks", f"is {text['ntasks']}; {nodes} nodes with {tasks} task(s) each need {nodes * tasks}.")
    if "gpus-per-node" in text:
        least("gpus-per-node", gpus, "the plan, of GPUs on a node,")
    if "gpus" in text:
        least("gpus", gpus * nodes, "the plan, of GPUs on all nodes,")
        each = _count(text.get("gpus-per-node", ""))
        if each and _count(text["gpus"]) not in (None, each * nodes) and _count(text["gpus"]) > gpus * nodes:
            say("gpus", f"is {text['gpus']}; {nodes} nodes with {each} GPUs each have {each * nodes}.", "Leave it out.")
    if "gpus-per-task" in text and (_count(text["gpus-per-task"]) or gpus) * tasks < gpus:
        say("gpus-per-task", f"is {text['gpus-per-task']} for {tasks} task(s) a node; the plan uses {gpus} GPUs there.")
    cards = [one for one in text.get("gres", "").split(",") if one.split(":")[0].removeprefix("gres/") == "gpu"]
    if cards and sum(_count(one) or 1 for one in cards) < gpus:
        say("gres", f"is {text['gres']}; the plan uses {gpus} GPUs of a node.", f"Ask for gpu:{gpus}.")
    listed, excluded = hostlist(text.get("nodelist", "")), hostlist(text.get("exclude", ""))
    if listed and len(listed) > nodes:
        say("nodelist", f"names {len(listed)} nodes; the plan needs {nodes}.", f"Name {nodes} or fewer.")
    if listed and allocation.get("components"):
        problem = "cannot be used: each part of a heterogeneous job would ask for the same nodes."
        say("nodelist", problem, "Leave it out.")
    both = sorted(set(listed or ()) & set(excluded or ()))
    if both:
        say("exclude", f"names {', '.join(both[:3])}, which nodelist names too.", "Take them out of one.")
    return found


def shortfall(options: JsonObject, allocation: Mapping[str, Json]) -> str | None:
    """Return a note when nodelist names only some of the nodes, or None."""
    listed = hostlist(str(options.get("nodelist") or ""))
    if not listed or len(listed) >= allocation["nodes"]:
        return None
    return f"sbatch_directives.nodelist names {len(listed)} of the {allocation['nodes']} nodes. Slurm adds the others."


def _count(text: str) -> int | None:
    """Return the sum of ``[type:]number`` items, or None for any other text."""
    numbers = [one.rpartition(":")[2].partition("(")[0].strip() for one in text.split(",")]
    return sum(map(int, numbers)) if all(number.isdecimal() for number in numbers) else None


def gpu_count(options: JsonObject) -> tuple[str, int]:
    """Return (the sbatch option, how many GPUs of a node it asks for), ("", 0) if none of *options* says."""
    if options.get("gpus-per-node") is not None:
        return "gpus-per-node", _count(str(options["gpus-per-node"])) or 0
    cards = [one for one in str(options.get("gres") or "").split(",") if re.match(r"(gres/)?gpu(:|$)", one)]
    return ("gres", sum(_count(one) or 1 for one in cards)) if cards else ("", 0)


def seconds(text: str) -> int | None:
    """Return the seconds of a Slurm time: minutes, MM:SS, HH:MM:SS, D-HH, D-HH:MM, D-HH:MM:SS; None of other text."""
    days, dash, clock = text.rpartition("-")
    parts = clock.split(":")
    if not all(part.isdecimal() for part in [*parts, *([days] if dash else [])]) or len(parts) > 3:
        return None
    numbers = [0] * (0 if dash or len(parts) == 3 else 1) + [int(part) for part in parts]
    hours, minutes, rest = [*numbers, 0, 0][:3]
    return ((int(days or 0) * 24 + hours) * 60 + minutes) * 60 + rest


def hostlist(text: str) -> list[str] | None:
    """Return the node names of a list such as ``a[1-3,7],b``; None for a file name or any other text."""
    names = []
    for part in re.findall(r"(?:[^,\[\]]|\[[^\[\]]*\])+", text):
        found = [""]
        for plain_, ranges in re.findall(r"([^\[\]]+)|\[([^\[\]]*)\]", part.strip()):
            if plain_:
                found = [name + plain_ for name in found]
                continue
            numbers = []
            for one in ranges.split(","):
                first, dash, last = one.partition("-")
                last = last if dash else first
                if not (first.isdecimal() and last.isdecimal()) or not 0 <= int(last) - int(first) < 100000:
                    return None
                numbers += [f"{number:0{len(first)}d}" for number in range(int(first), int(last) + 1)]
            if len(numbers) * len(found) > 100000:
                return None
            found = [name + number for name in found for number in numbers]
        names += found
    whole = text.count("[") == text.count("]") and "/" not in text
    return names if whole and names else None
