# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a failed step leaves behind."""

from __future__ import annotations

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.holder import fatal_lines
from ansible_collections.srt.slurm.plugins.module_utils.stages import evidence


@pytest.mark.parametrize(
    ("lines", "fatal"),
    [
        (["all well", "still"], None),
        (
            ["a", "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB", "Traceback"],
            "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB",
        ),
        (
            ["Traceback (most recent call last):", '  File "x.py", line 1', "    f()", "KeyError: 'model'", "bye"],
            "KeyError: 'model'",
        ),
        (
            ["Traceback (most recent call last):", '  File "x.py"', "OSError: [Errno 98] Address already in use"],
            "OSError: [Errno 98] Address already in use",
        ),
        (["[rank0] NCCL error in: x.cpp:1", "later"], "[rank0] NCCL error in: x.cpp:1"),
        (["thread 'main' panicked at src/main.rs:1"], "thread 'main' panicked at src/main.rs:1"),
        (["bash: nats-server: command not found"], "bash: nats-server: command not found"),
        (
            [
                "pyxis: importing docker image: x",
                "slurmstepd: error: pyxis: child 812 failed with error code: 1",
                "slurmstepd: error: pyxis: failed to create container filesystem",
                "slurmstepd: error: pyxis: printing enroot log file:",
                "slurmstepd: error: pyxis:     [INFO] Extracting squashfs filesystem...",
                "slurmstepd: error: pyxis:     [ERROR] No such file or directory: x.sqsh",
                "slurmstepd: error: pyxis: couldn't start container",
            ],
            "slurmstepd: error: pyxis:     [ERROR] No such file or directory: x.sqsh",
        ),
        (
            [
                "slurmstepd: error: pyxis: container start failed with error code: 1",
                "slurmstepd: error: pyxis: printing importer log file:",
                "slurmstepd: error: pyxis:     [ERROR] Could not process JSON input",
                "slurmstepd: error: pyxis: couldn't start container",
            ],
            "slurmstepd: error: pyxis:     [ERROR] Could not process JSON input",
        ),
        (
            [
                "slurmstepd: error: pyxis: container start failed with error code: 1",
                "slurmstepd: error: pyxis: printing enroot log file:",
                "slurmstepd: error: pyxis:     enroot-mount: failed to mount: /a at /b: No such file or directory",
            ],
            "slurmstepd: error: pyxis:     enroot-mount: failed to mount: /a at /b: No such file or directory",
        ),
        ([], None),
    ],
)
def test_first_fatal_line(lines, fatal):
    found = fatal_lines.cause(lines)
    assert (found.text if found else None) == fatal


def record(**fields):
    return dict(
        {
            "name": "decode_1",
            "attempt": 2,
            "step_id": "42.7",
            "nodes": ["node001", "node002"],
            "node": "node002",
            "log": "logs/node001_decode_1.out",
            "reason": "exited with code 1 on node002",
            "exit_code": 1,
            "signal": None,
            "ended_at": "2026-01-01T00:00:02Z",
        },
        **fields,
    )


def test_evidence_is_of_the_node_that_failed(tmp_path):
    (tmp_path / "logs" / ".srun").mkdir(parents=True)
    (tmp_path / "logs" / "node001_decode_1.out").write_text("I am fine\n")
    (tmp_path / "logs" / "node002_decode_1.out").write_text(
        "\n".join(f"line {i}" for i in range(50)) + "\nFATAL: no GPU\n"
    )
    (tmp_path / "logs" / ".srun" / "decode_1.2.err").write_text(
        "srun: error: node002: task 1: Exited with exit code 1\n"
    )
    found = evidence.evidence(record(), str(tmp_path))
    assert found["node"] == "node002" and found["log"].endswith("/logs/node002_decode_1.out")
    assert found["fatal"] == "FATAL: no GPU" and len(found["tail"]) == 20 and found["tail"][-1] == "FATAL: no GPU"
    assert found["srun"] == ["srun: error: node002: task 1: Exited with exit code 1"]


def test_message_names_step_node_reason_line_and_log(tmp_path):
    records = [
        record(),
        record(name="decode_0", ended_at="2026-01-01T00:00:01Z", node=None, reason="exited with code 0"),
    ]
    error = evidence.step_error(records, str(tmp_path), "while it was starting")
    assert error.msg == (
        "Step decode_0 on node001 ended while it was starting: exited with code 0. (1 more: decode_1) "
        f"Log: {tmp_path}/logs/node001_decode_1.out"
    )
    assert [e["step"] for e in error.evidence["evidence"]] == ["decode_0", "decode_1"]
    assert error.evidence["failed_node"] == "node001"
