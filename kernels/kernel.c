#include "kernels/kernel.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define MAX_NAMES 256

#if defined(__x86_64__)
#define THIS_ARCH             "x86-64"
#define THAT_ARCH             "AArch64"
#define HERE_X86(here, there) here
#define HERE_ARM(here, there) there
#else
#define THIS_ARCH             "AArch64"
#define THAT_ARCH             "x86-64"
#define HERE_X86(here, there) there
#define HERE_ARM(here, there) here
#endif

#define DECLARE(stem)       extern const tm_kernel tm_kernel_##stem;
#define FOREIGN(stem)       static tm_kernel tm_kernel_##stem = {.name = #stem};
#define TM_KERNEL(stem)     DECLARE(stem)
#define TM_KERNEL_X86(stem) HERE_X86(DECLARE, FOREIGN)(stem)
#define TM_KERNEL_ARM(stem) HERE_ARM(DECLARE, FOREIGN)(stem)
#include "kernels/kernels.def"
#undef TM_KERNEL
#undef TM_KERNEL_X86
#undef TM_KERNEL_ARM

int tm_kernel_ahead = TM_AHEAD_DEFAULT;

static const tm_kernel *const kernels[] = {
#define TM_KERNEL(stem) &tm_kernel_##stem,
#define TM_KERNEL_X86   TM_KERNEL
#define TM_KERNEL_ARM   TM_KERNEL
#include "kernels/kernels.def"
#undef TM_KERNEL
#undef TM_KERNEL_X86
#undef TM_KERNEL_ARM
    NULL,
};

/* Fills a row of the other architecture from its name: the layout before a _, the ISA after the
 * last. */
static void fill_foreign(tm_kernel *kernel)
{
    for (const tm_format *const *f = tm_formats(); *f; f++) {
        size_t n = strlen((*f)->name);
        if (strncmp(kernel->name, (*f)->name, n) == 0 && kernel->name[n] == '_')
            kernel->format = *f;
    }
    kernel->row_step = kernel->format ? kernel->format->row_group : 1;
    kernel->source = "built on " THAT_ARCH " only";
    tm_error err;
    const char *suffix = strrchr(kernel->name, '_');
    if (!suffix || tm_isa_parse(suffix + 1, &kernel->isa, &err) != TM_OK) kernel->isa = ~0u;
}

static tm_kernel *const foreign[] = {
#define SKIP(stem)
#define ADDRESS(stem) &tm_kernel_##stem,
#define TM_KERNEL(stem)
#define TM_KERNEL_X86(stem) HERE_X86(SKIP, ADDRESS)(stem)
#define TM_KERNEL_ARM(stem) HERE_ARM(SKIP, ADDRESS)(stem)
#include "kernels/kernels.def"
#undef TM_KERNEL
#undef TM_KERNEL_X86
#undef TM_KERNEL_ARM
    NULL,
};

static void fill_all_foreign(void)
{
    for (tm_kernel *const *kernel = foreign; *kernel; kernel++) fill_foreign(*kernel);
}

const tm_kernel *const *tm_kernels(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, fill_all_foreign);
    return kernels;
}

const tm_kernel *tm_kernel_find(const char *name)
{
    for (const tm_kernel *const *k = tm_kernels(); *k; k++)
        if (strcmp((*k)->name, name) == 0) return *k;
    return NULL;
}

/* Only bfloat16 dot products need these bits: the other kernels of bf16r16 widen its weights. */
tm_arithmetic_kind tm_kernel_arithmetic(const tm_kernel *kernel)
{
    if (kernel->format->act != TM_ACT_F32) return TM_ARITHMETIC_INT8;
    bool dot = kernel->isa & (TM_ISA_AVX512BF16 | TM_ISA_BF16);
    return dot ? TM_ARITHMETIC_BF16 : TM_ARITHMETIC_FP32;
}

const char *tm_arithmetic_name(tm_arithmetic_kind arithmetic)
{
    static const char *const names[TM_ARITHMETICS] = {
        [TM_ARITHMETIC_INT8] = "int8",
        [TM_ARITHMETIC_FP32] = "fp32",
        [TM_ARITHMETIC_BF16] = "bf16",
    };
    return names[arithmetic];
}

tm_status tm_kernel_available(const tm_kernel *kernel, tm_error *err)
{
    char text[160];
    unsigned missing = kernel->isa & ~tm_cpu_isa();
    if (!kernel->rows)
        return tm_fail(err, TM_UNSUPPORTED, "%s needs %s; this machine is %s", kernel->name,
                       tm_isa_text(kernel->isa, text, sizeof text), THIS_ARCH);
    if (missing & ~tm_cpu_machine_isa())
        return tm_fail(err, TM_UNSUPPORTED, "%s needs %s; this machine lacks it", kernel->name,
                       tm_isa_text(missing & ~tm_cpu_machine_isa(), text, sizeof text));
    if (missing)
        return tm_fail(err, TM_UNSUPPORTED, "%s needs %s, which TERNMARK_ISA leaves out",
                       kernel->name, tm_isa_text(missing, text, sizeof text));
    return TM_OK;
}

/* "ternary", a layout's name, or that name without its row group ("f16" for f16r16). */
static bool in_family(const tm_kernel *kernel, const char *family)
{
    const tm_format *format = kernel->format;
    if (!format || kernel->by_name_only) return false;
    if (strcmp(family, "ternary") == 0) return format->ternary;
    size_t n = strlen(family);
    if (strncmp(format->name, family, n) != 0) return false;
    return format->name[n] == 0 || strcmp(format->name + n, "r16") == 0;
}

int tm_kernel_family(const char *family, const tm_kernel **out, int max)
{
    int n = 0;
    for (const tm_kernel *const *k = tm_kernels(); *k; k++)
        if (n < max && in_family(*k, family) && tm_kernel_available(*k, NULL) == TM_OK)
            out[n++] = *k;
    return n;
}

/* Families and kernels: whoever names one may have meant the other. */
static tm_status unknown_kernel(const char *name, tm_error *err)
{
    const char *names[MAX_NAMES + 1] = {"ternary", "f16", "bf16", "f32"};
    int n = 4;
    for (const tm_format *const *f = tm_formats(); *f && n < MAX_NAMES; f++)
        names[n++] = (*f)->name;
    for (const tm_kernel *const *k = tm_kernels(); *k && n < MAX_NAMES; k++)
        names[n++] = (*k)->name;
    return tm_unknown_name(err, "kernel", name, names);
}

tm_status tm_kernel_pick(const char *family, const tm_kernel **out, tm_error *err)
{
    bool known = false;
    *out = NULL;
    for (const tm_kernel *const *k = tm_kernels(); *k; k++) {
        if (!in_family(*k, family)) continue;
        known = true;
        if (tm_kernel_available(*k, NULL) == TM_OK) *out = *k;
    }
    if (*out) return TM_OK;
    if (known)
        return tm_fail(err, TM_UNSUPPORTED, "no kernel of layout \"%s\" runs on this machine",
                       family);

    return unknown_kernel(family, err);
}

tm_status tm_kernel_resolve(const char *name, const tm_kernel **out, tm_error *err)
{
    const tm_kernel *kernel = tm_kernel_find(name);
    if (!kernel) return tm_kernel_pick(name, out, err);
    tm_status status = tm_kernel_available(kernel, err);
    *out = status == TM_OK ? kernel : NULL;
    return status;
}

void tm_reference_trits(const int8_t *trits, float scale, int n_rows, int n_cols, const tm_act *x,
                        float *y)
{
    for (int t = 0; t < x->n_tokens; t++) {
        const int8_t *q = x->i8 + (size_t)t * (size_t)x->stride;
        for (int r = 0; r < n_rows; r++) {
            const int8_t *w = trits + (size_t)r * (size_t)n_cols;
            int64_t sum = 0;
            for (int c = 0; c < n_cols; c++) sum += w[c] * q[c];
            y[(size_t)t * (size_t)n_rows + (size_t)r] = ((float)sum * x->scale[t]) * scale;
        }
    }
}

void tm_reference_floats(const float *values, int n_rows, int n_cols, const tm_act *x, double *y,
                         double *magnitude)
{
    for (int t = 0; t < x->n_tokens; t++) {
        const float *v = x->f32 + (size_t)t * (size_t)x->stride;
        for (int r = 0; r < n_rows; r++) {
            const float *w = values + (size_t)r * (size_t)n_cols;
            double sum = 0, size = 0;
            for (int c = 0; c < n_cols; c++) {
                double product = (double)w[c] * (double)v[c]; /* exact: 24 + 24 bits */
                sum += product;
                size += product < 0 ? -product : product;
            }
            size_t i = (size_t)t * (size_t)n_rows + (size_t)r;
            y[i] = sum;
            if (magnitude) magnitude[i] = size;
        }
    }
}
