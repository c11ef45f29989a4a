# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random prompts with an exact number of tokens.

Text decoded from random token ids has other tokens when it is encoded again: neighbours merge. So prompts are made of
words that each stay one token, also next to each other, and the result is encoded again to verify it. Special tokens
that the tokenizer adds (such as a begin-of-text token) count, because servers count them.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tokenizers import Tokenizer

SAMPLE_IDS = 6000  # vocabulary entries to search for words
ENOUGH_WORDS = 256
PHRASE_WORDS = 8  # phrases make long prompts fast: one choice instead of eight
PHRASES = 4096
VERIFY_TOKENS = 200_000  # prompts are encoded again up to this many tokens, all of them if one is wrong
FIX_ROUNDS = 8
BLOCK = 1000  # prompts that are made at a time


class PromptError(Exception):
    """The tokenizer cannot be read, or has no usable words."""


def load_tokenizer(path: str) -> Tokenizer:
    """Return the tokenizer of a model folder (or of a tokenizer.json), or of the hub's ``hf:ORG/NAME``."""
    from tokenizers import Tokenizer

    if path.startswith("hf:"):
        return _plain(_from_hub(Tokenizer, path[3:]))
    name = path if os.path.isfile(path) else os.path.join(path, "tokenizer.json")
    if not os.path.isfile(name):
        raise PromptError(
            f"{name} does not exist: --tokenizer needs a model folder with a tokenizer.json "
            "(AutoTokenizer.from_pretrained(MODEL).save_pretrained(FOLDER) writes one)"
        )
    try:
        tokenizer = Tokenizer.from_file(name)
    except Exception as error:  # the library raises a bare Exception
        raise PromptError(f"{name} is not a tokenizer: {error}") from None
    return _plain(tokenizer)


def load_around(path: str | None) -> tuple[str, str]:
    """Return what stands before and behind each prompt, from the file *path*."""
    if not path:
        return "", ""
    try:
        with open(path, encoding="utf-8") as stream:
            table = json.load(stream)
        return str(table["prefix"]), str(table["suffix"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PromptError(f"the chat template {path} cannot be read: {error!r}") from None


def _from_hub(kind: type[Tokenizer], name: str) -> Tokenizer:
    """Return the tokenizer of a model of the hub: from the cache in HF_HOME, otherwise downloaded."""
    try:
        return kind.from_pretrained(name)
    except Exception as error:  # the hub's library has many kinds, with little detail when there is no network
        raise PromptError(
            f"the tokenizer of {name} is neither in the Hugging Face cache of {os.uname().nodename} "
            f"(HF_HOME is {os.environ.get('HF_HOME', 'not set')}) nor available from the hub: {error} "
            "Set benchmark.custom_tokenizer to a folder with a tokenizer.json."
        ) from None


def _plain(tokenizer: Tokenizer) -> Tokenizer:
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def sample_lengths(rng: random.Random, count: int, length: int, ratio: float) -> list[int]:
    """Return *count* lengths, uniform in [int(length*ratio), length] and at least 1."""
    low = max(1, int(length * ratio))
    if low >= length:
        return [length] * count
    return [rng.randint(low, length) for _unused in range(count)]


class Shared(NamedTuple):
    """What prompts have in common: each begins with one of *prefixes* texts of *tokens* tokens."""

    prefixes: int
    tokens: int


class PromptMaker:
    """Makes prompts for one tokenizer.

    :param around: what stands before and behind the words of each prompt, such as that of a chat template.
    :ivar special: tokens of a prompt that are not its words.
    :ivar inexact: prompts whose length could not be met exactly.
    :ivar verified: prompts that were encoded again.
    """

    def __init__(self, tokenizer: Tokenizer, seed: object, around: tuple[str, str] = ("", "")) -> None:
        self._before, self._behind = around
        self._encode_batch = getattr(tokenizer, "encode_batch_fast", tokenizer.encode_batch)
        self._tokenizer = tokenizer
        rng = random.Random(f"{seed}/words")
        self._lead, self._words, self.special = _find_words(tokenizer, self.count, rng)
        self._phrases = [" ".join(rng.choices(self._words, k=PHRASE_WORDS)) for _unused in range(PHRASES)]
        # The words that prompts of either half begin with: no prompt of one is one of the other, or a part of it.
        self._firsts = [self._words[0::2], self._words[1::2] or self._words]
        self.inexact = 0
        self.verified = 0

    def count(self, texts: list[str]) -> list[int]:
        """Return the number of tokens of a prompt of each text, special tokens included."""
        return [len(encoding.ids) for encoding in self._encode_batch([self._whole(text) for text in texts])]

    def check(self, length: int) -> None:
        """Raise PromptError if prompts of *length* tokens have no room for words."""
        if (self._before or self._behind) and length <= self.special:
            raise PromptError(
                f"the chat template alone has {self.special} tokens, and the shortest prompt is to have {length}: "
                "increase benchmark.isl, leave it out of the data, or set benchmark.use_chat_template to false"
            )

    def _whole(self, text: str) -> str:
        return f"{self._before}{text}{self._behind}"

    def make(self, lengths: Sequence[int], seed: str, half: int = 0, shared: Shared | None = None) -> list[str]:
        """Return one prompt for each of *lengths* (tokens). The same *seed* makes the same prompts.

        :param half: 0 or 1; prompts of different halves begin with different words.
        :param shared: the prefixes that prompts have in common.
        """
        return [text for block in self.blocks(lengths, seed, half, shared) for text in block]

    def blocks(
        self, lengths: Sequence[int], seed: str, half: int = 0, shared: Shared | None = None
    ) -> Iterator[list[str]]:
        """Yield the prompts of :meth:`make` in lists, so that not all of them need to be in memory."""
        rng, firsts = random.Random(seed), self._firsts[half]
        begins = self._begins(shared, lengths, seed, firsts)
        return self.exact(lengths, lambda _number, words: self._text(rng, words, firsts, begins), rng)

    def exact(
        self, lengths: Sequence[int], text_of: Callable[[int, int], str], rng: random.Random
    ) -> Iterator[list[str]]:
        """Yield prompts with exactly *lengths* tokens in lists.

        :param text_of: makes the text of a prompt of its number and the number of its words.
        :param rng: for words that have to be added.
        """
        left, wrong = _prefix(lengths, VERIFY_TOKENS), False
        for begin in range(0, len(lengths), BLOCK):
            part = list(lengths[begin : begin + BLOCK])
            sizes = enumerate(part, begin)
            texts = [self._lead + text_of(number, max(0, length - self.special)) for number, length in sizes]
            checked = len(texts) if wrong else min(left, len(texts))
            counts = self.count(texts[:checked])
            if counts != part[:checked]:
                wrong = True
                counts += self.count(texts[checked:])
            left -= checked
            self.verified += len(counts)
            for index, (have, want) in enumerate(zip(counts, part)):
                if have != want:
                    texts[index] = self._fix(rng, texts[index], have, want)
            yield [self._whole(text) for text in texts]

    def passage(self, seed: str, words: int, half: int) -> str:
        """Return a text of *words* words; it follows from *seed*, and its first word is one of *half*."""
        return self._text(random.Random(seed), words, self._firsts[half], [])

    def _begins(self, shared: Shared | None, lengths: Sequence[int], seed: str, firsts: list[str]) -> list[list[str]]:
        """Return the words of each prefix, which differ in the first one as long as there are enough of them."""
        if not shared or not lengths:
            return []
        rng, words = random.Random(f"{seed}/prefixes"), max(0, shared.tokens - self.special)
        first = rng.sample(firsts, min(len(firsts), shared.prefixes))
        return [
            [first[number % len(first)], *rng.choices(self._words, k=words - 1)] if words else []
            for number in range(shared.prefixes)
        ]

    def _text(self, rng: random.Random, words: int, firsts: list[str], begins: list[list[str]]) -> str:
        parts = list(rng.choice(begins)[:words]) if begins else []
        parts += [] if parts else rng.choices(firsts, k=min(words, 1))
        phrases, rest = divmod(words - len(parts), PHRASE_WORDS)
        if rest:
            parts += rng.choices(self._words, k=rest)
        parts += rng.choices(self._phrases, k=phrases)
        return " ".join(parts)

    def _fix(self, rng: random.Random, text: str, have: int, want: int) -> str:
        """Add or drop words until *text* has *want* tokens; count it as inexact if that fails."""
        best = (abs(have - want), text)
        words = text.split(" ")
        for _round in range(FIX_ROUNDS):
            if have > want:
                words = words[: max(0, len(words) - (have - want))]
            else:
                words = words + rng.choices(self._words, k=want - have)
            text = " ".join(words)
            have = self.count([text])[0]
            best = min(best, (abs(have - want), text))
            if have == want:
                return text
        self.inexact += 1
        return best[1]


def _find_words(
    tokenizer: Tokenizer, count: Callable[[list[str]], list[int]], rng: random.Random
) -> tuple[str, list[str], int]:
    """Return (lead, words, tokens around them).

    Each word is one token at the start (after *lead*) and after a space.
    """
    size = tokenizer.get_vocab_size()
    ids = rng.sample(range(size), min(size, SAMPLE_IDS))
    decoded = {text.strip() for text in tokenizer.decode_batch([[number] for number in ids])}
    plain = sorted(word for word in decoded if len(word) > 1 and word.isascii() and word.isalpha())
    other = sorted(word for word in decoded if word and not any(char.isspace() or char == "\ufffd" for char in word))
    best: tuple[str, list[str], int] = ("", [], 0)
    for candidates, lead in ((plain, ""), (plain, " "), (other, ""), (other, " ")):
        single = count([f"{lead}{word}" for word in candidates]) if candidates else []
        counts = count([f"{lead}{word} {word}" for word in candidates]) if candidates else []
        around = min(single, default=1) - 1  # what the text around the words adds, whatever it merges with
        words = [word for word, tokens in zip(candidates, counts) if tokens == around + 2]
        if len(words) > len(best[1]):
            best = (lead, words, around)
        if len(words) >= ENOUGH_WORDS:
            break
    if not best[1]:
        raise PromptError("the tokenizer has no words that stay one token, so prompts of exact length cannot be made")
    return best


def _prefix(lengths: Sequence[int], tokens: int) -> int:
    """Return how many of the first prompts hold at most *tokens* tokens together, at least one."""
    total = 0
    for index, length in enumerate(lengths):
        total += length
        if total > tokens and index:
            return index
    return len(lengths)
