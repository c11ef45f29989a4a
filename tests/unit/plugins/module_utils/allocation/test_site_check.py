# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the site's Slurm does not have is told before submission, with the key and the line that ask for it."""

from __future__ import annotations

import re

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.entry import Context
from ansible_collections.srt.slurm.plugins.module_utils.failures import SlurmError, SpecError
from ansible_collections.srt.slurm.plugins.module_utils.slurm import commands, site
from fake_queue import ALLOCATION

SINFO = """\
batch*|2|gpu:h100:8(S:0-1)|1-00:00:00|up|1-3
batch*|4|gpu:h100:4,nvme:1|1-00:00:00|up|1-3
debug|1|(null)|30:00|up|1-infinite
long|9|gpu:8|infinite|up|1-infinite
"""
ORIGINS = {
    "slurm.partition": "job.yaml:12",
    "slurm.account": "cluster.yaml:3 (default_account)",
    "resources.decode_nodes": "job.yaml:7",
    "resources.gpus_per_node": "job.yaml:6",
    "sbatch_directives.time": "job.yaml:30",
}


READ = site.partitions  # the fixture queue replaces it


@pytest.fixture
def asked(queue, do, program):
    """Return a function that asks for a job on a site with these partitions."""
    program("sinfo", f"cat <<'END'\n{SINFO}END\n")
    partitions = READ()

    def ask(check_mode=False, **request):
        queue.partitions, queue.accounts = partitions, ["science", "chemistry"]
        return do(ctx=Context(check_mode), allocation={**ALLOCATION, **request}, origins=ORIGINS)

    return ask


@pytest.mark.parametrize(
    "request_, words",
    [
        ({"partition": "btach"}, r"^job.yaml:12: slurm.partition: is btach, and there is no partition btach. Did you "
                                 r"mean batch\? There are: batch \(6 nodes, up to 8 GPUs each, up to 1-00"),
        ({"partition": "batch,lnog"}, "there is no partition lnog. Did you mean long"),
        ({"account": "scinece"}, r"^cluster.yaml:3: slurm.account \(default_account\): is scinece, .* mean science\?"),
        ({"nodes": 4}, "^job.yaml:7: resources.decode_nodes: asks for 4 nodes; .* a job in batch may have 3"),
        ({"nodes": 10, "partition": "long"}, "asks for 10 nodes; the partition has fewer: long .9 nodes, 8 GPUs each"),
        ({"time_limit": "2-0"}, "^job: slurm.time_limit: is 2-0, more than the partition allows: batch"),
        ({"partition": "debug", "nodes": 1, "directives": {"time": "31"}}, "^job.yaml:30: sbatch_directives.time: "),
        ({"nodes": 3, "gpus_per_node": 8}, "^job.yaml:6: resources.gpus_per_node: asks for 3 nodes with 8 GPUs; the "
                                           "partition has 2"),
        ({"gpus_per_node": 16}, "asks for 2 nodes with 16 GPUs; the partition has none"),
        ({"nodes": 1, "partition": "debug", "gpus_per_node": 1}, "use_gpus_per_node_directive: false"),
        ({"nodes": 1, "partition": "debug", "directives": {"gres": "gpu:2"}}, "sbatch_directives.gres: asks"),
    ],
)  # fmt: skip
def test_what_the_site_does_not_have_is_told_before_submission(asked, queue, request_, words):
    with pytest.raises(SpecError, match=words) as caught:
        asked(**request_)
    assert queue.calls == [] and caught.value.problems[0]["remedy"]
    notes = asked(True, **request_)["notes"]
    assert any(re.search(words.lstrip("^"), note) for note in notes) and queue.calls == []


@pytest.mark.parametrize(
    "request_",
    [
        {},
        {"nodes": 3, "gpus_per_node": 4, "time_limit": "1-00:00:00", "account": "chemistry"},
        {"nodes": 9, "partition": "debug,long", "gpus_per_node": 8, "time_limit": "300-00:00:00"},
        {"time_limit": "9-0", "directives": {"qos": "huge"}},
        {"time_limit": "9-0", "directives": {"time-min": "60"}},
    ],
)
def test_what_the_site_has_is_submitted(asked, request_):
    assert asked(**request_)["actions"] == ["submitted"]


def test_a_site_that_tells_nothing_is_not_in_the_way(queue, do):
    do(allocation={**ALLOCATION, "partition": "any", "account": "me", "nodes": 2, "gpus_per_node": 64})
    assert queue.calls[0] == "submit"


def test_a_refusal_of_sbatch_names_the_key(queue, do, monkeypatch):
    def refuse(_script):
        raise SlurmError("sbatch failed (rc 1): sbatch: error: Batch job submission failed: Invalid qos specification")

    monkeypatch.setattr(commands, "submit_held", refuse)
    with pytest.raises(SlurmError, match=r"Invalid qos specification. sbatch_directives.qos is fast \(job.yaml:9\)\.$"):
        do(allocation={**ALLOCATION, "directives": {"qos": "fast"}}, origins={"sbatch_directives.qos": "job.yaml:9"})


@pytest.mark.parametrize("why", ["exit 127", "echo 'sinfo: fatal: no'; exit 1", "echo garbage; echo 'a|b|c|d|e|f'"])
def test_an_answer_that_cannot_be_read_is_none(program, why):
    program("sinfo", why)
    assert site.partitions() == {}
