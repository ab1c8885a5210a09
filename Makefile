# ternmark: build, test, install. `make help` lists the targets.
#
# Variables: BUILD=dir  CC=compiler  CXX=compiler  MODE=release|asan|ubsan|tsan|fuzz
# ARCH=x86_64|aarch64
#            GBENCH=yes|no  PREFIX= DESTDIR=

MODE    ?= release
PREFIX  ?= /usr/local
HOST    := $(shell uname -m)
ARCH    ?= $(HOST)

MODES   := release asan ubsan tsan fuzz
ifeq ($(filter $(MODE),$(MODES)),)
$(error MODE=$(MODE) is unknown; use one of: $(MODES))
endif

ifeq ($(ARCH),$(HOST))
CROSS   :=
BUILD   ?= build$(if $(filter-out release,$(MODE)),/$(MODE))
else
CROSS   := $(ARCH)-linux-gnu-
BUILD   ?= build/$(ARCH)$(if $(filter-out release,$(MODE)),/$(MODE))
endif
ifeq ($(origin CC),default)
CC      := $(if $(filter fuzz,$(MODE)),clang,$(CROSS)gcc)
endif
ifeq ($(origin CXX),default)
CXX     := $(if $(findstring clang,$(CC)),$(subst clang,clang++,$(CC)),$(CROSS)g++)
endif
ifeq ($(origin AR),default)
AR      := $(CROSS)ar
endif
OBJCOPY ?= $(CROSS)objcopy

# Whether to build the plugin for `kernels --gbench`, the only part in C++. A cross build leaves it
# out: it would need another C++ compiler and library, and emulated times mean nothing.
GBENCH  ?= $(if $(CROSS),no,yes)

VERSION := 0.2.0
VERSION_DATE := 2026-11-30
COMMIT  := $(shell git describe --always --dirty --abbrev=12 2>/dev/null || echo unknown)

WARN     := -Wall -Wextra -Werror -Wshadow -Wvla -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith
SAN_asan := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
SAN_ubsan := -fsanitize=undefined -fno-sanitize-recover=all
SAN_fuzz := $(SAN_asan) -fsanitize=fuzzer-no-link -DTM_LIBFUZZER
SAN_tsan := -fsanitize=thread
# -g1: functions and lines, for profilers and sanitizers. Full -g makes kernels a third slower to build.
OPT      := $(if $(SAN_$(MODE)),-O1,-O2) -g1
# For scripts/check.sh, which builds the program several times: flags of the files outside HOT, and
# the instruction sets whose kernels are compiled without optimization (gcc then warns that it ignores
# loop annotations).
OPT_REST    :=
UNOPTIMIZED :=
# Tests outside HOT are never optimized: they compute little, and compile in a third of the time.
HOT      := engine/% harness/stats/% tests/kernels/% tests/engine/% tests/harness/stats/%
# gcc warns about code paths that only the sanitizers' checks add; the release build keeps these
# warnings.
SAN_WARN := $(if $(SAN_$(MODE)),$(if $(findstring clang,$(CC)),,-Wno-format-truncation \
              -Wno-maybe-uninitialized -Wno-alloc-size-larger-than))
# Static libraries that Debian lacks, see scripts/static_libs.sh. For musl it lacks all of them.
STATIC   := $(BUILD)/static
MUSL     := $(findstring musl,$(CC))
ifneq ($(MUSL),)
# libgcc's atomics would need glibc's __getauxval.
FOR_MUSL := -static -isystem $(STATIC)/include -L$(STATIC)/lib $(if $(filter aarch64,$(ARCH)),-mno-outline-atomics)
endif
CFLAGS_ALL := -std=c11 -D_GNU_SOURCE -I. $(WARN) $(OPT) -fPIC -ffp-contract=off -fno-math-errno \
              -pthread -MMD -MP $(SAN_$(MODE)) $(SAN_WARN) $(FOR_MUSL) $(CFLAGS)
LDFLAGS_ALL := -pthread $(SAN_$(MODE)) $(FOR_MUSL) $(LDFLAGS)
# For the one C++ file: the same warnings, without those for C only.
CXXFLAGS_ALL := -std=c++17 $(filter-out -std=c11 -Wstrict-prototypes -Wmissing-prototypes,$(CFLAGS_ALL)) \
                $(if $(SAN_$(MODE)),-fno-sanitize=vptr) $(CXXFLAGS)
LIBS     := -lcjson -lhwloc -lpcre2-8 -lzstd -lm
GBENCH_PLUGIN := $(if $(filter yes,$(GBENCH)),$(BUILD)/ternmark-gbench.so)

# Compiler flags by the instruction set that ends a kernel file's name. No other place knows them.
ISA_avx2       := -mavx2 -mfma -mf16c -mbmi2
ISA_avx512     := $(ISA_avx2) -mavx512f -mavx512bw -mavx512dq -mavx512vl -mprefer-vector-width=512
ISA_avx512vnni := $(ISA_avx512) -mavx512vnni
ISA_avx512vbmi := $(ISA_avx512vnni) -mavx512vbmi -mavx512vbmi2
ISA_avx512bf16 := $(ISA_avx512) -mavx512bf16
ISA_amxint8    := $(ISA_avx512vnni) -mamx-tile -mamx-int8
ISA_avxvnni    := $(ISA_avx2) -mavxvnni
ISA_neon       :=
ISA_dotprod    := -march=armv8.2-a+dotprod
ISA_i8mm       := -march=armv8.2-a+dotprod+i8mm
ISA_bf16       := -march=armv8.2-a+bf16
ISA_fp16       := -march=armv8.2-a+fp16
ISA_fhm        := -march=armv8.2-a+fp16fml
X86_ISAS       := avx2 avx512 avx512vnni avx512vbmi avx512bf16 avxvnni amxint8
ARM_ISAS       := neon dotprod i8mm bf16 fp16 fhm
FOREIGN_ISAS   := $(if $(filter x86_64,$(ARCH)),$(ARM_ISAS),$(X86_ISAS))

# A kernel file is built when its ISA belongs to this architecture.
FOREIGN  := $(foreach i,$(FOREIGN_ISAS),$(wildcard kernels/*/*_$(i).c))

# The rooms, lowest first: a room includes only itself and the rooms before it, and so its tests
# link.
ROOMS := kernels engine harness/base harness/stats harness/machine harness/probe harness/record \
         harness/measure harness/tune harness/sweep harness/doctor \
         reports/output reports/published reports
obj = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
sources = $(filter-out $(FOREIGN),$(wildcard $(1)/*.c $(if $(filter kernels,$(1)),kernels/*/*.c)))
objects = $(call obj,$(call sources,$(1)))
LIB_OBJ := $(foreach r,$(ROOMS),$(call objects,$(r)))
CLI_OBJ := $(call obj,$(call sources,harness/cli))

# make V=1 prints whole commands, make -s prints nothing.
Q   := $(if $(V),,@)
silent := $(findstring s,$(filter-out ---%,$(firstword -$(MAKEFLAGS))))
say = $(if $(V),,@$(if $(silent),,printf '  %-3s %s\n' '$(1)' '$@' && ))

comma := ,

# What an interrupted or failed command wrote must not count as made.
.DELETE_ON_ERROR:

.PHONY: all
all: $(BUILD)/ternmark $(BUILD)/share/made $(GBENCH_PLUGIN)

# Files that record compiler, flags, sources and commit. They are rewritten only when these change, so that
# a change rebuilds what depends on it and no more.
keep = @mkdir -p $(@D) && printf '%s\n' $(1) >$@.new && \
       if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi
.PHONY: FORCE
FORCE:

COMPILER = $(shell $(CC) --version 2>/dev/null | head -n 1)

$(BUILD)/flags: FORCE
	$(call keep,'$(CC)' '$(COMPILER)' '$(CFLAGS_ALL)' '$(LDFLAGS_ALL)' '$(CXX)' '$(CXXFLAGS)' '$(GBENCH)' \
	    '$(OPT_REST)' '$(UNOPTIMIZED)')

$(BUILD)/objects: FORCE
	$(call keep,$(LIB_OBJ) $(CLI_OBJ))

$(BUILD)/gen/version.h: FORCE
	$(call keep,'#define TM_VERSION "$(VERSION)"' '#define TM_VERSION_DATE "$(VERSION_DATE)"' \
	    '#define TM_COMMIT "$(COMMIT)"' \
	    '#define TM_COMPILER "$(COMPILER)"' '#define TM_BUILD_MODE "$(MODE)"')

# Libraries are probed once per compiler and flags, before anything is compiled.
PROBE = scripts/probe.sh '$(CC) $(SAN_$(MODE)) $(CFLAGS) $(LDFLAGS) $(FOR_MUSL)'
$(BUILD)/libraries: $(BUILD)/flags scripts/probe.sh $(if $(MUSL),$(STATIC)/made)
	@$(PROBE) cjson hwloc pcre2-8 zstd papi.h sensors/sensors.h
	@touch $@
$(BUILD)/benchmark: $(BUILD)/flags scripts/probe.sh
	@scripts/probe.sh '$(CXX) $(SAN_$(MODE)) $(CFLAGS) $(LDFLAGS)' benchmark
	@touch $@
$(BUILD)/cmocka: $(BUILD)/flags scripts/probe.sh
	@$(PROBE) cmocka
	@touch $@

$(BUILD)/libternmark.a: $(LIB_OBJ) $(BUILD)/objects
	$(Q)rm -f $@.new && $(AR) rcs $@.new $(LIB_OBJ) && mv $@.new $@

# A hash of each object that is part of a timed region.
CODE_OBJ := $(filter-out %/version.o,$(foreach r,kernels engine harness/base harness/measure,$(call objects,$(r))))
$(BUILD)/gen/code_hashes.h: $(CODE_OBJ) scripts/code_hashes.sh
	@mkdir -p $(@D) && scripts/code_hashes.sh $(OBJCOPY) $(CODE_OBJ) >$@
$(BUILD)/obj/harness/cli/main.o: private EXTRA = -include $(BUILD)/gen/code_hashes.h
$(BUILD)/obj/harness/cli/main.o: $(BUILD)/gen/code_hashes.h

# Sanitized objects have 200,000 addresses that each process would relocate: a third of its time to start.
$(BUILD)/ternmark: $(CLI_OBJ) $(BUILD)/libternmark.a
	$(call say,LD)$(CC) $(LDFLAGS_ALL) $(if $(SAN_$(MODE)),-no-pie) -o $@ $(CLI_OBJ) $(BUILD)/libternmark.a $(LIBS)

# The same objects without shared libraries, for machines that have none of them. The linker's only
# warning is about dlopen, which a static program never calls (harness/base/dynlib.c).
$(STATIC)/made: $(BUILD)/flags scripts/static_libs.sh
	@scripts/static_libs.sh '$(CC)' $(@D) && touch $@
$(BUILD)/ternmark-static: $(CLI_OBJ) $(BUILD)/libternmark.a $(STATIC)/made
	$(call say,LD)$(CC) $(LDFLAGS_ALL) -static -Wl,--no-warnings -o $@ $(CLI_OBJ) $(BUILD)/libternmark.a \
	    -L$(STATIC)/lib $(LIBS) -ludev
	$(Q)$(CROSS)strip --strip-debug $@

# Man pages and shell completion, which the program writes. A cross build has none, and installs none,
# unless this machine can run the program.
SHARE := man/man1 bash-completion/completions zsh/site-functions fish/vendor_completions.d
$(BUILD)/share/made: $(BUILD)/ternmark
	@rm -rf $(@D) && mkdir -p $(addprefix $(@D)/,$(SHARE))
	@if $< --version >/dev/null 2>&1; then $< help --share $(@D); \
	 else echo 'no man pages and no completion: $< does not run here'; fi
	@touch $@

# An object gets the flags of the instruction set that ends its name, if any.
isa_of = $(lastword $(subst _, ,$(basename $(notdir $(1)))))
$(BUILD)/obj/kernels/%.o: kernels/%.c $(BUILD)/flags | $(BUILD)/libraries
	@mkdir -p $(@D)
	$(call say,CC)$(CC) $(CFLAGS_ALL) $(ISA_$(call isa_of,$<)) \
	    $(if $(filter $(UNOPTIMIZED),$(call isa_of,$<)),-O0 $(if $(SAN_$(MODE)),-Wno-error)) -c -o $@ $<

$(BUILD)/obj/%.o: %.c $(BUILD)/flags | $(BUILD)/libraries
	@mkdir -p $(@D)
	$(call say,CC)$(CC) $(CFLAGS_ALL) $(if $(filter $(HOT),$<),,$(OPT_REST) $(if $(filter tests/%,$<),-O0)) $(EXTRA) \
	    -c -o $@ $<

$(BUILD)/obj/%.o: %.cc $(BUILD)/flags | $(BUILD)/benchmark
	@mkdir -p $(@D)
	$(call say,CXX)$(CXX) $(CXXFLAGS_ALL) -c -o $@ $<

# The plugin has its own copy of the error functions, so that the program need not export any symbol.
$(BUILD)/ternmark-gbench.so: $(BUILD)/obj/harness/measure/gbench.o $(BUILD)/obj/kernels/base.o
	$(call say,LD)$(CXX) $(LDFLAGS_ALL) -shared -Wl,-Bsymbolic -o $@ $^ -lbenchmark

# Only this object depends on version and commit.
$(BUILD)/obj/harness/base/version.o: private EXTRA = -include $(BUILD)/gen/version.h
$(BUILD)/obj/harness/base/version.o: $(BUILD)/gen/version.h

# The data files that harness/base/embedded.c holds, which the compiler's dependency output does not
# list.
$(BUILD)/obj/harness/base/embedded.o: $(wildcard workloads/*.json workloads/*/* results/published/* \
    reports/output/page.*s*)

# A thin archive per room. One program per tests/<room>/test_*.c, linked with the archives of that
# room and those before it only. With sanitizers, linking a copy of the library into each program would
# take a minute in all and 3 GB: they share one.
SHARED := $(if $(SAN_$(MODE)),$(if $(filter fuzz,$(MODE)),,$(BUILD)/libternmark.so))
$(BUILD)/libternmark.so: $(LIB_OBJ) $(BUILD)/objects
	$(call say,LD)$(CC) $(LDFLAGS_ALL) -shared -Wl,-soname=$(@F) -o $@ $(LIB_OBJ) $(LIBS)
RPATH := $(if $(SHARED),-Wl$(comma)-rpath=$(abspath $(BUILD)))
tests_of = $(wildcard tests/$(1)/test_*.c $(if $(filter kernels,$(1)),tests/kernels/*/test_*.c))
TESTS := $(patsubst %.c,$(BUILD)/%,$(foreach r,$(ROOMS),$(call tests_of,$(r))))
$(TESTS:$(BUILD)/%=$(BUILD)/obj/%.o): | $(BUILD)/cmocka
ARCHIVES :=
define room
ARCHIVES := $(BUILD)/obj/$(1).a $$(ARCHIVES)
$(BUILD)/obj/$(1).a: $(call objects,$(1)) $(BUILD)/objects
	$$(Q)rm -f $$@.new && $$(AR) rcsT $$@.new $$(filter %.o,$$^) && mv $$@.new $$@
$(patsubst %.c,$(BUILD)/%,$(call tests_of,$(1))): LINKED := $(or $(SHARED),$$(ARCHIVES))
$(patsubst %.c,$(BUILD)/%,$(call tests_of,$(1))): $(BUILD)/tests/%: $(BUILD)/obj/tests/%.o $(or $(SHARED),$$(ARCHIVES))
	@mkdir -p $$(@D)
	$$(call say,LD)$$(CC) $$(LDFLAGS_ALL) $(RPATH) -o $$@ $$< $$(LINKED) -lcmocka $$(LIBS)
endef
$(foreach r,$(ROOMS),$(eval $(call room,$(r))))

# A libpapi with faults that tests switch on.
FAKE_PAPI := $(BUILD)/tests/harness/libfake_papi.so
$(BUILD)/tests/harness/measure/test_counters $(BUILD)/tests/harness/doctor/test_doctor: | $(FAKE_PAPI)
$(FAKE_PAPI): tests/harness/probe/fake_papi.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,LD)$(CC) $(filter-out $(SAN_$(MODE)),$(CFLAGS_ALL)) -shared -o $@ $<

# One program per tests/fuzz/fuzz_*.c. It replays files; with MODE=fuzz it is a libFuzzer target.
FUZZ      := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_LINK := $(if $(filter fuzz,$(MODE)),-fsanitize=fuzzer)
$(BUILD)/tests/fuzz/fuzz_%: $(BUILD)/obj/tests/fuzz/fuzz_%.o $(or $(SHARED),$(BUILD)/libternmark.a)
	@mkdir -p $(@D)
	$(call say,LD)$(CC) $(LDFLAGS_ALL) $(FUZZ_LINK) $(RPATH) -o $@ $^ $(LIBS)
.SECONDARY:

.PHONY: tests fuzz test check lint demo cross static install uninstall clean help
tests: $(TESTS) $(FUZZ)
fuzz: $(FUZZ)

test:
	@scripts/check.sh unit cli

check:
	@scripts/deps.sh cross || echo "check: continuing with what is installed"
	@scripts/check.sh

lint: all
	@scripts/lint.sh . $(BUILD)

demo:
	@scripts/demo.sh

cross:
	$(MAKE) ARCH=aarch64 BUILD=$(if $(filter aarch64,$(ARCH)),$(BUILD),$(BUILD)/aarch64) all

static: $(BUILD)/ternmark-static

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/doc/ternmark
	install -m 755 $(BUILD)/ternmark $(DESTDIR)$(PREFIX)/bin/ternmark
	$(if $(GBENCH_PLUGIN),install -D -m 644 -t $(DESTDIR)$(PREFIX)/lib/ternmark $(GBENCH_PLUGIN))
	install -m 644 README.md LICENSE $(DESTDIR)$(PREFIX)/share/doc/ternmark
	cd $(BUILD)/share && for file in $(addsuffix /*ternmark*,$(SHARE)); do \
	    [ ! -f $$file ] || install -D -m 644 $$file $(abspath $(DESTDIR)$(PREFIX))/share/$$file; done

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/ternmark
	cd $(DESTDIR)$(PREFIX)/share && rm -f man/man1/ternmark.1 man/man1/ternmark-*.1 \
	    bash-completion/completions/ternmark zsh/site-functions/_ternmark \
	    fish/vendor_completions.d/ternmark.fish
	rm -rf $(DESTDIR)$(PREFIX)/share/doc/ternmark $(DESTDIR)$(PREFIX)/lib/ternmark

clean:
	rm -rf build

help:
	@echo 'make            build build/ternmark'
	@echo 'make demo       install missing packages, benchmark this machine, print its table beside the paper'\''s'
	@echo 'make check      install missing packages, run every test; the last line counts them'
	@echo 'make test       run the native unit and command-line tests; installs nothing'
	@echo 'make lint       check the rules that a compiler does not know'
	@echo 'make tests      build the test programs without running them'
	@echo 'make fuzz       build the fuzz targets, to replay files; with MODE=fuzz for libFuzzer (clang)'
	@echo 'make cross      build build/aarch64/ternmark'
	@echo 'make static     link build/ternmark-static, which needs no shared library; with ARCH=aarch64 for boards,'
	@echo '                with CC=x86_64-linux-musl-gcc or aarch64-linux-musl-gcc for musl (BOARDS.md)'
	@echo 'make install    install under DESTDIR and PREFIX (default /usr/local); uninstall removes it'
	@echo 'make clean      remove build/'
	@echo 'variables       MODE=release|asan|ubsan|tsan|fuzz  CC= CXX= CFLAGS= LDFLAGS= BUILD='
	@echo '                ARCH=x86_64|aarch64  GBENCH=yes|no  V=1'

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
