// llama.cpp of the npm package node-llama-cpp with the options and the JSON of llama-bench, and the
// greedy text of llama-simple. llama-npm.sh installs it; harness/cli/PEERS.md says what it times.
import path from "node:path";
import process from "node:process";
import {fileURLToPath} from "node:url";
import {readFileSync} from "node:fs";
import {getLlama, LlamaLogLevel} from "node-llama-cpp";

const [, , mode, ...rest] = process.argv;
const asked = {m: "", p: 512, n: 128, t: 0, r: 5, pg: "0,0", d: 0, b: 512};
const words = [];
for (let i = 0; i < rest.length; i++) {
    const name = rest[i].startsWith("-") ? rest[i].slice(1) : "";
    if (name === "o" && rest[i + 1] === "json") i++;
    else if (name in asked && i + 1 < rest.length) asked[name] = rest[++i];
    else if (mode === "simple" && !name) words.push(rest[i]);
    else fail(`unknown argument ${rest[i]}`);
}

function fail(why) {
    process.stderr.write(`error: ${why}\n`);
    process.exit(1);
}

function number(name) {
    const value = Number(asked[name]);
    if (!Number.isInteger(value) || value < 0) fail(`-${name} is "${asked[name]}"`);
    return value;
}

async function open(contextSize, threads) {
    const llama = await getLlama({
        gpu: false, build: "never", logLevel: LlamaLogLevel.error, maxThreads: 0, progressLogs: false
    });
    const model = await llama.loadModel({modelPath: asked.m});
    const context = await model.createContext({
        contextSize, batchSize: Math.max(1, number("b")), threads,
        // Do not wait for other sequences: there are none.
        batching: {dispatchSchedule: (dispatch) => dispatch()}
    });
    return {llama, model, context, sequence: context.getSequence()};
}

// Every token alone, with logits, as llama-bench's tg does; the most likely one is also chosen.
const greedy = {generateNext: {token: true, options: {temperature: 0}}};

async function generate(sequence, tokens) {
    for (const token of tokens) await sequence.controlledEvaluate([[token, greedy]]);
}

// All tokens together, with the logits of the last.
async function prompt(sequence, tokens) {
    const all = [...tokens.slice(0, -1), [tokens.at(-1), greedy]];
    if (tokens.length > 0) await sequence.controlledEvaluate(all);
}

async function bench() {
    const [bothPrompt, bothGen] = asked.pg.split(",").map(Number);
    const nPrompt = number("p") + bothPrompt, nGen = number("n") + bothGen, depth = number("d");
    const {llama, model, context, sequence} = await open(depth + nPrompt + nGen + 8, number("t"));
    const vocabulary = model.fileInfo.metadata.tokenizer.ggml.tokens.length;
    const random = (n) => Array.from({length: n}, () => Math.floor(Math.random() * vocabulary));
    const samples = [];
    // The first run is a warm-up.
    for (let i = 0; i <= number("r"); i++) {
        const [filled, given, made] = [random(depth), random(nPrompt), random(nGen)];
        await sequence.clearHistory();
        await prompt(sequence, filled);
        const begin = process.hrtime.bigint();
        await prompt(sequence, given);
        await generate(sequence, made);
        if (i > 0) samples.push(Number(process.hrtime.bigint() - begin));
    }
    const release = JSON.parse(readFileSync(path.join(path.dirname(
        fileURLToPath(import.meta.resolve("node-llama-cpp"))), "../llama/binariesGithubRelease.json")));
    const answer = {
        build_commit: release.release, backends: llama.gpu || "CPU", gpu_info: "",
        model_filename: asked.m, model_type: model.typeDescription, model_size: model.size,
        n_batch: context.batchSize, n_threads: context.currentThreads,
        n_prompt: nPrompt, n_gen: nGen, n_depth: depth, samples_ns: samples
    };
    process.stdout.write(JSON.stringify([answer], null, 1) + "\n");
}

async function simple() {
    const {model, sequence} = await open(1024, number("t"));
    const text = words.join(" ");
    const bos = model.tokens.shouldPrependBosToken ? [model.tokens.bos] : [];
    let next = [...bos, ...model.tokenize(text)];
    const made = [];
    for (let i = 0; i < number("n"); i++) {
        const out = await sequence.controlledEvaluate([...next.slice(0, -1), [next.at(-1), greedy]]);
        const token = out.at(-1).next.token;
        if (model.isEogToken(token)) break;
        made.push(token);
        next = [token];
    }
    process.stdout.write(text + model.detokenize(made, true) + "\n");
}

if (!asked.m) fail("-m MODEL is missing");
await (mode === "simple" ? simple() : bench()).catch((error) => fail(error.message));
process.exit(0);
