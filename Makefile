# The commands of this project; .ci/run is what continuous integration calls.
.PHONY: demo check test bench lint drivers sim mutants fuzz soak hostile image sbom deb deploy

# A simulated cluster, the proxy and a load in one process.
demo:
	cargo run --profile demo --locked -- demo $(ARGS)

# What to run before each commit: format, lints, unit tests, and the rules of tests/style.
check:
	cargo fmt --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo test --workspace --locked --lib --test style

# Installs what is missing, then format, lints, Rust tests, then real drivers against the simulated cluster and real Cassandra.
# The last line counts them.
test:
	@tests/tools.sh
	@python3 tests/everything.py

# Only the tests with real drivers; ONLY=pattern chooses some.
drivers:
	cargo build --locked
	TEST_BINARY=$${CARGO_TARGET_DIR:-target}/debug/shardlane python3 tests/drivers/run.py --only '$(ONLY)'

# The engine in so many simulated worlds; `make sim SHARDLANE_SEED=7` replays one and prints its story.
SEEDS ?= 256
sim:
	SEEDS=$(SEEDS) $(if $(SHARDLANE_SEED),SHARDLANE_SEED=$(SHARDLANE_SEED)) cargo test --release --locked --test simulation the_engine -- --nocapture

# Plants bugs one by one and asks the simulation whether it notices; writes docs/mutants.md.
mutants:
	tests/mutants/run

# Coverage-guided fuzzing of every target, for so many minutes in all; tests/machine/corpora.rs runs again what it kept.
MINUTES ?= 10
fuzz:
	fuzz/run.py --minutes $(MINUTES) --only '$(ONLY)'

# A long run against the simulated cluster, in which neither memory nor descriptors may grow: make soak MINUTES=60.
soak:
	cargo build --release --locked
	TEST_BINARY=$${CARGO_TARGET_DIR:-target}/release/shardlane tests/drivers/soak.py --minutes $(MINUTES)

# A crowd of hostile clients beside eight drivers under 128 MiB, which must not feel it: make hostile MINUTES=60.
hostile:
	cargo build --release --locked
	TEST_BINARY=$${CARGO_TARGET_DIR:-target}/release/shardlane tests/drivers/hostile.py --minutes $(MINUTES)

bench:
	benches/run

# Checks that run no test; hadolint only where it is installed.
lint:
	cargo fmt --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --locked
	@if command -v hadolint > /dev/null; then hadolint Dockerfile; else echo 'hadolint is not installed: Dockerfile not checked'; fi

VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
image:
	docker build --build-arg REVISION="$$(git rev-parse HEAD)" -t shardlane:$(VERSION) .

# What is in the image's program: CycloneDX, in target/sbom.json.
sbom:
	@mkdir -p target && deploy/image/sbom > target/sbom.json && echo target/sbom.json

# A Debian package in target/debian, of a release build without the simulated cluster.
deb:
	cargo build --release --locked --no-default-features --bin shardlane
	deploy/debian/build $${CARGO_TARGET_DIR:-target}/release/shardlane target/debian

# Manifests, charts, alerts, dashboard, image and package; ONLY=pattern chooses some tests.
deploy:
	cargo build --locked
	TEST_BINARY=$${CARGO_TARGET_DIR:-target}/debug/shardlane python3 tests/deploy/run.py --only '$(ONLY)'

