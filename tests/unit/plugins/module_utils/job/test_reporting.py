# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""``reporting`` of a job and of the cluster file, and ``cloud``: what is refused, what is kept, and no secret in it."""

from __future__ import annotations

import json

import jobs
import pytest
from ansible_collections.srt.slurm.plugins.module_utils.failures import SpecError
from ansible_collections.srt.slurm.plugins.module_utils.job import reporting
from ansible_collections.srt.slurm.plugins.module_utils.job.cluster import load_cluster

S3 = {"bucket": "runs", "endpoint_url": "https://s3.example.com"}
PUBLISHER = {"name": "wiki", "command": ["/opt/publish", "--all"]}


def refused(**given):
    """Return [(path, code, problem and remedy)] of a job with *given* as its reporting."""
    with pytest.raises(SpecError) as caught:
        jobs.resolved(jobs.raw(reporting=given))
    return [(one["path"], one["code"], f"{one['problem']} {one['remedy']}") for one in caught.value.problems]


def test_a_job_keeps_what_it_reports():
    found = jobs.resolved(jobs.raw(reporting={"s3": S3, "publishers": [PUBLISHER], "status": {"endpoint": "http://x"}}))
    kept = found.spec["reporting"]
    assert kept["s3"]["bucket"] == "runs" and kept["publishers"] == [{**PUBLISHER, "timeout_seconds": 60}]
    assert kept["status"]["token_env"] == "SRTCTL_STATUS_TOKEN"
    assert "reporting.publishers: wiki runs /opt/publish on the submit host when the run has ended." in found.notes
    words = ("no effect", "not used", "looks like a secret")
    assert not [note for note in found.notes if any(word in note for word in words)]
    assert "reporting" not in jobs.resolved(jobs.raw()).spec


def test_what_a_job_reports_changes_no_digest():
    plain, reports = (jobs.resolved(job) for job in (jobs.raw(), jobs.raw(reporting={"s3": S3})))
    assert plain.planner.serving_digest == reports.planner.serving_digest
    points = [jobs.plan_of(one.spec)["benchmark"]["points"] for one in (plain, reports)]
    assert [one["digest"] for one in points[0]] == [one["digest"] for one in points[1]]


@pytest.mark.parametrize(
    ("given", "path", "words"),
    [
        ({"s3": {"bucket": "s3://runs"}}, "s3.bucket", "Write its name alone"),
        ({"s3": {"bucket": "a/b"}}, "s3.bucket", "not the name of a bucket"),
        ({"s3": {}}, "s3", 'lacks the key "bucket"'),
        ({"s3": {**S3, "endpoint_url": "s3.example.com"}}, "s3.endpoint_url", "https://HOST"),
        ({"s3": {**S3, "endpoint_url": "ftp://x"}}, "s3.endpoint_url", "https://HOST"),
        ({"s3": {**S3, "endpoint_url": "https://x:99999"}}, "s3.endpoint_url", "is not a URL"),
        ({"s3": {**S3, "access_key_id": "x", "secret_access_key": "y", "profile": "p"}}, "s3.profile", "Keep one"),
        ({"s3": {**S3, "prefix": "a/../b"}}, "s3.prefix", "only dots"),
        ({"status": {"endpoint": "x"}}, "status.endpoint", "is not the URL of a server"),
        ({"status": {"endpoints": ["http://ok", "http://u:hunter22@x"]}}, "status.endpoints[1]", "a password"),
        ({"status": {"endpoint": "http://ok/?a=b"}}, "status.endpoint", "is not the URL of a server"),
        ({"status": {"token_env": "hf_abc-def"}}, "status.token_env", "name of an environment variable"),
        ({"publishers": [{**PUBLISHER, "name": "../x"}]}, "publishers[0].name", "cannot name a file"),
        ({"publishers": [{**PUBLISHER, "name": "x" * 65}]}, "publishers[0].name", "64 at most"),
        ({"publishers": [PUBLISHER, PUBLISHER]}, "publishers[1].name", "Choose another"),
        ({"publishers": [{**PUBLISHER, "command": []}]}, "publishers[0].command", "has no program"),
        ({"publishers": [{**PUBLISHER, "command": "publish --all"}]}, "publishers[0].command", "expected a list"),
        ({"publishers": [{**PUBLISHER, "timeout_seconds": 3601}]}, "publishers[0].timeout_seconds", "at most 3600"),
        ({"publishers": [{"command": ["x"]}]}, "publishers[0]", 'lacks the key "name"'),
        ({"ai_analysis": {"enabled": True}}, "ai_analysis.enabled", "reporting.publishers"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_submitted(given, path, words):
    found = refused(**given)
    assert [one[0] for one in found] == [f"reporting.{path}"] and words in found[0][2]
    assert "hunter22" not in str(found)


def test_the_analysis_is_refused_for_good_and_what_belongs_to_it_is_not():
    (found,) = refused(ai_analysis={"enabled": True, "gh_token": "x"})
    assert found[1] == "not_supported" and "yet" not in found[2] and "now or later" in found[2]
    jobs.resolved(jobs.raw(reporting={"ai_analysis": {"enabled": False, "prompt": "x"}}))


@pytest.fixture
def cluster(tmp_path):
    def load(text):
        path = tmp_path / "srtslurm.yaml"
        path.write_text(text)
        return load_cluster(str(path))

    return load


def test_a_job_without_reporting_has_that_of_the_cluster_file_and_one_with_it_replaces_it(cluster):
    site = cluster("reporting: {s3: {bucket: site, prefix: a}, status: {endpoint: http://x}}\n")
    assert jobs.resolved(jobs.raw(), cluster=site).spec["reporting"]["s3"]["bucket"] == "site"
    own = jobs.resolved(jobs.raw(reporting={"s3": S3}), cluster=site)
    assert own.spec["reporting"]["status"] is None and own.spec["reporting"]["s3"]["prefix"] is None
    assert [note for note in own.notes if "the job's own replaces that of" in note]
    assert "reporting" not in jobs.resolved({**jobs.raw(), "reporting": None}, cluster=site).spec


def test_a_problem_in_the_cluster_file_names_its_line(cluster):
    site = cluster("cluster: c\nreporting:\n  s3:\n    bucket: a/b\n")
    with pytest.raises(SpecError, match=r"srtslurm.yaml:4: reporting.s3.bucket"):
        jobs.resolved(jobs.raw(), cluster=site)
    with pytest.raises(SpecError, match=r"srtslurm.yaml:3: cloud.endpoint_url: .*https://HOST"):
        cluster("cloud:\n  bucket: b\n  endpoint_url: s3.example.com\n")
    with pytest.raises(SpecError, match=r'cloud: lacks the key "bucket"'):
        cluster("cloud: {prefix: x}\n")


def test_credentials_become_references():
    spec = {"reporting": {"s3": {**S3, "access_key_id": "srt-secret:MINE", "secret_access_key": "hunter22"}}}
    hidden = reporting.conceal(spec, lambda: b"k" * 32)
    reference = spec["reporting"]["s3"]["secret_access_key"]
    assert hidden == {reference: "hunter22"} and reference.startswith("srt-secret:secret_access_key:")
    assert spec["reporting"]["s3"]["access_key_id"] == "srt-secret:MINE" and "hunter22" not in json.dumps(spec)
    assert reporting.conceal({}, lambda: None) == {}
