# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which nodes of a job the option --limit leaves, before they are in the inventory."""

from __future__ import annotations

from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader


def within(nodes, limit):
    """Return the names of *nodes*, each ``{"name", "groups"}``, that match *limit*, a pattern as --limit takes it."""
    inventory = InventoryManager(DataLoader(), parse=False)
    for group in sorted({group for node in nodes for group in node["groups"]}):
        inventory.add_group(group)
    for node in nodes:
        inventory.add_host(node["name"])
        for group in node["groups"]:
            inventory.add_host(node["name"], group)
    inventory.reconcile_inventory()
    inventory.subset(limit)
    wanted = {host.name for host in inventory.get_hosts("all")}
    return [node["name"] for node in nodes if node["name"] in wanted]


def inventory(nodes, limit):
    """Return ``{"groups", "first", "limited_to"}`` for *nodes* and the option --limit.

    ``groups`` are the groups of each node by its name. ``limited_to`` are the nodes that the limit leaves, [] without
    it; ``first`` is the first of them, or None.
    """
    left = within(nodes, limit) if limit else [node["name"] for node in nodes]
    groups = {node["name"]: node["groups"] for node in nodes}
    return {"groups": groups, "first": left[0] if left else None, "limited_to": left if limit else []}
