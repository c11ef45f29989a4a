# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lookup of a run option."""

from __future__ import annotations

DOCUMENTATION = r"""
name: run_option
short_description: The value of a run option
version_added: 0.1.0
author:
  - srt.slurm developers (@srt-slurm)
description:
  - Returns what a run option of the collection is set to, for example C(keep).
  - A run option is set by an extra var of its own name (C(-e keep=true)), or by a variable C(srt_slurm_keep) from any
    source, for example an inventory. The extra var C(keep) comes first. A variable C(keep) of an inventory is not a run
    option.
  - The value is that of the variable. Modules check it.
options:
  _terms:
    description: Names of run options.
    required: true
  default:
    description: What an option without a value is.
    type: raw
"""

EXAMPLES = r"""
- name: Show whether points are measured again
  ansible.builtin.debug:
    msg: "{{ lookup('srt.slurm.run_option', 'force', default=false) | bool }}"
"""

RETURN = r"""
_raw:
  description: The value of each option, or the default.
  type: list
"""

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible.utils.vars import load_extra_vars
from ansible_collections.srt.slurm.plugins.module_utils.job.extra_vars import effective
from ansible_collections.srt.slurm.plugins.module_utils.run_options import OPTIONS


class LookupModule(LookupBase):
    """Looks up run options among the extra vars and the variables."""

    def run(self, terms, variables=None, default=None, **kwargs):
        """Return the values of the options *terms*."""
        unknown = [str(term) for term in terms if term not in OPTIONS]
        if unknown or kwargs:
            raise AnsibleLookupError(f"There is no run option {', '.join([*unknown, *kwargs])}.")
        given, _set_by = effective(load_extra_vars(self._loader), variables or {})
        return [self._templar.template(given[term]) if term in given else default for term in terms]
