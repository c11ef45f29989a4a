# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Give a tiny model of bin/make-tiny-model random weights: random_weights.py DIR. Needs torch and transformers."""

from __future__ import annotations

import json
import os
import pathlib
import sys
import tempfile

import torch
from transformers import AutoConfig, AutoModelForCausalLM

WEIGHTS = "model.safetensors"
CONFIG = {
    # Heads of 64 values: vLLM's attention on CPUs knows no smaller ones, and says so at the first request only.
    "hidden_size": 256,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 4096,
    # With tied embeddings such a model repeats its last token, which is an end of line after a chat template.
    "tie_word_embeddings": False,
    "torch_dtype": "float32",
}


def main(folder):
    """Write the weights beside the configuration, which gets their sizes."""
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **CONFIG}, indent=2) + "\n")
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder))
    with tempfile.TemporaryDirectory(dir=folder) as work:
        model.to(torch.float32).save_pretrained(work)
        os.replace(pathlib.Path(work) / WEIGHTS, folder / WEIGHTS)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
