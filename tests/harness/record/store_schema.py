#!/usr/bin/env python3
"""Checks stores against harness/record/store.schema.json, and the schema against the program.

usage: store_schema.py SCHEMA PROGRAM MADE... [-- OTHER...]
MADE: stores that this program wrote. OTHER: older stores; those that it refuses are left out.
Prints TAP. The validator knows the keywords that the schema uses; any other keyword is an error.
"""
import copy
import json
import re
import subprocess
import sys
import tempfile

KNOWN = {
    "$schema", "$defs", "$ref", "title", "description", "type", "required", "properties",
    "patternProperties", "additionalProperties", "maxProperties", "allOf", "if", "then", "else",
    "const", "enum", "pattern", "minLength", "maxLength", "minimum", "maximum", "items",
    "minItems", "maxItems",
}
TYPES = {
    "object": lambda v: isinstance(v, dict),
    "array": lambda v: isinstance(v, list),
    "string": lambda v: isinstance(v, str),
    "boolean": lambda v: isinstance(v, bool),
    "null": lambda v: v is None,
    "number": lambda v: isinstance(v, (int, float)) and not isinstance(v, bool),
    "integer": lambda v: isinstance(v, (int, float)) and not isinstance(v, bool) and v == int(v),
}


class Schema:
    def __init__(self, root):
        self.root = root

    def errors(self, value, schema=None, path="$"):
        schema = self.root if schema is None else schema
        unknown = set(schema) - KNOWN
        if unknown:
            raise SystemExit(f"the validator does not know {sorted(unknown)}")
        if "$ref" in schema:
            target = self.root
            for part in schema["$ref"].split("/")[1:]:
                target = target[part]
            yield from self.errors(value, target, path)
        types = schema.get("type")
        types = [types] if isinstance(types, str) else types
        if types and not any(TYPES[t](value) for t in types):
            yield f"{path}: not of type {types}"
        if "const" in schema and value != schema["const"]:
            yield f"{path}: not {schema['const']!r}"
        if "enum" in schema and value not in schema["enum"]:
            yield f"{path}: not one of {schema['enum']}"
        if isinstance(value, str):
            # Lengths in the program are of UTF-8.
            n = len(value.encode())
            if n < schema.get("minLength", 0) or n > schema.get("maxLength", n):
                yield f"{path}: {n} characters long"
            if "pattern" in schema and not re.search(schema["pattern"], value):
                yield f"{path}: does not match {schema['pattern']}"
        if TYPES["number"](value):
            if value < schema.get("minimum", value) or value > schema.get("maximum", value):
                yield f"{path}: {value} is out of range"
        if isinstance(value, list):
            n = len(value)
            if n < schema.get("minItems", 0) or n > schema.get("maxItems", n):
                yield f"{path}: {n} items"
            for i, item in enumerate(value):
                yield from self.errors(item, schema.get("items", {}), f"{path}[{i}]")
        if isinstance(value, dict):
            yield from self.object_errors(value, schema, path)
        for part in schema.get("allOf", []):
            yield from self.errors(value, part, path)
        if "if" in schema:
            matches = not list(self.errors(value, schema["if"], path))
            yield from self.errors(value, schema.get("then" if matches else "else", {}), path)

    def object_errors(self, value, schema, path):
        if len(value) > schema.get("maxProperties", len(value)):
            yield f"{path}: {len(value)} members"
        for key in schema.get("required", []):
            if key not in value:
                yield f"{path}: no {key}"
        for key, item in value.items():
            rules = [s for k, s in schema.get("properties", {}).items() if k == key]
            patterns = schema.get("patternProperties", {})
            rules += [s for k, s in patterns.items() if re.search(k, key)]
            if not rules and "additionalProperties" in schema:
                rules = [schema["additionalProperties"]]
            for rule in rules:
                yield from self.errors(item, rule, f"{path}.{key}")


def applied(root, schema, value):
    """The schema and those that it applies to the same value."""
    yield schema
    if "$ref" in schema:
        target = root.root
        for part in schema["$ref"].split("/")[1:]:
            target = target[part]
        yield from applied(root, target, value)
    for part in schema.get("allOf", []):
        yield from applied(root, part, value)
    if "if" in schema:
        matches = not list(root.errors(value, schema["if"]))
        yield from applied(root, schema.get("then" if matches else "else", {}), value)


def undescribed(root, value, schemas, seen, path="$"):
    """Keys that no schema describes, unless it leaves all keys of the object open. Adds to `seen` those that
    one does."""
    schemas = [a for s in schemas for a in applied(root, s, value)]
    if isinstance(value, list):
        items = [s["items"] for s in schemas if "items" in s]
        for i, item in enumerate(value):
            yield from undescribed(root, item, items, seen, f"{path}[{i}]")
    is_open = not any("properties" in s or "additionalProperties" in s for s in schemas)
    if not isinstance(value, dict) or is_open:
        return
    for key, item in value.items():
        rules = []
        for s in schemas:
            if key in s.get("properties", {}):
                seen.add((id(s), key))
                rules.append(s["properties"][key])
            rules += [rule for k, rule in s.get("patternProperties", {}).items() if re.search(k, key)]
            if "additionalProperties" in s:
                rules.append(s["additionalProperties"])
        if not rules:
            yield f"{path}.{key}"
        yield from undescribed(root, item, rules, seen, f"{path}.{key}")


def described(schema, path="$"):
    """Every key of the schema's objects: (identity, key), where it stands."""
    for key, rule in schema.get("properties", {}).items():
        yield (id(schema), key), f"{path}.{key}"
        yield from described(rule, f"{path}.{key}")
    for name, rule in schema.get("$defs", {}).items():
        yield from described(rule, name)
    for word in ("then", "else", "items", "additionalProperties"):
        if isinstance(schema.get(word), dict):
            yield from described(schema[word], path)
    for part in schema.get("allOf", []):
        yield from described(part, path)


def nulls_without_reason(value, path="$"):
    """Every null of an object has its sentence beside it."""
    if isinstance(value, dict):
        for key, item in value.items():
            if item is None and not isinstance(value.get(key + "_missing"), str):
                yield f"{path}.{key}"
            yield from nulls_without_reason(item, f"{path}.{key}")


def reads(program, path):
    """Whether the program reads the store; its refusal names a line."""
    done = subprocess.run([program, "export", "--to", "junit", path], capture_output=True)
    return b"line " not in done.stderr


def accepts(program, line):
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as store:
        store.write(json.dumps(line) + "\n")
        store.flush()
        return reads(program, store.name)


def main():
    schema_path, program, *stores = sys.argv[1:]
    made = stores[:stores.index("--")] if "--" in stores else stores
    stores = [s for s in stores if s != "--" and (s in made or reads(program, s))]
    with open(schema_path, encoding="utf-8") as file:
        schema = Schema(json.load(file))
    n = 0

    def verdict(problems, title):
        nonlocal n
        n += 1
        print(f"{'not ok' if problems else 'ok'} {n} - {title}")
        for problem in problems[:10]:
            print("#", problem)

    examples = {}
    seen = set()
    for path in stores:
        problems = []
        with open(path, encoding="utf-8") as file:
            for number, text in enumerate(file, 1):
                line = json.loads(text)
                problems += [f"line {number}: {e}" for e in schema.errors(line)]
                unknown = list(undescribed(schema, line, [schema.root], seen))
                if path in made:
                    problems += [f"line {number}: {e} is not in the schema" for e in unknown]
                    nulls = nulls_without_reason(line)
                    problems += [f"line {number}: {e} has no reason" for e in nulls]
                examples.setdefault((line["kind"], line.get("status")), line)
        verdict(problems, f"{path.rsplit('/', 1)[-1]}: every line follows the schema")
    unseen = [where for key, where in described(schema.root) if key not in seen]
    verdict([f"no store has {where}" for where in unseen], "the stores have every key of the schema")
    kinds = {kind for kind, _ in examples}
    verdict(sorted({"run", "sample", "energy", "profile"} - kinds), "the stores have every kind")
    for (kind, status), line in sorted(examples.items(), key=str):
        problems = []
        for key in line:
            changed = copy.deepcopy(line)
            del changed[key]
            valid = not list(schema.errors(changed))
            if accepts(program, changed) and not valid:
                problems.append(f"without {key}: the program reads it, the schema does not")
        name = f"{kind} {status or ''}".strip()
        verdict(problems, f"{name}: the schema requires what the program requires")
        changed = dict(line, schema=2)
        refused = list(schema.errors(changed)) and not accepts(program, changed)
        verdict([] if refused else ["accepted"], f"{name}: another schema number is refused")
    print(f"1..{n}")


main()
