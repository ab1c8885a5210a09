/* Model shapes by name (workloads/models.json), and opening a model by the name a user gives.
 *
 * "synth:NAME" is a seeded synthetic model of a known shape, "null:..." the scripted backend of
 * harness/measure/backend.h, anything else the path of a GGUF file. NAME is the shape's name or its
 * short name, in any case and without a size in parentheses: "125M" is "dummy 125M", "2B-4T" is
 * "BitNet-b1.58-2B-4T".
 */
#ifndef TM_HARNESS_MEASURE_SHAPES_H
#define TM_HARNESS_MEASURE_SHAPES_H

#include "engine/source.h"

typedef struct tm_shape {
    char name[64];         /* "dummy 125M" */
    char short_name[32];   /* "125M" */
    char architecture[24]; /* the model's own, as general.architecture of its GGUF files */
    bool is_supported;     /* the engine runs it, as config.arch says */
    tm_config config;
    int64_t linear_weights; /* as published, without embedding and head */
    int64_t embedding_weights;
    char source[160]; /* where the shape was published */
    char note[240];
} tm_shape;

typedef struct tm_shapes {
    tm_shape *items;
    int n;
} tm_shapes;

/* The embedded list. Errors: FORMAT (an unknown or missing key, a shape no model can have; the
 * message names the model), NOMEM. */
tm_status tm_shapes_read(tm_shapes *out, tm_error *err) TM_MUST_USE;
/* The same from text, for tests. */
tm_status tm_shapes_parse(const char *text, size_t length, const char *what, tm_shapes *out,
                          tm_error *err) TM_MUST_USE;
void tm_shapes_free(tm_shapes *shapes);
/* The shape with this name or short name; NULL if unknown. */
const tm_shape *tm_shapes_find(const tm_shapes *shapes, const char *name);

/* The config of a shape by name, supported or not. Errors: ARG with the nearest name. */
tm_status tm_shape_config(const char *name, tm_config *out, tm_error *err) TM_MUST_USE;

/* The one name of a model in suites and stores, however it is written: "synth:dummy 125m" is
 * "synth:125M". Another name is copied. */
void tm_model_own_name(const char *model, char *text, size_t size);

/* The short name of the shape that a model has: that of "synth:NAME", or of a file the first with
 * its architecture, sizes and kind of head. The name of a file does not matter. "": of no shape in
 * the list. */
void tm_model_shape(const char *model, const tm_config *config, char *text, size_t size);

/* Opens "synth:NAME" with the seed, or a GGUF file. Errors: ARG (unknown shape, with the nearest
 * name), and those of tm_source_open_gguf and tm_source_open_synth. */
tm_status tm_source_open_name(const char *model, uint64_t seed, tm_source *out,
                              tm_error *err) TM_MUST_USE;

/* A text that changes when the model does: shape and seed, or the file's size and a hash of its
 * first and last bytes and of 64 blocks between. It does not read every byte, since files have many
 * gigabytes. All parts of a split model count, and the layout of I2_S. Errors: ARG, IO, NOMEM. */
tm_status tm_model_identity(const char *model, uint64_t seed, char *text, size_t size,
                            tm_error *err) TM_MUST_USE;

#endif
