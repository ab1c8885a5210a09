// Compares ternmark with llama.cpp, a reader of tokenizer.json and a GGUF parser. run.sh starts it.
//     node compare.mjs PROGRAM GOLDEN_FOLDER WORK_FOLDER
import path from "node:path";
import process from "node:process";
import {execFileSync} from "node:child_process";
import {readFileSync, writeFileSync} from "node:fs";
import {getLlama, LlamaLogLevel} from "node-llama-cpp";
import {gguf, GGMLQuantizationType} from "@huggingface/gguf";
import {Tokenizer} from "@huggingface/tokenizers";

const [, , program, golden, work] = process.argv;
const PROMPT = "The quick brown fox", GENERATED = 12;
// A token is compared where its logit leads by more than rounding can change (of logits whose
// deviation is about 1 to 10).
const NEAR_TIE = 0.5;

function ternmark(...args) {
    return execFileSync(program, args, {encoding: "utf8", stdio: ["ignore", "pipe", "pipe"]});
}

let n = 0, nFailed = 0;
function verdict(good, title, remark = "") {
    n++;
    if (!good) nFailed++;
    process.stdout.write(`${good ? "ok" : "not ok"} ${n} - ${title}\n${remark ? `# ${remark}\n` : ""}`);
}

async function check(title, work) {
    try {
        const {good, remark} = await work();
        verdict(good, title, remark);
    } catch (error) {
        verdict(false, title, String(error.message).split("\n")[0]);
    }
}

// --- GGUF ---------------------------------------------------------------------------------------

async function parse(file) {
    const {metadata, tensorInfos} = await gguf(file, {allowLocalFile: true});
    const ours = JSON.parse(ternmark("model", "info", file, "--format", "json"));
    const theirs = new Map(tensorInfos.map((t) => [t.name, t]));
    const wrong = ours.tensors.filter((t) => {
        const other = theirs.get(t.name);
        return !other || GGMLQuantizationType[other.dtype] !== t.type ||
            Number(other.shape[0]) !== t.columns || Number(other.shape[1] ?? 1n) !== t.rows;
    });
    const good = wrong.length === 0 && ours.tensors.length === tensorInfos.length &&
        metadata["general.architecture"] === ours.architecture;
    return {good, remark: `${tensorInfos.length} tensors${wrong[0] ? `; ${wrong[0].name} differs` : ""}`};
}

// --- llama.cpp ----------------------------------------------------------------------------------

// Logits less their mean: probabilities tell no more.
function centred(values) {
    const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
    return values.map((x) => x - mean);
}

function best(values) {
    let first = 0, second = -1;
    for (let i = 1; i < values.length; i++)
        if (values[i] > values[first]) [second, first] = [first, i];
        else if (second < 0 || values[i] > values[second]) second = i;
    return {token: first, lead: values[first] - values[second]};
}

// Greedy tokens, and the logs of all probabilities before each.
async function generate(llama, file, prompt) {
    const model = await llama.loadModel({modelPath: file});
    const context = await model.createContext({contextSize: 128, batchSize: 64, threads: 1});
    const sequence = context.getSequence();
    const given = [...(model.tokens.shouldPrependBosToken ? [model.tokens.bos] : []), ...model.tokenize(prompt)];
    const ask = {generateNext: {probabilities: true, options: {temperature: 1, topK: 0, topP: 1, minP: 0}}};
    const tokens = [...given], rows = [];
    let next = given;
    for (let i = 0; i < GENERATED; i++) {
        const out = await sequence.controlledEvaluate([...next.slice(0, -1), [next.at(-1), ask]]);
        const row = [];
        for (const [token, probability] of out.at(-1).next.probabilities) row[token] = Math.log(probability);
        rows.push(row);
        next = [best(row).token];
        tokens.push(...next);
    }
    await model.dispose();
    return {given, tokens, rows};
}

async function compareLogits(llama, file, tolerance) {
    const theirs = await generate(llama, file, PROMPT);
    const ids = ternmark("tokenize", "-m", file, "--bos", "-p", PROMPT).trim().split(" ").map(Number);
    if (ids.join() !== theirs.given.join())
        return {good: false, remark: `ids ${ids.join()}, llama.cpp ${theirs.given.join()}`};
    const output = path.join(work, "logits.f32");
    ternmark("logits", "-m", file, "--kv", "f16", "--tokens", theirs.tokens.slice(0, -1).join(), "-o", output);
    const bytes = readFileSync(output);
    const all = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
    const nVocab = theirs.rows[0].length;
    let worst = 0, equal = 0, near = 0;
    theirs.rows.forEach((row, i) => {
        const at = (ids.length - 1 + i) * nVocab;
        const ours = [...all.subarray(at, at + nVocab)];
        // Probabilities too small for a float have no log.
        const kept = ours.map((_, k) => k).filter((k) => Number.isFinite(row[k]));
        const a = centred(kept.map((k) => ours[k])), b = centred(kept.map((k) => row[k]));
        const distance = Math.sqrt(a.reduce((sum, x, k) => sum + (x - b[k]) ** 2, 0) /
            b.reduce((sum, x) => sum + x * x, 0));
        worst = Math.max(worst, distance);
        if (best(ours).token === best(row).token) equal++;
        else if (best(ours).lead < NEAR_TIE && best(row).lead < NEAR_TIE) near++;
    });
    return {
        good: worst <= tolerance && equal + near === GENERATED,
        remark: `${ids.length} ids equal, ${equal} of ${GENERATED} greedy tokens equal, ${near} near ties, ` +
            `largest relative distance of logits ${worst.toExponential(1)}`
    };
}

// --- tokenizer.json -----------------------------------------------------------------------------

function random(seed) { // xorshift
    let state = seed;
    return (below) => {
        state ^= state << 13;
        state ^= state >>> 17;
        state ^= state << 5;
        return (state >>> 0) % below;
    };
}

function randomText(next, length) {
    const words = ["the", "hello", " ", "  ", "\n", "don't", "<tool>", "12345", "\t", "."];
    let text = "x";
    while (text.length < length) {
        const kind = next(4);
        const code = kind === 0 ? next(0x80) : kind === 1 ? next(0x3000) : next(0x20000);
        if (kind === 3) text += words[next(words.length)];
        else if (code > 0 && (code < 0xd800 || code > 0xdfff)) text += String.fromCodePoint(code);
    }
    return text;
}

async function compareTokenizers(folder, special) {
    const read = (name) => JSON.parse(readFileSync(path.join(folder, name), "utf8"));
    const reader = new Tokenizer(read("tokenizer.json"), read("tokenizer_config.json"));
    const file = path.join(work, "text");
    const next = random(20261201);
    let nIds = 0;
    for (let i = 0; i < 20; i++) {
        const text = randomText(next, 400);
        writeFileSync(file, text);
        const options = special ? ["--special"] : [];
        const ours = ternmark("tokenize", "-m", folder, "-f", file, ...options).trim().split(" ").map(Number);
        const theirs = reader.encode(text, {add_special_tokens: false}).ids;
        const at = ours.findIndex((id, k) => id !== theirs[k]);
        if (at >= 0 || ours.length !== theirs.length)
            return {good: false, remark: `text ${i}: id ${at} is ${ours[at]}, not ${theirs[at]}`};
        nIds += ours.length;
    }
    return {good: true, remark: `${nIds} ids of 20 random texts`};
}

const llama = await getLlama({
    gpu: false, build: "never", logLevel: LlamaLogLevel.error, maxThreads: 0, progressLogs: false
});
// Floats differ by a half-precision KV cache and by llama.cpp's activations, which have the type of the
// weights; ternary types also by int8 activations that round the other way (engine/README.md).
const TOLERANCE = {f32: 5e-3, f16: 5e-3, bf16: 2e-2, tq1_0: 1e-1, tq2_0: 1e-1, q2_0: 1e-1};
const models = [["bn_t-TQ1_0", "bitnet"], ["ll_d-TQ2_0", "llama"], ["qw_y-Q2_0", "qwen3"], ["mc_l-TQ2_0", "minicpm"]];
for (const [name, arch] of models)
    for (const type of Object.keys(TOLERANCE)) {
        if (arch === "qwen3" && type.startsWith("tq")) continue; // a scale per 64 weights: only Q2_0 holds it
        const file = path.join(work, `${arch}-${type}.gguf`);
        const title = `${arch} in ${type}`;
        try {
            ternmark("model", "convert", path.join(golden, `${name}.gguf`), file, "--type", type,
                "--embedding-type", "f16");
        } catch (error) {
            verdict(false, `${title} is written`, String(error.stderr).trim());
            continue;
        }
        await check(`${title}: the parser reads what was written`, () => parse(file));
        await check(`${title}: llama.cpp computes the same`, () => compareLogits(llama, file, TOLERANCE[type]));
    }
await check("tokenizer.json gives the same ids", () => compareTokenizers(path.join(golden, "hf_bitnet"), true));
process.stdout.write(`1..${n}\n`);
process.exit(nFailed > 0 ? 1 : 0);
