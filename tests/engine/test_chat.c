/* Chat layouts: templates as models have them, and conversations written by hand. */
#include "engine/chat.h"
#include "tests/engine/test_tokenizer.h"

static const char *recognise(const char *text)
{
    const tm_chat_layout *l = tm_chat_recognise((tm_gguf_string){text, strlen(text)});
    return l ? l->name : "unknown";
}

/* Shortened to what a layout is recognised by. */
static void templates_are_recognised_by_their_markers(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + "
         "message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}",
         "chatml"},
        {"{% for message in messages %}{% set content = '<|start_header_id|>' + message['role'] + "
         "'<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' %}{{ content }}"
         "{% endfor %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}",
         "llama3"},
        /* BitNet-b1.58-2B-4T's own, and the one in its GGUF files. */
        {"{% for message in messages %}{% set content = message['role'] | capitalize + ': ' + "
         "message['content'] | trim + '<|eot_id|>' %}{{ content }}{% endfor %}"
         "{% if add_generation_prompt %}{{ 'Assistant: ' }}{% endif %}",
         "bitnet"},
        {"{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}{{ 'Human: "
         "' + message['content'] + '\\n\\nBITNETAssistant: ' + eos_token }}{% endif %}{% endfor %}",
         "bitnet"},
        {"{% if message['role'] == 'user' %}{{ '<|user|>\\n' + message['content'] + '\\n' }}"
         "{% elif message['role'] == 'assistant' %}{{ '<|assistant|>\\n' }}{% endif %}",
         "falcon3"},
        {"{{ '<|user|>\\n' + message['content'] + '<|end|>\\n<|assistant|>\\n' }}", "unknown"},
        {"{{ '<start_of_turn>' + role + '\\n' + message['content'] | trim + '<end_of_turn>\\n' }}",
         "gemma"},
        {"{{'<\xe7\x94\xa8\xe6\x88\xb7>' + message['content'].strip() + '<AI>'}}", "minicpm"},
        {"{{ '[INST] ' + message['content'] + ' [/INST]' }}", "unknown"},
        {"", "unknown"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(recognise(cases[i][0]), cases[i][1]);
    /* The text is not terminated: a marker behind its end does not count. */
    assert_null(tm_chat_recognise((tm_gguf_string){"<|im_start|>", 11}));
}

static void every_name_is_a_layout(void **state)
{
    (void)state;
    static const char *const names[] = {TM_CHAT_NAMES, "mistral"};
    enum { N = sizeof names / sizeof *names };
    for (int i = 0; i < N; i++) {
        const tm_chat_layout *l = tm_chat_find(names[i]);
        assert_int_equal(l != NULL, i + 1 < N);
        if (l) assert_string_equal(l->name, names[i]);
    }
}

static void write_turn(const char *layout, const char *system, const char *message,
                       bool after_reply, const char *wanted)
{
    tm_token_text text = {0};
    tm_error err = {0};
    tm_status status = tm_chat_write(tm_chat_find(layout), system, message, strlen(message),
                                     after_reply, &text, &err);
    if (status != TM_OK) fail_msg("%s", err.message);
    if (text.length != strlen(wanted) || memcmp(text.data, wanted, text.length) != 0)
        fail_msg("%s: \"%.*s\" instead of \"%s\"", layout, (int)text.length, text.data, wanted);
    free(text.data);
}

static void messages_are_written_as_the_models_want_them(void **state)
{
    (void)state;
    const char *system = "Be brief.", *user = " Hi ";
    write_turn("bitnet", system, user, false,
               "System: Be brief.<|eot_id|>User: Hi<|eot_id|>Assistant: ");
    write_turn("falcon3", system, user, false,
               "<|system|>\nBe brief.\n<|user|>\n Hi \n<|assistant|>\n");
    write_turn("llama3", system, user, false,
               "<|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>"
               "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
               "<|start_header_id|>assistant<|end_header_id|>\n\n");
    write_turn("chatml", system, user, false,
               "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n Hi <|im_end|>\n"
               "<|im_start|>assistant\n");
    write_turn("gemma", system, user, false,
               "<start_of_turn>user\nBe brief.\n\nHi<end_of_turn>\n<start_of_turn>model\n");
    write_turn("minicpm", system, user, false, "Be brief.<\xe7\x94\xa8\xe6\x88\xb7>Hi<AI>");
    write_turn("falcon-e", system, user, false, "systemBe brief.\nuser Hi \nassistant\n");
    write_turn("bitnet", NULL, "What is the capital of France? Answer in one short sentence.",
               false,
               "User: What is the capital of France? Answer in one short sentence.<|eot_id|>"
               "Assistant: ");
    write_turn("gemma", NULL, " \t\n", false,
               "<start_of_turn>user\n<end_of_turn>\n<start_of_turn>model\n");
}

/* What came before is in the KV cache. */
static void a_later_message_ends_the_reply_before(void **state)
{
    (void)state;
    write_turn("bitnet", NULL, "More", true, "<|eot_id|>User: More<|eot_id|>Assistant: ");
    write_turn("chatml", NULL, "More", true,
               "<|im_end|>\n<|im_start|>user\nMore<|im_end|>\n<|im_start|>assistant\n");
    write_turn("falcon3", NULL, "More", true, "\n<|user|>\nMore\n<|assistant|>\n");
    write_turn("gemma", NULL, "More", true,
               "<end_of_turn>\n<start_of_turn>user\nMore<end_of_turn>\n<start_of_turn>model\n");
}

/* Llama 3's vocabulary is not part of the repository, so the markers are tokens of a small one. */
static void markers_become_control_tokens(void **state)
{
    (void)state;
    vocab v;
    make_bpe(&v, "llama-bpe");
    vocab_add(&v, "<|eot_id|>", TOKEN_CONTROL, 0); /* 268 */
    v.n_types = v.n_tokens;
    opened o = open_vocab(&v);
    expect_ids(o.t, TEXT("User: Hi<|eot_id|>A: "),
               (tm_encode_options){.bos = true, .special = true},
               "263 85 115 101 114 58 32 72 105 268 65 58 32");
    assert_true(tm_tokenizer_ends(o.t, 268));
    assert_false(tm_tokenizer_ends(o.t, 264)); /* <|eot|> is not a known name */
    assert_false(tm_tokenizer_ends(o.t, -1));
    close_vocab(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(templates_are_recognised_by_their_markers),
        cmocka_unit_test(every_name_is_a_layout),
        cmocka_unit_test(messages_are_written_as_the_models_want_them),
        cmocka_unit_test(a_later_message_ends_the_reply_before),
        cmocka_unit_test(markers_become_control_tokens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
