# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""Where the values of a plan came from, for people: the resolved job, and each step's environment and options."""

from __future__ import annotations

from ..backends import BACKENDS
from ..backends.flags import flag_name, to_argv
from ..backends.modes import LONG_MODE
from ..benchmarks.sa_bench import from_hub, own_tokenizer
from ..frontends import FRONTENDS
from ..frontends.base import arguments
from ..schema.source import dotted
from ..schema.words import normal
from ..services import mooncake

PLAN = "plan"
MODEL = ("model", "path")

# Options of the load client that are named otherwise in a job.
CLIENT = {
    "--concurrency": "concurrencies",
    "--request-rate": "req_rate",
    "--num-prompts": "num_prompts_mult",
    "--num-warmup": "num_warmup_mult",
    "--stall-timeout": "stall_timeout_s",
    "--reuse-connections": "reuse_http_connections",
    "--no-reuse-connections": "reuse_http_connections",
}

# Options that the plan decides, but with a value of the job from another place.
FROM_JOB = ("served-model-name", "model-name", "request-plane", "engine-type")

# Variables of the dynamo runtime by the keys of the job that they carry.
RUNTIME = {"DYN_REQUEST_PLANE": "request_plane", "DYN_EVENT_PLANE": "event_plane"}
TRACING = ("DYN_LOGGING_SPAN_EVENTS", "DYN_LOGGING_JSONL", "DYN_LOG", "DYN_REQUEST_TRACE")


class Places:
    """Says for a path of the spec where its value is from."""

    def __init__(self, origins):
        self.origins = origins or {}

    def of(self, path):
        """Return the place, or None for a default."""
        for end in range(len(path), 0, -1):
            found = self.origins.get(dotted(path[:end]))
            if found:
                return found
        return None

    def text(self, path):
        """Return the place of *path*, or that it is a default."""
        return self.of(path) or f"default of {dotted(path)}"


def resolved(spec, origins):
    """Return the values of *spec* that are no defaults, one a line, each with its place."""
    rows = []
    for path, value in _leaves(spec, ()):
        name = dotted(path)
        if name in origins:
            rows.append((name, value, origins[name]))
    width = max((len(f"{name}: {value}") for name, value, _place in rows), default=0)
    width = min(width, 90)
    return "".join(f"{f'{name}: {value}':<{width}}  # {place}\n" for name, value, place in rows)


def _leaves(value, path):
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _leaves(item, (*path, key))
    else:
        yield path, value


def sources(spec, origins):
    """Return ``{first word of a step's name: {variable or --option: [place, value] or [place, value, lost]}}``.

    ``place`` holds where the step has *value*, or any value if that is None. ``lost`` is the place of a value of the
    job that gives way to what ``place`` says. What a step has beyond that, or with another value, the plan set itself.
    Values are texts, those of options as :func:`slurm.srun.printable` joins the words of a command line.
    """
    places = Places(origins)
    common = _table(spec["environment"], ("environment",), places)
    found = {}
    for mode, long in LONG_MODE.items():
        if spec["resources"][f"{mode}_workers"]:
            found[mode] = _worker(spec, mode, long, places, common)
    found["frontend"] = {
        **_frontend(spec, places),
        **_runtime(spec, places),
        **common,
        **_table(spec["frontend"]["env"], ("frontend", "env"), places),
    }
    found["bench"] = {
        **_client(spec, places),
        **common,
        **_table(spec["benchmark"]["env"], ("benchmark", "env"), places),
    }
    if spec["backend"].get("mooncake_kv_store"):
        found["mooncake"] = _store(spec, places)
    return found


def _worker(spec, mode, long, places, common):
    """Return the table of the workers of *mode*: what comes later wins, as in the step itself."""
    backend, key = BACKENDS[spec["backend"]["type"]], f"{long}_environment"
    table = {**_engine_options(backend, spec, places), **_fixed(backend, spec, mode, places)}
    given = backend.given(spec, mode)[0]
    for name, (written, value) in given.items():
        if name not in backend.fixed:
            # Options have their full names in a command line, whatever the job calls them.
            entry = [places.text(("backend", backend.config_key, long, written)), _words(to_argv({name: value}))]
            table.update({f"--{name}": entry, f"--{name.replace('-', '_')}": entry})
            if value is False:
                # Some engines turn it off by another flag.
                table[f"--{name.removeprefix('no-')}" if name.startswith("no-") else f"--no-{name}"] = [entry[0], ""]
    table.update(_runtime(spec, places))
    store = spec["backend"].get("mooncake_kv_store") or {}
    table.update(_table(store.get("env") or {}, ("backend", "mooncake_kv_store", "env"), places))
    own = {**_table(spec["backend"].get(key) or {}, ("backend", key), places), **common}
    fixed = backend.fixed_variables(spec)
    table.update({name: [PLAN, *entry[::-1]] if name in fixed else entry for name, entry in own.items()})
    return {**table, **_profiling(spec, mode, long, places)}


def _engine_options(backend, spec, places):
    """Return the options that carry keys of the job other than the engine's free options."""
    table = {}
    for key, value in spec["backend"].items():
        if not isinstance(value, (dict, list)):
            place = [places.text(("backend", key)), None]
            table.update({f"--{flag_name(key)}": place, f"--no-{flag_name(key)}": place})
    table["--kv-transfer-config"] = table.get("--connector", [PLAN, None])
    if spec["observability"]["enabled"] and not spec["backend"].get("publish_events_and_metrics"):
        table["--publish-events-and-metrics"] = [places.text(("observability", "enabled")), None]
    return table


def _fixed(backend, spec, mode, places):
    """Return the options that the plan decides. The job's own value has no effect, so it is never the origin."""
    where, given = ("backend", backend.config_key, LONG_MODE[mode]), backend.given(spec, mode)[0]
    table = {f"--{name}": [PLAN, None] for name in backend.fixed}
    for name in ("--model-path", "--model"):
        table[name] = [places.text(MODEL), spec["model"]["path"].removeprefix("hf:")]
    for name in ("--served-model-name", "--model-name"):
        table[name] = [places.text(backend.served_by(spec)), None]
    table["--request-plane"] = [places.text(("dynamo", "request_plane")), None]
    if "engine_type" in spec["backend"]:
        table["--engine-type"] = [places.text(("backend", "engine_type")), None]
    if backend.kv_events(spec, mode):
        events = spec["backend"].get("kv_events_config")
        written = given.get("kv-events-config", (None,))[0]
        path = ("backend", "kv_events_config") if events else (*where, written)
        word = next((one for one in (LONG_MODE[mode], mode) if isinstance(events, dict) and one in events), None)
        table["--kv-events-config"] = [places.text((*path, word) if word else path), None]
    if "connector" in given:
        table["--kv-transfer-config"] = [places.text((*where, given["connector"][0])), None]
    for name, (written, value) in given.items():
        if name in backend.fixed and name != "kv-events-config":
            place = places.text((*where, written))
            winner = table[f"--{name}"][0] if name in FROM_JOB else PLAN
            if winner != place:
                table[f"--{name}"] = [winner, _words(to_argv({name: value})), place]
    return table


def _runtime(spec, places):
    """Return the variables of the dynamo runtime that carry what the job says about it and about tracing."""
    watch = spec["observability"]
    table = {name: [places.text(("dynamo", key)), spec["dynamo"][key]] for name, key in RUNTIME.items()}
    if watch["enabled"]:
        table.update({name: [places.text(("observability", "enabled")), None] for name in TRACING})
    if watch["enable_otel"] and watch["otel_endpoint"]:
        wish = [places.text(("observability", "enable_otel")), None]
        table.setdefault("DYN_LOGGING_JSONL", wish)
        table["OTEL_EXPORT_ENABLED"] = wish
        table["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] = [places.text(("observability", "otel_endpoint")), None]
    return table


def _profiling(spec, mode, long, places):
    """Return what profiling puts around and into a worker; its variables win over all others."""
    if spec["profiling"]["type"] == "none":
        return {}
    table = {"PROFILE_TYPE": [places.text(("profiling", "type")), None]}
    for word in ("start", "stop"):
        table[f"PROFILE_{mode.upper()}_{word.upper()}_STEP"] = [places.text(("profiling", long, f"{word}_step")), None]
    table["TLLM_PROFILE_START_STOP"] = table["--profiler-config"] = [places.text(("profiling", long)), None]
    keys = {"PROFILE_BENCHMARK_DURATION_SECS": "benchmark_duration_secs"}
    if spec["profiling"]["type"] == "nsys-time":
        keys.update({"--delay": "delay_secs", "--duration": "duration_secs"})
    table.update({name: [places.text(("profiling", key)), None] for name, key in keys.items()})
    for word in spec["profiling"]["extra_nsys_args"] or ():
        if word.startswith("--"):
            table[word.partition("=")[0]] = [places.text(("profiling", "extra_nsys_args")), None]
    return table


def _store(spec, places):
    """Return the table of the Mooncake master: its environment, its ports, and the options that the job adds."""
    where, store = ("backend", "mooncake_kv_store"), spec["backend"]["mooncake_kv_store"]
    table = _table(store["env"], (*where, "env"), places)
    for _name, words in mooncake.extra(store):
        table[words[0].partition("=")[0]] = [places.text((*where, "master_extra_args")), _words(words)]
    ports = {f"--{name}": [places.text(("ports", key)), None] for name, key in mooncake.PORT_OPTIONS.items()}
    return {**table, **ports}


def _frontend(spec, places):
    """Return the options of the frontend; the job's value of one that the plan decides has no effect."""
    table, fixed = {}, {normal(name): name for name in FRONTENDS[spec["frontend"]["type"]].fixed}
    for key, value in spec["frontend"]["args"].items():
        place, words = places.text(("frontend", "args", key)), _words(arguments({key: value}))
        name = str(key).lstrip("-")
        ours = fixed.get(normal(name))
        table[f"--{ours or name}"] = [PLAN, words, place] if ours else [place, words]
    return table


def _client(spec, places):
    """Return the options of the load client, and HF_HOME where it is a worker's."""
    options, backend = spec["benchmark"], BACKENDS[spec["backend"]["type"]]
    flags = {f"--{key.replace('_', '-')}": key for key in options}
    table = {flag: [places.text(("benchmark", key)), None] for flag, key in {**flags, **CLIENT}.items()}
    table["--endpoint"] = [PLAN, None]
    table["--model"] = [places.text(backend.served_by(spec)), None]
    table["--backend"] = [places.text(("backend", "type")), None]
    if own_tokenizer(options):
        table["--tokenizer"] = [places.text(("benchmark", "custom_tokenizer")), None]
    else:
        # The hub's name of the model, or its directory here; a path in a container is the plan's.
        table["--tokenizer"] = [places.text(MODEL), spec["model"]["path"]]
    if from_hub(spec):
        for mode in reversed(list(LONG_MODE.values())):
            home = (spec["backend"].get(f"{mode}_environment") or {}).get("HF_HOME")
            if home:
                table["HF_HOME"] = [places.text(("backend", f"{mode}_environment", "HF_HOME")), home]
    return table


def _table(values, path, places):
    return {name: [places.text((*path, name)), value] for name, value in values.items()}


def _words(argv):
    """Return the value of an option in the words *argv*, which begin with it; empty for a bare flag."""
    flag, _sign, tied = (str(argv[0]) if argv else "").partition("=")
    return " ".join([*([tied] if tied else []), *map(str, argv[1:])])
