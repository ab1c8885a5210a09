#include "harness/cli/help.h"

const char tm_help_suite_text[] =
    "A suite says what `ternmark run` measures: every combination of its axes, each in fresh "
    "processes. It is a JSON file. `ternmark list suites NAME` prints a built-in one, which is a "
    "good start; `ternmark run FILE --dry-run` checks a suite and prints its cells. An unknown key "
    "is an error.";

const tm_help_row tm_help_suite_keys[] = {
    {"name", "text (required); the default store is results/runs/NAME.jsonl"},
    {"description", "text"},
    {"axes.model", "list of synth:SHAPE (see `list models`) and model files (required)"},
    {"axes.kernel", "list of auto, a family (ternary, f16) or a kernel (see `kernels`) (required)"},
    {"axes.head_kernel", "the same for the output head (default: the model's own)"},
    {"axes.threads", "list of numbers, ranges (\"1-8*2\") and \"all\" cores (required)"},
    {"axes.threads_batch", "the same for tests without generation (default: axes.threads)"},
    {"axes.cpus", "list of \"performance\", \"efficiency\", \"all\" and CPU lists (\"0-3,8\")"},
    {"axes.test", "list of tests (required): ppN reads a prompt of N tokens, tgN generates N, "
                  "ppN+tgM does both; @dK starts with K cached tokens, @bK generates for K "
                  "sequences together"},
    {"exclude", "list of objects with model, kernel, threads or test (\"pp*\"); leaves out "
                "the cells that match every key of one object"},
    {"baseline.kernel", "pair every other kernel with this one, in alternating order"},
    {"processes", "fresh processes per cell, or pairs of them (default 1)"},
    {"repetitions", "measured runs in each process (default 5)"},
    {"warmup", "runs in each process before these, not measured (default 1)"},
    {"time_budget_seconds",
     "start only work that is predicted to end within this time (default 0: no "
     "limit)"},
    {"min_pairs",
     "with a time budget: start a model only if this many of its pairs fit (default 0)"},
    {"precision",
     "stop adding pairs to a cell once its speed-up is known to +- this fraction, e.g. "
     "0.02 (default: run all)"},
    {"counters", "a group of hardware counters (see `list counters`) or a file"},
    {"profile", "true: also profile every test in each process"},
    {"energy", "a source, such as \"auto\", or {\"source\", \"seconds\", \"idle_seconds\"}"},
    {NULL, NULL}};

const char tm_help_suite_example[] = "{\n"
                                     "  \"name\": \"mine\",\n"
                                     "  \"axes\": {\n"
                                     "    \"model\": [\"synth:700M\", \"model.gguf\"],\n"
                                     "    \"kernel\": [\"f16\", \"auto\"],\n"
                                     "    \"threads\": [1, \"all\"],\n"
                                     "    \"test\": [\"pp128\", \"tg32\"]\n"
                                     "  },\n"
                                     "  \"baseline\": { \"kernel\": \"f16\" },\n"
                                     "  \"processes\": 6,\n"
                                     "  \"repetitions\": 2\n"
                                     "}\n";
