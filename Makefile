# The verbs. The same ones for CI and a laptop; `make` alone lists them.
SHELL := /bin/bash
export SQLX_OFFLINE ?= true
HOSTS ?= 2
PROFILE ?= dev
PROGRAMS := target/$(if $(filter dev,$(PROFILE)),debug,$(PROFILE))

.PHONY: help demo test lab token down build openapi sqlx lint fmt deny bench clean

help: ## list the verbs
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-10s %s\n", $$1, $$2 }'

demo: lab ## a whole cloud on this machine, and the main job on it (root)
	@$(PROGRAMS)/iroko-lab demo

test: ## run every test (root)
	@lab/test.sh

lab: ## an empty cloud on this machine: make lab HOSTS=3 (root)
	@lab/install.sh lab
	@$(MAKE) --no-print-directory build
	@$(PROGRAMS)/iroko-lab up --hosts $(HOSTS)

token: ## write a new access token into .iroko/env
	@$(PROGRAMS)/iroko-lab token

down: ## end the cloud and remove everything of it (root)
	@if [ -x $(PROGRAMS)/iroko-lab ]; then $(PROGRAMS)/iroko-lab down; fi
	@if [ -d target/test-postgres ]; then lab/postgres.sh stop target/test-postgres; rm -rf target/test-postgres; fi

build: ## compile everything (PROFILE=release for what goes to real hosts)
	@lab/install.sh build
	cargo build --workspace --profile $(PROFILE)

openapi: build ## generate openapi/iroko-v1.json from the code
	$(PROGRAMS)/iroko-api openapi > openapi/iroko-v1.json.new && mv openapi/iroko-v1.json.new openapi/iroko-v1.json

sqlx: ## check all queries against a real schema and keep the result in .sqlx/
	@lab/sqlx.sh

lint: ## formatting and clippy
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --all-features -- -D warnings

fmt: ## format
	cargo fmt --all

deny: ## licences, sources and duplicates of all dependencies
	@lab/deny.sh

bench: ## measure the control plane and real machines; prints tables (root)
	@lab/install.sh lab
	@$(MAKE) --no-print-directory build PROFILE=release
	@lab/bench.sh

clean: down ## also remove what was compiled
	cargo clean
