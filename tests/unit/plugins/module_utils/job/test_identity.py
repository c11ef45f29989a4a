# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a job is expected to run is compared with what it names: a note says what differs, or what nobody knows."""

from __future__ import annotations

import jobs
import pytest

REVISION = "9f62e4e9fffbd0a83ddd60e1c209d828994b3569"
HUB = f"/cache/hub/models--moonshotai--Kimi-K3/snapshots/{REVISION}"


def notes(identity, **changes):
    """Return the notes about *identity* of the test job with *changes*."""
    found = jobs.resolved(jobs.raw(identity=identity, **changes)).notes
    return [one for one in found if "identity" in one]


@pytest.mark.parametrize(
    ("path", "model"),
    [
        (HUB, {"repo": "moonshotai/Kimi-K3", "revision": REVISION}),
        (HUB, {"repo": "MoonshotAI/kimi-k3", "revision": REVISION[:7]}),
        ("hf:moonshotai/Kimi-K3", {"repo": "moonshotai/Kimi-K3"}),
        (f"hf:moonshotai/Kimi-K3@{REVISION}", {"repo": "moonshotai/Kimi-K3", "revision": REVISION[:9]}),
        (HUB, {}),
    ],
)
def test_a_model_as_expected_is_not_mentioned(path, model):
    assert notes({"model": model}, model={"path": path}) == []


@pytest.mark.parametrize(
    ("path", "model", "note"),
    [
        (HUB, {"repo": "moonshotai/Kimi-K2"}, "model.repo: it is moonshotai/Kimi-K2, but that of model.path is moon"),
        (HUB, {"revision": "0000000"}, f"model.revision: it is 0000000, but that of model.path is {REVISION}"),
        (HUB, {"revision": REVISION[:6]}, "model.revision: it is 9f62e4, but"),  # too short to tell
        (
            "hf:moonshotai/Kimi-K3@main",
            {"revision": REVISION},
            "it is 9f62e4e9fffbd0a83ddd60e1c209d828994b3569, but that",
        ),
        ("hf:org/other", {"repo": "moonshotai/Kimi-K3"}, "but that of model.path is org/other"),
        ("/models/kimi", {"repo": "moonshotai/Kimi-K3"}, "model.repo: kept with the run; model.path does not say"),
        ("hf:moonshotai/Kimi-K3", {"revision": REVISION}, "model.revision: kept with the run; model.path does not"),
    ],
)
def test_another_model_or_one_that_nobody_knows_is_a_note(path, model, note):
    (found,) = notes({"model": model}, model={"path": path})
    assert note in found


@pytest.mark.parametrize(
    ("container", "image", "note"),
    [
        ("vllm/vllm-openai:v0.29.0", "vllm/vllm-openai:v0.29.0", None),
        ("docker://vllm/vllm-openai:v0.29.0", "vllm/vllm-openai:v0.29.0", None),
        ("docker.io/vllm/vllm-openai:v0.29.0", "vllm/vllm-openai:v0.29.0", None),
        ("ghcr.io#tile-ai/tilert:0.1.5", "ghcr.io/tile-ai/tilert:0.1.5", None),
        ("vllm/vllm-openai:v0.28.0", "vllm/vllm-openai:v0.29.0", "it is vllm/vllm-openai:v0.29.0, but that of model.c"),
        ("/images/vllm.sqsh", "vllm/vllm-openai:v0.29.0", "kept with the run; model.container does not say"),
    ],
)
def test_the_image_is_compared_however_it_is_fetched(container, image, note):
    found = notes({"container": {"image": image}}, model={"container": container})
    assert ([note in one for one in found] == [True]) if note else found == []


def test_frameworks_are_compared_with_what_ran_and_so_not_mentioned_before():
    assert notes({"frameworks": {"vllm": "0.29.0"}}) == []
