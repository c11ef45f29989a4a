# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Toy data of accuracy benchmarks, a server that knows the answers, and points that run without Slurm."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import pathlib
import signal
import subprocess
import threading

import jobs

SUMS = [{"question": f"What is {n} plus 2?", "answer": f"It is {n} + 2.\n#### {n + 2:,}"} for n in (1, 20, 300, 1998)]
CHOICES = [
    {"question": f"Which is the sum of {n} and 1?", "choices": [str(n), str(n + 1), "0", "-1"], "answer": 1}
    for n in (5, 6, 7, 8)
]
GRADUATE = [
    {"Question": f"What is {n} times 2?", "Correct Answer": str(2 * n), "Incorrect Answer 1": "1",
     "Incorrect Answer 2": "no", "Incorrect Answer 3": f"{n} squared", "Extra": None}
    for n in (5, 6, 7)
]  # fmt: skip
LONG = [
    {"_id": str(n), "domain": domain, "question": f"Which number is hidden in text {n}?",
     "context": f"{'far ' * 400}{n}",
     "choice_A": "none", "choice_B": "seven", "choice_C": str(n), "choice_D": "all", "answer": "C"}
    for n, domain in ((3, "Code"), (4, "Code"), (5, "Law"))
]  # fmt: skip


# What models say, and the answer in it, in the form in which it is compared; None: there is none.
NUMBERS = [
    ("It is 3 + 4 = 7.\n#### 7", "7"), ("#### 1,234", "1234"), ("The answer is $18.00.", "18"), ("18", "18"),
    ("so -5 remains", "-5"), ("\\boxed{42}", "42"), ("**Answer: 70**", "70"), ("That is 0.5", "0.5"),
    ("he has 6.", "6"), ("2 + 2 makes 5", "5"), ("18, as he said", "18"), ("It costs 70%", "70"),
    ("$1,998.50 in all", "1998.50"), ("I do not know.", None), ("", None),
]  # fmt: skip
LETTERS = [
    ("Answer: B", "b"), ("answer: (C)", "c"), ("**Answer: D**", "d"), ("**Answer:** A", "a"), ("Answer: $B$", "b"),
    ("First I thought Answer: A. No.\nAnswer: C", "c"), ("so \\boxed{B}", "b"), ("\\boxed{\\text{D}}", "d"),
    ("Answer : B.", "b"), ("**Answer**: C", "c"), ("Answer: `B`", "b"), ("Answer: 'D'", "d"), ("Answer:\n\nC", "c"),
    ("Answer: \\text{A}", "a"), ("Answer: $\\boxed{B}$", "b"), ("__Answer:__ _C_", "c"), ("Final Answer: [D]", "d"),
    ("The sum is 5, option B", None), ("Answer: E", None), ("", None), ("Answer: Because", None), ("Answer: Ä", None),
    ("Answer: A1", None), ("Answer", None),
]  # fmt: skip
LONG_LETTERS = [
    ("The correct answer is (C).", "c"), ("the correct answer is B", "b"), ("The correct answer is **(A)**", "a"),
    ("The correct answer is: D", "d"), ("**The correct answer is**: (B)", "b"), ("The correct answer is `C`", "c"),
    ("The correct answer is (A). No: the correct answer is (D)", "d"), ("C", None),
    ("The correct answer is (insert)", None), ("The correct answer is Berlin", None), ("", None),
]  # fmt: skip


def write(path, rows):
    """Write *rows* as JSON lines, or as a list; return the path."""
    text = json.dumps(rows) if path.suffix == ".json" else "".join(json.dumps(row) + "\n" for row in rows)
    path.write_text(text)
    return str(path)


def right(prompt):
    """Return the right answer to the last question of a prompt of these data sets."""
    for row in SUMS:
        if row["question"] in prompt:
            return f"Let me think: 7 apples. {row['answer']}"
    for row in CHOICES:
        if row["question"] in prompt:
            return "The sum is clear.\nAnswer: B"
    for row in GRADUATE:
        if row["Question"] in prompt:
            line = next(one for one in prompt.splitlines() if one.endswith(f") {row['Correct Answer']}"))
            return f"So it must be.\n**Answer: {line[0]}**"
    return "The correct answer is (C)." if "hidden in text" in prompt else "I do not know."


@contextlib.contextmanager
def serving(answer=right, status=lambda number: 200):
    """Serve chat completions; yield (port, the bodies of the requests).

    :param answer: ``answer(text of the last message)`` returns the content, or a whole body.
    :param status: ``status(number of the request, from 1)`` returns the HTTP status; None: the server goes away.
    """
    bodies = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):  # noqa: N802
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            bodies.append(body)
            code = status(len(bodies))
            if code is None:
                self.close_connection = True
                return
            content = answer(body["messages"][-1]["content"])
            if not isinstance(content, dict):
                message = {"role": "assistant", "content": content}
                choice = {"index": 0, "message": message, "finish_reason": "stop"}
                content = {"id": "x", "object": "chat.completion", "created": 1, "model": body["model"],
                           "choices": [choice], "usage": {"prompt_tokens": 9, "completion_tokens": 5}}  # fmt: skip
            data = json.dumps(content).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1], bodies
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def plan_of(port, run_dir, harness_dir, model="/models/tiny", **benchmark):
    """Return the plan of a job on this machine whose service is at *port*."""
    job = jobs.raw(
        resources=jobs.AGGREGATED,
        model={"path": str(model)},
        frontend={"type": "dynamo", "enable_multiple_frontends": False},
        ports={"frontend": port},
        benchmark={"isl": None, "osl": None, "concurrencies": None, **benchmark},
    )
    cluster = pathlib.Path(run_dir) / "srtslurm.yaml"
    cluster.write_text(json.dumps({"harness_dir": str(harness_dir)}))
    spec = jobs.spec_of(job, cluster=jobs.load_cluster(str(cluster)))
    allocation = jobs.allocation(1, run_dir=str(run_dir))
    allocation["nodes"][0]["address"] = "127.0.0.1"
    return jobs.planner.build(spec, allocation)


def kill_below(word):
    """Kill our descendants with *word* in their command lines, but no shell; return how many."""
    killed, parents = 0, {}
    for entry in pathlib.Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            stat = (entry / "stat").read_text().rpartition(")")[2].split()
            parents[int(entry.name)] = int(stat[1])
    for number in parents:
        above = number
        while above and above != os.getpid():
            above = parents.get(above, 0)
        with contextlib.suppress(OSError):
            words = pathlib.Path(f"/proc/{number}/cmdline").read_text()
            if above and number != os.getpid() and word in words and "bash" not in words.partition("\0")[0]:
                os.kill(number, signal.SIGKILL)
                killed += 1
    return killed


def run_point(plan, number=0, env=None):
    """Run a point of *plan* here; return (exit code, log, path of its result)."""
    for one in plan["files"]:
        path = pathlib.Path(plan["run_dir"], one["path"])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(one["content"])
    point = plan["benchmark"]["points"][number]
    result = pathlib.Path(plan["run_dir"], point["result"])
    done = subprocess.run(
        point["step"]["argv"], env={**os.environ, **point["step"]["env"], **(env or {})}, capture_output=True,
        text=True, timeout=300, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr, result
