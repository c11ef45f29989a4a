# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A queue of Slurm that exists only here, in the place of slurm.commands."""

from __future__ import annotations

import re

from ansible_collections.srt.slurm.plugins.module_utils.allocation import addresses
from ansible_collections.srt.slurm.plugins.module_utils.failures import SlurmError
from ansible_collections.srt.slurm.plugins.module_utils.slurm import commands, site

ALLOCATION = {"name": "quick", "nodes": 2, "digest": "abc123", "directives": {}, "environment": {}}


class Queue:
    """Takes the place of slurm.commands: jobs start as soon as they are released and end on request."""

    def __init__(self, monkeypatch, holder):
        self.queue, self.next, self.calls, self.holder, self.broken = {}, 7, [], holder, None
        self.reason = None
        self.ended, self.sick = {"JobState": "NODE_FAIL", "Reason": "NodeDown", "ExitCode": "0:0"}, {}
        self.name = "here@login"
        for name in ("jobs", "submit_held", "release", "cancel", "hostnames", "show_job", "node_states", "cluster"):
            monkeypatch.setattr(commands, name, getattr(self, name))
        self.partitions, self.accounts = {}, []
        monkeypatch.setattr(site, "partitions", lambda: self.partitions)
        monkeypatch.setattr(site, "accounts", lambda: self.accounts)
        monkeypatch.setattr(addresses, "node_addresses", self.node_addresses)

    def add(self, **fields):
        self.next += 1
        self.queue[str(self.next)] = dict(
            dict.fromkeys(commands.JOB_FIELDS, ""), id=str(self.next), state="PENDING", **fields
        )
        return str(self.next)

    def jobs(self, user=None, job_id=None, **limits):
        if self.broken:
            raise SlurmError(self.broken)
        if self.holder.holder.ending:
            self.queue.clear()
        return [dict(j) for j in self.queue.values() if job_id in (None, j["id"])]

    def submit_held(self, script):
        self.calls.append("submit")
        where = re.search(r"^#SBATCH --chdir=(.*)$", script, re.M).group(1)
        mark = re.search(r"^#SBATCH --comment=(.*)$", script, re.M).group(1)
        when = f"2026-01-01T00:00:{len(self.calls):02d}Z"
        return self.add(name="quick", comment=mark, reason="JobHeldUser", work_dir=where, submitted_at=when)

    def release(self, job_id):
        self.calls.append(f"release {job_id}")
        if self.reason:
            self.queue[job_id]["reason"] = self.reason
        else:
            self.queue[job_id].update(state="RUNNING", reason="None", nodelist="n[1-2]")

    def cancel(self, job_id, **options):
        self.calls.append(f"cancel {job_id}")
        self.queue.pop(job_id, None)

    def hostnames(self, nodelist):
        return ["n1", "n2"]

    def node_addresses(self, job_id, names, *where):
        return [{"name": name, "address": "10.0.0.1"} for name in names]

    def show_job(self, job_id):
        return self.ended

    def cluster(self):
        return self.name

    def node_states(self, names):
        return dict.fromkeys(names, ("IDLE", "")) | self.sick
