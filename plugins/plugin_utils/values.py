# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values that Ansible loaded: without its tags, or with the one that makes a template of a text."""

from __future__ import annotations

try:
    from ansible.template import trust_as_template
except ImportError:  # before 2.19, which the base of the actions refuses in words

    def trust_as_template(value):
        """Return *value*: there every text is a template."""
        return value


def plain(value):
    """Return *value* without Ansible's tags: plain dicts, lists, text and numbers."""
    if isinstance(value, dict):
        # A key that YAML took for a truth value stays one: the check of the job says what to do about it.
        return {key if isinstance(key, bool) else str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, bool) or value is None:
        return value
    for kind in (str, int, float):
        if isinstance(value, kind):
            return kind(value)
    return value


def trusted(value):
    """Return *value* with every text marked as a template: a job file is input like any extra vars file."""
    if isinstance(value, dict):
        return {key: trusted(item) for key, item in value.items()}
    if isinstance(value, list):
        return [trusted(item) for item in value]
    # A recipe may hold shell text such as ${#list}, which Jinja would take for the start of a comment.
    return trust_as_template(value) if isinstance(value, str) and ("{{" in value or "{%" in value) else value
