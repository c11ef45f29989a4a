# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The backends by type, and the ``backend`` section of a job. A new backend is one file and one line here."""

from __future__ import annotations

from ..schema.section import Variants
from .mocker import Mocker
from .sglang import Sglang
from .trtllm import Trtllm
from .vllm import Vllm

BACKENDS = {one.type: one for one in (Sglang(), Trtllm(), Vllm(), Mocker())}

SECTION = Variants("type", Sglang.type, {name: one.section for name, one in BACKENDS.items()})
