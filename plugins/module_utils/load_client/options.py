# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line of the load client."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from typing import Any

from .request_trace import BLOCK_TOKENS

SLO_METRICS = ("ttft", "tpot", "e2el")
COUNTS = (
    *("isl", "osl", "num_prompts", "concurrency", "prefixes", "trace_block_size"),
    *("turns", "turn_isl", "turn_osl"),
)
# {option that needs a session: its default}
OF_SESSIONS = {"turn_isl": None, "turn_osl": None, "think_time": 0.0, "think_shape": 1.0, "session_header": None}


def parse_options(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the options as a namespace; invalid ones end the program with exit code 2 and a line with the reason."""
    parser = _parser()
    options = parser.parse_args(argv)
    problem = _problem(options)
    if problem:
        parser.error(problem)
    return options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="load_client",
        description="Measure an OpenAI-compatible server: random prompts of exact token length, streamed responses.",
        epilog="Exit codes: 0 the run completed (also when requests failed), 1 nothing could be sent, the run "
        "stalled or the program failed, 2 wrong options or limits, 130 and 143 after SIGINT and SIGTERM.",
    )
    _add_content(parser)
    _add_sessions(parser)
    _add_load(parser)
    _add_requests(parser)
    _add_result(parser)
    return parser


def _add_content(parser: argparse.ArgumentParser) -> None:
    """Add what is sent: random prompts, or those of a file."""
    add = parser.add_argument
    add("--tokenizer", required=True, help="folder with tokenizer.json, that file, or hf:ORG/NAME")
    add("--chat-template", metavar="FILE", help="JSON with the prefix and suffix of each prompt, which count as input")
    add("--dataset", metavar="FILE", help="JSON lines with a prompt or messages each, instead of random prompts")
    add("--trace", metavar="FILE", help="JSON lines with input_length, output_length and hash_ids: prompts like these")
    add("--trace-block-size", type=int, default=BLOCK_TOKENS, metavar="N", help="tokens of a hash id; default 512")
    add("--trace-speedup", type=_speedup, metavar="R", help="send at the timestamps of the trace, R times as fast")
    add("--isl", type=int, help="input tokens of a random prompt, special tokens included; of a trace, at most")
    add(
        "--osl",
        type=int,
        help="output tokens of a request (max_tokens); of a data set where a line does not say it; of a trace at most",
    )
    add("--prefix-ratio", type=float, metavar="R", help="share of isl that prompts have in common with others")
    add("--prefixes", type=int, default=20, metavar="N", help="with --prefix-ratio: different prefixes; default 20")
    add(
        "--random-range-ratio",
        type=float,
        default=1.0,
        metavar="R",
        help="lengths are uniform in [R*length, length]; 1.0 (default) makes them all equal",
    )


def _add_sessions(parser: argparse.ArgumentParser) -> None:
    """Add how several requests follow each other as turns of a session."""
    add = parser.add_argument
    add(
        "--turns",
        type=int,
        metavar="N",
        help="sessions of N turns: requests whose prompts are all that was said before; counts, the rate and the "
        "concurrency are then those of sessions, thinking ones included",
    )
    add("--turn-isl", type=int, metavar="N", help="input tokens of what later turns add; default isl")
    add("--turn-osl", type=int, metavar="N", help="output tokens of later turns; default osl")
    add("--sessions", metavar="FILE", help="JSON lines with the messages of a session each; --turns: the first N turns")
    add("--think-time", type=_seconds, default=0.0, metavar="S", help="mean pause before a later turn; default 0")
    add("--think-shape", type=_rate, default=1.0, help="its gamma shape; 1.0 (default): exponential, inf: all equal")
    add("--session-header", metavar="NAME", help="header of each request that names its session")


def _add_load(parser: argparse.ArgumentParser) -> None:
    """Add to whom how much is sent, and when."""
    add = parser.add_argument
    add("--base-url", required=True, help="where the server answers, for example http://10.0.0.1:8000")
    add("--endpoint", default="/v1/completions", choices=["/v1/completions", "/v1/chat/completions"])
    add("--model", required=True, help="name of the served model")
    add("--num-prompts", type=int, required=True, help="measured requests")
    add("--num-warmup", type=int, default=0, help="requests before the measurement, not counted")
    add("--concurrency", type=int, required=True, help="most requests in flight")
    add(
        "--clients",
        type=_clients,
        default="1",
        metavar="N",
        help="processes that share the load; auto: one for 256 requests in flight, at most one for each core",
    )
    add(
        "--nodes",
        type=_nodes,
        default=[],
        metavar="NAME=ADDRESS,...",
        help="nodes on which this program is started as one step, with a task each: they share the clients, and the "
        "first one writes the result",
    )
    add(
        "--request-rate",
        type=_rate,
        default=math.inf,
        metavar="RATE",
        help="requests per second, or inf (default): as fast as the concurrency allows",
    )
    add(
        "--burstiness",
        type=_rate,
        default=1.0,
        help="gamma shape of the gaps between arrivals; 1.0 (default) is a Poisson process, inf makes them all equal",
    )
    add("--seed", type=int, default=0, help="same seed, concurrency, repeat, attempt and lengths: same prompts")
    add("--repeat", type=int, default=1, metavar="N", help="other prompts than those of other N")
    add(
        "--attempt",
        type=int,
        default=0,
        metavar="N",
        help="other prompts than those of other N: a server that has seen a prompt may answer it from its cache",
    )
    _add_switch(
        parser,
        "ignore-eos",
        "ask the server for exactly osl tokens (default); some servers refuse a request that says ignore_eos",
    )


def _add_requests(parser: argparse.ArgumentParser) -> None:
    """Add how a single request is sent, and how long it may take."""
    add = parser.add_argument
    add("--temperature", type=float, default=0.0)
    add("--extra-body", type=_json_object, default={}, metavar="JSON", help="further keys of each request body")
    _add_switch(
        parser,
        "reuse-connections",
        "keep connections between requests (default); otherwise each TTFT includes a new connection",
    )
    _add_switch(
        parser,
        "quick-ack",
        "acknowledge each packet at once (default); otherwise a server without TCP_NODELAY appears 40 ms slower",
    )
    add("--cool-down", type=_seconds, metavar="S", help="end S seconds after the last request was sent; others failed")
    add("--request-timeout", type=float, default=3600.0, metavar="S", help="a request that takes longer has failed")
    add(
        "--stall-timeout",
        type=float,
        default=0.0,
        metavar="S",
        help="give up after S seconds without a token or response; 0 (default): never",
    )


def _add_result(parser: argparse.ArgumentParser) -> None:
    """Add what is written, and what is recorded there."""
    add = parser.add_argument
    add("--result", required=True, metavar="FILE", help="result file, written when the run is complete")
    add("--progress", metavar="FILE", help="progress as JSON, replaced about once a second")
    add(
        "--goodput",
        type=_slo,
        action="append",
        default=[],
        metavar="METRIC:MS",
        help="limit for a good request: ttft:2000, tpot:25, e2el:10000 (repeatable)",
    )
    add("--percentiles", type=_percentiles, default=[90, 95, 99], metavar="P,P", help="default 90,95,99")
    add("--backend", default="dynamo", help="name of the backend, recorded in the result")
    add("--gpus", type=int, help="GPUs of the service, recorded in the result")
    add("--prefill-gpus", type=int, help="of these for prefill")
    add("--decode-gpus", type=int, help="of these for decode")
    add(
        "--metadata",
        type=_pair,
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="recorded in the result (repeatable)",
    )
    add("--save-texts", action="store_true", help="store the generated texts in the result")
    add("--save-requests", metavar="FILE", help="write each measured request to FILE, one JSON object a line")
    add(
        "--metrics-url",
        action="append",
        default=[],
        metavar="URL",
        help="metrics of a worker, read before and after the measurement for the hit rate of its prefix cache",
    )


def _add_switch(parser: argparse.ArgumentParser, name: str, text: str) -> None:
    """Add ``--name``, which is on by itself, and ``--no-name``."""
    key = name.replace("-", "_")
    parser.add_argument(f"--{name}", action="store_true", default=True, help=text)
    parser.add_argument(f"--no-{name}", action="store_false", dest=key, help=f"turn --{name} off")


def _problem(options: argparse.Namespace) -> str | None:
    """Return a contradiction between the options, or None."""
    for name in COUNTS:
        value = getattr(options, name)
        if value is None and name in ("isl", "osl") and not (options.dataset or options.trace or options.sessions):
            return f"--{name} is needed without --dataset, --trace or --sessions"
        if value is not None and value < 1:
            return f"--{name.replace('_', '-')} must be at least 1"
    if options.nodes and options.clients != "auto" and int(options.clients) < len(options.nodes):
        return f"--clients {options.clients} are too few for {len(options.nodes)} --nodes"
    if options.concurrency < len(options.nodes):
        return f"--concurrency {options.concurrency} is too little for {len(options.nodes)} --nodes"
    problem = _problem_of_sessions(options)
    if problem:
        return problem
    if options.dataset and (options.isl is not None or options.prefix_ratio is not None):
        return "--isl and --prefix-ratio are for random prompts, and --dataset has its own"
    if options.trace and (options.dataset or options.prefix_ratio is not None):
        return "--dataset and --prefix-ratio are not for a --trace"
    if options.trace_speedup is not None and (not options.trace or not math.isinf(options.request_rate)):
        return "--trace-speedup needs a --trace, and no --request-rate: requests have the times of the trace"
    if options.prefix_ratio is not None and not 0.0 <= options.prefix_ratio <= 1.0:
        return "--prefix-ratio must be from 0 to 1"
    if options.num_warmup < 0:
        return "--num-warmup must not be negative"
    if not 0.0 < options.random_range_ratio <= 1.0:
        return "--random-range-ratio must be above 0 and at most 1"
    if not options.base_url.startswith(("http://", "https://")):
        return "--base-url must start with http:// or https://"
    return None


def _problem_of_sessions(options: argparse.Namespace) -> str | None:
    if options.turns is None and not options.sessions:
        given = [name for name in OF_SESSIONS if getattr(options, name) not in (None, OF_SESSIONS[name])]
        return f"--{given[0].replace('_', '-')} needs --turns or --sessions" if given else None
    if options.dataset or options.trace or options.prefix_ratio is not None:
        return "--dataset, --trace and --prefix-ratio are not for sessions"
    if options.sessions and not (options.isl is options.turn_isl is options.turn_osl is None):
        return "--isl, --turn-isl and --turn-osl are for random sessions, and --sessions has its own"
    if not options.endpoint.endswith("/chat/completions"):
        return "sessions need --endpoint /v1/chat/completions"
    return None


def _rate(text: str) -> float:
    rate = math.inf if text in ("inf", "Infinity") else float(text)
    if not rate > 0:
        raise argparse.ArgumentTypeError("must be above 0, or inf")
    return rate


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError("must be a number from 0")
    return value


def _speedup(text: str) -> float:
    value = float(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError("must be a number above 0")
    return value


def _clients(text: str) -> str:
    if text != "auto" and not (text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError("must be a number from 1, or auto")
    return text


def _nodes(text: str) -> list[tuple[str, str]]:
    found = [(name, address) for name, _equals, address in (part.partition("=") for part in text.split(","))]
    if not all(name and address for name, address in found) or len(dict(found)) != len(found):
        raise argparse.ArgumentTypeError("must be NAME=ADDRESS,..., each name once")
    return found


def _json_object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"not JSON: {error}") from None
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError("must be a JSON object")
    return value


def _slo(text: str) -> tuple[str, float]:
    name, _colon, limit = text.partition(":")
    try:
        value = float(limit)
    except ValueError:
        value = -1.0
    if name not in SLO_METRICS or value < 0:
        raise argparse.ArgumentTypeError(f"must be METRIC:MS with a metric of {', '.join(SLO_METRICS)}")
    return name, value


def _percentiles(text: str) -> list[float]:
    try:
        values = [float(part) for part in text.split(",") if part]
    except ValueError:
        values = [-1.0]
    if not values or not all(0 < value < 100 for value in values):
        raise argparse.ArgumentTypeError("must be numbers between 0 and 100, separated by commas")
    return [int(value) if value == int(value) else value for value in values]


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise argparse.ArgumentTypeError("must be KEY=VALUE")
    return key, value
