#include "kernels/vec/vec.h"

extern const tm_vec tm_vec_scalar;
#if defined(__x86_64__)
extern const tm_vec tm_vec_avx2, tm_vec_avx512;
#elif defined(__aarch64__)
extern const tm_vec tm_vec_neon;
#endif

static const tm_vec *const vecs[] = {
    &tm_vec_scalar,
#if defined(__x86_64__)
    &tm_vec_avx2,
    &tm_vec_avx512,
#elif defined(__aarch64__)
    &tm_vec_neon,
#endif
    NULL,
};

const tm_vec *const *tm_vecs(void)
{
    return vecs;
}

const tm_vec *tm_vec_best(void)
{
    const tm_vec *best = vecs[0];
    unsigned isa = tm_cpu_isa();
    for (const tm_vec *const *v = vecs; *v; v++) {
        if (!((*v)->isa & ~isa)) best = *v;
    }
    return best;
}
