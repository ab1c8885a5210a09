/* Kernels: matrix times activations, one row of a table per variant.
 *
 * To add a variant, add one file kernels/<family>/<layout>_<method>_<isa>.c and one line in
 * kernels.def: TM_KERNEL(stem) for portable code, TM_KERNEL_X86(stem) or TM_KERNEL_ARM(stem) for
 * the others. The file's stem is the symbol's name (tm_kernel_<stem>), the --kernel value, the
 * record field and the plot label. Single-threaded, no I/O, no allocation; threads call `rows` on
 * disjoint ranges.
 */
#ifndef TM_KERNELS_KERNEL_H
#define TM_KERNELS_KERNEL_H

#include "kernels/cpu.h"
#include "kernels/format.h"

typedef struct tm_kernel {
    const char *name;        /* the file's stem */
    const tm_format *format; /* the weight layout it reads */
    unsigned isa;            /* TM_ISA_* bits it needs, all of them */
    int row_step;            /* row ranges begin on a multiple of it, and end on one or at n_rows */
    float tolerance;         /* 0: equals the reference bit for bit; else relative to sum|w x| */

    /* Bytes of scratch for activations of this shape, which may be 0. NULL if prepare is NULL. */
    size_t (*scratch_size)(int n_cols, int n_tokens);
    /* Once per activation, before any `rows` on it: look-up tables, panels. NULL: none.
     * scratch: 64-byte aligned, shared read-only by all threads afterwards. */
    void (*prepare)(const tm_act *x, void *scratch);
    /* The same work in n_parts parts, so that threads can share it. The caller runs each part 0 ..
     * n_parts-1 once, in any order or concurrently, instead of `prepare`. A part may be empty.
     * NULL: only `prepare`. */
    void (*prepare_part)(const tm_act *x, void *scratch, int part, int n_parts);
    /* Rows row_begin .. row_end-1 for every token. y: [n_tokens][n_rows]. Ternary: y = ((float)(sum
     * of trit * i8) * x->scale[token]) * w->scale, in that order. Kernels of layouts in blocks also
     * accept scratch NULL: the same bits, slower. */
    void (*rows)(const tm_weight *w, const tm_act *x, const void *scratch, int row_begin,
                 int row_end, float *y);
    bool by_name_only;  /* no family stands for it; its file says why */
    const char *source; /* paper and section, or project and format name */
} tm_kernel;

/* Every variant, ended by NULL. Those of the other architecture have `rows` NULL, so that lists can
 * show them with the reason. */
const tm_kernel *const *tm_kernels(void);
/* NULL when no kernel has that name. */
const tm_kernel *tm_kernel_find(const char *name);

/* What a kernel multiplies with: the peak of this arithmetic bounds its speed. */
typedef enum tm_arithmetic_kind {
    TM_ARITHMETIC_INT8, /* int8 activations, int32 sums; layouts in blocks scale each block */
    TM_ARITHMETIC_FP32, /* float activations; half and bfloat16 weights are widened first */
    TM_ARITHMETIC_BF16, /* activations rounded to bfloat16, float sums */
    TM_ARITHMETICS
} tm_arithmetic_kind;
tm_arithmetic_kind tm_kernel_arithmetic(const tm_kernel *kernel);
/* "int8", "fp32", "bf16". */
const char *tm_arithmetic_name(tm_arithmetic_kind arithmetic);

/* OK if this machine can run it; else UNSUPPORTED, and the message names what the machine lacks. */
tm_status tm_kernel_available(const tm_kernel *kernel, tm_error *err);

/* Stores the kernels of a family (see tm_kernel_pick) that run here, without those chosen by name
 * only, at most max, in the order of kernels.def. Returns their number. */
int tm_kernel_family(const char *family, const tm_kernel **out, int max);

/* The preferred available kernel of a layout family: "ternary" (any layout with trits), or a
 * layout's name ("f16", "f32", "i2r16" ...). The last available row in kernels.def that is not
 * chosen by name only wins: rows go from plain to fast. Errors: ARG for an unknown name,
 * UNSUPPORTED when none is available. */
tm_status tm_kernel_pick(const char *family, const tm_kernel **out, tm_error *err) TM_MUST_USE;

/* Resolves what a user names: a kernel, or a family as for tm_kernel_pick. Errors: ARG for an
 * unknown name, with the nearest known one; UNSUPPORTED for a kernel this machine cannot run, with
 * what it lacks. */
tm_status tm_kernel_resolve(const char *name, const tm_kernel **out, tm_error *err) TM_MUST_USE;

/* Prefetch distance in bytes of the kernels that stream their weights while they decode one token;
 * 0 leaves prefetching to the hardware. The fastest distance depends on the processor
 * (harness/tune/prefetch.h measures it); the results do not. Set it only while no kernel runs. */
#define TM_AHEAD_DEFAULT 8192
#define TM_AHEAD_MAX     65536
extern int tm_kernel_ahead;

/* The reference that kernels are checked against: canonical trits (or floats) times activations, in
 * plain loops. trits: [n_rows][n_cols], i8 activations, int64 sums. y: [n_tokens][n_rows]. */
void tm_reference_trits(const int8_t *trits, float scale, int n_rows, int n_cols, const tm_act *x,
                        float *y);
/* values: [n_rows][n_cols]; sums in double. magnitude: [n_tokens][n_rows] = sum|w x|, or NULL. */
void tm_reference_floats(const float *values, int n_rows, int n_cols, const tm_act *x, double *y,
                         double *magnitude);

#endif
