# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prompts with a chat template around them: their length includes it."""

from __future__ import annotations

import json

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.load_client import main as cli
from ansible_collections.srt.slurm.plugins.module_utils.load_client import prompts

tokenizers = pytest.importorskip("tokenizers")
AROUND = [("<bos>kalo mi\n", "<eos>\nner"), ("[INST] ", " [/INST]"), ("", "\n"), ("<bos>", ""), ("system: sot\n\n", "")]


@pytest.mark.parametrize("around", AROUND)
def test_the_template_counts(tokenizer, around):
    maker = prompts.PromptMaker(tokenizer, 0, around)
    lengths = [maker.special + 1, maker.special + 2, 60, 61, 200]
    texts = maker.make(lengths, "seed")
    assert [len(tokenizer.encode(text).ids) for text in texts] == lengths and maker.inexact == 0
    assert all(text.startswith(around[0]) and text.endswith(around[1]) for text in texts)
    assert maker.make(lengths, "seed") == texts


def test_a_template_behind_a_begin_of_text_token_that_the_tokenizer_adds(tokenizer):
    made = tokenizers.Tokenizer.from_str(tokenizer.to_str())
    made.post_processor = tokenizers.processors.TemplateProcessing(
        single="<bos> $A", special_tokens=[("<bos>", made.token_to_id("<bos>"))]
    )
    (text,) = prompts.PromptMaker(made, 0, ("<bos>user\n", "<eos>")).make([40], "seed")
    assert len(made.encode(text).ids) == 40


def test_a_template_that_leaves_no_room_is_an_error(tokenizer):
    maker = prompts.PromptMaker(tokenizer, 0, ("<bos>kalo mi ner sot\n", "<eos>"))
    maker.check(maker.special + 1)
    with pytest.raises(prompts.PromptError, match=rf"alone has {maker.special} tokens, and the shortest .* increase"):
        maker.check(maker.special)


@pytest.mark.parametrize("content", [None, "{", "[]", '{"prefix": ""}'])
def test_a_template_file_that_cannot_be_read_is_an_error(tmp_path, content):
    if content is not None:
        (tmp_path / "t.json").write_text(content)
    with pytest.raises(prompts.PromptError, match="cannot be read"):
        prompts.load_around(str(tmp_path / "t.json"))


def test_the_server_counts_as_many_tokens_as_the_load_client(sse, tokenizer, model_dir, tmp_path):
    (tmp_path / "t.json").write_text(json.dumps({"prefix": "<bos>kalo\n", "suffix": "<eos>\n"}))
    with sse.running(sse.Behaviour(tokenizer=tokenizer)) as server:
        code = cli.main([
            "--base-url", server.url, "--model", "m", "--tokenizer", str(model_dir), "--isl", "24", "--osl", "8",
            "--num-prompts", "6", "--concurrency", "2", "--result", str(tmp_path / "r.json"),
            "--chat-template", str(tmp_path / "t.json"),
        ])  # fmt: skip
    result = json.loads((tmp_path / "r.json").read_text())
    assert code == 0 and result["chat_template"] is True
    assert result["total_input_tokens"] == result["server_input_tokens"] == 6 * 24
