# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The spelling of a number that Ansible loaded; Ansible keeps only the number."""

from __future__ import annotations

from ansible import context
from ansible.errors import AnsibleError
from ansible_collections.srt.slurm.plugins.module_utils.schema.source import numbers
from ansible_collections.srt.slurm.plugins.plugin_utils.vault import Origin


class Spelling:
    """Looks up numbers in their files and on the command line.

    :param loader: Ansible's DataLoader; it decrypts files.
    """

    def __init__(self, loader):
        self.loader, self.tables, self.options = loader, {}, None

    def __call__(self, value):
        """Return the text of the number *value*, or None if unknown."""
        origin = Origin.get_tag(value) if Origin else None
        if not origin or not origin.line_num or not origin.col_num:
            return None
        tables = [self._file(origin.path)] if origin.path else self._command_line()
        place = (origin.line_num, origin.col_num)
        # Several options may have a number in one place; then its value tells them apart, or nothing does.
        texts = {table[place][0] for table in tables if place in table and table[place][1] == value}
        return texts.pop() if len(texts) == 1 else None

    def _file(self, path):
        if path not in self.tables:
            try:
                text = self.loader.get_text_file_contents(path)
            except (AnsibleError, OSError):  # it was read a moment ago, and is gone: the text is not known
                text = ""
            self.tables[path] = numbers(str(text))
        return self.tables[path]

    def _command_line(self):
        if self.options is None:
            given = [str(text) for text in context.CLIARGS.get("extra_vars") or ()]
            self.options = [numbers(text) for text in given if text[:1] in ("{", "[")]
        return self.options
