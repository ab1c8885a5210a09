#include "engine/gguf_private.h"

#define REQUANTIZE                                                                                 \
    "convert the file with `llama-quantize --allow-requantize IN.gguf OUT.gguf F16` of the "       \
    "program that wrote it"
#define CHECKPOINT                                                                                 \
    "its order of weights depends on tables that are not in the file; convert the checkpoint to "  \
    "I2_S or F16 instead"
#define ACTIVATIONS "no model file should hold it; convert the checkpoint again"
#define INTEGERS    "weights are floats or quantized; convert the checkpoint again"

/* Ids of types that this build does not read. Some numbers were given twice. */
static const struct {
    uint32_t id;
    const char *name, *advice;
} foreign[] = {
    {9, "Q8_1", ACTIVATIONS},
    {15, "Q8_K", ACTIVATIONS},
    {16, "IQ2_XXS", REQUANTIZE},
    {17, "IQ2_XS", REQUANTIZE},
    {18, "IQ3_XXS", REQUANTIZE},
    {19, "IQ1_S", REQUANTIZE},
    {20, "IQ4_NL", REQUANTIZE},
    {21, "IQ3_S", REQUANTIZE},
    {22, "IQ2_S", REQUANTIZE},
    {23, "IQ4_XS", REQUANTIZE},
    {24, "I8", INTEGERS},
    {25, "I16", INTEGERS},
    {26, "I32", INTEGERS},
    {27, "I64", INTEGERS},
    {28, "F64", "convert the checkpoint to F32 or F16"},
    {29, "IQ1_M", REQUANTIZE},
    {31, "Q4_0_4_4", "llama.cpp removed it in 2024; convert the checkpoint to Q4_0"},
    {32, "Q4_0_4_8", "llama.cpp removed it in 2024; convert the checkpoint to Q4_0"},
    {33, "Q4_0_8_8", "llama.cpp removed it in 2024; convert the checkpoint to Q4_0"},
    {37, "I8_S of bitnet.cpp", ACTIVATIONS},
    {38, "TL1", CHECKPOINT},
    {39, "MXFP4 of llama.cpp or TL2 of bitnet.cpp",
     "for MXFP4 " REQUANTIZE "; for TL2 convert the checkpoint to I2_S"},
    {40, "NVFP4 of llama.cpp or Q1_0 of PrismML", REQUANTIZE},
    {335, "IQ2_BN_R4", REQUANTIZE},
};

tm_status tm_gguf_refuse_type(tm_gguf_string tensor, uint32_t id, tm_error *err)
{
    char quoted[TM_GGUF_QUOTED];
    tm_gguf_quote(tensor, quoted);
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++)
        if (foreign[i].id == id)
            return tm_fail(err, TM_UNSUPPORTED,
                           "tensor %s has type %u (%s), which this build does not read: %s", quoted,
                           id, foreign[i].name, foreign[i].advice);
#define TYPE_LIST_ITEM(name, id, block, bytes, offset, scales) " " #name
    return tm_fail(err, TM_UNSUPPORTED,
                   "tensor %s has type %u (unknown); this build reads" TM_GGUF_TYPES(
                       TYPE_LIST_ITEM) "; " REQUANTIZE,
                   quoted, id);
}
