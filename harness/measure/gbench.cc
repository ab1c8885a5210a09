/* The plugin of harness/measure/gbench.h: the only C++ file, and the only user of Google
 * Benchmark. */
extern "C" {
#include "harness/measure/gbench.h"

tm_gbench_run tm_gbench_plugin_run;
}

#include <benchmark/benchmark.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <iostream>
#include <map>
#include <string>
#include <vector>

namespace
{

/* Forwards everything to Google Benchmark's own reporter, and the times to the caller. */
class Reporter : public benchmark::BenchmarkReporter
{
  public:
    Reporter(benchmark::BenchmarkReporter *inner, const tm_gbench_rows *rows,
             const std::map<std::string, int> *index)
        : inner_(inner), rows_(rows), index_(index)
    {
    }
    bool ReportContext(const Context &context) override { return inner_->ReportContext(context); }
    void Finalize() override { inner_->Finalize(); }
    void ReportRuns(const std::vector<Run> &runs) override
    {
        for (const Run &run : runs) {
            auto found = index_->find(run.run_name.function_name);
            if (found == index_->end() || run.error_occurred) continue;
            bool aggregate = run.run_type == Run::RT_Aggregate;
            /* A single repetition, or the median that follows several. */
            if (aggregate ? run.aggregate_name != "median" : run.repetitions > 1) continue;
            double scale = 1e9 / benchmark::GetTimeUnitMultiplier(run.time_unit);
            rows_->result(rows_->arg, found->second, run.GetAdjustedRealTime() * scale);
        }
        inner_->ReportRuns(runs);
    }

  private:
    benchmark::BenchmarkReporter *inner_;
    const tm_gbench_rows *rows_;
    const std::map<std::string, int> *index_;
};

void body(benchmark::State &state, const tm_gbench_rows *rows, int row)
{
    tm_error err = {};
    tm_gbench_costs costs = {};
    if (rows->ready(rows->arg, row, &costs, &err) != TM_OK) {
        state.SkipWithError(err.message);
        return;
    }
    for (auto _ : state) {
        (void)_;
        rows->pass(rows->arg);
    }
    double passes = static_cast<double>(state.iterations());
    state.SetBytesProcessed(static_cast<int64_t>(passes * costs.bytes));
    state.SetItemsProcessed(static_cast<int64_t>(passes * costs.items));
}

/* "VALUE" of "--NAME=VALUE"; NULL for another flag. */
const char *value_of(const char *flag, const char *name)
{
    if (std::strncmp(flag, "--", 2) != 0) return nullptr;
    std::size_t n = std::strlen(name);
    return std::strncmp(flag + 2, name, n) == 0 && flag[2 + n] == '=' ? flag + 3 + n : nullptr;
}

/* Rejects the values for which Google Benchmark would exit the process. */
tm_status check_flag(const char *flag, tm_error *err)
{
    for (const char *name : {"benchmark_format", "benchmark_out_format"}) {
        const char *value = value_of(flag, name);
        if (value && std::strcmp(value, "console") != 0 && std::strcmp(value, "json") != 0 &&
            std::strcmp(value, "csv") != 0)
            return tm_fail(err, TM_ARG,
                           "Google Benchmark: --%s is \"%s\"; use console, json or csv", name,
                           value);
    }
    const char *color = value_of(flag, "benchmark_color");
    if (color && !*color)
        return tm_fail(err, TM_ARG, "Google Benchmark: --benchmark_color is empty");
    const char *path = value_of(flag, "benchmark_out");
    if (path && *path) {
        std::FILE *file = std::fopen(path, "w");
        if (!file)
            return tm_fail(err, TM_IO, "Google Benchmark: %s cannot be written: %s", path,
                           std::strerror(errno));
        std::fclose(file);
    }
    return TM_OK;
}

/* Initialize removes the flags it knows from argv: the first that is left is an unknown one. */
tm_status set_flags(const char *const *flags, int n_flags, tm_error *err)
{
    for (int i = 0; i < n_flags; i++) {
        tm_status status = check_flag(flags[i], err);
        if (status != TM_OK) return status;
    }
    static char program[] = "ternmark"; /* Google Benchmark keeps the pointer */
    std::vector<std::string> copies(flags, flags + n_flags);
    std::vector<char *> argv = {program};
    for (std::string &copy : copies) argv.push_back(&copy[0]);
    argv.push_back(nullptr);
    int argc = n_flags + 1;
    bool help = false;
    for (int i = 0; i < n_flags; i++)
        help = help || copies[static_cast<std::size_t>(i)] == "--help";
    if (help)
        return tm_fail(err, TM_ARG,
                       "Google Benchmark: --help is not supported; its user guide lists its flags, "
                       "which begin with --benchmark_");
    benchmark::Initialize(&argc, argv.data());
    if (argc > 1) return tm_fail(err, TM_ARG, "Google Benchmark: unknown flag \"%s\"", argv[1]);
    return TM_OK;
}

tm_status run(const tm_gbench_rows *rows, const char *const *flags, int n_flags,
              tm_gbench_display display, tm_error *err)
{
    tm_status status = set_flags(flags, n_flags, err);
    if (status != TM_OK) return status;
    std::map<std::string, int> index;
    benchmark::ClearRegisteredBenchmarks();
    for (int i = 0; i < rows->n; i++) {
        char name[256];
        rows->name(rows->arg, i, name, sizeof name);
        if (!*name) continue;
        index[name] = i;
        benchmark::RegisterBenchmark(name, body, rows, i)->UseRealTime();
    }
    if (index.empty())
        return tm_fail(err, TM_UNSUPPORTED,
                       "Google Benchmark: none of %d rows can run on this machine", rows->n);
    /* Google Benchmark owns this reporter. */
    benchmark::BenchmarkReporter *inner = benchmark::CreateDefaultDisplayReporter();
    std::ostream &out = display == TM_GBENCH_STDERR ? std::cerr : std::cout;
    inner->SetOutputStream(&out);
    inner->SetErrorStream(&std::cerr);
    Reporter reporter(inner, rows, &index);
    reporter.SetOutputStream(&out);
    reporter.SetErrorStream(&std::cerr);
    std::size_t n = benchmark::RunSpecifiedBenchmarks(&reporter);
    out.flush();
    benchmark::ClearRegisteredBenchmarks();
    if (n == 0)
        return tm_fail(err, TM_ARG, "Google Benchmark: its flags select none of %d rows", rows->n);
    return TM_OK;
}

} // namespace

extern "C" tm_status tm_gbench_plugin_run(const tm_gbench_rows *rows, const char *const *flags,
                                          int n_flags, tm_gbench_display display, tm_error *err)
{
    try {
        return run(rows, flags, n_flags, display, err);
    } catch (const std::exception &e) {
        return tm_fail(err, TM_NOMEM, "Google Benchmark: %s", e.what());
    }
}
