# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prompts of exact length, for tokenizers of different kinds."""

from __future__ import annotations

import random

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.load_client import prompts

tokenizers = pytest.importorskip("tokenizers")


def exact(tokenizer, texts):
    return [len(tokenizer.encode(text).ids) for text in texts]


@pytest.mark.parametrize("length", [1, 2, 7, 8, 9, 64, 1000])
def test_the_text_has_exactly_so_many_tokens(tokenizer, length):
    maker = prompts.PromptMaker(tokenizer, 0)
    texts = maker.make([length] * 5, "seed")
    assert exact(tokenizer, texts) == [length] * 5
    assert maker.inexact == 0


def test_decoding_and_encoding_again_keeps_the_length(tokenizer):
    (text,) = prompts.PromptMaker(tokenizer, 0).make([200], "seed")
    again = tokenizer.decode(tokenizer.encode(text).ids)
    assert exact(tokenizer, [again]) == [200]


def test_the_seed_decides_all(tokenizer):
    def make(seed, label):
        return prompts.PromptMaker(tokenizer, seed).make([50] * 3, label)

    assert make(1, "a") == make(1, "a")
    assert not set(make(1, "a")) & set(make(2, "a"))
    assert not set(make(1, "a")) & set(make(1, "b"))


def test_special_tokens_that_the_tokenizer_adds_are_counted(tokenizer):
    with_bos = tokenizers.Tokenizer.from_str(tokenizer.to_str())
    with_bos.post_processor = tokenizers.processors.TemplateProcessing(
        single="<bos> $A", special_tokens=[("<bos>", with_bos.token_to_id("<bos>"))]
    )
    maker = prompts.PromptMaker(with_bos, 0)
    assert maker.special == 1
    assert exact(with_bos, maker.make([1, 2, 30], "seed")) == [1, 2, 30]


def test_a_tokenizer_of_whole_words(tokenizer):
    vocabulary = dict({f"word{n}x": n for n in range(50)}, **{"?": 50})
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="?"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    maker = prompts.PromptMaker(made, 0)
    assert exact(made, maker.make([12, 40], "seed")) == [12, 40]


def test_a_tokenizer_like_llama_2(tokenizer):
    """Metaspace: the first word gets a mark of its own, so that a leading space would be a token."""
    made = tokenizers.Tokenizer(tokenizers.models.BPE(unk_token="<unk>"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace(prepend_scheme="first")
    made.decoder = tokenizers.decoders.Metaspace(prepend_scheme="first")
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=600, special_tokens=["<unk>"], show_progress=False)
    rng = random.Random(3)
    words = ["".join(rng.choices("abcdefgh", k=rng.randint(2, 5))) for _unused in range(300)]
    made.train_from_iterator([" ".join(rng.choices(words, k=12)) for _unused in range(200)], trainer)
    maker = prompts.PromptMaker(made, 0)
    assert exact(made, maker.make([5, 100], "seed")) == [5, 100]
    assert maker.inexact == 0


def test_a_wrong_prompt_is_fixed(tokenizer):
    """Words that merge with their neighbours now and then: every prompt is looked at and mended."""
    maker = prompts.PromptMaker(tokenizer, 0)
    maker._words = [*maker._words[:20], "zzqj"]  # several tokens
    maker._phrases = [" ".join([*maker._words[:7], "zzqj"])]
    texts = maker.make([40, 41], "seed")
    assert exact(tokenizer, texts) == [40, 41]


def test_a_length_that_cannot_be_met_is_counted(tokenizer):
    maker = prompts.PromptMaker(tokenizer, 0)
    maker._words = ["zzqj zzqj"]
    maker._firsts = [maker._words] * 2
    maker._phrases = ["zzqj zzqj zzqj"]
    maker.make([1], "seed")
    assert maker.inexact == 1


def test_only_the_first_of_very_many_prompts_are_encoded_again(tokenizer, monkeypatch):
    monkeypatch.setattr(prompts, "VERIFY_TOKENS", 100)
    maker = prompts.PromptMaker(tokenizer, 0)
    maker.make([30] * 10, "seed")
    assert maker.verified == 3


def test_lengths_are_uniform_in_the_range_of_the_ratio():
    rng = random.Random(0)
    lengths = prompts.sample_lengths(rng, 1000, 100, 0.8)
    assert min(lengths) == 80
    assert max(lengths) == 100
    assert prompts.sample_lengths(rng, 3, 100, 1.0) == [100, 100, 100]
    assert prompts.sample_lengths(rng, 3, 1, 0.1) == [1, 1, 1]


def test_a_missing_or_broken_tokenizer_says_what_is_needed(tmp_path):
    with pytest.raises(prompts.PromptError, match="model folder with a tokenizer.json"):
        prompts.load_tokenizer(str(tmp_path))
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(prompts.PromptError, match="is not a tokenizer"):
        prompts.load_tokenizer(str(tmp_path))


def test_a_tokenizer_without_words_is_refused():
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel({"?": 0}, unk_token="?"))
    with pytest.raises(prompts.PromptError, match="no words that stay one token"):
        maker = prompts.PromptMaker(made, 0)
        maker.make([3], "seed")


def test_a_tokenizer_of_the_hub_comes_from_its_cache(tokenizer, tmp_path, monkeypatch):
    constants = pytest.importorskip("huggingface_hub.constants")
    folder = tmp_path / "hub" / "models--org--tiny"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("abc")
    (folder / "snapshots" / "abc").mkdir(parents=True)
    tokenizer.save(str(folder / "snapshots" / "abc" / "tokenizer.json"))
    # The library reads the environment once, when it is imported.
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    assert prompts.load_tokenizer("hf:org/tiny").encode("kalo").ids == tokenizer.encode("kalo").ids
    with pytest.raises(prompts.PromptError) as caught:
        prompts.load_tokenizer("hf:org/absent")
    assert str(tmp_path) in str(caught.value) and "custom_tokenizer" in str(caught.value)


@pytest.mark.parametrize("length", [2, 3, 9, 64])
def test_no_prompt_of_one_half_is_the_begin_of_one_of_the_other(tokenizer, length):
    """Warm-up prompts would else be in the prefix cache when they are measured."""
    maker = prompts.PromptMaker(tokenizer, 0)
    warmup, measured = (maker.make([length] * 300, "seed", half) for half in (0, 1))
    assert exact(tokenizer, warmup) == exact(tokenizer, measured) == [length] * 300
    assert not {text.split()[0] for text in warmup} & {text.split()[0] for text in measured}
