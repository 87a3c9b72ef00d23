# prunescope: `make help` lists the targets.
CC ?= gcc
AR ?= ar
PREFIX ?= /usr/local
BUILD ?= build
OPT ?= -O3
WARN = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wundef -Wvla
CFLAGS ?= $(OPT) -g
ALL_CFLAGS = -std=gnu11 -D_GNU_SOURCE -I. $(WARN) -pthread -fno-math-errno -MMD -MP $(CFLAGS) $(EXTRA_CFLAGS)
PACKAGES = liburing libxxhash jansson yajl libpcre2-8 gsl libcyaml
# Expanded in recipes only, so that `make deps` runs where nothing is installed yet.
LIBS = $(shell pkg-config --libs $(PACKAGES)) -lblis -lm -pthread

# core knows nobody; io, prune and sae stand on core; analysis reads prune and sae; tools may use all.
FOLDERS = core io prune sae analysis
LIB_FILES = $(FOLDERS:%=$(BUILD)/lib%.a)
# Link order: users before what they use.
LINK = $(BUILD)/libanalysis.a $(BUILD)/libsae.a $(BUILD)/libprune.a $(BUILD)/libio.a $(BUILD)/libcore.a
SHARDINFO_SOURCES = $(wildcard tools/shard*.c)
TOOL_SOURCES = $(filter-out $(SHARDINFO_SOURCES),$(wildcard tools/*.c))
TOOL_OBJECTS = $(TOOL_SOURCES:%.c=$(BUILD)/%.o)
SHARDINFO_OBJECTS = $(SHARDINFO_SOURCES:%.c=$(BUILD)/%.o)
TESTS = $(patsubst test/%.c,$(BUILD)/test/%,$(wildcard test/test_*.c))
TEST_SUPPORT = $(patsubst %.c,$(BUILD)/%.o,$(wildcard test/support_*.c))

.PHONY: all lib help deps demo test check bench lint fuzz check-asan check-tsan install clean
all: prunescope tools/shardinfo ## build ./prunescope and tools/shardinfo

lib: $(LIB_FILES)

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-12s %s\n", $$1, $$2}' Makefile

deps: ## install what is missing (Debian, Ubuntu), or name it
	@sh tools/deps.sh

define folder_library
$(BUILD)/lib$(1).a: $(patsubst %.c,$(BUILD)/%.o,$(wildcard $(1)/*.c))
	@rm -f $$@
	$$(AR) rcs $$@ $$^
endef
$(foreach folder,$(FOLDERS),$(eval $(call folder_library,$(folder))))

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -c -o $@ $<

prunescope: $(TOOL_OBJECTS) $(LIB_FILES)
	$(CC) $(ALL_CFLAGS) -o $@ $(TOOL_OBJECTS) $(LINK) $(LIBS)

tools/shardinfo: $(SHARDINFO_OBJECTS) $(LIB_FILES)
	$(CC) $(ALL_CFLAGS) -o $@ $(SHARDINFO_OBJECTS) $(LINK) $(LIBS)

$(BUILD)/test/test_%: $(BUILD)/test/test_%.o $(TEST_SUPPORT) $(LIB_FILES)
	$(CC) $(ALL_CFLAGS) -o $@ $< $(TEST_SUPPORT) $(LINK) $(LIBS) -lcmocka

tests: $(TESTS)

check: all $(TESTS) ## run the tests with what is installed
	@sh test/run.sh $(TESTS)

test: ## set up and run the tests (no Python, no network beyond packages)
	@$(MAKE) --no-print-directory deps
	@$(MAKE) --no-print-directory -j$$(nproc) all tests
	@$(MAKE) --no-print-directory check

clean: ## remove what was built
	rm -rf $(BUILD) prunescope tools/shardinfo

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
