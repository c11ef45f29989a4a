# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text that a model's chat template puts before and behind a prompt.

The template is filled in once, when a run is planned: the load client then needs no template engine, and the same
template gives the same prompts.
"""

from __future__ import annotations

import datetime
import json
from typing import Any

from ..json_types import Json, JsonObject

CHAT = "chat_template"  # in the planned spec: {prefix, suffix}, or {why} it is not applied
FILE = "chat_template.json"  # of a plan
MARK = "srt0prompt0mark"
DAY = datetime.datetime(2024, 7, 26)  # some templates name the date; the prompts must not change with it


def rendered(raw: JsonObject) -> JsonObject:
    """Return ``{prefix, suffix}`` of a conversation that is one prompt, or ``{why}``.

    :param raw: the answer of :func:`inputs.chat_template.chat_template`.
    """
    if raw.get("why"):
        return dict(raw)
    try:
        from jinja2.exceptions import TemplateError
    except ImportError:
        return {"why": "jinja2, which fills the template in, is not installed here"}
    text, reason = "", "it leaves the prompt out, repeats it, or changes it"
    for content in (MARK, [{"type": "text", "text": MARK}]):
        try:
            text = _fill(raw, content)
        except (TemplateError, TypeError, ValueError, KeyError, AttributeError, OverflowError) as error:
            reason = " ".join(str(error).split())[:200]
            continue
        if text.count(MARK) == 1:
            prefix, _mark, suffix = text.partition(MARK)
            return {"prefix": prefix, "suffix": suffix}
    return {"why": f"the model's chat template cannot be applied: {reason}"}


def _fill(raw: JsonObject, content: Json) -> str:
    """Return the text of the conversation, as transformers fills in a template."""
    from jinja2.exceptions import TemplateError
    from jinja2.ext import Extension, loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        """Blocks that mark what an assistant said; here nobody has said anything."""

        tags = {"generation"}

        def parse(self, parser: Any) -> Any:
            next(parser.stream)
            return parser.parse_statements(["name:endgeneration"], drop_needle=True)

    def refuse(message: str) -> None:
        raise TemplateError(message)

    def to_json(value: Json, indent: int | None = None, ensure_ascii: bool = False) -> str:
        return json.dumps(value, indent=indent, ensure_ascii=ensure_ascii)

    own = [Generation, loopcontrols]
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=own)
    environment.filters["tojson"] = to_json
    environment.globals.update(raise_exception=refuse, strftime_now=DAY.strftime)
    values = {"messages": [{"role": "user", "content": content}], "add_generation_prompt": True, **raw["tokens"]}
    return environment.from_string(str(raw["template"])).render(tools=None, documents=None, **values)
