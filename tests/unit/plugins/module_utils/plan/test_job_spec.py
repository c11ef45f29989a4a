# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import pytest
import yaml
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error, SpecError
from ansible_collections.srt.slurm.plugins.module_utils.plan import job_spec
from ansible_collections.srt.slurm.tests.unit.plugins.module_utils.plan import jobs


def run(tmp_path, text=None, cluster="{}", **params):
    """Run the entry on a job file with *text*."""
    (tmp_path / "cluster.yaml").write_text(cluster)
    params.setdefault("cluster_file", str(tmp_path / "cluster.yaml"))
    params.setdefault("check_paths", False)
    if text is not None:
        (tmp_path / "job.yaml").write_text(text)
        params["job_file"] = str(tmp_path / "job.yaml")
    return job_spec.run(params, None)


def text_of(**changes):
    return yaml.safe_dump(jobs.raw(**changes), sort_keys=False)


def test_result(tmp_path):
    result = run(tmp_path, text_of(), job_tags=["a", "b"])
    job = result["jobs"][0]
    assert result["changed"] is False and len(result["jobs"]) == 1 and job["name"] == "test"
    assert json.loads(json.dumps(job)) == job
    assert yaml.safe_load(job["config_text"]) == job["spec"]
    assert job["metadata"]["tags"] == ["a", "b"] and job["metadata"]["backend_type"] == "mocker"
    assert job["metadata"]["resources"]["prefill_workers"] == 2
    assert job["metadata"]["benchmark"] == {"type": "sa-bench", "isl": 128, "osl": 16}
    assert job["digests"]["allocation"] == job["allocation"]["digest"] and len(job["allocation"]["digest"]) == 12
    assert len(job["digests"]["serving"]) == 16


def test_file_and_dict_give_the_same(tmp_path):
    assert run(tmp_path, text_of())["jobs"] == run(tmp_path, job=jobs.raw())["jobs"]


def test_a_file_may_hold_the_job_under_one_key(tmp_path):
    flat, text = run(tmp_path, text_of())["jobs"], text_of()
    nested = "job:\n" + "".join(f"  {line}\n" for line in text.splitlines())
    assert run(tmp_path, nested)["jobs"] == flat
    with pytest.raises(SpecError) as caught:
        run(tmp_path, nested.replace("  name:", "  nmae:"))
    assert (2, "nmae") in [(one["line"], one["path"]) for one in caught.value.problems]


def test_resolved_config_is_a_job_again(tmp_path):
    job = run(tmp_path, text_of())["jobs"][0]
    config = yaml.safe_load(job["config_text"])
    del config["cluster"]
    again = run(tmp_path, job=config)["jobs"][0]
    assert again["spec"] == job["spec"] and again["digests"] == job["digests"]


def test_allocation_request(tmp_path):
    request = run(
        tmp_path,
        text_of(slurm={"time_limit": "00:10:00"}, sbatch_directives={"mem": 0, "requeue": ""}),
        cluster="default_account: me\nuse_segment_sbatch_directive: false\nuse_exclusive_sbatch_directive: yes\n",
    )["jobs"][0]["allocation"]
    assert {key: value for key, value in request.items() if key != "digest"} == {
        "name": "test",
        "nodes": 2,
        "gpus_per_node": 8,
        "ntasks": 2,
        "ntasks_per_node": 1,
        "time_limit": "00:10:00",
        "partition": None,
        "account": "me",
        "exclusive": True,
        "segment": None,
        "directives": {"mem": "0", "requeue": None},
        "environment": {},
    }


def test_directive_switches(tmp_path):
    cluster = "use_gpus_per_node_directive: false\n"
    request = run(tmp_path, text_of(), cluster=cluster)["jobs"][0]["allocation"]
    assert request["gpus_per_node"] is None and request["segment"] == 2 and request["time_limit"] == "01:00:00"


def test_dedicated_nodes_are_counted(tmp_path):
    text = text_of(infra={"etcd_nats_dedicated_node": True}, benchmark={"client_dedicated_node": True})
    assert run(tmp_path, text)["jobs"][0]["allocation"]["nodes"] == 3
    text = text_of(
        infra={"etcd_nats_dedicated_node": True},
        benchmark={"client_dedicated_node": True, "colocate_with_frontend": False},
    )
    assert run(tmp_path, text)["jobs"][0]["allocation"]["nodes"] == 4


def test_lines_of_problems(tmp_path):
    with pytest.raises(SpecError) as caught:
        run(tmp_path, "name: x\nmodle:\n  path: /m\nresources:\n  gpus_per_node: x\nkeep: true\n")
    found = [(one["line"], one["path"]) for one in caught.value.problems]
    assert found == [(None, ""), (2, "modle"), (5, "resources.gpus_per_node"), (6, "keep")]
    assert "-e keep=" in str(caught.value) and 'Did you mean "model"?' in str(caught.value)


def test_missing_job(tmp_path):
    with pytest.raises(Error, match="There is no job"):
        run(tmp_path)
    with pytest.raises(Error, match="There is no job"):
        run(tmp_path, "# empty\n")
    with pytest.raises(Error, match="both given"):
        run(tmp_path, text_of(), job=jobs.raw())


def test_setup_script_of_the_command_line(tmp_path):
    job = run(tmp_path, text_of(), cluster="configs_dir: /c\n", setup_script="s.sh")["jobs"][0]
    assert job["spec"]["setup_script"] == "s.sh" and job["metadata"]["setup_script"] == "s.sh"


def test_notes(tmp_path):
    notes = run(tmp_path, text_of(dynamo={"install": True}))["notes"]
    assert any("Cluster file" in note for note in notes) and any("dynamo.install" in note for note in notes)


def test_secrets_of_reporting_stay_out(tmp_path):
    s3 = {"bucket": "b", "secret_access_key": "hunter2"}
    result = run(tmp_path, text_of(reporting={"s3": s3}), cluster="reporting: {s3: {secret_access_key: hunter3}}\n")
    assert "hunter" not in json.dumps(result)


@pytest.mark.parametrize("section", ["resources", "model", "backend", "frontend", "benchmark", "slurm", "environment"])
@pytest.mark.parametrize("value", [3, "text", [], ["a"], True])
def test_nonsense_is_an_error_never_a_traceback(tmp_path, section, value):
    with pytest.raises(Error):
        run(tmp_path, job={**jobs.raw(), section: value})
