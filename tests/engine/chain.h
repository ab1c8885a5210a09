/* A model whose text is known in closed form: after token i, the most likely token is next(i), and
 * every other token has the same smaller probability.
 *
 * The embedding of token i is the i-th unit vector, all linear weights are zero, and row j of the
 * head is the unit vector of the token that j follows. So the logit of next(i) is
 * CHAIN_SCALE * sqrt(n_hidden / (1 + n_hidden * epsilon)), about CHAIN_LOGIT, and the others are 0.
 */
#ifndef TM_TESTS_ENGINE_CHAIN_H
#define TM_TESTS_ENGINE_CHAIN_H

#include "engine/gguf.h"
#include "tests/tm_test.h"

#include <math.h>

enum { CHAIN_VOCAB = 44, CHAIN_HIDDEN = 64, CHAIN_FFN = 32, CHAIN_HEAD = 2 };
#define CHAIN_SCALE 0.5f /* the logit is 4 */

/* Texts that follow each other. The Greek letter and the face are spread over byte tokens. */
static const char *const chain_tokens[CHAIN_VOCAB] = {"<unk>",
                                                      "<s>",
                                                      "</s>",
                                                      "<0x0A>",
                                                      "a",
                                                      "b",
                                                      "c",
                                                      "d",
                                                      "e",
                                                      "f",
                                                      "g",
                                                      "h",
                                                      "i",
                                                      "j",
                                                      "k",
                                                      "l",
                                                      "m",
                                                      "n",
                                                      "o",
                                                      "p",
                                                      "q",
                                                      "r",
                                                      "s",
                                                      "t",
                                                      "u",
                                                      "v",
                                                      "w",
                                                      "x",
                                                      "y",
                                                      "z",
                                                      "\xe2\x96\x81",
                                                      "<0xCE>",
                                                      "<0xB1>",
                                                      "<0xF0>",
                                                      "<0x9F>",
                                                      "<0x98>",
                                                      "<0x80>",
                                                      ".",
                                                      "?",
                                                      "!",
                                                      "<|im_start|>",
                                                      "<|im_end|>",
                                                      "1",
                                                      "2"};
enum {
    CHAIN_EOS = 2,
    CHAIN_NEWLINE = 3,
    CHAIN_A = 4,
    CHAIN_LAST = 37, /* the full stop, after which the alphabet begins again */
    CHAIN_QUESTION = 38,
    CHAIN_MARK = 39,
    CHAIN_IM_START = 40,
    CHAIN_IM_END = 41,
    CHAIN_ONE = 42,
    CHAIN_TWO = 43,
};

/* "?" is answered with "!" and the end; "1" with "2" and the end of a reply. */
static inline int chain_next(int id)
{
    if (id >= CHAIN_A && id < CHAIN_LAST) return id + 1;
    if (id == CHAIN_QUESTION) return CHAIN_MARK;
    if (id == CHAIN_MARK) return CHAIN_EOS;
    if (id == CHAIN_ONE) return CHAIN_TWO;
    if (id == CHAIN_TWO) return CHAIN_IM_END;
    return CHAIN_A;
}

static inline int chain_type(int id)
{
    const char *text = chain_tokens[id];
    bool is_control = id == 1 || id == CHAIN_EOS || id == CHAIN_IM_START || id == CHAIN_IM_END;
    return id == 0 ? 2 : is_control ? 3 : strncmp(text, "<0x", 3) == 0 ? 6 : 1;
}

/* The logit of the next token; those of the others are 0. */
static inline double chain_logit(void)
{
    return CHAIN_SCALE * sqrt(CHAIN_HIDDEN / (1 + CHAIN_HIDDEN * 1e-5));
}

static inline tm_status chain_fill(void *arg, int index, uint8_t *data, size_t bytes, tm_error *err)
{
    (void)arg;
    (void)err;
    memset(data, 0, bytes);
    static const uint8_t one[2] = {0x00, 0x3c}, scale[2] = {0x00, 0x38}; /* halves */
    if (index == 0 || index == 1)
        for (int id = 0; id < CHAIN_VOCAB; id++) {
            int row = index == 0 ? id : chain_next(id);
            size_t at = ((size_t)row * CHAIN_HIDDEN + (size_t)id) * 2;
            memcpy(data + at, index == 0 ? one : scale, 2);
        }
    const float norm = 1;
    for (size_t i = 0; index >= 2 && index <= 4 && i < bytes; i += sizeof norm)
        memcpy(data + i, &norm, sizeof norm);
    return TM_OK;
}

/* chat_template: NULL for none. */
static inline void chain_write(int fd, const char *path, const char *chat_template)
{
    static const struct {
        const char *name;
        int64_t ne[2];
    } tensors[] = {
        {"token_embd.weight", {CHAIN_HIDDEN, CHAIN_VOCAB}},
        {"output.weight", {CHAIN_HIDDEN, CHAIN_VOCAB}},
        {"output_norm.weight", {CHAIN_HIDDEN, 0}},
        {"blk.0.attn_norm.weight", {CHAIN_HIDDEN, 0}},
        {"blk.0.ffn_norm.weight", {CHAIN_HIDDEN, 0}},
        {"blk.0.attn_q.weight", {CHAIN_HIDDEN, CHAIN_HEAD}},
        {"blk.0.attn_k.weight", {CHAIN_HIDDEN, CHAIN_HEAD}},
        {"blk.0.attn_v.weight", {CHAIN_HIDDEN, CHAIN_HEAD}},
        {"blk.0.attn_output.weight", {CHAIN_HEAD, CHAIN_HIDDEN}},
        {"blk.0.ffn_gate.weight", {CHAIN_HIDDEN, CHAIN_FFN}},
        {"blk.0.ffn_up.weight", {CHAIN_HIDDEN, CHAIN_FFN}},
        {"blk.0.ffn_down.weight", {CHAIN_FFN, CHAIN_HIDDEN}},
    };
    float scores[CHAIN_VOCAB] = {0};
    int32_t types[CHAIN_VOCAB];
    tm_error err = {0};
    tm_gguf_writer *w;
    for (int id = 0; id < CHAIN_VOCAB; id++) types[id] = chain_type(id);
    assert_int_equal(tm_gguf_create(fd, path, &w, &err), TM_OK);
    tm_gguf_put_str(w, "general.architecture", "llama");
    tm_gguf_put_str(w, "general.name", "chain");
    tm_gguf_put_u32(w, "llama.block_count", 1);
    tm_gguf_put_u32(w, "llama.context_length", 256);
    tm_gguf_put_u32(w, "llama.embedding_length", CHAIN_HIDDEN);
    tm_gguf_put_u32(w, "llama.feed_forward_length", CHAIN_FFN);
    tm_gguf_put_u32(w, "llama.attention.head_count", 1);
    tm_gguf_put_u32(w, "llama.attention.key_length", CHAIN_HEAD);
    tm_gguf_put_u32(w, "llama.attention.value_length", CHAIN_HEAD);
    tm_gguf_put_u32(w, "llama.rope.dimension_count", CHAIN_HEAD);
    tm_gguf_put_f32(w, "llama.attention.layer_norm_rms_epsilon", 1e-5f);
    tm_gguf_put_str(w, "tokenizer.ggml.model", "llama");
    tm_gguf_put_str_array(w, "tokenizer.ggml.tokens", chain_tokens, CHAIN_VOCAB);
    tm_gguf_put_f32_array(w, "tokenizer.ggml.scores", scores, CHAIN_VOCAB);
    tm_gguf_put_i32_array(w, "tokenizer.ggml.token_type", types, CHAIN_VOCAB);
    tm_gguf_put_u32(w, "tokenizer.ggml.bos_token_id", 1);
    tm_gguf_put_u32(w, "tokenizer.ggml.eos_token_id", CHAIN_EOS);
    tm_gguf_put_u32(w, "tokenizer.ggml.unknown_token_id", 0);
    tm_gguf_put_bool(w, "tokenizer.ggml.add_space_prefix", false);
    if (chat_template) tm_gguf_put_str(w, "tokenizer.chat_template", chat_template);
    for (size_t i = 0; i < sizeof tensors / sizeof *tensors; i++)
        tm_gguf_put_tensor(w, tensors[i].name, tensors[i].ne[1] ? TM_GGUF_F16 : TM_GGUF_F32,
                           tensors[i].ne, tensors[i].ne[1] ? 2 : 1);
    if (tm_gguf_finish(w, chain_fill, NULL, &err) != TM_OK) fail_msg("%s", err.message);
}

#endif
