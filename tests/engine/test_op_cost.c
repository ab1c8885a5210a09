/* The costs of the operations add up to the costs of the model. */
#include "engine/op_cost.h"
#include "tests/engine/tiny.h"

typedef struct totals {
    double memory, macs, int8_macs;
} totals;

static totals add_up(const tm_model *model, bool f16_kv, const tm_stamps_pass *pass)
{
    totals sum = {0};
    for (int l = -1; l < model->config.n_layers; l++)
        for (int o = 0; o < TM_OP_COUNT; o++) {
            if ((l == -1) != (o == TM_OP_EMBED || o >= TM_OP_OUTPUT_NORM)) continue;
            tm_op_cost cost = tm_op_cost_of(model, f16_kv, (tm_op)o, l, pass);
            assert_true(cost.memory_bytes >= 0 && cost.activation_bytes >= 0 && cost.macs >= 0);
            sum.memory += cost.memory_bytes;
            sum.macs += cost.macs;
            if (cost.is_int8) sum.int8_macs += cost.macs;
        }
    return sum;
}

static void test_decoding_costs_add_up_to_the_model(void **state)
{
    static const char *const kernels[] = {"trit_mad_scalar", "i2r16_mad_scalar",
                                          "f32r16_fma_scalar"};
    (void)state;
    tm_pool *pool = tiny_pool(1);
    for (int k = 0; k < 3; k++)
        for (int tied = 0; tied <= 1; tied++)
            for (int f16 = 0; f16 <= 1; f16++) {
                tm_config config = tiny_config("bitnet");
                config.tied_head = tied;
                tm_model model = tiny_model(&config, kernels[k], "f16r16_fma_scalar", pool);
                tm_costs costs = tm_model_costs(&config, model.kernel, model.head_kernel, f16);
                tm_stamps_pass pass = {.n_tokens = 1, .position = 20, .n_logits = 1};
                totals sum = add_up(&model, f16, &pass);
                /* 21 positions read and one written, and one row of the table of 100. */
                double row = (double)(tied ? costs.head_bytes : costs.embedding_bytes) / 100;
                double wanted = (double)(costs.linear_bytes + costs.head_bytes + costs.norm_bytes) +
                                22.0 * (double)costs.kv_bytes_per_position + row;
                assert_true(sum.memory == wanted);
                assert_true(sum.macs == (double)(costs.linear_macs + costs.head_macs) +
                                            21.0 * (double)costs.attention_macs_per_position);
                assert_true(sum.int8_macs == (k < 2 ? (double)costs.linear_macs : 0));
                tm_model_close(&model);
            }
    tm_pool_close(pool);
}

/* In the last layer, keys and values of all tokens, and the rest only for tokens with logits. */
static void test_prompt_costs_depend_on_the_logits(void **state)
{
    (void)state;
    tm_pool *pool = tiny_pool(1);
    tm_config config = tiny_config("llama"); /* without sub-norms */
    tm_model model = tiny_model(&config, "i2r16_mad_scalar", NULL, pool);
    for (int n_logits = 0; n_logits <= 7; n_logits += n_logits ? 6 : 1) {
        tm_stamps_pass pass = {.n_tokens = 7, .position = 3, .n_logits = n_logits};
        totals sum = add_up(&model, true, &pass);
        double width = 128, kv = 64, ffn = 256, macs = 0;
        for (int l = 0; l < 2; l++)
            for (int t = 0; t < 7; t++) {
                macs += 2 * kv * width;
                if (l == 1 && t < 7 - n_logits) continue;
                macs += 2 * width * width + 3 * width * ffn + 2 * width * (3 + t + 1);
            }
        assert_true(sum.macs == macs + n_logits * 100.0 * width);
        tm_op_cost o = tm_op_cost_of(&model, true, TM_OP_O, 1, &pass);
        assert_true((o.memory_bytes > 0) == (n_logits > 0));
    }
    tm_op_cost none = tm_op_cost_of(&model, true, TM_OP_ATTN_SUB_NORM, 0,
                                    &(tm_stamps_pass){.n_tokens = 1, .n_logits = 1});
    assert_true(none.memory_bytes == 0); /* quantised without a norm */
    tm_model_close(&model);
    tm_pool_close(pool);
}

/* A step reads the weights once for all sequences, and keys and values of each. */
static void test_a_step_of_sequences_shares_only_weights(void **state)
{
    (void)state;
    tm_pool *pool = tiny_pool(1);
    tm_config config = tiny_config("bitnet");
    config.tied_head = false;
    tm_model model = tiny_model(&config, "i2r16_mad_scalar", "f16r16_fma_scalar", pool);
    tm_costs costs = tm_model_costs(&config, model.kernel, model.head_kernel, true);
    double row = (double)costs.embedding_bytes / 100; /* of the table of 100 */
    tm_stamps_pass pass = {.n_tokens = 5, .position = 20, .n_logits = 5, .is_step = true};
    totals sum = add_up(&model, true, &pass);
    assert_true(sum.memory == (double)(costs.linear_bytes + costs.head_bytes + costs.norm_bytes) +
                                  5 * (22.0 * (double)costs.kv_bytes_per_position + row));
    assert_true(sum.macs == 5 * ((double)(costs.linear_macs + costs.head_macs) +
                                 21.0 * (double)costs.attention_macs_per_position));
    pass.is_step = false; /* the same tokens as one sequence share the keys and values too */
    assert_true(add_up(&model, true, &pass).memory < sum.memory);
    tm_model_close(&model);
    tm_pool_close(pool);
}

/* Tables or panels that a kernel builds are counted with their input. */
static void test_prepare_is_counted(void **state)
{
    (void)state;
    tm_pool *pool = tiny_pool(1);
    tm_config config = tiny_config("bitnet");
    for (const tm_kernel *const *k = tm_kernels(); *k; k++) {
        if (!(*k)->format->ternary || tm_kernel_available(*k, NULL) != TM_OK) continue;
        tm_model model = tiny_model(&config, (*k)->name, NULL, pool);
        tm_stamps_pass pass = {.n_tokens = 9, .n_logits = 9};
        tm_op_cost cost = tm_op_cost_of(&model, true, TM_OP_PREPARE_DOWN, 0, &pass);
        double wanted = (*k)->prepare ? 9.0 * 256 + (double)(*k)->scratch_size(256, 9) : 0;
        assert_true(cost.activation_bytes == wanted);
        tm_model_close(&model);
    }
    tm_pool_close(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decoding_costs_add_up_to_the_model),
        cmocka_unit_test(test_prompt_costs_depend_on_the_logits),
        cmocka_unit_test(test_a_step_of_sequences_shares_only_weights),
        cmocka_unit_test(test_prepare_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
