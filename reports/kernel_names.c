#include "reports/kernel_names.h"

#include <math.h>
#include <string.h>

/* Kernels of float layouts; the first match counts. All other kernels multiply int8. */
static const struct {
    const char *prefix, *arithmetic, *weights;
    double weight_bytes;
} float_kernels[] = {
    {"f32", "fp32", "fp32", 4},
    {"f16", "fp32", "fp16", 2},
    {"bf16r16_fma", "fp32", "bf16", 2}, /* widens its weights */
    {"bf16", "bf16", "bf16", 2},
};
enum { N_FLOAT_KERNELS = sizeof float_kernels / sizeof *float_kernels };

static int find_float_kernel(const char *kernel)
{
    int i = 0;
    while (i < N_FLOAT_KERNELS &&
           strncmp(kernel, float_kernels[i].prefix, strlen(float_kernels[i].prefix)) != 0)
        i++;
    return i;
}

const char *tm_cell_arithmetic(const tm_cell *cell)
{
    int i = find_float_kernel(cell->kernel);
    if (cell->arithmetic[0]) return cell->arithmetic;
    return i < N_FLOAT_KERNELS ? float_kernels[i].arithmetic : "int8";
}

const char *tm_cell_weights(const tm_cell *cell)
{
    int i = tm_cell_is_peer(cell) ? N_FLOAT_KERNELS : find_float_kernel(cell->kernel);
    return i < N_FLOAT_KERNELS ? float_kernels[i].weights : cell->kernel;
}

double tm_kernel_name_weight_bytes(const char *kernel)
{
    int i = find_float_kernel(kernel);
    return i < N_FLOAT_KERNELS ? float_kernels[i].weight_bytes : NAN;
}
