# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole job schema: the general sections, and those of backends, frontends and benchmarks."""

from __future__ import annotations

from .. import backends, benchmarks, frontends
from ..schema.places import known_places
from ..schema.section import TEXTS, Field, Section, optional, port
from ..schema.types import Bool, Choice, Float, Int, ListOf, MapOf, Option, Str, Time
from ..services import dynamo, generic, kvbm
from ..services.nats_etcd import NatsEtcd
from . import fault_policy
from .common_fields import DIRECTIVES, HEALTH_CHECK, NO_EFFECT, REPORTING

COUNT = Int(0)
# Larger numbers are typos, and a plan for them would exhaust the memory.
MANY = Int(0, 65536)

MODEL = Section(
    "model",
    {
        "path": Field(Str(), required=True, doc="Model directory, an alias from the cluster file, or hf:ORG/NAME."),
        "container": Field(Str(), "none", "Container image, an alias from the cluster file, or none."),
        "precision": Field(Str(), "bf16", "Precision of the weights, for the records."),
        "stage_dir": Field(Str(), None, "Node-local directory to copy the model to first."),
    },
    doc="The model to serve.",
)

RESOURCES = Section(
    "resources",
    {
        "gpu_type": Field(Str(), "gpu", "GPU type, for the records and a few defaults."),
        "gpus_per_node": Field(Int(1, 1024), 4, "GPUs of a node."),
        "prefill_nodes": Field(MANY, None, "Nodes for prefill workers."),
        "decode_nodes": Field(MANY, None, "Nodes for decode workers; 0: the GPUs that prefill leaves free."),
        "prefill_workers": Field(MANY, None, "Prefill workers."),
        "decode_workers": Field(MANY, None, "Decode workers."),
        "agg_nodes": Field(MANY, None, "Nodes for aggregated workers."),
        "agg_workers": Field(MANY, None, "Aggregated workers."),
        "spread_workers": Field(Bool(), False, "One worker per node, even if several would fit."),
        "het_jobs": Field(Bool(), None, "Submit as a heterogeneous job."),
        "gpus_per_prefill": Field(
            Int(1, 65536), None, "GPUs of a prefill worker; default: GPUs of the nodes / workers."
        ),
        "gpus_per_decode": Field(Int(1, 65536), None, "GPUs of a decode worker."),
        "gpus_per_agg": Field(Int(1, 65536), None, "GPUs of an aggregated worker."),
    },
    doc="Nodes, GPUs and workers.",
)

SLURM = Section(
    "slurm",
    {
        "account": Field(Str(), None, "Account."),
        "partition": Field(Str(), None, "Partition."),
        "time_limit": Field(Time(), None, "Time limit, for example 01:00:00 in quotes."),
    },
    doc="Account, partition and time limit.",
)

PHASE = Section(
    "phase", {"start_step": Field(COUNT, None, "First step."), "stop_step": Field(COUNT, None, "Last step.")}
)

PROFILING = Section(
    "profiling",
    {
        "type": Field(Choice("none", "torch", "nsys", "nsys-time"), "none", "Profiler."),
        "extra_nsys_args": Field(ListOf(Str()), None, "Additional nsys options."),
        "prefill": optional(PHASE, "Steps to profile in prefill workers."),
        "decode": optional(PHASE, "Steps to profile in decode workers."),
        "aggregated": optional(PHASE, "Steps to profile in aggregated workers."),
        "delay_secs": Field(COUNT, None, "nsys-time: seconds before it starts."),
        "duration_secs": Field(COUNT, None, "nsys-time: seconds it lasts."),
        "benchmark_duration_secs": Field(Int(1), 300, "nsys-time: seconds that the load lasts."),
    },
    doc="Profiling of workers.",
)

EXPORTER = Section(
    "exporter",
    {
        "container_image": Field(Str(), required=True, doc="Image."),
        "port": Field(Int(1, 65535), required=True, doc="Port."),
        "command": Field(Str(), None, "Command instead of the image's own."),
    },
)

OBSERVABILITY = Section(
    "observability",
    {
        "enabled": Field(Bool(), False, "Traces and logs of the router and workers."),
        "enable_otel": Field(Bool(), False, "Export traces."),
        "otel_endpoint": Field(Str(), None, "Where traces go."),
        "scrape_metrics": Field(
            Bool(),
            None,
            "Read the metrics pages of workers and frontends while a point is measured. With the mocker that is always "
            "done.",
        ),
        "scrape_interval_seconds": Field(Float(0), 1.0, "Seconds between two scrapes, at least 0.5."),
        "scrape_output": Field(
            Str(),
            "raw_prometheus.jsonl",
            "Names the directory of the scrapes: raw_prometheus.jsonl is logs/raw_prometheus, with a file for each "
            "point.",
        ),
        "build_dashboard": Field(Bool(), None, "Make report.html at the end of the run; default: yes."),
        "tachometer": Field(
            Section(
                "tachometer",
                {
                    "enabled": Field(
                        Bool(), False, "Read all metrics of workers, frontends and exporters while a point is measured."
                    ),
                    "binary_path": Field(
                        Str(), "tachometer-scraper", "No effect: the collection's own scraper is used."
                    ),
                    "default_frequency": Field(Float(0), 5.0, "Scrapes per second, at most 10."),
                    "sync_interval_secs": Field(COUNT, 120, "No effect: each scrape is written at once."),
                    "compaction_threads": Field(COUNT, 4, "No effect: scrapes are JSON lines, which need none."),
                    "storage_subdir": Field(Str(), "tachometer", "Directory under logs, with a file for each point."),
                    "extra_metadata": Field(TEXTS, {}, "Additional metadata in the first line of each file."),
                    "dcgm_exporter": optional(EXPORTER, "GPU metrics."),
                    "node_exporter": optional(EXPORTER, "Host metrics."),
                    "process_exporter": optional(EXPORTER, "Metrics of processes, such as their memory."),
                },
            ),
            None,
            "Metrics scraper.",
        ),
    },
    doc="Traces and metrics.",
)

SOURCE = Choice("auto", "acpi", "dcgm")
CPU_POWER = Section(
    "cpu_power",
    {
        "enabled": Field(
            Bool(),
            False,
            "Read the CPUs' counters beside dcgm_exporter, too; without dcgm_exporter they are always read.",
        ),
        "source": Field(SOURCE, "auto", "auto: the kernel's RAPL counters. Others are refused."),
        "required": Field(Bool(), False, "Points whose energy of the CPUs is not known are invalid."),
        "sample_interval_seconds": Field(
            Float(0), 0.1, "No effect: a counter of energy is exact however seldom it is read."
        ),
        "startup_timeout_seconds": Field(Float(0), 30.0, "No effect: exporters start with the service."),
        "storage_subdir": Field(Str(), "cpu_power", "No effect: readings are in storage_subdir of telemetry."),
    },
    doc="The energy of the CPUs.",
)

TELEMETRY = Section(
    "telemetry",
    {
        "enabled": Field(
            Bool(), False, "Read power and clocks of the workers' nodes while a point is measured; energy per token."
        ),
        "dcgm_exporter": optional(EXPORTER, "Source of the readings; default: nvidia-smi, and the CPUs' own counters."),
        "default_frequency": Field(Float(0), 1.0, "Seconds between two readings, at most 3."),
        "storage_subdir": Field(Str(), "power", "Directory under logs, with a file for each point."),
        "required": Field(Bool(), False, "Points whose window the readings of a GPU do not cover are invalid."),
        "startup_timeout_seconds": Field(Float(0), 30.0, "No effect: exporters start with the service."),
        "request_timeout_seconds": Field(Float(0), 2.0, "Seconds to wait for one answer."),
        "collector_join_timeout_seconds": Field(
            Float(0), None, "No effect: the collector ends with the point and writes each reading at once."
        ),
        "clock_sync_check": Field(Bool(), True, "No effect: all readings have the clock of the node that reads them."),
        "cpu_power": Field(CPU_POWER, None, "The energy of the CPUs beside that of the GPUs."),
        "cpu_power_exporter": Field(
            Section(
                "cpu_power_exporter",
                {
                    "port": Field(Int(1, 65535), 9405, "Port of the collection's own exporter, of GPUs or CPUs."),
                    "source": Field(SOURCE, "auto", "As in cpu_power."),
                },
            )
        ),
    },
    doc="Power readings.",
)

IDENTITY = Section(
    "identity",
    {
        "model": Field(
            Section(
                "model",
                {
                    "repo": Field(Str(), None, "Repository, compared with that of model.path where it has one."),
                    "revision": Field(Str(), None, "Revision, 7 digits or more, compared in the same way."),
                },
            )
        ),
        "container": Field(
            Section("container", {"image": Field(Str(), None, "Image, compared with model.container.")})
        ),
        "frameworks": Field(
            TEXTS, {}, "Versions by framework, compared with those that logs say when results are rolled up."
        ),
    },
    doc="What the job is expected to run. A note says what differs.",
)

PARTS = (*backends.BACKENDS.values(), *frontends.FRONTENDS.values())

PORTS = Section(
    "ports",
    {
        "frontend": port(8000, "Public port."),
        "frontend_internal": port(8080, "Port of frontends behind nginx."),
        "http": port(30000, "First HTTP port of workers; numbered per node."),
        "bootstrap": port(31000, "First bootstrap port of prefill workers; numbered per node."),
        "kv_events": port(5550, "First KV event port; numbered across the job, or per node, one per rank."),
        "system": port(8081, "First system port (health, metrics); numbered across the job."),
        **kvbm.PORTS,
        **{name: field for part in PARTS for one in (part, *part.services) for name, field in one.ports.items()},
    },
    doc="First port of each kind, and the fixed ports.",
)

JOB = Section(
    "job",
    {
        "name": Field(Str(), required=True, doc="Name of the job."),
        "model": Field(MODEL, required=True, doc="The model to serve."),
        "resources": Field(RESOURCES, required=True, doc="Nodes, GPUs and workers."),
        "slurm": Field(SLURM, None, "Account, partition and time limit."),
        "backend": Field(backends.SECTION, None, "The inference engine."),
        "frontend": Field(frontends.SECTION, None, "The HTTP side of the service."),
        "dynamo": Field(dynamo.SECTION, None, "The dynamo runtime."),
        "benchmark": Field(benchmarks.SECTION, None, "What is measured."),
        "profiling": Field(PROFILING, None, "Profiling of workers."),
        "output": Field(
            Section("output", {"log_dir": Field(Str(), None, f"Logs are in logs/ of the run directory. {NO_EFFECT}")}),
            None,
            "Output.",
        ),
        "health_check": Field(HEALTH_CHECK, None, "How long to wait for the service."),
        "faults": optional(fault_policy.SECTION, "What happens when a worker or a frontend is lost."),
        "services": Field(ListOf(generic.SECTION), [], "Programs of the job's own beside the service."),
        "infra": Field(Section("infra", NatsEtcd.fields), None, "NATS and etcd."),
        "observability": Field(OBSERVABILITY, None, "Traces and metrics."),
        "telemetry": Field(TELEMETRY, None, "Power readings."),
        "ports": Field(PORTS, None, "Port numbers."),
        "python": Field(Str(), "python3", "Python of the steps in jobs without a container: a name or a path."),
        "environment": Field(TEXTS, {}, "Environment of workers, frontends and the load client."),
        "container_mounts": Field(TEXTS, {}, "Host path to container path."),
        "extra_mount": Field(ListOf(Str()), [], "Additional mounts, host:container[:options]."),
        "srun_options": Field(MapOf(Option()), {}, "Additional srun options of workers and the load client."),
        "sbatch_directives": Field(DIRECTIVES, {}, "Additional sbatch directives."),
        "enable_config_dump": Field(Bool(), True, "sglang and vllm behind dynamo write their configuration to logs/."),
        "setup_script": Field(Str(), None, "Script in configs_dir that runs before each worker."),
        "identity": Field(IDENTITY, None, "What the job is expected to run."),
        "reporting": optional(REPORTING, "Reports to other systems."),
    },
    doc="One job.",
)

PLACES = known_places(JOB)
