/* What the name of a kernel tells about a record that does not state it. Records state the
 * arithmetic of a cell and the size of its head; older ones do not. No other file of reports/ reads
 * kernel names.
 */
#ifndef TM_REPORTS_KERNEL_NAMES_H
#define TM_REPORTS_KERNEL_NAMES_H

#include "harness/record/record.h"

/* "int8", "fp32" or "bf16": the arithmetic in the record, or that of the kernel by its name. */
const char *tm_cell_arithmetic(const tm_cell *cell);

/* "fp16", "fp32" or "bf16" for a kernel of ours that reads such weights; else the kernel's name. */
const char *tm_cell_weights(const tm_cell *cell);

/* Bytes per weight of a float layout, from the name of a kernel; NaN for other layouts. */
double tm_kernel_name_weight_bytes(const char *kernel);

#endif
