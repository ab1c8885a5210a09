# ternmark: build, test, install. `make help` lists the targets.
#
# Variables: BUILD=dir  CC=compiler  MODE=release|asan|ubsan|tsan  ARCH=x86_64|aarch64  PREFIX= DESTDIR=

MODE    ?= release
PREFIX  ?= /usr/local
ARCH    ?= $(shell uname -m)
HOST    := $(shell uname -m)

ifeq ($(ARCH),$(HOST))
CROSS   :=
BUILD   ?= build$(if $(filter-out release,$(MODE)),/$(MODE))
else
CROSS   := $(ARCH)-linux-gnu-
BUILD   ?= build/$(ARCH)
endif
ifeq ($(origin CC),default)
CC      := $(CROSS)gcc
endif
AR      := $(CROSS)ar

VERSION := 0.1.0
COMMIT  := $(shell git describe --always --dirty --abbrev=12 2>/dev/null || echo unknown)

WARN     := -Wall -Wextra -Werror -Wshadow -Wvla -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith
OPT      := -O2 -g
SAN_asan := -fsanitize=address,undefined -fno-sanitize-recover=all -O1
SAN_ubsan := -fsanitize=undefined -fno-sanitize-recover=all -O1
SAN_tsan := -fsanitize=thread -O1
CFLAGS_ALL := -std=c11 -D_GNU_SOURCE -I. $(WARN) $(OPT) -fPIC -ffp-contract=off -fno-math-errno \
              -pthread -MMD -MP $(SAN_$(MODE)) $(CFLAGS)
LDFLAGS_ALL := -pthread $(SAN_$(MODE)) $(LDFLAGS)
LIBS     := -lcjson -lhwloc -lm

# Instruction set suffix of a file in kernels/ -> compiler flags. The only place that knows them.
ISA_avx2       := -mavx2 -mfma -mf16c -mbmi2
ISA_avx512     := $(ISA_avx2) -mavx512f -mavx512bw -mavx512dq -mavx512vl -mprefer-vector-width=512
ISA_avx512vnni := $(ISA_avx512) -mavx512vnni
ISA_avx512vbmi := $(ISA_avx512vnni) -mavx512vbmi -mavx512vbmi2
ISA_avxvnni    := $(ISA_avx2) -mavxvnni
ISA_neon       :=
ISA_dotprod    := -march=armv8.2-a+dotprod
ISA_i8mm       := -march=armv8.2-a+dotprod+i8mm
ISA_fp16       := -march=armv8.2-a+fp16
X86_ISAS       := avx2 avx512 avx512vnni avx512vbmi avxvnni
ARM_ISAS       := neon dotprod i8mm fp16
FOREIGN_ISAS   := $(if $(filter x86_64,$(ARCH)),$(ARM_ISAS),$(X86_ISAS))

# A kernel file is built when its ISA belongs to this architecture.
FOREIGN  := $(foreach i,$(FOREIGN_ISAS),$(wildcard kernels/*_$(i).c))
kernels_SRC := $(filter-out $(FOREIGN),$(wildcard kernels/*.c))
engine_SRC  := $(wildcard engine/*.c)
harness_SRC := $(wildcard harness/*.c)
reports_SRC := $(wildcard reports/*.c)
cli_SRC     := $(wildcard harness/cli/*.c)

obj = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
kernels_OBJ := $(call obj,$(kernels_SRC))
engine_OBJ  := $(call obj,$(engine_SRC)) $(kernels_OBJ)
harness_OBJ := $(call obj,$(harness_SRC)) $(engine_OBJ)
reports_OBJ := $(call obj,$(reports_SRC)) $(harness_OBJ)
LIB_OBJ     := $(reports_OBJ)
CLI_OBJ     := $(call obj,$(cli_SRC))

.PHONY: all
all: $(BUILD)/ternmark

$(BUILD)/libternmark.a: $(LIB_OBJ)
	rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/ternmark: $(CLI_OBJ) $(BUILD)/libternmark.a
	$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

# Flags of an object: those of the ISA its name ends with, if it ends with one.
isa_of = $(lastword $(subst _, ,$(basename $(notdir $(1)))))
$(BUILD)/obj/kernels/%.o: kernels/%.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) $(ISA_$(call isa_of,$<)) -c -o $@ $<

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -c -o $@ $<

# One program per tests/<layer>/test_*.c, linked with that layer and those below it only.
test_SRC  := $(wildcard tests/*/test_*.c)
TESTS     := $(patsubst tests/%.c,$(BUILD)/tests/%,$(test_SRC))
define test_rule
$(BUILD)/tests/$(1)/test_%: $(BUILD)/obj/tests/$(1)/test_%.o $$($(1)_OBJ)
	@mkdir -p $$(@D)
	$(CC) $(LDFLAGS_ALL) -o $$@ $$^ -lcmocka $(LIBS)
endef
$(foreach l,kernels engine harness reports,$(eval $(call test_rule,$(l))))
.SECONDARY:

.PHONY: tests
tests: $(TESTS)

.PHONY: clean
clean:
	rm -rf build

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
