# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""Is a measured point valid, and the small file beside its result that says so.

A point without a verdict, with the verdict on another digest, or whose result changed since it was
judged, is not valid: nothing looks like success by default.
"""

from __future__ import annotations

import hashlib
import json
import os

from ..benchmarks.sa_bench import result as sa_bench_result
from ..failures import Error
from ..files import write_text_atomic

VERDICT_SCHEMA_VERSION = 1
NOT_MEASURED = "was not measured"
MIN_COMPLETED = 0.99
PROMPT_TOLERANCE = 0.02  # of the prompt tokens sent ...
PROMPT_TOLERANCE_TOKENS = 8  # ... or so many tokens a request, whichever is more


def judge(raw, expect, min_completed=MIN_COMPLETED):
    """Return the reasons why a result is not valid, in plain words; none: it is valid.

    :param raw: content of the result file.
    :param expect: ``{num_prompts, isl, osl, ignore_eos, profiled}`` of the point; ``ignore_eos`` is true unless it says
        no, ``profiled`` is the profiler that ran beside it, if any.
    :param min_completed: share of the requests that must have completed.
    """
    reasons = []
    if expect.get("profiled"):
        reasons.append(f"the workers were profiled ({expect['profiled']}) while it was measured")
    if raw.get("interrupted"):
        reasons.append(f"the measurement did not complete: {raw.get('reason') or 'interrupted'}")
    reasons += _requests(raw, expect, min_completed)
    if not (raw.get("duration") or 0) > 0:
        reasons.append("the measurement took no time")
    if raw.get("completed"):
        reasons += _output(raw, expect)
        reasons += _input(raw, expect)
    return reasons


def _requests(raw, expect, min_completed):
    planned = expect.get("num_prompts") or raw.get("num_prompts") or 0
    completed = raw.get("completed") or 0
    sent = completed + (sa_bench_result.failed(raw) or 0)
    if planned and sent < planned and not raw.get("interrupted"):
        return [f"{planned} requests were planned, the result has {sent}"]
    if not completed:
        return [f"none of {planned} requests completed{_common_errors(raw)}"]
    if completed < min_completed * planned:
        share = 100.0 * completed / planned
        return [
            f"{planned - completed} of {planned} requests did not complete ({share:.1f} % completed, "
            f"{100 * min_completed:g} % are needed){_common_errors(raw)}"
        ]
    return []


def _common_errors(raw, most=3):
    """Return the most frequent errors as text to append."""
    counts = {}
    for error in raw.get("errors") or ():
        if error:
            counts[error] = counts.get(error, 0) + 1
    common = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:most]
    return "".join(f"; {count} x {str(error).strip().splitlines()[-1][:200]}" for error, count in common)


def _output(raw, expect):
    total = sa_bench_result.get(raw, "total_output_tokens")
    if not total:
        return ["no output token came"]
    reasons = []
    lengths = raw.get("output_lens")
    if isinstance(lengths, list) and sum(lengths) != total:
        reasons.append(f"the output tokens of the requests are {sum(lengths)} together, the total says {total}")
    short = raw.get("short_outputs")
    osl, ratio = expect.get("osl"), raw.get("random_range_ratio", expect.get("random_range_ratio", 1))
    if short is None and isinstance(lengths, list) and osl and ratio == 1:
        short = sum(0 < length < osl for length in lengths)
    if short and expect.get("ignore_eos", raw.get("ignore_eos", True)):
        reasons.append(f"{short} answers have fewer tokens than asked although the end of text was to be ignored")
    return reasons


def _input(raw, expect):
    """Compare the server's prompt tokens with those that were sent; a chat template adds the same to each."""
    sent, counted = sa_bench_result.get(raw, "total_input_tokens"), raw.get("server_input_tokens")
    completed = raw["completed"]
    if raw.get("inexact_prompts"):
        return [f"{raw['inexact_prompts']} prompts could not be made with the exact number of tokens"]
    isl = expect.get("isl")
    if isl and sent is not None and sent > isl * completed:
        return [f"{sent} prompt tokens were sent, {completed} requests of {isl} are at most {isl * completed}"]
    if counted is None or not sent:
        return []
    constant = raw.get("min_input_token_difference") == raw.get("max_input_token_difference")
    if constant and "chat" in (raw.get("endpoint") or ""):
        return []
    if abs(counted - sent) > max(PROMPT_TOLERANCE * sent, PROMPT_TOLERANCE_TOKENS * completed):
        return [
            f"the server counted {counted} prompt tokens, {sent} were sent: "
            "the client's tokenizer is not the one of the served model"
        ]
    return []


def verdict_path(result):
    """Return the path of the verdict on the result file *result*."""
    return os.path.splitext(result)[0] + ".verdict.json"


def partial_path(result):
    """Return where the load client keeps the figures of a run that did not complete."""
    return os.path.splitext(result)[0] + ".partial.json"


def make_verdict(point, reasons, raw=None, result=None, times=(None, None), origin=None):
    """Return the verdict on *point*.

    :param raw: content of the result (or partial result), or None.
    :param result: path of the result file whose content is sealed by its hash, or None.
    :param times: start and end (UTC), used when the result does not say.
    :param origin: ``{job_id, path}`` of the run that measured the point, or None for this run.
    """
    figures = sa_bench_result.figures(raw) if raw else {}
    return {
        "schema_version": VERDICT_SCHEMA_VERSION,
        "digest": point["digest"],
        "concurrency": point["concurrency"],
        "valid": not reasons,
        "reasons": list(reasons),
        "metrics": figures,
        "started_at": figures.get("started_at") or times[0],
        "ended_at": figures.get("ended_at") or times[1],
        "origin": origin,
        "result_sha256": file_hash(result) if result else None,
    }


def write_verdict(result, verdict):
    """Write *verdict* beside the result file *result*; Error when that is not possible."""
    path = verdict_path(result)
    try:
        write_text_atomic(path, json.dumps(verdict, indent=2) + "\n")
    except OSError as error:
        raise Error(
            f"The verdict {path} cannot be written: {error.strerror}. Mend that, and run again: a result without a "
            "verdict does not count."
        ) from None


def read_verdict(result):
    """Return the verdict on the result file *result*, or None when there is none that can be read."""
    try:
        with open(verdict_path(result), encoding="utf-8") as stream:
            verdict = json.load(stream)
    except (OSError, ValueError):
        return None
    good = isinstance(verdict, dict) and verdict.get("schema_version") == VERDICT_SCHEMA_VERSION
    return verdict if good else None


def standing(point, result):
    """Return (verdict, reasons) of *point* as its files say now.

    The verdict is None when there is none; the reasons are those of the verdict, or why it does not
    count: no verdict, another digest, a result that is missing or changed.
    """
    verdict = read_verdict(result)
    if verdict is None:
        what = "was measured but not judged" if os.path.exists(result) else NOT_MEASURED
        return None, [what]
    reasons = says_against(point, verdict)
    return verdict, reasons or seal_against(verdict, result)


def says_against(point, verdict):
    """Return the reasons why *verdict* does not call *point* valid."""
    if verdict.get("digest") != point["digest"]:
        return ["was measured with other parameters or another service"]
    return [] if verdict.get("valid") else list(verdict.get("reasons") or ["is not valid"])


def seal_against(verdict, result):
    """Return the reason, if any, why the file *result* is not the one that *verdict* was passed on."""
    try:
        intact = file_hash(result) == verdict.get("result_sha256")
    except OSError as error:
        return [f"its result file cannot be read: {error.strerror}"]
    return [] if intact else ["its result file has changed since it was judged"]


def file_hash(path):
    """Return the SHA-256 of a file in hex; OSError when it cannot be read."""
    sha = hashlib.sha256()
    with open(path, "rb") as stream:
        for block in iter(lambda: stream.read(1 << 20), b""):
            sha.update(block)
    return sha.hexdigest()
