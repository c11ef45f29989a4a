# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""The backends by type, and the ``backend`` section of a job. A new backend is one file and one line here."""

from __future__ import annotations

from ..schema.section import Variants
from .mocker import Mocker
from .sglang import Sglang
from .trtllm import Trtllm
from .vllm import Vllm

BACKENDS = {one.type: one for one in (Sglang(), Trtllm(), Vllm(), Mocker())}

SECTION = Variants("type", "sglang", {name: one.section for name, one in BACKENDS.items()})
