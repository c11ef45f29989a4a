# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import jobs
import pytest
import yaml
from ansible_collections.srt.slurm.plugins.module_utils.entry import Context
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error, SpecError
from ansible_collections.srt.slurm.plugins.module_utils.stages import job_spec


def run(tmp_path, text=None, cluster="{}", given=None, **params):
    """Run the entry on a job file with *text*."""
    (tmp_path / "cluster.yaml").write_text(cluster)
    params.setdefault("cluster_file", str(tmp_path / "cluster.yaml"))
    params.setdefault("check_paths", False)
    if text is not None:
        (tmp_path / "job.yaml").write_text(text)
        params["job_file"] = str(tmp_path / "job.yaml")
    return job_spec.answer(params, None, given).result


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
    told = {"type": "sa-bench", "isl": 128, "osl": 16, "turns": None, "think_time_s": None}
    assert job["metadata"]["benchmark"] == told
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
        "network_interface": None,
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
    # Whoever misspelt a key has not forgotten it.
    assert found == [(2, "modle"), (4, "resources"), (5, "resources.gpus_per_node"), (6, "keep")]
    assert "-e keep=" in str(caught.value) and 'Did you mean "model"?' in str(caught.value)


def test_missing_job(tmp_path):
    with pytest.raises(Error, match="No job was given"):
        run(tmp_path)
    with pytest.raises(SpecError, match="job.yaml: is empty. A job is a mapping"):
        run(tmp_path, "# empty\n")
    with pytest.raises(Error, match="Use one of them"):
        run(tmp_path, text_of(), job=jobs.raw())


def test_setup_script_of_the_command_line(tmp_path):
    job = run(tmp_path, text_of(), cluster="configs_dir: /c\n", setup_script="s.sh")["jobs"][0]
    assert job["spec"]["setup_script"] == "s.sh" and job["metadata"]["setup_script"] == "s.sh"


def test_notes(tmp_path):
    notes = run(tmp_path, text_of(dynamo={"install": True}))["notes"]
    assert any("Cluster file" in note for note in notes) and any("dynamo.install" in note for note in notes)


def test_secrets_of_reporting_stay_out(tmp_path):
    s3 = {"bucket": "b", "secret_access_key": "hunter2"}
    cluster = "reporting: {s3: {bucket: b, secret_access_key: hunter3}}\n"
    result = run(tmp_path, text_of(reporting={"s3": s3}), cluster=cluster)
    assert "hunter" not in json.dumps(result)


@pytest.mark.parametrize("section", ["resources", "model", "backend", "frontend", "benchmark", "slurm", "environment"])
@pytest.mark.parametrize("value", [3, "text", [], ["a"], True])
def test_nonsense_is_an_error_never_a_traceback(tmp_path, section, value):
    with pytest.raises(Error):
        run(tmp_path, job={**jobs.raw(), section: value})


SEVERAL = """\
base:
  name: b
  model: {path: /m, container: none, precision: fp8}
  resources: {gpu_type: h100, gpus_per_node: 8, agg_nodes: 1, agg_workers: 2}
  backend: {type: mocker}
override_y: {resources: {agg_workers: 4}}
override_x: {backend: {max_num_seqs: "{n}"}, sweep: {n: [8, 16]}}
"""


def names(result):
    return [job["name"] for job in result["jobs"]]


def test_several_jobs_of_one_file(tmp_path):
    result = run(tmp_path, SEVERAL)
    assert names(result) == ["b_x_n8", "b_x_n16", "b_y"]
    assert [job["spec"]["backend"]["max_num_seqs"] for job in result["jobs"]] == [8, 16, 256]
    lines = [places["resources.agg_workers"] for places in result["origins"]]
    assert lines == ["job.yaml:4", "job.yaml:4", "job.yaml:6"]
    chosen = run(tmp_path, job_file=str(tmp_path / "job.yaml:override_y"))
    assert names(chosen) == ["b_y"] and chosen["jobs"][0] == result["jobs"][2]
    assert names(run(tmp_path, job_file=str(tmp_path / "job.yaml:base"))) == ["b"]


def test_one_job_where_one_is_wanted(tmp_path):
    with pytest.raises(Error, match=r"3 jobs: b_x_n8, b_x_n16, b_y. playbooks/sweep.yml"):
        run(tmp_path, SEVERAL, single=True)
    (tmp_path / "job.yaml").write_text(SEVERAL)
    params = {"job_file": str(tmp_path / "job.yaml"), "single": True, "check_paths": False}
    assert len(job_spec.run(params, Context(check_mode=True))["jobs"]) == 3
    assert names(job_spec.run({**params, "job_file": params["job_file"] + ":override_y"}, Context())) == ["b_y"]


def test_problems_of_all_variants_at_once(tmp_path):
    text = SEVERAL.replace("agg_workers: 4", "agg_wrokers: 4").replace("type: mocker", "type: moker")
    with pytest.raises(SpecError) as caught:
        run(tmp_path, text)
    assert [(one["line"], one["path"]) for one in caught.value.problems] == [
        (5, "backend.type"),
        (6, "resources.agg_wrokers"),
    ]


def test_a_directory_of_jobs(tmp_path):
    folder = tmp_path / "recipes" / "deep"
    folder.mkdir(parents=True)
    (folder / "a.yaml").write_text(text_of(name="a"))
    (folder.parent / "b.yml").write_text(SEVERAL)
    (folder.parent / "srtslurm.yaml").write_text("cluster: x\n")
    (folder.parent / "notes.txt").write_text("no job")
    assert names(run(tmp_path, job_file=str(folder.parent))) == ["b_x_n8", "b_x_n16", "b_y", "a"]
    (folder / "c.yaml").write_text(text_of(name="a"))
    with pytest.raises(SpecError, match=r"deep/c.yaml:\d+: name: is a, which .* in /.*/deep/a.yaml:\d+ too"):
        run(tmp_path, job_file=str(folder.parent))
    (folder / "d.yaml").write_text("name: [")
    found = run(tmp_path, job_file=str(folder.parent), partial=True)
    assert names(found) == ["b_x_n8", "b_x_n16", "b_y", "a"]
    assert [(one["file"].rpartition("/")[2], one["code"]) for one in found["problems"]] == [
        ("c.yaml", "duplicate"), ("d.yaml", "not_yaml")
    ]  # fmt: skip
    assert "is not YAML" in found["msg"] and "name: is a, which" in found["msg"]
    with pytest.raises(Error, match="is a directory, and the selector override_x needs a file"):
        run(tmp_path, job_file=f"{folder}:override_x")
    with pytest.raises(Error, match="has no"):
        (tmp_path / "empty").mkdir()
        run(tmp_path, job_file=str(tmp_path / "empty"))


def test_origins(tmp_path):
    cluster = "default_account: me\nmodel_paths: {m: /m}\nconfigs_dir: /c\n"
    result = run(tmp_path, text_of(model={"path": "m"}), cluster=cluster, setup_script="s.sh")
    places = result["origins"][0]
    assert places["slurm.account"] == "cluster.yaml:1 (default_account)"
    assert places["model.path"] == "cluster.yaml:2 (model_paths)"
    assert places["model.precision"] == "job.yaml:5" and "frontend.type" not in places
    assert places["setup_script"] == "-e setup_script"


@pytest.mark.parametrize(
    "text, line, path, words",
    [
        ("{}", None, "", "is empty."),
        ("[1, 2]", None, "", "is a list."),
        ("just text", None, "", 'is "just text".'),
        ("# a\njob: {}", 2, "job", "is empty."),
        ("job: [1]", 1, "job", "is a list."),
        ("job: 5", 1, "job", "is 5."),
    ],
)
def test_a_file_that_is_not_a_job(tmp_path, text, line, path, words):
    with pytest.raises(SpecError) as caught:
        run(tmp_path, text)
    (one,) = caught.value.problems
    assert (one["line"], one["path"], one["problem"]) == (line, path, words)
    assert one["file"] == str(tmp_path / "job.yaml") and "A job is a mapping with name" in one["remedy"]


def test_all_files_of_a_directory_are_read_before_it_fails(tmp_path):
    folder = tmp_path / "recipes"
    folder.mkdir()
    for name, text in (("a", "x: ["), ("b", "x: !!set {a}"), ("c", text_of())):
        (folder / f"{name}.yaml").write_text(text)
    with pytest.raises(SpecError) as caught:
        run(tmp_path, job_file=str(folder))
    assert [one["file"][-6:] for one in caught.value.problems] == ["a.yaml", "b.yaml"]
    (folder / "a.yaml").write_text("[]")
    (folder / "b.yaml").write_text("base: {name: x}")
    with pytest.raises(SpecError) as caught:
        run(tmp_path, job_file=str(folder))
    assert [one["file"][-6:] for one in caught.value.problems] == ["a.yaml", "b.yaml"]


def test_what_submission_only_notes_is_among_the_notes(tmp_path):
    given = {"output": "x.log", "t": "2:00:00", "nodelist": "n1"}
    text = text_of(sbatch_directives=given, srun_options={"our_plugin": "1"})
    notes = run(tmp_path, text)["notes"]
    for words in (
        "sbatch_directives.output is ignored: the run directory holds the output",
        "sbatch_directives.t=2:00:00 replaces 01:00:00",
        "nodelist names 1 of the 2 nodes",
        "srun_options.our_plugin: not a known srun option",
    ):
        assert any(words in note for note in notes), (words, notes)


def test_the_snapshot_of_a_run_is_a_job_again(tmp_path):
    text = text_of(sbatch_directives={"requeue": "", "mem": 0}, srun_options={"label": True, "c": 2})
    job = run(tmp_path, text, cluster="cluster: c1\noutput_dir: /out\n")["jobs"][0]
    again = run(tmp_path, job["config_text"], cluster="output_dir: /out\ncluster: c1\n")
    assert again["jobs"][0]["digests"] == job["digests"] and again["jobs"][0]["spec"] == job["spec"]
    assert any("cluster is the cluster file of an earlier run" in note for note in again["notes"])


def test_keys_that_the_type_does_not_read_are_noted(tmp_path):
    text = text_of(frontend={"ctx_router": {"a": 1}}, benchmark={"num_shots": 5, "prefix_ratios": [0.5]})
    notes = run(tmp_path, text)["notes"]
    assert "frontend.ctx_router: dynamo does not use it; it is for trtllm_serve." in notes
    assert "benchmark.num_shots: sa-bench does not use it; it is for gsm8k, lm-eval." in notes
    assert "benchmark.prefix_ratios: sa-bench does not use it; it is for router." in notes
    assert not any("does not use it" in note for note in run(tmp_path, text_of())["notes"])


VARIANTS = """\
base:
  name: bench
  model: {path: /m, container: none}
  resources: {gpus_per_node: 8, agg_nodes: 1, agg_workers: 1}
  sweep: {tp: [8, 16, 32, 64]}
  backend:
    type: sglang
    sglang_config:
      aggregated: {tp: "{tp}"}
override_a: {}
override_b: {name: other, resources: {agg_nodes: 2}}
"""


def test_problems_of_some_variants_name_them(tmp_path):
    with pytest.raises(SpecError) as caught:
        run(tmp_path, VARIANTS)
    found = {one["problem"]: one["jobs"] for one in caught.value.problems}
    assert found == {
        "needs 16 GPUs (tensor 16), but an aggregated worker has 8.": "bench_a_tp16",
        "needs 32 GPUs (tensor 32), but an aggregated worker has 8.": "bench_a_tp32",
        "needs 64 GPUs (tensor 64), but an aggregated worker has 8.": "bench_a_tp64",
        "needs 32 GPUs (tensor 32), but an aggregated worker has 16.": "other_tp32",
        "needs 64 GPUs (tensor 64), but an aggregated worker has 16.": "other_tp64",
    }
    where = "job.yaml:9: backend.sglang_config.aggregated: in other_tp64: needs 64 GPUs"
    assert where in caught.value.msg


def test_problems_of_many_variants_name_three_and_those_of_all_none(tmp_path):
    text = VARIANTS.replace("tp: [8, 16, 32, 64]", "tp: [1, 2, 4, 8]")
    text = text.replace("override_a: {}", "override_a: {ports: {http: 0}}")
    text = text.replace("name: other, resources: {agg_nodes: 2}", "key: 1")
    with pytest.raises(SpecError) as caught:
        run(tmp_path, text.replace("  model:", "  unknown: 1\n  model:"))
    assert [(one["path"], one.get("jobs")) for one in caught.value.problems] == [
        ("unknown", None),
        ("ports.http", "bench_a_tp1, bench_a_tp2, bench_a_tp4 and 1 more"),
        ("key", "bench_b_tp1, bench_b_tp2, bench_b_tp4 and 1 more"),
    ]


def test_a_wrong_extra_var_is_reported_with_its_origin(tmp_path):
    problem = {"file": "/r/site.yaml", "line": 7, "path": "keep", "problem": "is 5.", "remedy": "Give more."}
    with pytest.raises(SpecError, match="/r/site.yaml:7: keep"):
        run(tmp_path, text_of(), keep="5", given=job_spec.Given(problems=[problem]))
    with pytest.raises(Error, match="keep: is 5 seconds"):
        run(tmp_path, text_of(), keep="5")
