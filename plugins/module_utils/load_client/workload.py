# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is sent: random prompts, with shared prefixes or not, those of a data set, or a trace. The seed decides it."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import random
from argparse import Namespace
from array import array
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from .dataset import Dataset, text_of
from .load import arrival_times
from .prompts import BLOCK, PromptMaker, Shared, load_around, load_tokenizer, sample_lengths
from .request_trace import Trace, texts
from .session_file import SessionFile
from .sessions import Sent, Sessions, Turn, count_of
from .spool import Requests

PARTS = ("warmup", "measured")
MARKED = 100  # requests whose texts are compared between nodes
CONCURRENCY_OF = "sessions, thinking ones included"


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
        self.warmup: Sent = Requests()
        self.requests: Sent = Requests()
        self.facts: dict[str, Any] = {"chat_template": bool(options.chat_template)}
        times: Sequence[float] | None = arrival_times(
            random.Random(f"{self._seed}/arrivals"), options.num_prompts, options.request_rate, options.burstiness
        )
        if options.turns or options.sessions:
            self._make_sessions()
        elif options.dataset:
            self._from_dataset()
        elif options.trace:
            times = self._from_trace() or times
        else:
            self._random()
        self.arrivals: Sequence[float] | None = None if times is None else array("d", times)

    @property
    def counts(self) -> tuple[int, int]:
        """How many requests the warm-up and the measurement are."""
        return count_of(self.warmup), count_of(self.requests)

    def mark(self) -> str:
        """Return what tells these requests from others: all their lengths, their times, and some of their texts."""
        found = hashlib.sha256()
        for part in (self.warmup, self.requests):
            found.update(array("Q", part.outputs()).tobytes())
            for request in itertools.islice(part, MARKED):
                found.update(request.prompt)
                found.update(b"%d" % request.prompt_tokens)
        found.update(array("d", self.arrivals or ()).tobytes())
        return found.hexdigest()

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
        self.warmup = self._added(maker, options.num_warmup, f"{self._seed}/warmup", 0, shared)
        self.requests = self._added(maker, options.num_prompts, f"{self._seed}/measured", 1, shared)
        self.facts["inexact_prompts"] = maker.inexact

    def _added(self, maker: PromptMaker, count: int, seed: str, half: int, shared: Shared | None) -> Requests:
        options, rng = self._options, random.Random(f"{seed}/lengths")
        inputs = array("L", sample_lengths(rng, count, options.isl, options.random_range_ratio))
        outputs = array("L", sample_lengths(rng, count, options.osl, options.random_range_ratio))
        return self._filled(inputs, outputs, maker.blocks(inputs, f"{seed}/prompts", half, shared))

    def _filled(self, inputs: Sequence[int], outputs: Sequence[int], prompts: Iterable[Sequence[str]]) -> Requests:
        """Return requests with these lengths; *prompts* come in lists."""
        chat, number, found = _is_chat(self._options), 0, Requests()
        for block in prompts:
            for text in block:
                found.add(_content(text, chat), inputs[number], outputs[number])
                number += 1
        return found

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
        self.warmup = self._filled(cold, array("L", (outputs[one] for one in first)), warm)
        seed = f"{self._seed}/measured"
        text_of = texts(maker, trace.blocks(count), options.trace_block_size, seed, 1)
        self.requests = self._filled(inputs, outputs, maker.exact(inputs, text_of, random.Random(f"{seed}/more")))
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
        messages, parts = 0, (Requests(), Requests())
        self.warmup, self.requests = parts
        for begin in range(0, wanted, BLOCK):
            block = lines.lines(order[begin : begin + BLOCK])
            prompts = [f"{before}{one.prompt}{behind}" if isinstance(one.prompt, str) else one.prompt for one in block]
            counts = [len(found.ids) for found in encode([text_of(prompt) for prompt in prompts])]
            for index, (prompt, count, line) in enumerate(zip(prompts, counts, block), begin):
                into = parts[index >= options.num_warmup]
                into.add(_content(prompt, chat), count, line.max_tokens)
                messages += not isinstance(prompt, str)
        self.facts.update(dataset=options.dataset, dataset_lines=len(lines), with_messages=messages, inexact_prompts=0)

    # ---- sessions

    def _make_sessions(self) -> None:
        options = self._options
        warmup, measured = (Sessions(f"{self._seed}/{part}") for part in PARTS)
        self.warmup, self.requests = warmup, measured
        if options.sessions:
            self._sessions_of_file(warmup, measured)
        else:
            self._random_sessions(warmup, measured)
        shape = options.think_shape
        self.facts.update(
            concurrency_of=CONCURRENCY_OF,
            num_sessions=len(measured),
            num_warmup_sessions=len(warmup),
            turns=options.turns,
            turn_isl=options.turn_isl,
            turn_osl=options.turn_osl,
            think_time_s=options.think_time,
            think_time_shape="constant" if math.isinf(shape) else shape,
            mean_think_time_s=measured.mean_pause_s(),
            session_header=options.session_header,
        )
        self.facts["num_warmup"], self.facts["num_prompts"] = self.counts

    def _random_sessions(self, *parts: Sessions) -> None:
        options, ratio = self._options, self._options.random_range_ratio
        later = options.turns - 1
        lengths = ((options.isl, options.turn_isl), (options.osl, options.turn_osl))
        (isl, turn_isl), (osl, turn_osl) = ((first, first if more is None else more) for first, more in lengths)
        maker = self._maker(max(1, int(min(isl, turn_isl if later else isl) * ratio)))
        for half, (name, found, count) in enumerate(zip(PARTS, parts, (options.num_warmup, options.num_prompts))):
            seed = f"{self._seed}/{name}"
            rng, pause = random.Random(f"{seed}/lengths"), self._pauses(seed, found is parts[1])
            inputs, outputs = array("L"), array("L")
            for _session in range(count):
                for into, first, more in ((inputs, isl, turn_isl), (outputs, osl, turn_osl)):
                    into.extend(sample_lengths(rng, 1, first, ratio))
                    into.extend(sample_lengths(rng, later, more, ratio))
            prompts = (one for block in maker.blocks(inputs, f"{seed}/prompts", half) for one in block)
            turns = zip(prompts, inputs, outputs)
            for _session in range(count):
                found.add(
                    Turn(json.dumps({"role": "user", "content": text}).encode(), length, asked, pause() if place else 0)
                    for place, (text, length, asked) in enumerate(itertools.islice(turns, options.turns))
                )
        self.facts["inexact_prompts"] = maker.inexact

    def _sessions_of_file(self, warmup: Sessions, measured: Sessions) -> None:
        """Take lines in an order of the seed, each of them once."""
        options = self._options
        lines = SessionFile(options.sessions, options.osl, options.turns)
        wanted = options.num_warmup + options.num_prompts
        lines.enough(wanted)
        order = random.Random(f"{self._seed}/lines").sample(range(len(lines)), wanted)
        tokenizer = load_tokenizer(options.tokenizer)
        encode = getattr(tokenizer, "encode_batch_fast", tokenizer.encode_batch)
        pauses = [self._pauses(f"{self._seed}/{name}", bool(number)) for number, name in enumerate(PARTS)]
        for index, turns in enumerate(lines.sessions(order)):
            part = index >= options.num_warmup
            counts = [len(found.ids) for found in encode([text_of(one.messages) for one in turns])]
            (measured if part else warmup).add(
                Turn(json.dumps(one.messages)[1:-1].encode(), count, one.max_tokens, pauses[part]() if place else 0)
                for place, (one, count) in enumerate(zip(turns, counts))
            )
        self.facts.update(dataset=options.sessions, dataset_lines=len(lines), inexact_prompts=0)

    def _pauses(self, seed: str, thinks: bool) -> Callable[[], float]:
        """Return a function that draws a pause between two turns; who warms up does not think."""
        rng, mean, shape = random.Random(f"{seed}/think"), self._options.think_time, self._options.think_shape
        if not thinks or not mean or math.isinf(shape):
            return lambda: mean if thinks else 0.0
        return lambda: rng.gammavariate(shape, mean / shape)


def _is_chat(options: Namespace) -> bool:
    return str(options.endpoint).endswith("/chat/completions")


def _content(prompt: Any, chat: bool) -> bytes:
    """Return the JSON of a text, or of the messages of a chat."""
    if chat and isinstance(prompt, str):
        prompt = [{"role": "user", "content": prompt}]
    return json.dumps(prompt).encode()
