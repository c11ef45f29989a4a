# What a person or CI does with a checkout. Each target makes the machine ready first, once.
#
# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later

JOB ?= examples/quickstart.yaml
ARGS ?=
ARCH ?=
GATES := lint docs-lint unit browser sanity integration molecule e2e

.PHONY: help site bench sync-to-cloud sync-run test setup setup-tests packages lock sandbox-stop clean distclean faults engines debian13 cluster-setup doctor $(GATES)

help: ## Show this
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

bench: setup ## Run the main job on a Slurm started here (JOB=path, ARGS='-e keep=true', SANDBOX_NODES=N)
	@tools/bench "$(JOB)" $(ARGS)

sync-to-cloud: setup ## Copy all runs to the object storage of srtslurm.yaml (ARGS='--check --diff': what would go)
	@tools/sync --all $(ARGS)

sync-run: setup ## Copy one run: its job id, or its directory (RUN_ID=N)
	@tools/sync "$(RUN_ID)" $(ARGS)

test: setup-tests ## Pass all gates
	@tools/gates

setup: ## Install what is missing: Debian packages, then .venv
	@tools/setup
	@$(if $(ARCH),printf '%s\n' "ARCH=$(ARCH) is of the cluster: make cluster-setup ARCH=$(ARCH) prepares it.")

cluster-setup: ## Prepare this cluster: srtslurm.yaml, NATS, etcd, images (ARCH=aarch64, ARGS='--check --diff')
	@tools/cluster-setup "$(ARCH)" $(ARGS)

doctor: ## Are this cluster, this environment and a job fine? (JOB=path)
	@tools/cluster-setup --doctor "$(if $(filter command line,$(origin JOB)),$(JOB))" $(ARGS)

setup-tests: setup ## The same, and what the tests need
	@tools/setup tests

packages: ## Install only the Debian packages
	@tools/setup packages

lint: ## ruff, ansible-lint (production), mypy
docs-lint: ## antsibull-docs, antsibull-changelog, the site of the docs
unit: ## Unit tests
browser: ## Pages in a real browser (installs Debian's chromium)
sanity: ## ansible-test sanity
integration: ## Tests on a sandbox Slurm
molecule: ## Each role: converge, idempotence, verify, side effect, verify
e2e: ## The whole playbook on a sandbox Slurm

faults: setup-tests ## The whole fault table on a sandbox Slurm, the long ones too (make test runs the short ones)
	@tools/gates faults faults-slow

engines: setup-tests ## vLLM itself, on CPUs (installs 3.5 GB; not part of make test)
	@tools/gates engines

debian13: ## The tests on Debian 13, in a folder made for it (needs root; not part of make test)
	@tools/debian13

$(GATES): setup-tests
	@tools/gates $@

site: setup-tests ## The docs as a site: .cache/site/html/index.html
	@tools/site

lock: setup ## Resolve requirements.in into requirements.lock anew
	@tools/lock

sandbox-stop: ## Stop the sandboxes that bench and test left up
	@tools/clean sandboxes

clean: ## Stop sandboxes; remove what tests and runs made, but not outputs/
	@tools/clean sandboxes made

distclean: ## The same, and .venv and .cache
	@tools/clean sandboxes made installed
