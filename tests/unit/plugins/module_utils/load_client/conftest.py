# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A tokenizer without a download, and the streaming server of tests/support."""

from __future__ import annotations

import asyncio
import json
import pathlib
import random
import sys

import pytest

CLIENT = pathlib.Path(__file__).resolve().parents[5] / "plugins" / "module_utils" / "load_client"


def corpus():
    """Return sentences of made-up words: enough for a tokenizer with some hundred whole words."""
    rng = random.Random(1)
    parts = ["ka", "lo", "mi", "ner", "sot", "vu", "pra", "del", "ish", "on"]
    words = ["".join(rng.choices(parts, k=rng.randint(1, 3))) for _unused in range(400)]
    return [" ".join(rng.choices(words, k=20)) for _unused in range(400)]


@pytest.fixture(scope="session")
def tokenizer():
    """A byte level BPE tokenizer, as GPT-2's, Qwen's and Llama 3's are."""
    tokenizers = pytest.importorskip("tokenizers")
    made = tokenizers.Tokenizer(tokenizers.models.BPE())
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=1500,
        special_tokens=["<bos>", "<eos>"],
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator(corpus(), trainer)
    return made


@pytest.fixture(scope="session")
def model_dir(tokenizer, tmp_path_factory):
    """A folder with the tokenizer's tokenizer.json."""
    folder = tmp_path_factory.mktemp("model")
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture(scope="session")
def sse():
    """The module tests/support/sse_server.py."""
    import sse_server

    return sse_server


@pytest.fixture(scope="session")
def client_dir():
    """The folder of the program."""
    return CLIENT


@pytest.fixture
def client_argv(client_dir, model_dir, tmp_path):
    """Return a function from a URL to the command line of a short run as a program of its own."""
    return lambda url: [
        sys.executable, str(client_dir), "--base-url", url, "--model", "m", "--tokenizer", str(model_dir),
        "--isl", "24", "--osl", "8", "--num-prompts", "12", "--concurrency", "4",
        "--result", str(tmp_path / "x.json"),
    ]  # fmt: skip


@pytest.fixture
def measure(model_dir, tmp_path):
    """Return a function that runs the program in this process; yields (exit code, result or None)."""
    from ansible_collections.srt.slurm.plugins.module_utils.load_client import main as cli

    result = tmp_path / "r" / "results.json"

    def run(url, *argv):
        code = cli.main([
            "--base-url", url, "--model", "m", "--tokenizer", str(model_dir), "--isl", "24", "--osl", "8",
            "--num-prompts", "12", "--concurrency", "4", "--result", str(result),
            "--progress", str(tmp_path / "r" / "progress.json"), *argv,
        ])  # fmt: skip
        return code, json.loads(result.read_text()) if result.exists() else None

    run.result, run.progress = result, tmp_path / "r" / "progress.json"
    run.tokenizer = str(model_dir)
    run.partial = tmp_path / "r" / "results.partial.json"
    return run


@pytest.fixture
def unused_port():
    """A port on which nobody listens."""

    async def find():
        server = await asyncio.start_server(lambda *_streams: None, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        return port

    return asyncio.run(find())
