/* Token ids to text, as they come. */
#include "engine/tokenizer_private.h"

#include <stdio.h>
#include <stdlib.h>

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

static tm_status add_text(tm_token_text *out, const void *data, size_t length, tm_error *err)
{
    tm_status status = tm_grow((void **)&out->data, &out->capacity, out->length + length, 1, err);
    if (status != TM_OK) return status;
    memcpy(out->data + out->length, data, length);
    out->length += length;
    return TM_OK;
}

tm_decoder tm_decoder_start(const tm_tokenizer *tokenizer, bool special)
{
    return (tm_decoder){.tokenizer = tokenizer, .special = special, .at_start = true};
}

tm_status tm_decoder_finish(tm_decoder *d, tm_token_text *out, tm_error *err)
{
    if (d->n_pending == 0) return TM_OK;
    d->n_pending = 0;
    return add_text(out, REPLACEMENT, strlen(REPLACEMENT), err);
}

/* Adds a byte to the character that it belongs to. */
static tm_status add_byte(tm_decoder *d, uint8_t byte, tm_token_text *out, tm_error *err)
{
    bool complete;
    tm_status status = TM_OK;
    d->pending[d->n_pending++] = byte;
    int n = tm_utf8_scan((const char *)d->pending, (size_t)d->n_pending, &complete);
    if (n < d->n_pending && d->n_pending > 1) { /* what came before ends without this byte */
        d->n_pending--;
        status = tm_decoder_finish(d, out, err);
        if (status == TM_OK) status = add_byte(d, byte, out, err);
    } else if (n == 0) {
        status = tm_decoder_finish(d, out, err);
    } else if (complete) {
        status = add_text(out, d->pending, (size_t)d->n_pending, err);
        d->n_pending = 0;
    }
    return status;
}

/* The code point at text[*at], which is valid UTF-8. */
static int next_code_point(tm_gguf_string text, size_t *at)
{
    bool complete;
    int n = tm_utf8_scan(text.data + *at, text.length - *at, &complete);
    int code_point = (uint8_t)text.data[*at] & (n == 1 ? 0x7f : 0xff >> (n + 1));
    for (int i = 1; i < n; i++)
        code_point = code_point << 6 | ((uint8_t)text.data[*at + (size_t)i] & 63);
    *at += (size_t)n;
    return code_point;
}

/* Whether every character stands for a byte. Tokens that converters added may hold others: they
 * are text as it is. */
static bool is_byte_level(tm_gguf_string text)
{
    for (size_t i = 0; i < text.length;)
        if (tm_code_point_to_byte(next_code_point(text, &i)) < 0) return false;
    return true;
}

static tm_status add_plain(tm_decoder *d, tm_gguf_string text, tm_token_text *out, tm_error *err)
{
    tm_status status = TM_OK;
    for (size_t i = 0; status == TM_OK && i < text.length; i++)
        status = add_byte(d, (uint8_t)text.data[i], out, err);
    return status;
}

static tm_status add_byte_level(tm_decoder *d, tm_gguf_string text, tm_token_text *out,
                                tm_error *err)
{
    if (!is_byte_level(text)) return add_plain(d, text, out, err);
    tm_status status = TM_OK;
    for (size_t i = 0; status == TM_OK && i < text.length;)
        status = add_byte(d, (uint8_t)tm_code_point_to_byte(next_code_point(text, &i)), out, err);
    return status;
}

/* U+2581 is a space; the one at the start was put there by the encoder. */
static tm_status add_sentence_piece(tm_decoder *d, tm_gguf_string text, bool drop_space,
                                    tm_token_text *out, tm_error *err)
{
    tm_status status = TM_OK;
    for (size_t i = 0; status == TM_OK && i < text.length;) {
        if (text.length - i >= 3 && memcmp(text.data + i, "\xe2\x96\x81", 3) == 0) {
            if (i > 0 || !drop_space) status = add_byte(d, ' ', out, err);
            i += 3;
        } else {
            status = add_byte(d, (uint8_t)text.data[i++], out, err);
        }
    }
    return status;
}

tm_status tm_decoder_push(tm_decoder *d, int32_t id, tm_token_text *out, tm_error *err)
{
    const tm_tokenizer *t = d->tokenizer;
    if (id < 0 || id >= t->n_tokens)
        return tm_fail(err, TM_ARG, "token id %d is outside the vocabulary of %d tokens", id,
                       t->n_tokens);
    tm_gguf_string text = t->texts[id];
    bool drop_space = d->at_start && t->adds_space;
    d->at_start = false;
    switch (t->types[id]) {
    case TOKEN_CONTROL:
    case TOKEN_UNKNOWN:
        d->at_start = true;
        return d->special ? add_plain(d, text, out, err) : TM_OK;
    case TOKEN_USER_DEFINED:
        d->at_start = true;
        return add_plain(d, text, out, err);
    default:
        break;
    }
    if (t->is_bpe) return add_byte_level(d, text, out, err);
    /* "<0x0A>", whatever its type. */
    unsigned byte;
    char digits[8] = "";
    if (text.length == 6) memcpy(digits, text.data, 6);
    if (sscanf(digits, "<0x%2X>", &byte) == 1 && t->bytes[byte] == id)
        return add_byte(d, (uint8_t)byte, out, err);
    return add_sentence_piece(d, text, drop_space, out, err);
}
