#!/usr/bin/env python3
"""Another build of ternmark for tests: starts the real worker and replaces its times, so that both builds
of a comparison have given speeds. Settings stand beside it in NAME.json: factor (of the time), crash, hang,
tokens and code (hashes it reports), counter (file that numbers its processes)."""
import hashlib
import json
import os
import subprocess
import sys

settings = json.load(open(sys.argv[0] + ".json"))
if sys.argv[1:] != ["worker"]:
    sys.exit("only `worker` is known")
real = os.environ["REAL_TERNMARK"]
hello_file = settings["counter"] + ".hello"
if not os.path.exists(hello_file):
    answer = subprocess.run([real, "worker"], input="", capture_output=True, text=True).stdout
    with open(hello_file, "w") as f:
        f.write(answer.splitlines()[0] + "\n")
print(open(hello_file).read(), end="", flush=True)
request = sys.stdin.readline()
if not request:  # only the hello was wanted
    sys.exit(0)
if settings.get("crash"):
    os.abort()
# The real answer to a request is kept: only its times matter here, and they are replaced.
answer_file = settings["counter"] + "." + hashlib.sha1(request.encode()).hexdigest()
if not os.path.exists(answer_file):
    answer = subprocess.run([real, "worker"], input=request, capture_output=True, text=True).stdout
    with open(answer_file, "w") as f:
        f.write("".join(line + "\n" for line in answer.splitlines()[1:]))
with open(settings["counter"], "a") as counter:
    counter.write("x")
number = os.path.getsize(settings["counter"])
# Noise of a few tenths of a percent that does not repeat with the order of the arms.
noise = 1 + 0.001 * (number * 7919 % 11 - 5)
for text in open(answer_file):
    line = json.loads(text)
    if line["line"] == "checked" and "tokens" in settings:
        line["tokens"] = settings["tokens"]
    if line["line"] == "sample":
        record = line["record"]
        tokens = len(record["token_ns"])
        each = int(1e6 * settings.get("factor", 1) * noise)
        record["token_ns"] = [each] * tokens
        record["elapsed_ns"] = each * record["n_tokens"]
        record["spin_ns"] = 2000000
        if record["first_token_ns"]:
            record["first_token_ns"] = each * record["n_prompt"]
        if "code" in settings:
            record["code_hash"] = settings["code"]
        record["peak_rss_bytes"] = 1000000 * settings.get("memory", 1)
    print(json.dumps(line, separators=(",", ":")), flush=True)
