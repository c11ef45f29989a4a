# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is sent: random prompts, with shared prefixes or not, those of a data set, or a trace. The seed decides it."""

from __future__ import annotations

import json
import random
from argparse import Namespace
from array import array
from collections.abc import Iterable, Sequence
from typing import Any

from .dataset import Dataset, text_of
from .load import arrival_times
from .prompts import BLOCK, PromptMaker, Shared, load_around, load_tokenizer, sample_lengths
from .request_trace import Trace, texts
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
        times: Sequence[float] | None = arrival_times(
            random.Random(f"{self._seed}/arrivals"), options.num_prompts, options.request_rate, options.burstiness
        )
        if options.dataset:
            self._from_dataset()
        elif options.trace:
            times = self._from_trace() or times
        else:
            self._random()
        self.arrivals: Sequence[float] | None = None if times is None else array("d", times)

    def _maker(self, shortest: int) -> PromptMaker:
        options = self._options
        maker = PromptMaker(load_tokenizer(options.tokenizer), options.seed, load_around(options.chat_template))
        maker.check(shortest)
        return maker

    def _random(self) -> None:
        options = self._options
        maker = self._maker(max(1, int(options.isl * options.random_range_ratio)))
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
        self._fill(found, inputs, outputs, maker.blocks(inputs, f"{seed}/prompts", half, shared))

    def _fill(
        self, found: Requests, inputs: Sequence[int], outputs: Sequence[int], prompts: Iterable[Sequence[str]]
    ) -> None:
        """Add requests with these lengths; *prompts* come in lists."""
        chat, number = _is_chat(self._options), 0
        for block in prompts:
            for text in block:
                found.add(_content(text, chat), inputs[number], outputs[number])
                number += 1

    def _from_trace(self) -> Sequence[float] | None:
        """Take the first requests of a trace; return when to send them, None if their times do not count.

        The warm-up has the lengths of the first ones, and nothing in common with any of them.
        """
        options, speedup = self._options, self._options.trace_speedup
        trace = Trace(options.trace, options.trace_block_size, speedup is not None, options.isl, options.osl)
        count = options.num_prompts
        trace.enough(count)
        inputs, outputs = trace.lengths(count)
        maker = self._maker(min(inputs))
        first = [number % count for number in range(options.num_warmup)]
        cold = array("L", (inputs[one] for one in first))
        warm = maker.blocks(cold, f"{self._seed}/warmup/prompts", 0)
        self._fill(self.warmup, cold, array("L", (outputs[one] for one in first)), warm)
        seed = f"{self._seed}/measured"
        text_of = texts(maker, trace.blocks(count), options.trace_block_size, seed, 1)
        self._fill(self.requests, inputs, outputs, maker.exact(inputs, text_of, random.Random(f"{seed}/more")))
        self.facts.update(dataset=options.trace, dataset_lines=len(trace), left_out=trace.left_out)
        self.facts.update(trace_block_size=options.trace_block_size, trace_speedup=speedup)
        self.facts["inexact_prompts"] = maker.inexact
        return None if speedup is None else trace.times(count, speedup)

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
