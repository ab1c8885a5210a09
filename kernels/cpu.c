#include "kernels/cpu.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define ALL_BITS ((1u << TM_ISA_COUNT) - 1)
#define DETECTED (1u << 31) /* marks the cached value as valid */

static const char *const isa_names[TM_ISA_COUNT + 1] = {
#define ISA_NAME(upper, lower) #lower,
    TM_ISAS(ISA_NAME)
#undef ISA_NAME
};

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Which register files the operating system saves (XCR0). Source: Intel SDM vol. 1, 13.3. */
#define XCR0_YMM  0x6u     /* SSE and AVX state */
#define XCR0_ZMM  0xe6u    /* and opmask, ZMM_Hi256, Hi16_ZMM */
#define XCR0_TILE 0x60000u /* AMX: XTILECFG, XTILEDATA */

static unsigned enabled_state(void)
{
    unsigned low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

/* Linux permits tile data only after the process has requested it, once for all its threads.
 * Source: Linux, Documentation/arch/x86/xstate.rst. */
#define ARCH_REQ_XCOMP_PERM 0x1023
#define XFEATURE_XTILEDATA  18

static bool may_use_tiles(void)
{
    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
}

/* Leaf and bit numbers. Source: Intel SDM vol. 2A, CPUID. */
static unsigned detect(void)
{
    unsigned a, b, c, d, isa = 0;
    if (!__get_cpuid(1, &a, &b, &c, &d)) return 0;
    bool osxsave = c >> 27 & 1, avx = c >> 28 & 1, fma = c >> 12 & 1, f16c = c >> 29 & 1;
    if (!osxsave || !avx) return 0;
    unsigned state = enabled_state();
    unsigned n_subleafs, b7, c7, d7, a71 = 0;
    if (!__get_cpuid_count(7, 0, &n_subleafs, &b7, &c7, &d7)) return 0;
    if (n_subleafs >= 1 && !__get_cpuid_count(7, 1, &a71, &b, &c, &d)) a71 = 0;

    bool avx2 = b7 >> 5 & 1, bmi2 = b7 >> 8 & 1;
    bool f = b7 >> 16 & 1, dq = b7 >> 17 & 1, bw = b7 >> 30 & 1, vl = b7 >> 31 & 1;
    bool vbmi = c7 >> 1 & 1, vbmi2 = c7 >> 6 & 1, vnni = c7 >> 11 & 1;
    bool amx_tile = d7 >> 24 & 1, amx_int8 = d7 >> 25 & 1, avx_vnni = a71 >> 4 & 1,
         bf16 = a71 >> 5 & 1;

    if ((state & XCR0_YMM) == XCR0_YMM && avx2 && fma && f16c && bmi2) {
        isa |= TM_ISA_AVX2;
        if (avx_vnni) isa |= TM_ISA_AVXVNNI;
        if ((state & XCR0_ZMM) == XCR0_ZMM && f && dq && bw && vl) {
            isa |= TM_ISA_AVX512;
            if (vnni) isa |= TM_ISA_AVX512VNNI;
            if (vbmi && vbmi2) isa |= TM_ISA_AVX512VBMI;
            if (bf16) isa |= TM_ISA_AVX512BF16;
        }
    }
    if ((state & XCR0_TILE) == XCR0_TILE && amx_tile && amx_int8 && may_use_tiles())
        isa |= TM_ISA_AMXINT8;
    return isa;
}

#elif defined(__aarch64__)
#include <sys/auxv.h>

/* Bits of AT_HWCAP and AT_HWCAP2. Source: Linux, arch/arm64/include/uapi/asm/hwcap.h. */
static unsigned detect(void)
{
    unsigned long hwcap = getauxval(AT_HWCAP), hwcap2 = getauxval(AT_HWCAP2);
    unsigned isa = 0;
    if (!(hwcap & 1ul << 1)) return 0; /* ASIMD */
    isa |= TM_ISA_NEON;
    if (hwcap & 1ul << 20) isa |= TM_ISA_DOTPROD; /* ASIMDDP */
    if (hwcap2 & 1ul << 13) isa |= TM_ISA_I8MM;
    if (hwcap2 & 1ul << 14) isa |= TM_ISA_BF16;
    if (hwcap & 1ul << 10) isa |= TM_ISA_FP16; /* ASIMDHP */
    if (hwcap & 1ul << 23) isa |= TM_ISA_FHM;  /* ASIMDFHM */
    return isa;
}

#else
#error "ternmark runs on x86-64 and AArch64"
#endif

static _Atomic unsigned machine; /* DETECTED | bits */
static _Atomic unsigned limit = ALL_BITS;

unsigned tm_cpu_machine_isa(void)
{
    unsigned isa = atomic_load_explicit(&machine, memory_order_relaxed);
    if (!(isa & DETECTED)) { /* two threads may both detect it, with the same result */
        isa = detect() | DETECTED;
        atomic_store_explicit(&machine, isa, memory_order_relaxed);
    }
    return isa & ALL_BITS;
}

unsigned tm_cpu_isa(void)
{
    return tm_cpu_machine_isa() & atomic_load_explicit(&limit, memory_order_relaxed);
}

void tm_cpu_limit(unsigned mask)
{
    atomic_store_explicit(&limit, mask & ALL_BITS, memory_order_relaxed);
}

char *tm_isa_text(unsigned isa, char *text, size_t size)
{
    size_t used = 0;
    if (size == 0) return text;
    text[0] = 0;
    for (int i = 0; i < TM_ISA_COUNT; i++) {
        if (!(isa >> i & 1)) continue;
        int n = snprintf(text + used, size - used, "%s%s", used ? "+" : "", isa_names[i]);
        if (n < 0 || (size_t)n >= size - used) return text; /* cut off, still terminated */
        used += (size_t)n;
    }
    if (used == 0) snprintf(text, size, "none");
    return text;
}

tm_status tm_isa_parse(const char *text, unsigned *isa, tm_error *err)
{
    *isa = 0;
    if (strcmp(text, "none") == 0) return TM_OK;
    if (strcmp(text, "all") == 0) {
        *isa = ALL_BITS;
        return TM_OK;
    }
    for (const char *p = text;; p++) {
        size_t n = strcspn(p, ",+");
        int i = 0;
        while (i < TM_ISA_COUNT && !(strlen(isa_names[i]) == n && memcmp(isa_names[i], p, n) == 0))
            i++;
        if (i == TM_ISA_COUNT) {
            char word[80];
            snprintf(word, sizeof word, "%.*s", (int)(n < 64 ? n : 64), p);
            return tm_unknown_name(err, "instruction set", word, isa_names);
        }
        *isa |= 1u << i;
        p += n;
        if (!*p) return TM_OK;
    }
}
