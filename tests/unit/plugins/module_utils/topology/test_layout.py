# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import random

import jobs
import pytest
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error, SpecError
from ansible_collections.srt.slurm.plugins.module_utils.topology.ports import Family, Owner, PortBook


def used_ports(plan):
    """Return every (node, port, owner) of a plan; ranks of one endpoint share its bootstrap port."""
    spec, found = plan["spec"], []
    infra = next((one["nodes"][0] for one in plan["steps"] if one["name"] == "etcd"), None)
    if infra:
        found += [(infra, spec["ports"][key], key) for key in ("nats", "etcd", "etcd_peer")]
    for one in plan["steps"]:
        if one["name"] == "nginx":
            found.append((one["nodes"][0], spec["ports"]["frontend"], "nginx"))
        elif one["tier"] == "frontend":
            nginx = any(other["name"] == "nginx" for other in plan["steps"])
            found.append((one["nodes"][0], spec["ports"]["frontend_internal" if nginx else "frontend"], one["name"]))
    for process in plan["processes"]:
        for family, port in process["ports"].items():
            if family != "bootstrap" or process["leader"]:
                found.append((process["node"], port, f"{process['name']}.{family}"))
    return found


def test_ports_follow_the_seeds():
    plan = jobs.plan_of()
    ports = {one["name"]: one["ports"] for one in plan["processes"]}
    assert ports["prefill_0"] == {"system": 8081, "http": 30000, "bootstrap": 31000, "kv_events": 5550}
    assert ports["prefill_1"] == {"system": 8082, "http": 30001, "bootstrap": 31001, "kv_events": 5551}
    assert ports["decode_0"] == {"system": 8083, "http": 30000, "kv_events": 5552}
    assert ports["decode_1"] == {"system": 8084, "http": 30001, "kv_events": 5553}


def test_ranks():
    plan = jobs.plan_of(resources={"prefill_nodes": 2, "prefill_workers": 1, "decode_nodes": 1, "decode_workers": 1})
    first, second = plan["processes"][:2]
    assert (first["name"], first["leader"], first["rank"]) == ("prefill_0", True, 0)
    assert (second["name"], second["leader"], second["rank"]) == ("prefill_0_r1", False, 1)
    assert second["node"] != first["node"]
    assert "http" not in second["ports"]
    assert second["ports"]["bootstrap"] == first["ports"]["bootstrap"]


def test_fixed_ports_are_left_out():
    plan = jobs.plan_of(ports={"system": 4222, "http": 2378, "bootstrap": 8000})
    owners = [(node, port) for node, port, _owner in used_ports(plan)]
    assert len(owners) == len(set(owners))
    assert 4222 not in [one["ports"]["system"] for one in plan["processes"]]


@pytest.mark.parametrize("ports", [{"nats": 2379}, {"frontend": 4222}, {"etcd": 2380}])
def test_colliding_fixed_ports_are_an_error(ports):
    with pytest.raises(SpecError, match="is used by both ports"):
        jobs.spec_of(ports=ports)


def test_no_port_left():
    with pytest.raises(SpecError, match="No http port is left"):
        jobs.spec_of(ports={"http": 65535})


class Few(dict):
    """Owners that can be asked for a port a hundred times."""

    asked = 0

    def __contains__(self, key):
        self.asked += 1
        assert self.asked < 100, "it looks at ports that do not exist"
        return super().__contains__(key)


@pytest.mark.parametrize("size", [70000, 10**9])
def test_a_size_beyond_all_ports_is_an_error_and_no_search(size):
    book = PortBook({"wide": 100})
    book.owners = Few({("n", 150): Owner("x")})
    with pytest.raises(Error, match=rf"No wide port \({size} in a row\) is left for w: .* passed 65535"):
        book.take("n", Family("wide", size=size), Owner("w"))
    assert book.keep("n", 100, Owner("w"), size) is None


def test_a_search_for_many_ports_steps_over_what_is_taken():
    book = PortBook({"wide": 100})
    book.owners = Few({("n", 130): Owner("x"), ("n", 135): Owner("y")})
    assert book.take("n", Family("wide", size=40), Owner("w")) == 136


def test_port_book():
    book = PortBook({"a": 100, "wide": 100})
    wide = Family("wide", size=4)
    book.reserve("n", 101, Owner("x"))
    assert book.reserve("n", 101, Owner("x")) == 101
    assert book.take("n", Family("a"), Owner("p")) == 100
    assert book.take("n", Family("a"), Owner("q")) == 102
    assert book.take("m", Family("a"), Owner("p")) == 100
    assert book.take("n", wide, Owner("w")) == 103
    assert book.take("n", wide, Owner("v")) == 107
    assert book.keep("n", 107, Owner("z")) is None
    assert book.keep("n", None, Owner("z")) is None
    assert book.keep("n", 111, Owner("z")) == 111
    assert book.take("n", Family("a", scope="job"), Owner("q")) == 112
    with pytest.raises(Error, match="used by both x and y"):
        book.reserve("n", 101, Owner("y"))


def test_random_jobs_never_share_a_port():
    source = random.Random(3)
    planned = 0
    for _round in range(300):
        gpus = source.choice([2, 4, 8])
        resources = {
            "gpus_per_node": gpus,
            "prefill_nodes": source.randint(1, 4),
            "prefill_workers": source.randint(1, 6),
            "decode_nodes": source.randint(0, 4),
            "decode_workers": source.randint(1, 6),
        }
        changes = {
            "resources": resources,
            "frontend": {
                "num_additional_frontends": source.randint(0, 4),
                "enable_multiple_frontends": source.random() < 0.8,
                "dedicated_node": source.random() < 0.3,
            },
            "infra": {"etcd_nats_dedicated_node": source.random() < 0.3},
            "benchmark": {
                "client_dedicated_node": source.random() < 0.3,
                "colocate_with_frontend": source.random() < 0.5,
            },
            "ports": {"system": source.choice([8078, 8081, 2379]), "kv_events": source.choice([5550, 8079])},
        }
        try:
            spec = jobs.spec_of(**changes)
        except SpecError:
            continue
        planned += 1
        plan = jobs.plan_of(spec)
        owners = [(node, port) for node, port, _owner in used_ports(plan)]
        assert len(owners) == len(set(owners)), used_ports(plan)
        assert plan == jobs.plan_of(spec)
    assert planned > 100


def test_replan_keeps_ports():
    before = jobs.plan_of()
    more = {"prefill_nodes": 2, "prefill_workers": 4}
    names = [node["name"] for node in before["nodes"]]
    after = jobs.plan_of(previous=before, resources=more)
    fresh = jobs.plan_of(resources=more)
    kept = {one["name"]: one["ports"] for one in before["processes"] if one["node"] == names[0]}
    for process in after["processes"]:
        if process["name"] in kept:
            assert process["ports"] == kept[process["name"]]
    owners = [(node, port) for node, port, _owner in used_ports(after)]
    assert len(owners) == len(set(owners))
    assert after != fresh


def test_replan_with_another_first_port_changes_nothing_that_runs():
    before = jobs.plan_of()
    after = jobs.plan_of(previous=before, ports={"system": 9081})
    assert after["processes"] == before["processes"]


def test_a_larger_allocation_leaves_nodes_idle():
    plan = jobs.plan_of(count=5)
    assert len(plan["nodes"]) == 2


def test_a_smaller_allocation_is_an_error():
    with pytest.raises(Error, match="needs 2 nodes, the allocation 7 has 1"):
        jobs.plan_of(count=1)


@pytest.mark.parametrize("word, head, bench", [("first_decode", "n2", "n1"), ("last_decode", "n3", "n1")])
def test_placement(word, head, bench):
    resources = {"decode_nodes": 2, "decode_workers": 2}
    plan = jobs.plan_of(resources=resources, benchmark={"client_placement": word})
    assert plan["groups"]["srt_bench"] == [head] and plan["groups"]["srt_head"] == [bench]
    plan = jobs.plan_of(resources=resources, frontend={"orchestrator_placement": word})
    assert plan["groups"]["srt_head"] == [head] == plan["groups"]["srt_bench"]
    assert plan["groups"]["srt_infra"] == ["n1"]
