# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From rows of data sets to questions with the right letter. A copy of this file is beside the task files of lm-eval.

It runs in the harness's Python and needs the standard library alone, and tokenizers where texts are shortened.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import random

LETTERS = "ABCD"
# The text of OpenAI's simple-evals, which sglang used too.
CHOICE = """\
Answer the following multiple choice question. The last line of your response should be of the following format: \
'Answer: $LETTER' (without quotes) where LETTER is one of ABCD. Think step by step before answering.

{question}

A) {A}
B) {B}
C) {C}
D) {D}"""
# That of LongBench v2.
LONG = """\
Please read the following text and answer the question below.

<text>
{context}
</text>

What is the correct answer to this question: {question}
Choices:
(A) {A}
(B) {B}
(C) {C}
(D) {D}

Format your response as follows: "The correct answer is (insert answer here)"."""


def letter(answer):
    """Return the letter of *answer*: a letter, or a number from 0; ValueError for anything else."""
    text = str(answer).strip().strip("()").upper()
    if text in tuple(LETTERS):
        return text
    if text in ("0", "1", "2", "3"):
        return LETTERS[int(text)]
    raise ValueError(f"{answer!r} is not one of A to D, or 0 to 3")


def mmlu_row(row):
    """Return ``{prompt, target}`` of a row of MMLU: question, choices (or A, B, C, D) and answer."""
    choices = row.get("choices") or [row[one] for one in LETTERS]
    named = dict(zip(LETTERS, map(str, choices)))
    return {"prompt": CHOICE.format(question=str(row["question"]).strip(), **named), "target": letter(row["answer"])}


def gpqa_row(row):
    """Return ``{prompt, target}`` of a row of GPQA. The order of its answers depends on the question alone."""
    right, question = str(row["Correct Answer"]).strip(), str(row["Question"]).strip()
    answers = [right, *(str(row[f"Incorrect Answer {number}"]).strip() for number in (1, 2, 3))]
    seed = int(hashlib.sha256(question.encode()).hexdigest()[:16], 16)
    random.Random(seed).shuffle(answers)
    named = dict(zip(LETTERS, answers))
    target = LETTERS[answers.index(right)]
    return {"prompt": CHOICE.format(question=question, **named), "target": target}


def longbenchv2_row(row, shorten=None):
    """Return ``{prompt, target}`` of a row of LongBench v2; *shorten* makes a prompt fit, if it is given."""
    named = {one: str(row["choice_" + one]).strip() for one in LETTERS}
    context = str(row["context"]).strip()
    if shorten:
        rest = LONG.format(context="", question=str(row["question"]).strip(), **named)
        context = shorten(context, rest)
    prompt = LONG.format(context=context, question=str(row["question"]).strip(), **named)
    return {"prompt": prompt, "target": letter(row["answer"])}


def middle_out(tokenizer, limit):
    """Return a function that leaves out the middle of a text until it has at most *limit* tokens with its *rest*."""

    def shorten(text, rest):
        room = limit - len(tokenizer.encode(rest, add_special_tokens=False).ids)
        offsets = tokenizer.encode(text, add_special_tokens=False).offsets
        if len(offsets) <= room:
            return text
        if room < 2:
            raise ValueError(f"the question alone has more than {limit} tokens; set max_context_length higher")
        half = room // 2
        return text[: offsets[half - 1][1]] + text[offsets[len(offsets) - half][0] :]

    return shorten


def gsm8k_row(row):
    """Return ``{question, answer}`` of a row of GSM8K; the answer ends with its number."""
    return {"question": str(row["question"]).strip(), "answer": str(row["answer"]).strip()}


def rows_of(path):
    """Return the rows of a file: .csv with a header, .json with a list of objects, .jsonl with one a line."""
    with open(path, encoding="utf-8-sig", newline="") as stream:
        if path.lower().endswith(".csv"):
            return list(csv.DictReader(stream))
        return (
            json.load(stream) if path.lower().endswith(".json") else [json.loads(one) for one in stream if one.strip()]
        )


def _options():
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "options.json"), encoding="utf-8") as stream:
        return json.load(stream)


def _loaded(data_files, function):
    """Return the data of a task. The library's own readers would turn the texts 0.10 and NA of a table into others."""
    from datasets import Dataset, DatasetDict

    splits = {split: Dataset.from_list(list(map(function, rows_of(path)))) for split, path in data_files.items()}
    return DatasetDict(splits)


def gsm8k(data_files, **_more):
    """Return the questions of GSM8K, ``{split: path}``."""
    return _loaded(data_files, gsm8k_row)


def mmlu(data_files, **_more):
    """Return the questions of MMLU, ``{split: path}``."""
    return _loaded(data_files, mmlu_row)


def gpqa(data_files, **_more):
    """Return the questions of GPQA, ``{split: path}``."""
    return _loaded(data_files, gpqa_row)


def longbenchv2(data_files, **_more):
    """Return the questions of LongBench v2, ``{split: path}``: those of the categories, shortened."""
    from datasets import Dataset, DatasetDict
    from tokenizers import Tokenizer

    options = _options()
    wanted, path = options["categories"], options["tokenizer"]
    rows = [row for row in rows_of(data_files["test"]) if not wanted or row["domain"] in wanted]
    if not rows:
        raise ValueError(f"no question has one of the categories {', '.join(wanted)}")
    path = os.path.join(path, "tokenizer.json") if os.path.isdir(path) else path
    shorten = middle_out(Tokenizer.from_file(path), options["most_tokens"])
    return DatasetDict({"test": Dataset.from_list([longbenchv2_row(row, shorten) for row in rows])})
