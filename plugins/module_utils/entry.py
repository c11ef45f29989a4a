# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running an entry function from a module or an action plugin.

Every module of the collection is documentation plus an *entry*: ``run(params, ctx) -> result``.
The action plugin of the same name calls the entry inside the controller when the submit host is
the controller itself, which saves a module start (0.3 CPU seconds) and allows progress lines.
"""

from __future__ import annotations

import os
import time
from typing import Callable

from .failures import Error
from .files import keep_others_from_writing
from .json_types import Json, JsonObject
from .plain_text import shown
from .plan_file import check_run_dir


class Context:
    """What an entry knows about its caller.

    :param check_mode: report what would be done, and change nothing.
    :param diff: the caller requests before and after texts.
    :param progress: called with one line of text for the user when something changed.
    :param holds: called with the id and run directory of a job that continues if the caller ends after this point.
    :ivar shows: whether somebody sees the progress.
    """

    def __init__(
        self,
        check_mode: bool = False,
        diff: bool = False,
        progress: Callable[[str], None] | None = None,
        holds: Callable[[str, str], None] | None = None,
    ) -> None:
        self.check_mode = check_mode
        self.diff = diff
        self._progress, self.shows = progress, progress is not None
        self.holds = holds or (lambda job_id, run_dir: None)
        self._parent = os.getppid()
        self._last_line: str | None = None
        self._last_time = 0.0

    def progress(self, line: str, every_s: float = 30.0) -> None:
        """Show *line* if it differs from the last one, or if *every_s* seconds have passed."""
        now, line = time.monotonic(), shown(line)
        if self._progress and (line != self._last_line or now - self._last_time >= every_s):
            self._last_line, self._last_time = line, now
            self._progress(line)

    def show(self, line: str) -> None:
        """Show *line*, even if it is the same as the last one."""
        if self._progress:
            self._progress(shown(line))

    def controller_alive(self) -> bool:
        """False once the process that started us has ended, and nobody reads our answer."""
        return os.getppid() == self._parent


# What a module does: its parameters in, its result out.
Entry = Callable[[JsonObject, Context], JsonObject]


def run_entry(entry: Entry, params: JsonObject, ctx: Context) -> JsonObject:
    """Return the result of *entry*; Error. If the run directory vanishes meanwhile, that is the error."""
    begun = os.path.dirname(params.get("plan_path") or "")
    try:
        return entry(params, ctx)
    except (Error, OSError):
        if begun and not ctx.check_mode:
            check_run_dir(begun)
        raise


def run_module(entry: Entry, argument_spec: JsonObject, **options: Json) -> None:
    """Run *entry* as the body of an Ansible module.

    :param options: further arguments of AnsibleModule (``required_if`` and the like).
    """
    from ansible.module_utils.basic import AnsibleModule

    keep_others_from_writing()
    module = AnsibleModule(argument_spec=argument_spec, supports_check_mode=True, **options)
    try:
        result = run_entry(entry, module.params, Context(check_mode=module.check_mode, diff=module._diff))
    except Error as error:
        module.fail_json(**error.as_result())
    module.exit_json(**result)
