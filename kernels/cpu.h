/* The instruction sets of this machine, as bits that a kernel row can require.
 *
 * x86-64: CPUID, and XGETBV for the register state the operating system saves. AArch64: HWCAP.
 * A bit is set only when both the processor and the operating system support it.
 */
#ifndef TM_KERNELS_CPU_H
#define TM_KERNELS_CPU_H

#include "kernels/base.h"

#define TM_ISAS(X)                                                                                 \
    X(AVX2, avx2)     /* AVX2, FMA, F16C and BMI2 together (Haswell) */                            \
    X(AVX512, avx512) /* AVX-512 F, BW, DQ and VL together (Skylake-SP) */                         \
    X(AVX512VNNI, avx512vnni)                                                                      \
    X(AVX512VBMI, avx512vbmi) /* VBMI and VBMI2 together (Ice Lake) */                             \
    X(AVX512BF16, avx512bf16)                                                                      \
    X(AVXVNNI, avxvnni) /* the VEX-coded 256-bit form (Alder Lake) */                              \
    X(AMXINT8, amxint8)                                                                            \
    X(NEON, neon)                                                                                  \
    X(DOTPROD, dotprod)                                                                            \
    X(I8MM, i8mm)                                                                                  \
    X(BF16, bf16) /* AArch64 dot products and matrices of bfloat16 */                              \
    X(FP16, fp16) /* AArch64 half-precision arithmetic */                                          \
    X(FHM, fhm)   /* AArch64 products of halves added to floats: fmlal */

enum {
#define TM_ISA_INDEX(upper, lower) TM_ISA_INDEX_##upper,
    TM_ISAS(TM_ISA_INDEX)
#undef TM_ISA_INDEX
        TM_ISA_COUNT
};
#define TM_ISA_NONE       0u
#define TM_ISA_AVX2       (1u << TM_ISA_INDEX_AVX2)
#define TM_ISA_AVX512     (1u << TM_ISA_INDEX_AVX512)
#define TM_ISA_AVX512VNNI (1u << TM_ISA_INDEX_AVX512VNNI)
#define TM_ISA_AVX512VBMI (1u << TM_ISA_INDEX_AVX512VBMI)
#define TM_ISA_AVX512BF16 (1u << TM_ISA_INDEX_AVX512BF16)
#define TM_ISA_AVXVNNI    (1u << TM_ISA_INDEX_AVXVNNI)
#define TM_ISA_AMXINT8    (1u << TM_ISA_INDEX_AMXINT8)
#define TM_ISA_NEON       (1u << TM_ISA_INDEX_NEON)
#define TM_ISA_DOTPROD    (1u << TM_ISA_INDEX_DOTPROD)
#define TM_ISA_I8MM       (1u << TM_ISA_INDEX_I8MM)
#define TM_ISA_BF16       (1u << TM_ISA_INDEX_BF16)
#define TM_ISA_FP16       (1u << TM_ISA_INDEX_FP16)
#define TM_ISA_FHM        (1u << TM_ISA_INDEX_FHM)

/* Bits this machine has, without those that tm_cpu_limit removed. Detected once. Any thread. */
unsigned tm_cpu_isa(void);
/* The same, with those that tm_cpu_limit removed. */
unsigned tm_cpu_machine_isa(void);

/* Restricts the bits to those in `mask` (~0u: no restriction), so that tests can choose among
 * kernels as on a lesser machine. Not to be called while kernels run. */
void tm_cpu_limit(unsigned mask);

/* "avx2+avx512"; "none" for no bits. Returns `text`. */
char *tm_isa_text(unsigned isa, char *text, size_t size);

/* Parses "avx2,neon" or "avx2+neon", "none", "all". Errors: ARG with the nearest name. */
tm_status tm_isa_parse(const char *text, unsigned *isa, tm_error *err) TM_MUST_USE;

#endif
