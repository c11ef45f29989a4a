# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is meant by a side of a comparison: paths of runs, of sweeps and of files, from what the user named."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from .. import sweep_folders
from ..catalogue import index, selection
from ..failures import Error
from ..files import read_object

TAG = "tag:"
SHARED = (".sweep", ".ab")  # ends the names of allocations that jobs share
RUN = re.compile(r"[1-9][0-9]*(\.earlier[0-9]+)?")


def paths_of(word: str, named: Sequence[str], output_dir: str, write: bool = True) -> list[str]:
    """Return the paths that *named* means, each once; Error for one that means nothing, or several things.

    A number is a job id, and text with a slash or with .json at its end is a path. Other text is a tag, a sweep, or a
    name in the working directory.

    :param word: the side, for messages.
    :param write: whether the index of runs may be written.
    """
    if not named:
        raise Error(
            f"{word} is not set. Name a run directory, a rollup.json, a sweep, a job id or a tag: -e {word}=4711."
        )
    found = [path for item in named for path in _paths(word, item.strip(), output_dir, write)]
    return list(dict.fromkeys(found))


def _paths(word: str, item: str, output_dir: str, write: bool) -> list[str]:
    if item.startswith(TAG):
        return _tagged(item[len(TAG) :], output_dir, write) or _nothing(word, item, output_dir)
    if "/" in item or item.endswith(".json") or item.startswith((".", "~")):
        path = os.path.abspath(os.path.expanduser(item))
        if not os.path.exists(path):
            raise Error(
                f"{word}: {path} does not exist. Name a run directory, a rollup.json or the directory of a sweep."
            )
        return [path]
    if RUN.fullmatch(item):
        path = os.path.join(output_dir, item)
        if not os.path.isdir(path):
            raise Error(f"{word}: job {item} has no run directory {path}. Set output_dir, or name its directory.")
        _check_alone(word, item, path)
        return [path]
    meanings = {"a tag": _tagged(item, output_dir, write)}
    folder = sweep_folders.folder_of(output_dir, item)
    meanings["a sweep"] = [folder] if os.path.isfile(os.path.join(folder, sweep_folders.RECORD)) else []
    meanings["a name in the working directory"] = [os.path.abspath(item)] if os.path.exists(item) else []
    known = [what for what, paths in meanings.items() if paths]
    if len(known) > 1:
        raise Error(f"{word}: {item} is {' and '.join(known)}. Write {TAG}{item} for the tag, or a path with a slash.")
    return meanings[known[0]] if known else _nothing(word, item, output_dir)


def _check_alone(word: str, item: str, path: str) -> None:
    """Raise Error if several jobs shared the allocation *item*: its directory is that of the one that ran last."""
    about = read_object(os.path.join(path, f"{item.partition('.')[0]}.json")) or {}
    name = str(about.get("slurm_job_name") or "")
    if name.endswith(SHARED):
        folder = os.path.join(sweep_folders.SWEEPS, name.rpartition(".")[0])
        raise Error(
            f"{word}: job {item} was an allocation that jobs shared ({name}), and its directory is that of the job "
            f"which ran last. Name the directory of the sweep, such as {folder}, or of a job in its variants/."
        )


def _tagged(tag: str, output_dir: str, write: bool) -> list[str]:
    records = index.records(output_dir, write)
    return [str(one["path"]) for one in selection.selected(records, selection.Wanted(tags=[tag]))]


def _nothing(word: str, item: str, output_dir: str) -> list[str]:
    raise Error(
        f"{word}: {item} is neither a tag of a run nor a sweep below {output_dir}, nor a path. "
        "playbooks/runs.yml lists the runs with their tags."
    )
