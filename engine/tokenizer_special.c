/* Special tokens in a text, the longest first. One pass finds where each may end (Aho and Corasick
 * 1975), so that neither the number of tokens nor their lengths slow it down. */
#include "engine/gguf_private.h"
#include "engine/tokenizer_private.h"

#include <assert.h>
#include <stdlib.h>

/* Of all special tokens together: about 50 bytes of memory for each. Published vocabularies have up
 * to 100 KiB. */
#define SPECIAL_BYTES_MAX (1 << 20)

enum { ANY, USER_DEFINED, KINDS }; /* which tokens are recognised */

/* The beginnings of special tokens form a tree; node 0 is the empty one. */
typedef struct node {
    int32_t parent, fail;   /* fail: the longest proper suffix that is a node */
    int32_t id;             /* the token that ends here, or -1 */
    int32_t depth;          /* bytes */
    int32_t longest[KINDS]; /* the longest suffix, itself included, that is a token; -1: none */
    uint8_t byte;           /* the last */
} node;

struct tm_specials {
    node *nodes; /* owned */
    int n_nodes;
    uint64_t *edges; /* owned hash table: parent and byte, child; 0: empty */
    size_t n_edges;  /* slots, a power of 2 */
};

static size_t edge_slot(const tm_specials *s, int32_t parent, uint8_t byte)
{
    uint64_t key = (uint64_t)parent << 8 | byte;
    size_t at = tm_mix64(key) & (s->n_edges - 1);
    while (s->edges[at] && s->edges[at] >> 32 != key) at = (at + 1) & (s->n_edges - 1);
    return at;
}

/* 0: none, since no edge leads to the root. */
static int32_t child_of(const tm_specials *s, int32_t parent, uint8_t byte)
{
    return (int32_t)(s->edges[edge_slot(s, parent, byte)] & UINT32_MAX);
}

static bool is_special(const tm_tokenizer *t, int id)
{
    bool is_one = t->types[id] == TOKEN_CONTROL || t->types[id] == TOKEN_USER_DEFINED ||
                  t->types[id] == TOKEN_UNKNOWN;
    return is_one && t->texts[id].length > 0;
}

static void add_token(tm_specials *s, int32_t id, tm_gguf_string text)
{
    int32_t at = 0;
    for (size_t i = 0; i < text.length; i++) {
        uint8_t byte = (uint8_t)text.data[i];
        size_t slot = edge_slot(s, at, byte);
        if (!s->edges[slot]) {
            s->nodes[s->n_nodes] =
                (node){.parent = at, .id = -1, .depth = s->nodes[at].depth + 1, .byte = byte};
            s->edges[slot] = ((uint64_t)at << 8 | byte) << 32 | (uint32_t)s->n_nodes++;
        }
        at = (int32_t)(s->edges[slot] & UINT32_MAX);
    }
    s->nodes[at].id = id;
}

/* The node after `at` and a byte: the longest suffix that is one. */
static int32_t step(const tm_specials *s, int32_t at, uint8_t byte)
{
    int32_t next;
    while (!(next = child_of(s, at, byte)) && at != 0) at = s->nodes[at].fail;
    return next;
}

/* order: nodes by depth, since links lead to smaller depths. */
static void link_nodes(const tm_tokenizer *t, tm_specials *s, const int32_t *order)
{
    for (int i = 0; i < s->n_nodes; i++) {
        node *n = &s->nodes[order[i]];
        if (n->depth > 1) n->fail = step(s, s->nodes[n->parent].fail, n->byte);
        for (int kind = 0; kind < KINDS; kind++) {
            bool counts = n->id >= 0 && (kind == ANY || t->types[n->id] == TOKEN_USER_DEFINED);
            n->longest[kind] = counts ? order[i] : n->depth ? s->nodes[n->fail].longest[kind] : -1;
        }
    }
}

/* Sorts the nodes by depth: each depth's nodes follow those of the depth before. */
static tm_status order_nodes(const tm_specials *s, int32_t *order, tm_error *err)
{
    int32_t *begins;
    int deepest = 0;
    for (int i = 0; i < s->n_nodes; i++)
        if (s->nodes[i].depth > deepest) deepest = s->nodes[i].depth;
    tm_status status =
        tm_alloc((void **)&begins, (size_t)deepest + 2, sizeof *begins, "the special tokens", err);
    if (status != TM_OK) return status;
    for (int i = 0; i < s->n_nodes; i++) begins[s->nodes[i].depth + 1]++;
    for (int d = 0; d <= deepest; d++) begins[d + 1] += begins[d];
    for (int i = 0; i < s->n_nodes; i++) order[begins[s->nodes[i].depth]++] = i;
    tm_free(begins);
    return TM_OK;
}

tm_status tm_specials_open(const tm_tokenizer *t, tm_specials **out, tm_error *err)
{
    size_t n_bytes = 0;
    int32_t *order = NULL;
    *out = NULL;
    for (int id = 0; id < t->n_tokens; id++) n_bytes += is_special(t, id) ? t->texts[id].length : 0;
    if (n_bytes == 0) return TM_OK;
    if (n_bytes > SPECIAL_BYTES_MAX)
        return tm_fail(err, TM_UNSUPPORTED,
                       "the control and user-defined tokens have %zu bytes; at most %d are "
                       "supported",
                       n_bytes, SPECIAL_BYTES_MAX);
    tm_specials *s = calloc(1, sizeof *s);
    if (!s) return tm_fail(err, TM_NOMEM, "no memory for the special tokens");
    for (s->n_edges = 16; s->n_edges < n_bytes + n_bytes / 2;) s->n_edges *= 2;
    tm_status status =
        tm_alloc((void **)&s->nodes, n_bytes + 1, sizeof *s->nodes, "the special tokens", err);
    if (status == TM_OK)
        status =
            tm_alloc((void **)&s->edges, s->n_edges, sizeof *s->edges, "the special tokens", err);
    if (status == TM_OK)
        status = tm_alloc((void **)&order, n_bytes + 1, sizeof *order, "the special tokens", err);
    if (status == TM_OK) {
        s->nodes[s->n_nodes++] = (node){.id = -1};
        for (int id = 0; id < t->n_tokens; id++)
            if (is_special(t, id)) add_token(s, id, t->texts[id]);
        status = order_nodes(s, order, err);
    }
    if (status == TM_OK) {
        link_nodes(t, s, order);
        *out = s;
    } else {
        tm_specials_close(s);
    }
    tm_free(order);
    return status;
}

void tm_specials_close(tm_specials *s)
{
    if (!s) return;
    tm_free(s->nodes);
    tm_free(s->edges);
    free(s);
}

/* Ends of tokens in a text, ordered as a heap: the longest first, then the leftmost. */
typedef struct ends {
    uint64_t *heap; /* owned: a length, inverted, and where the token ends */
    size_t n, capacity;
    int32_t *nodes; /* owned, [length of the text + 1] */
} ends;

static uint64_t key_of(const tm_specials *s, int32_t at, size_t end)
{
    return (uint64_t)(SPECIAL_BYTES_MAX - s->nodes[at].depth) << 32 | end;
}

static tm_status push(ends *e, uint64_t key, tm_error *err)
{
    tm_status status = tm_grow((void **)&e->heap, &e->capacity, e->n + 1, sizeof *e->heap, err);
    if (status != TM_OK) return status;
    size_t at = e->n++;
    for (; at > 0 && key < e->heap[(at - 1) / 2]; at = (at - 1) / 2)
        e->heap[at] = e->heap[(at - 1) / 2];
    e->heap[at] = key;
    return TM_OK;
}

static uint64_t pop(ends *e)
{
    uint64_t top = e->heap[0], last = e->heap[--e->n];
    size_t at = 0;
    for (size_t child; (child = 2 * at + 1) < e->n; at = child) {
        if (child + 1 < e->n && e->heap[child + 1] < e->heap[child]) child++;
        if (e->heap[child] >= last) break;
        e->heap[at] = e->heap[child];
    }
    e->heap[at] = last;
    return top;
}

/* Marks the longest tokens first. One that was marked before is at least as long, so it overlaps
 * another at the other's first or last byte. */
static tm_status mark_all(const tm_specials *s, int kind, ends *e, int32_t *marks, tm_error *err)
{
    tm_status status = TM_OK;
    while (status == TM_OK && e->n > 0) {
        size_t end = pop(e) & UINT32_MAX;
        int32_t at = e->nodes[end];
        const node *n = &s->nodes[at];
        if (marks[end - 1]) continue;
        if (!marks[end - (size_t)n->depth]) {
            for (size_t i = end - (size_t)n->depth + 1; i < end; i++) marks[i] = -1;
            marks[end - (size_t)n->depth] = n->id + 1;
            continue;
        }
        /* Shorter tokens that end here may still fit. */
        while (at >= 0 && marks[end - (size_t)s->nodes[at].depth])
            at = s->nodes[s->nodes[at].fail].longest[kind];
        e->nodes[end] = at;
        if (at >= 0) status = push(e, key_of(s, at, end), err);
    }
    return status;
}

tm_status tm_specials_mark(const tm_specials *s, const char *text, size_t length, bool control,
                           int32_t *marks, tm_error *err)
{
    ends e = {0};
    int kind = control ? ANY : USER_DEFINED;
    tm_status status =
        tm_alloc((void **)&e.nodes, length + 1, sizeof *e.nodes, "the special tokens", err);
    int32_t at = 0;
    for (size_t i = 0; status == TM_OK && i < length; i++) {
        at = step(s, at, (uint8_t)text[i]);
        int32_t longest = s->nodes[at].longest[kind];
        e.nodes[i + 1] = longest;
        if (longest >= 0) status = push(&e, key_of(s, longest, i + 1), err);
    }
    if (status == TM_OK) status = mark_all(s, kind, &e, marks, err);
    free(e.heap);
    tm_free(e.nodes);
    return status;
}
