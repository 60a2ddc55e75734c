// Runs the documents' JavaScript: a JSON object per line in, a JSON object per line out.
//
//   in   {"program", "result", "names"}   result is "printed", "value" or a variable's name
//   out  {"value"} | {"error"}            after a first line {"ready": version of the SDK}

import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { Client } from "@langchain/langgraph-sdk";

const AsyncFunction = (async () => {}).constructor;
// The import has been made above: a function cannot hold one.
const IMPORT = /^import .*$/gm;

async function run({ program, result, names }) {
  const printed = [];
  const scope = {
    ...names,
    Client,
    console: { log: (value) => printed.push(value) },
  };
  if (names.COPIED_THREAD_ID) scope.copiedThread = { thread_id: names.COPIED_THREAD_ID };
  const text = program.replace(IMPORT, "");
  if (!/\bnew Client\b/.test(text)) scope.client = new Client({ apiUrl: names.DEPLOYMENT_URL });
  const body = result === "value" ? `return ${text}` : `${text}\nreturn ${result === "printed" ? "undefined" : result};`;
  const given = await new AsyncFunction(...Object.keys(scope), body)(...Object.values(scope));
  return result === "printed" ? printed.at(-1) : given;
}

function answer(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

const manifest = new URL("./node_modules/@langchain/langgraph-sdk/package.json", import.meta.url);
answer({ ready: JSON.parse(readFileSync(manifest)).version });
// Whoever asked is gone: what a flow still waits for, or tries again, is for nobody.
process.stdin.on("end", () => process.exit());
for await (const line of createInterface({ input: process.stdin })) {
  try {
    answer({ value: (await run(JSON.parse(line))) ?? null });
  } catch (problem) {
    answer({ error: `${problem?.name ?? "Error"}: ${problem?.message ?? problem}` });
  }
}
