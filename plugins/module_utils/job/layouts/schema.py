# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The schema of the second layout: what it has in common with the first, and the sections that are its own."""

from __future__ import annotations

from ...backends import BACKENDS
from ...backends.engine import Engine
from ...backends.kv_events import FIELD as KV_EVENTS
from ...frontends import FRONTENDS
from ...json_types import JsonObject
from ...schema.places import known_places
from ...schema.section import TEXTS, Field, Section, Variants, optional
from ...schema.types import Bool, Choice, Float, Int, ListOf, MapOf, OneOf, Option, Str, Type
from ...topology.modes import LONG_MODE
from ..schema import JOB, MANY
from . import places
from .services import SERVICE

COLOCATE = "colocate"
DEFAULT_RESTARTS = 3


class Engines(Variants):
    """An engine: its type alone, or a mapping with its options."""

    name = "text or a mapping"

    def schema(self) -> JsonObject:
        return {"anyOf": [Choice(*self.sections).schema(), super().schema()]}


def _engine(engine: Engine) -> Section:
    """Return the options of *engine* without those that the second layout has in roles and services."""
    modes = {name.format(long=long) for name in places.OF_ENGINE.values() for long in LONG_MODE.values()}
    elsewhere = modes | {engine.config_key, "kv_events_config", "mooncake_kv_store"}
    renamed = {old: new for new, old in places.RENAMED_OPTIONS.items()}
    fields = {renamed.get(key, key): field for key, field in engine.section.fields.items() if key not in elsewhere}
    return Section(engine.type, fields, engine.section.doc)


ENGINE = Engines("type", next(iter(BACKENDS)), {name: _engine(one) for name, one in BACKENDS.items()})

RESTART = Section(
    "restart",
    {
        "policy": Field(Choice("never", "on-failure", "always"), "never", "Whether a worker that ended is restarted."),
        "max_restarts": Field(Int(0, 1000), DEFAULT_RESTARTS, "How often."),
        "backoff_seconds": Field(Float(0), None, "No effect: a worker is restarted at once."),
        "max_backoff_seconds": Field(Float(0), None, "No effect: a worker is restarted at once."),
    },
)

ROLE = Section(
    "role",
    {
        "nodes": Field(
            OneOf(MANY, Choice(COLOCATE)), None, "Nodes; of decode also colocate: GPUs that prefill leaves."
        ),
        "workers": Field(MANY, None, "Workers."),
        "gpus": Field(Int(1, 65536), None, "GPUs of a worker; default: GPUs of the nodes / workers."),
        "env": Field(TEXTS, {}, "Environment of the workers; {node} and {node_id} are replaced."),
        "args": Field(MapOf(Type()), {}, "Options of the engine, as its command line or its configuration has them."),
        "extra_args": Field(ListOf(Str()), [], "trtllm_serve: further words of the command line."),
        "engine": Field(ENGINE, None, "The role's own engine. All roles must have the same."),
        "container": Field(Str(), None, "Image of the workers, or its short name, instead of model.container."),
        "kv_events": Field(KV_EVENTS.type, None, "Publish KV events: true, or a mapping of settings."),
        "critical": Field(Bool(), None, "Whether a lost worker ends the run; default true."),
        "restart": Field(
            OneOf(RESTART.fields["policy"].type, RESTART), None, "Whether a lost worker is restarted, and how often."
        ),
        "srun_options": Field(MapOf(Option()), {}, "srun options of the workers, in addition to the job's."),
        "mooncake_store_config": Field(MapOf(Type()), None, "Content of the store's configuration file."),
    },
    doc="Workers of one kind.",
)


def _placement(*words: str, doc: str) -> Field:
    return Field(Section("placement", {"node": Field(Choice(*words), "head", doc)}), None, doc)


def _without(section: Section, *keys: str) -> dict[str, Field]:
    return {key: field for key, field in section.fields.items() if key not in keys}


def _resources() -> Section:
    own = JOB.below("resources").fields
    kept = ("gpu_type", "gpus_per_node", "spread_workers", "het_jobs")
    return Section("resources", {key: own[key] for key in kept}, "GPUs, and how workers are spread over nodes.")


def _frontend() -> Section:
    section = JOB.below("frontend")
    fields = _without(section, "orchestrator_placement", "dedicated_node")
    renamed = {old: new for new, old in places.FRONTENDS.items()}
    names = [renamed.get(name, name) for name in FRONTENDS]
    fields["type"] = Field(Choice(*names), section.fields["type"].default, section.fields["type"].doc)
    words = ("head", "first_decode", "last_decode", "dedicated")
    fields["placement"] = _placement(*words, doc="Node of the public port; dedicated: one of its own.")
    return Section("frontend", fields, section.doc)


def _benchmark() -> Section:
    section = JOB.below("benchmark")
    fields = _without(section, "client_placement", "client_dedicated_node")
    words = ("head", "first_decode", "last_decode", "dedicated")
    fields["placement"] = _placement(*words, doc="Node of the load client; dedicated: one of its own.")
    return Section("benchmark", fields, section.doc, section.read_by)


def _dynamo() -> Section:
    section = JOB.below("dynamo")
    moved = [*places.SOURCES.values(), "cargo_patches"]
    fields = _without(section, *moved)
    source = {
        new: Field(section.fields[old].type, None, section.fields[old].doc) for new, old in places.SOURCES.items()
    }
    source["sha"] = Field(Str(), None, "The commit of rev, 40 digits.")
    source["patches"] = Field(OneOf(MapOf(Type()), ListOf(Str())), None, "Crates of Cargo.toml to replace in a build.")
    fields["source"] = Field(Section("source", source), None, "What is installed: one of pypi, wheel and rev.")
    return Section("dynamo", fields, section.doc)


MILLISECONDS = "Milliseconds between two readings."


def _observability() -> Section:
    section = JOB.below("observability")
    tachometer = section.below("tachometer")
    fields = {
        **tachometer.fields,
        "collect_interval_ms": Field(Int(1), None, MILLISECONDS),
        "shutdown_grace_secs": Field(Int(0), None, "No effect: each scrape is written at once."),
    }
    own = Field(Section("tachometer", fields), None, section.fields["tachometer"].doc)
    return Section("observability", {**section.fields, "tachometer": own}, section.doc)


def _telemetry() -> Section:
    section = JOB.below("telemetry")
    return Section(
        "telemetry",
        {**section.fields, "collect_interval_ms": Field(Int(1), None, MILLISECONDS)},
        section.doc,
    )


JOB2 = Section(
    "job",
    {
        "schema": Field(Int(2, 2), required=True, doc="2, the number of this layout."),
        **{key: JOB.fields[key] for key in ("name", "model")},
        "resources": Field(_resources(), None, "GPUs, and how workers are spread over nodes."),
        "slurm": JOB.fields["slurm"],
        "engine": Field(ENGINE, None, "The inference engine: its type, or a mapping with type and options."),
        "roles": Field(
            Section("roles", {mode: optional(ROLE, f"The {long} workers.") for mode, long in LONG_MODE.items()}),
            None,
            "The workers: prefill and decode, or agg.",
        ),
        "frontend": Field(_frontend(), None, "The HTTP side of the service."),
        "dynamo": Field(_dynamo(), None, "The dynamo runtime."),
        "services": Field(ListOf(SERVICE), None, "Side services."),
        "benchmark": Field(_benchmark(), None, "What is measured."),
        **{
            key: field
            for key, field in JOB.fields.items()
            if key
            not in (
                "name",
                "model",
                "resources",
                "slurm",
                "backend",
                "frontend",
                "dynamo",
                "benchmark",
                "infra",
                "services",
            )
        },
        "observability": Field(_observability(), None, "Traces and metrics."),
        "telemetry": Field(_telemetry(), None, "Power readings."),
    },
    doc="One job in the second layout.",
)

PLACES2 = known_places(JOB2)
