# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""What comes from vaults: values that were encrypted one by one, and those of files encrypted as a whole."""

from __future__ import annotations

import pytest
from ansible_collections.srt.slurm.plugins.plugin_utils import vault


@pytest.fixture
def loaded(tmp_path):
    """Return a function that gives a value as Ansible loads it from a file, encrypted or not."""
    (tmp_path / "secret.yml").write_text("$ANSIBLE_VAULT;1.1;AES256\n6162\n")
    (tmp_path / "plain.yml").write_text("a: 1\n")
    return lambda value, file="secret.yml": vault.Origin(path=str(tmp_path / file), line_num=1).tag(value)


def test_texts_are_told_by_how_they_were_encrypted(loaded):
    inline = vault.VaultedValue(ciphertext="$ANSIBLE_VAULT...").tag("one")
    value = {"a": [inline, loaded("whole"), loaded("open", "plain.yml")], "b": {"c": loaded("too"), "d": 3}}
    assert vault.Vaults().texts(value) == ({"one"}, {"whole", "too"})


def test_values_of_encrypted_files_have_the_names_of_their_variables(loaded, tmp_path):
    variables = {"database": {"password": loaded("abc"), "port": loaded(5432)}, "list": [loaded("x", "plain.yml")]}
    file = str(tmp_path / "secret.yml")
    found = list(vault.Vaults().whole_files(variables))
    assert found == [("database.password", "abc", file), ("database.port", "5432", file)]


def test_each_file_is_read_once(loaded, tmp_path):
    vaults = vault.Vaults()
    assert vaults.texts(loaded("a")) == (set(), {"a"})
    (tmp_path / "secret.yml").unlink()
    assert vaults.texts(loaded("b")) == (set(), {"b"})
    assert vault.Vaults().texts(loaded("b")) == (set(), set())


def test_what_aliases_repeat_is_looked_at_once(loaded, tmp_path):
    value = {"password": loaded("xyz")}
    for _level in range(40):
        value = {"a": value, "b": value}
    assert vault.Vaults().texts(value) == (set(), {"xyz"})
    assert [text for _name, text, _file in vault.Vaults().whole_files(value)] == ["xyz"]
