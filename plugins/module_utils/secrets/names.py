# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Detection of secrets by name or value: the one list for environments, options and configurations."""

from __future__ import annotations

import re

# Whole words of a name, between characters other than letters and digits.
_WORDS = {"token", "tokens", "key", "keys", "auth", "authorization", "bearer", "cookie", "pat", "jwt"}
# Words for a password, which may also be a number. PWD alone is a directory.
_PASSWORDS = {"pass", "pwd", "passphrase", "passcode", "pw", "cred", "creds", "sshpass"}
# Parts anywhere in a name: MYAPIKEY, WANDB_APIKEY, DBPASSWORD.
_PARTS = re.compile(
    "secret|password|passwd|credential|connection[_.-]?string|(api|private|access|account|signing)[_.-]?key|"
    "(api|auth|access|bearer|refresh|hf|hub|wandb|github|gitlab)token"
)
# Names with these endings are a location or an amount, not the secret.
_ABOUT = re.compile(
    "(^|[_.-])(path|file|dir|url|host|port|name|type|mode|method|size|len|length|count|limit|enabled?|disabled?)$"
)
# Words of tokenizers, schedulers, caches and compilers: they are removed from a name before it is checked.
_HARMLESS = re.compile(
    r"(?<![a-z0-9])(?:"
    r"(?:bos|eos|pad|unk|sep|cls|mask|stop|special|image|per|num|new|cached|max|min|total|batched|input|output|draft|"
    r"reserved|decode)[_.-]tokens?|tokens?[_.-](?:ids?|per|limit|budget)|"
    r"(?:public|primary|foreign|sort|cache|routing|partition)[_.-]keys?|"
    r"keys?[_.-](?:cache|value|head|dim|norm|proj|scale|states?)|"
    r"(?:one|two|single|multi|first|last|forward|backward|num|warmup)[_.-]pass|"
    r"pass[_.-](?:through|config|manager|rate|count|args)|"
    r"(?:old|init|initial|start|orig|original|work|host|base)[_.-]pwd"
    r")(?![a-z0-9])"
)
_PLAIN = re.compile(r"[+-]?\d+(\.\d+)?|true|false|yes|no|on|off|none|auto|", re.IGNORECASE)
_SHORT = re.compile(r"[+-]?\d{0,3}|true|false|yes|no|on|off|none|auto", re.IGNORECASE)
# Alone, or anywhere in a longer text: a list of URLs, options, headers.
_VALUE = re.compile(
    r"""(?:^|[\s"'=:,;(]|://)(?:hf_|sk-|ghp_|gho_|ghs_|github_pat_|glpat-|nvapi-|xox[abp]-|AKIA|ASIA)"""
    r"""[A-Za-z0-9_-]{12,}(?![A-Za-z0-9_./-])"""
    r"|(?i:(?<![a-z0-9+.-])[a-z][a-z0-9+.-]{0,30}://[^/@\s:]{0,256}:[^/@\s]{1,1024}@)"  # a URL with a password
    r"|(?i:\b(?:bearer|basic)) +(?=[A-Za-z._~+/-]*[0-9=])[A-Za-z0-9._~+/=-]{8,}"  # a header
    r"|(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"  # a JSON web token
    r"|(?i:[?&](?:sig|x-(?:amz|goog)-signature)=[A-Za-z0-9%+/_-]{8,})"  # a signed URL
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----"
)
# --name VALUE, NAME=VALUE or "name": "VALUE" within a longer text.
_PAIR = re.compile(
    r"""(?<![\w.-])(?:--([A-Za-z][\w.-]{1,60}) +|(?:--)?([A-Za-z][\w.-]{1,60})["']? *[=:] *)["']?"""
    r"""(?=([^\s"'&,;{}()\[\]=]{4,}))"""
)


def is_plain(value: object) -> bool:
    """Return whether *value* is a number, a truth value or null, also as text, and so not a token or key."""
    return value is None or isinstance(value, (bool, int, float)) or bool(_PLAIN.fullmatch(str(value)))


def looks_secret(name: str, value: object) -> bool:
    """Return whether the text *value* under *name* (a variable, an option, a key) looks like a secret."""
    if not isinstance(value, str) or not value:
        return False
    pairs = ((one or other, text) for one, other, text in _PAIR.findall(value))
    return bool(_VALUE.search(value)) or _named(name, value) or any(_named(*pair) for pair in pairs)


def _named(name: str, value: str) -> bool:
    name = name.lower()
    if _ABOUT.search(name):
        return False
    if _PARTS.search(name):
        return True
    words = set(re.split(r"[^a-z0-9]+", _HARMLESS.sub(" ", name)))
    if _PASSWORDS & words and name not in ("pwd", "oldpwd"):
        return not _SHORT.fullmatch(value)
    return bool(_WORDS & words) and not _PLAIN.fullmatch(value)
