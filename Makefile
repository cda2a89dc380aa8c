# Two commands do everything: `make demo` runs the main job, `make test` passes the tests. Both install what is missing.
.PHONY: demo test bench setup lint deploy-check fmt

POSTGRES_BIN := $(shell ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1)
BUF := node_modules/.bin/buf
NEXTEST := $(or $(shell command -v cargo-nextest),target/tools/bin/cargo-nextest)

# the story of examples/cdnow, on a database that is thrown away afterwards
demo: setup
	cargo build --release --locked -p laurel
	@dir=$$(mktemp -d /tmp/laurel-demo.XXXXXX) && chmod 711 $$dir && trap 'rm -rf '$$dir EXIT INT TERM \
	  && target/release/laurel demo --data-dir $$dir/data $(DEMO_ARGS)

test: setup lint deploy-check
	cargo build --locked --workspace --bins
	scripts/first-steps
	target/debug/with-postgres $(NEXTEST) nextest run --locked --workspace

lint: setup
	scripts/check-structure
	cargo fmt --all --check
	cd proto && ../$(BUF) lint && ../$(BUF) format --diff --exit-code
	scripts/check-breaking
	cargo clippy --locked --workspace --all-targets -- -D warnings

# builds the overlays, validates them strictly, and checks what no schema knows; needs no cluster
deploy-check: setup
	scripts/deploy-check

# RecordOrder against pgbench doing the same statements; writes target/bench/report.json
bench: setup
	cargo build --release --locked -p laurel -p bench
	target/release/bench

fmt:
	cargo fmt --all
	cd proto && ../$(BUF) format --write

setup:
	@scripts/setup
