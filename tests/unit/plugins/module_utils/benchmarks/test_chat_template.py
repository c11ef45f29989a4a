# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text that a chat template puts around a prompt, for templates of different kinds."""

from __future__ import annotations

import json

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.benchmarks.chat_template import rendered
from ansible_collections.srt.slurm.plugins.module_utils.inputs.chat_template import chat_template

PLAIN = "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}{% if add_generation_prompt %}[bot]{% endif %}"
DEFAULT = {"name": "default", "template": PLAIN}
AROUND = {"prefix": "[user]", "suffix": "[bot]"}


def around(folder):
    return rendered(chat_template(str(folder)))


@pytest.mark.parametrize(
    "files",
    [
        {"tokenizer_config.json": {"chat_template": PLAIN}},
        {"tokenizer_config.json": {"chat_template": [{"name": "x", "template": "x"}, DEFAULT]}},
        {"tokenizer_config.json": {"chat_template": "another"}, "chat_template.jinja": PLAIN},
        {"chat_template.json": {"chat_template": PLAIN}},
    ],
)  # fmt: skip
def test_where_models_have_it(tmp_path, files):
    for name, content in files.items():
        (tmp_path / name).write_text(content if isinstance(content, str) else json.dumps(content))
    assert around(tmp_path) == AROUND


@pytest.mark.parametrize(
    ("template", "wanted"),
    [
        ("{{ bos_token }}{{ messages[0]['content'] | trim }}{{ eos_token }}", ("<s>", "</s>")),
        ("{{ strftime_now('%Y') }} {{ messages[0].content }}", ("2024 ", "")),
        ("{% for m in messages %}{% if not m %}{% break %}{% endif %}{{ m.content[0].text }}{% endfor %}", ("", "")),
        ("{% generation %}<{% endgeneration %}{{ messages[0].content }}>", ("<", ">")),
        ("{% if tools %}no{% endif %}{{ messages[0] | tojson }}", ('{"role": "user", "content": "', '"}')),
    ],
)
def test_what_transformers_offers_to_templates(tmp_path, template, wanted):
    config = {"chat_template": template, "bos_token": "<s>", "eos_token": {"content": "</s>"}}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    assert around(tmp_path) == {"prefix": wanted[0], "suffix": wanted[1]}


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("{{ raise_exception('no users here') }}", "no users here"),
        ("{{ messages[0].content }}{{ messages[0].content }}", "leaves the prompt out, repeats it, or changes it"),
        ("hello", "leaves the prompt out"),
        ("{{ messages[0].content | upper }}", "changes it"),
        ("{% if %}", "cannot be applied"),
        ("{{ ''.__class__.__mro__ }}{{ messages[0].content.x.y }}", "cannot be applied"),
        (None, "has no chat template"),
    ],
)
def test_a_template_that_cannot_be_applied_has_a_reason(tmp_path, template, why):
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": template}))
    assert why in around(tmp_path)["why"]


def test_files_that_cannot_be_read_have_a_reason(tmp_path):
    assert around(tmp_path / "none") == {"why": f"{tmp_path}/none does not exist", "unreadable": True}
    (tmp_path / "tokenizer_config.json").write_text("{")
    assert "cannot be read" in around(tmp_path)["why"]
