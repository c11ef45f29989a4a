# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.topology.roles import Wish, assign, frontend_nodes

# infra frontend client colocate -> nodes head bench infra workers, for two worker nodes
TABLE = [
    (0, 0, 0, 1, 2, 1, 1, 1, "12"),
    (0, 0, 1, 1, 3, 1, 3, 1, "12"),
    (0, 0, 1, 0, 3, 1, 3, 1, "12"),
    (0, 1, 0, 1, 3, 1, 1, 1, "23"),
    (0, 1, 0, 0, 3, 1, 1, 1, "23"),
    (1, 0, 0, 1, 3, 2, 2, 1, "23"),
    (1, 0, 0, 0, 3, 2, 2, 1, "23"),
    (0, 1, 1, 1, 3, 3, 3, 3, "12"),
    (0, 1, 1, 0, 4, 1, 4, 1, "23"),
    (1, 0, 1, 1, 3, 1, 3, 3, "12"),
    (1, 0, 1, 0, 4, 2, 4, 1, "23"),
    (1, 1, 0, 1, 3, 1, 1, 1, "23"),
    (1, 1, 0, 0, 4, 2, 2, 1, "34"),
    (1, 1, 1, 1, 3, 3, 3, 3, "12"),
    (1, 1, 1, 0, 5, 2, 5, 1, "34"),
]


@pytest.mark.parametrize("infra, frontend, client, colocate, count, head, bench, infra_node, workers", TABLE)
def test_truth_table(infra, frontend, client, colocate, count, head, bench, infra_node, workers):
    wish = Wish(bool(infra), bool(frontend), bool(client), bool(colocate))
    assert wish.nodes + 2 == count
    roles = assign([str(number + 1) for number in range(count)], wish)
    assert (roles.head, roles.bench, roles.infra) == (str(head), str(bench), str(infra_node))
    assert "".join(roles.workers) == workers


def test_too_few_nodes():
    with pytest.raises(Error, match="3 dedicated"):
        assign(["a", "b", "c"], Wish(True, True, True, False))


@pytest.mark.parametrize(
    "count, wish, multiple, additional, expected",
    [
        (1, Wish(), True, 9, ("1", False)),
        (2, Wish(), True, 9, ("2", True)),
        (4, Wish(), True, 1, ("23", True)),
        (4, Wish(), True, 0, ("2", True)),
        (4, Wish(), True, 9, ("234", True)),
        (4, Wish(), False, 9, ("1", False)),
        # A dedicated head carries nginx; frontends go to the worker nodes.
        (3, Wish(frontend=True), True, 9, ("23", True)),
        (2, Wish(frontend=True), True, 9, ("1", False)),
        # A dedicated infra node carries neither nginx nor a frontend.
        (4, Wish(infra=True), True, 9, ("34", True)),
    ],
)
def test_frontends(count, wish, multiple, additional, expected):
    roles = assign([str(number + 1) for number in range(count)], wish)
    found, nginx = frontend_nodes(roles, multiple, additional)
    assert ("".join(found), nginx) == (expected[0] if expected[1] else "1", expected[1])
