#!/usr/bin/env python3
# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""How often a comparison is wrong, and how often it finds a service that is 5 % slower.

Simulated: both sides are drawn from one distribution, 200 times for each of several spreads, and compared; a verdict
``better`` or ``worse`` is false. Then the candidate is 5 % slower: the share of comparisons that find it, at the number
of repeats that was proposed from the spread of a few.

Real: a service is measured twice, and once slowed by 5 %, with --repeats repeats each. The same service is compared
with itself in tries that share no repeat. For the slowed one many tries are drawn from all repeats, each of the length
that was proposed from the first few. What is asked of the proposal is the smallest slowdown among the primary metrics:
a part of a latency that is not the service's (the client, the network) does not become slower with it, so that a TTFT
may grow by 4 % where the service was slowed by 5 %, and a plan for 5 % need not find that. The spread of one repeat is
printed beside the result: on a busy machine it is larger, and so is the number of repeats. --server measures our load
client with a streaming server of a known speed, the three in turns; --measure measures Dynamo's mocker on a real Slurm
on this machine, one after the other.

    .venv/bin/python tests/benchmarks/compare.py                          simulated
    .venv/bin/python tests/benchmarks/compare.py --server DIR [--repeats 40]
    .venv/bin/python tests/benchmarks/compare.py --measure DIR [--repeats 40]
    .venv/bin/python tests/benchmarks/compare.py --evaluate DIR           again, from what was measured
"""

from __future__ import annotations

import argparse
import contextlib
import json
import pathlib
import random
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "collections"), str(ROOT / "tests" / "support")]

import sse_server  # noqa: E402
from ansible_collections.srt.slurm.plugins.module_utils.benchmarks.own_client.result import figures  # noqa: E402
from ansible_collections.srt.slurm.plugins.module_utils.comparison import judgement, planning, sides  # noqa: E402
from ansible_collections.srt.slurm.plugins.module_utils.comparison.measured_run import Repeat  # noqa: E402
from ansible_collections.srt.slurm.plugins.module_utils.statistics import ratios  # noqa: E402
from cluster import Cluster  # noqa: E402

TRIES, SPREADS, PILOT = 200, (0.005, 0.02, 0.05), 5
TIMES_S = (0.3, 0.03)  # to the first token, and between two, of the streaming server
SEEN = 10  # real repeats from which the spread is known
SLOWER, THRESHOLD = 1.05, 0.02
DIFFERENT = (judgement.BETTER, judgement.WORSE)
RUNS = ("one", "two", "slow")


def drawn(draw, count, spread, slower=1.0):
    """Return *count* repeats whose latencies are *slower* and whose spread is *spread*."""
    found = []
    for number in range(count):
        figures = {name: slower * draw.lognormvariate(0, spread) for name in ("median_ttft_ms", "median_tpot_ms")}
        figures["output_tps"] = draw.lognormvariate(0, spread) / slower
        found.append(Repeat("simulated", f"c=4 #{number}", True, True, [], figures, None, None, None))
    return found


def verdicts(benchmark, baseline, candidate):
    """Return {primary metric: verdict} of one comparison."""
    point = sides.Point("c=4", {}, benchmark, baseline, candidate)
    (found,) = judgement.judge([point], threshold=THRESHOLD)
    return {one.name: one.verdict for one in found.metrics if one.primary}


def proposed(benchmark, baseline, candidate=(), difference=SLOWER - 1):
    """Return the repeats that a *difference* needs, by the largest of the metrics, and the spreads."""
    point = sides.Point("c=4", {}, benchmark, baseline, candidate)
    needs = planning.needs([point], (), difference, THRESHOLD)
    counts = [one.repeats for one in needs]
    return (None if None in counts else max(counts)), {one.metric: one.spread for one in needs}


def simulate():
    """Print the shares of false verdicts and of differences that are found."""
    from ansible_collections.srt.slurm.plugins.module_utils.benchmarks import BENCHMARKS

    benchmark, draw = BENCHMARKS["sa-bench"], random.Random(1)
    print(f"{'spread':>7} {'false of ' + str(TRIES):>13} {'proposed':>9} {'found':>6}  (slowed {SLOWER:g} times)")
    for spread in SPREADS:
        false, found, counts = 0, 0, []
        for _try in range(TRIES):
            same = verdicts(benchmark, drawn(draw, PILOT, spread), drawn(draw, PILOT, spread))
            false += any(one in DIFFERENT for one in same.values())
        for _try in range(TRIES):
            count, _spreads = proposed(benchmark, drawn(draw, PILOT, spread))
            if count is None:  # more than anybody measures: nothing was proposed
                continue
            counts.append(count)
            slow = verdicts(benchmark, drawn(draw, count, spread), drawn(draw, count, spread, SLOWER))
            found += sum(one == judgement.WORSE for one in slow.values())
        middle = sorted(counts)[len(counts) // 2]
        print(f"{100 * spread:>6.1f}% {false:>13} {middle:>9} {found / 3 / len(counts):>6.2f}")


def measure(folder, repeats, speed):
    """Measure the service twice, and once slowed, in a sandbox; the runs are in *folder*."""
    folder.mkdir(parents=True, exist_ok=True)
    cluster = Cluster(folder, 3)
    try:
        for name in RUNS:
            ratio = speed / SLOWER if name == "slow" else speed
            job = cluster.job_file(
                name,
                slurm={"time_limit": "02:00:00"},
                resources={"gpu_type": "h100", "gpus_per_node": 8, "agg_nodes": 1, "agg_workers": 1},
                backend={"type": "mocker", "speedup_ratio": ratio},
                frontend={"type": "dynamo", "num_additional_frontends": 0},
                benchmark={"type": "sa-bench", "isl": 1024, "osl": 24, "concurrencies": [2], "num_prompts_mult": 4,
                           "num_warmup_mult": 1, "repeats": repeats},
            )  # fmt: skip
            command = [*cluster.prefix(), "ansible-playbook", "bench.yml", "-e", f"job_file={job}"]
            command += ["-e", f"output_dir={folder / 'runs' / name}"]
            done = subprocess.run(
                command, cwd=ROOT, env=cluster.environment, capture_output=True, text=True, check=False
            )
            print(f"{name}: exit code {done.returncode}")
            if done.returncode:
                print(done.stdout[-3000:])
    finally:
        cluster.close()


def serve(folder, repeats):
    """Measure a streaming server twice, and once slowed, in turns, with our load client."""
    folder.mkdir(parents=True, exist_ok=True)
    model, result = folder / "model", folder / "result.json"
    subprocess.run([sys.executable, str(ROOT / "bin" / "make-tiny-model"), str(model)], check=True)
    command = [sys.executable, str(ROOT / "plugins" / "module_utils" / "load_client"), "--model", "m"]
    command += ["--tokenizer", str(model), "--isl", "64", "--osl", "24", "--num-prompts", "8", "--concurrency", "2"]
    found = {name: [] for name in RUNS}
    with contextlib.ExitStack() as stack:
        urls = {}
        for name in RUNS:
            times = [base * (SLOWER if name == "slow" else 1.0) for base in TIMES_S]
            urls[name] = stack.enter_context(sse_server.running(sse_server.Behaviour(*times))).url
        for number in range(repeats):
            for name in (RUNS, RUNS[::-1])[number % 2]:
                result.unlink(missing_ok=True)
                argv = [*command, "--base-url", urls[name], "--result", str(result), "--seed", str(number)]
                done = subprocess.run(argv, capture_output=True, text=True, check=False)
                if done.returncode:
                    raise SystemExit(done.stdout + done.stderr)
                found[name].append(json.loads(result.read_text()))
    (folder / "server.json").write_text(json.dumps(found))


def repeats_of(folder):
    """Return (the benchmark, {name of a run: its repeats in order}) of what was measured in *folder*."""
    from ansible_collections.srt.slurm.plugins.module_utils.benchmarks import BENCHMARKS

    if (folder / "server.json").exists():
        found = {}
        for name, results in json.loads((folder / "server.json").read_text()).items():
            found[name] = [
                Repeat(name, f"c=2 #{number}", True, True, [], figures(raw), raw["started_at"], raw["ended_at"], ("x",))
                for number, raw in enumerate(results, 1)
            ]
        return BENCHMARKS["sa-bench"], found
    found = {}
    for name in RUNS:
        (path,) = (folder / "runs" / name).glob("[0-9]*/plan.json")
        (run,) = sides.runs_of([str(path.parent)])
        found[name] = [one for _key, one in run.repeats]
    return run.benchmark, found


def evaluate(folder):
    """Print the figures of what was measured."""
    benchmark, found = repeats_of(folder)
    for name in RUNS:
        bad = [one for one in found[name] if not one.valid]
        print(f"{name}: {len(found[name])} repeats, {len(bad)} not valid" + (f": {bad[0].reasons}" if bad else ""))
        found[name] = sorted((one for one in found[name] if one.valid), key=lambda one: str(one.started_at))
    slowed = [slowdown(found, name) for name in judgement.PRIMARY[:3]]
    same = [piece for name in RUNS for piece in cut(found[name], 2 * judgement.LEAST)]
    wrong = 0
    for one in same:
        turns = [[repeat for at, repeat in enumerate(one) if (at % 4 in (0, 3)) == first] for first in (True, False)]
        said = verdicts(benchmark, *turns)
        wrong += any(verdict in DIFFERENT for verdict in said.values())
    print(f"the same service in turns: {wrong} false verdicts in {len(same)} tries of {judgement.LEAST} repeats")
    wanted = min(SLOWER - 1, *slowed)
    if wanted <= THRESHOLD:
        print(f"the smallest slowdown, {100 * wanted:.1f} %, is within the threshold: nothing can find it")
        return
    for paired in (False, True):
        own = found if paired else {name: [one._replace(allocation=None) for one in found[name]] for name in RUNS}
        count, spreads = proposed(benchmark, own["one"][:SEEN], own["two"][:SEEN] if paired else [], wanted)
        shown = ", ".join(f"{name} {100 * value:.2f} %" for name, value in spreads.items())
        word = "pairs" if paired else "each side"
        print(f"spread of {word}: {shown}; proposed for {100 * wanted:.1f} %: {count} repeats")
        if count and count <= min(map(len, own.values())):
            power(benchmark, own, count, paired)


def slowdown(found, name):
    """Print the means of a metric and return by which share it is worse in the run that was slowed."""
    means = {key: ratios.centre([one.figures[name] for one in own]) for key, own in found.items()}
    base = (means["one"] * means["two"]) ** 0.5
    worse = base / means["slow"] - 1 if name == "output_tps" else means["slow"] / base - 1
    print(f"{name}: {means['one']:.3f}, {means['two']:.3f}, slowed {means['slow']:.3f} ({100 * worse:.1f} % worse)")
    return worse


def power(benchmark, found, count, paired):
    """Print in how many of many tries of *count* repeats each metric is found, drawn from what was measured."""
    draw, seen = random.Random(3), dict.fromkeys(judgement.PRIMARY[:3], 0)
    for _try in range(TRIES):
        base = draw.choice(("one", "two"))
        chosen = sorted(draw.sample(range(min(len(found[base]), len(found["slow"]))), count))
        others = chosen if paired else sorted(draw.sample(range(len(found["slow"])), count))
        said = verdicts(benchmark, [found[base][at] for at in chosen], [found["slow"][at] for at in others])
        for name in seen:
            seen[name] += said[name] == judgement.WORSE
    for name, number in seen.items():
        print(f"  {name}: found in {number} of {TRIES} tries, {100 * number / TRIES:.0f} %")


def cut(repeats, length):
    """Return *repeats* in pieces of *length*, without the rest."""
    return [repeats[at : at + length] for at in range(0, len(repeats) - length + 1, length)]


def main():
    """Simulate, or measure and evaluate."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--measure", type=pathlib.Path, metavar="DIR")
    parser.add_argument("--evaluate", type=pathlib.Path, metavar="DIR")
    parser.add_argument("--repeats", type=int, default=40)
    parser.add_argument("--speed", type=float, default=0.25, help="speedup_ratio of the mocker")
    parser.add_argument("--server", type=pathlib.Path, metavar="DIR")
    given = parser.parse_args()
    if given.server:
        serve(given.server.absolute(), given.repeats)
    if given.measure:
        measure(given.measure.absolute(), given.repeats, given.speed)
    folder = given.measure or given.server or given.evaluate
    if folder:
        evaluate(folder.absolute())
    else:
        simulate()


if __name__ == "__main__":
    main()
