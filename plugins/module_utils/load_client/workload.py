# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is sent: random prompts, prompts with shared prefixes, or those of a data set. The seed decides it all."""

from __future__ import annotations

import json
import random
from argparse import Namespace
from array import array
from collections.abc import Sequence
from typing import Any

from .dataset import Dataset, text_of
from .load import arrival_times
from .prompts import BLOCK, PromptMaker, Shared, load_around, load_tokenizer, sample_lengths
from .spool import Requests


class Workload:
    """The requests of a run.

    :ivar warmup, requests: in the order in which they are sent.
    :ivar arrivals: when to send each of the measured ones, see :func:`~.load.arrival_times`.
    :ivar facts: what a result says of them.
    """

    def __init__(self, options: Namespace) -> None:
        self._options = options
        # Neither points nor attempts share prompts: the prefix cache of the server knows those that it has seen.
        self._seed = f"{options.seed}/{options.concurrency}" + (f"/{options.attempt}" if options.attempt else "")
        self._seed += f"/repeat{options.repeat}" if options.repeat != 1 else ""
        self.warmup, self.requests = Requests(), Requests()
        self.facts: dict[str, Any] = {"chat_template": bool(options.chat_template)}
        if options.dataset:
            self._from_dataset()
        else:
            self._random()
        times = arrival_times(
            random.Random(f"{self._seed}/arrivals"), options.num_prompts, options.request_rate, options.burstiness
        )
        self.arrivals: Sequence[float] | None = None if times is None else array("d", times)

    def _random(self) -> None:
        options = self._options
        maker = PromptMaker(load_tokenizer(options.tokenizer), options.seed, load_around(options.chat_template))
        maker.check(max(1, int(options.isl * options.random_range_ratio)))
        shared = None
        if options.prefix_ratio is not None:
            self._seed += f"/prefix{options.prefix_ratio:g}"
            shared = Shared(options.prefixes, int(options.isl * options.prefix_ratio))
            self.facts.update(prefix_ratio=options.prefix_ratio, prefixes=options.prefixes)
        self._add(maker, self.warmup, options.num_warmup, f"{self._seed}/warmup", 0, shared)
        self._add(maker, self.requests, options.num_prompts, f"{self._seed}/measured", 1, shared)
        self.facts["inexact_prompts"] = maker.inexact

    def _add(
        self, maker: PromptMaker, found: Requests, count: int, seed: str, half: int, shared: Shared | None
    ) -> None:
        options, rng = self._options, random.Random(f"{seed}/lengths")
        inputs = array("L", sample_lengths(rng, count, options.isl, options.random_range_ratio))
        outputs = array("L", sample_lengths(rng, count, options.osl, options.random_range_ratio))
        chat, number = _is_chat(options), 0
        for block in maker.blocks(inputs, f"{seed}/prompts", half, shared):
            for text in block:
                found.add(_content(text, chat), inputs[number], outputs[number])
                number += 1

    def _from_dataset(self) -> None:
        """Take lines in an order of the seed, each of them once."""
        options, chat = self._options, _is_chat(self._options)
        lines = Dataset(options.dataset, chat, options.osl)
        wanted = options.num_warmup + options.num_prompts
        lines.enough(wanted)
        order = random.Random(f"{self._seed}/lines").sample(range(len(lines)), wanted)
        tokenizer = load_tokenizer(options.tokenizer)
        before, behind = load_around(options.chat_template)
        encode = getattr(tokenizer, "encode_batch_fast", tokenizer.encode_batch)
        messages = 0
        for begin in range(0, wanted, BLOCK):
            block = lines.lines(order[begin : begin + BLOCK])
            prompts = [f"{before}{one.prompt}{behind}" if isinstance(one.prompt, str) else one.prompt for one in block]
            counts = [len(found.ids) for found in encode([text_of(prompt) for prompt in prompts])]
            for index, (prompt, count, line) in enumerate(zip(prompts, counts, block), begin):
                into = self.warmup if index < options.num_warmup else self.requests
                into.add(_content(prompt, chat), count, line.max_tokens)
                messages += not isinstance(prompt, str)
        self.facts.update(dataset=options.dataset, dataset_lines=len(lines), with_messages=messages, inexact_prompts=0)


def _is_chat(options: Namespace) -> bool:
    return str(options.endpoint).endswith("/chat/completions")


def _content(prompt: Any, chat: bool) -> bytes:
    """Return the JSON of a text, or of the messages of a chat."""
    if chat and isinstance(prompt, str):
        prompt = [{"role": "user", "content": prompt}]
    return json.dumps(prompt).encode()
