"""Writes two stores for export.sh: store.jsonl, with names and states that formats stumble over, and
several.jsonl, with two builds of one machine and an emulated machine."""
import json
import sys

WEIRD = 'we"ird, \'m\' </system-out> ]]> & a|b\n100%\u0001 \U0001F411.gguf'
ABSENT = ["minor_faults", "major_faults", "voluntary_switches", "involuntary_switches", "steal_percent",
          "frequency_before_hz", "frequency_after_hz", "throttle_events", "temperature_before_celsius",
          "temperature_after_celsius", "load_average", "harness_ns_per_token", "bytes_per_token",
          "macs_per_token", "bits_per_weight", "head_bytes", "rss_anonymous_bytes", "rss_file_bytes"]
ids = {}


def run(name, build, commit, date, fingerprint="f1f1f1f1f1f1", emulated=False):
    return {"schema": 1, "kind": "run", "run": name, "suite": {"name": 'smoke "]]>" <1>'},
            "fingerprint": fingerprint,
            "machine": {"cpu_model": "Imaginary & Sons CPU", "cpus": 4, "cores": 2, "emulated": emulated,
                        "architecture": "x86_64",
                        "caches": [{"level": 1, "type": "data", "size_bytes": 32768, "shared_by_cpus": "0-1"},
                                   {"level": 2, "type": "unified", "size_bytes": 524288,
                                    "shared_by_cpus": "0,2"}]},
            "environment": {"usable_cores": 2, "version": "0.2.0", "commit": commit, "compiler": "gcc 12",
                            "date": date, "governor": "performance", "load_average": 0.5},
            "build": build}


def head(kind, run_name, model, kernel, prompt, gen, role, build, sequences=1):
    test = (f"pp{prompt}" if prompt else "") + ("+" if prompt and gen else "") + (f"tg{gen}" if gen else "")
    test += f"@b{sequences}" if sequences > 1 else ""
    key = (model, kernel, test, build)
    return {"schema": 1, "kind": kind, "run": run_name, "cell_id": ids.setdefault(key, f"c{len(ids):07x}"),
            "engine": "ternmark", "model": model, "kernel": kernel, "head_kernel": "f16r16_fma_x",
            "threads": 2, "test": test, "n_prompt": prompt, "n_gen": gen, "depth": 0,
            "n_sequences": sequences, "role": role, "predicted_bytes": 1000000}


def samples(run_name, model, kernel, prompt, gen, rates, role="ternary", build="b2", slot=0, cpu=True, marks="",
            sequences=1):
    for process, rate in enumerate(rates):
        n = prompt + gen * sequences
        elapsed = round(n * 1e9 / rate)
        out = head("sample", run_name, model, kernel, prompt, gen, role, build, sequences)
        out.update({"status": "ok", "process": process, "repetition": 0, "slot": slot, "elapsed_ns": elapsed,
                    "n_tokens": n, "first_token_ns": elapsed // 2 if prompt else None,
                    "token_ns": [elapsed // (2 * gen)] * gen if gen else [], "load_ns": 1000000,
                    "peak_rss_bytes": 200000000, "marks": marks if process == 0 else "", "tokens": "t1"})
        out["cpu_user_seconds"] = elapsed / 1e9 if cpu else None
        out["cpu_system_seconds"] = 0 if cpu else None
        for key in ABSENT:
            out[key] = None
        for key in [k for k, v in out.items() if v is None]:
            out[key + "_missing"] = "not shown"
        yield out


def energy(run_name, model, kernel, gen, process, fake):
    out = head("energy", run_name, model, kernel, 0, gen, "ternary", "b2")
    out.update({"process": process, "slot": 0, "phase": "generation", "source": "fake" if fake else "powercap",
                "fake": fake, "scope": "package", "method": "fake counter" if fake else "counter", "status": "ok",
                "begin_unix_seconds": 1750000000.0, "window_seconds": 10.0, "n_repeats": 5, "n_prompt_tokens": 0,
                "n_output_tokens": 5 * gen, "idle_seconds": 10, "gross_joules": 80.0,
                "error_bound_joules": 0.02, "idle_before_watts": 2.0, "idle_after_watts": 2.0,
                "net_joules": 60.0, "rate_hz": 10, "largest_gap_seconds": 0.1, "sampler_cpu_percent": 0.1,
                "wraps": 0, "n_samples": 100, "domains": [], "trace_seconds": [], "trace_watts": [], "marks": ""})
    for kind, joules in (("", 80.0), ("net_", 60.0)):
        out[f"{kind}joules_per_prompt_token"] = None
        out[f"{kind}joules_per_prompt_token_missing"] = "no prompt"
        out[f"{kind}joules_per_output_token"] = out[f"{kind}joules_per_token"] = joules / (5 * gen)
    return out


def cell(run_name, model, kernel, status, reason):
    out = head("cell", run_name, model, kernel, 0, 8, "ternary", "b2")
    out.update({"status": status, "reason": reason})
    return out


def write(path, lines):
    with open(path, "w", encoding="utf-8") as out:
        for line in lines:
            out.write(json.dumps(line) + "\n")


def main(folder):
    r = "20260101-000000-000001"
    model = "synth:125M"
    write(f"{folder}/store.jsonl", [
        run(r, "b2", "0123456789ab", "2026-01-01T00:00:00Z"),
        *samples(r, model, "f16r16_fma_x", 0, 8, [50, 50, 40, 40], role="baseline"),
        *samples(r, model, "i2r16_mad_x", 0, 8, [100, 100, 100, 100], slot=1, marks="1.5 % stolen"),
        *[energy(r, model, "i2r16_mad_x", 8, p, False) for p in range(4)],
        *samples(r, WEIRD, "i2r16_mad_x", 4, 0, [400], cpu=False),
        *samples(r, "fake.gguf", "i2r16_mad_x", 0, 8, [100]),
        energy(r, "fake.gguf", "i2r16_mad_x", 8, 0, True),
        *samples(r, model, "i2r16_mad_x", 0, 8, [300, 300], sequences=4),
        *samples(r, model, "t3r16_mad_x", 0, 8, [90, 90], role="aa"),
        cell(r, model, "tl1r16_lut_x", "failed", "the worker crashed: signal 11\n50 % done"),
        cell(r, "synth:7B", "i2r16_mad_x", "skipped", "needs 14 GB, 8 GB available"),
    ])
    old, new, qemu = "20260101-000000-000001", "20260102-000000-000001", "20260103-000000-000001"
    write(f"{folder}/several.jsonl", [
        run(qemu, "b2", "cccccccccccc", "2026-01-03T00:00:00Z", "e1e1e1e1e1e1", True),
        *samples(qemu, model, "i2r16_mad_x", 0, 8, [1, 1]),
        run(old, "b1", "aaaaaaaaaaaa", "2026-01-01T00:00:00Z"),
        *samples(old, model, "i2r16_mad_x", 0, 8, [80, 80], build="b1"),
        run(new, "b2", "bbbbbbbbbbbb", "2026-01-02T00:00:00Z"),
        *samples(new, model, "i2r16_mad_x", 0, 8, [100, 100]),
    ])
    write(f"{folder}/empty.jsonl", [run(r, "b2", "0123456789ab", "2026-01-01T00:00:00Z")])
    write(f"{folder}/newer.jsonl", [{"schema": 99, "kind": "run", "run": "r1"}])
    write(f"{folder}/skipped.jsonl", [run(r, "b2", "0123456789ab", "2026-01-01T00:00:00Z"),
                                      cell(r, model, "i2r16_mad_x", "skipped", "too large")])
    # The same speeds halved, for tools that compare two files.
    write(f"{folder}/slower.jsonl", [run(r, "b3", "dddddddddddd", "2026-01-04T00:00:00Z"),
                                     *samples(r, model, "i2r16_mad_x", 0, 8, [50, 50, 50, 50], slot=1)])


main(sys.argv[1])
