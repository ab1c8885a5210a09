/* Any bytes as claims: refused with a message, or every claim has a value or the reason. */
#include "reports/published/claims.h"
#include "tests/fuzz/replay.h"

#include <math.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static tm_published published;
    tm_claims claims;
    tm_error err = {0};
    if (published.n == 0 && tm_published_load(&published, &err) != TM_OK) abort();
    if (tm_claims_parse((const char *)data, size, "fuzz", &published, &claims, &err) == TM_OK) {
        for (int i = 0; i < claims.n; i++)
            if (isnan(claims.items[i].low) && !claims.items[i].missing[0]) abort();
    } else if (!err.message[0]) {
        abort(); /* a refusal has a message */
    }
    tm_claims_free(&claims);
    return 0;
}
