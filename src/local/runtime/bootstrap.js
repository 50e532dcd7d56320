// Runs one invocation of a Node.js function: the event comes on standard input, the result goes to a file, since
// standard output is the function's log. Arguments: handler, result file, deadline in milliseconds since 1970.
"use strict";
const fs = require("node:fs");
const path = require("node:path");
const { pathToFileURL } = require("node:url");
const { inspect } = require("node:util");

const [handlerName, resultPath, deadline] = process.argv.slice(1);
const root = process.env.LAMBDA_TASK_ROOT;
let finished = false;

// The maximum that resourceUsage() tells begins with what the parent process had.
function usedKib() {
  try {
    return Number(/^VmHWM:\s*(\d+)/m.exec(fs.readFileSync("/proc/self/status", "utf8"))[1]);
  } catch {
    return null;
  }
}

function finish(result, code) {
  if (finished) return;
  finished = true;
  fs.writeFileSync(resultPath, `{"memoryKib":${usedKib()},${result}}`);
  process.exit(code);
}

// An error with its stack, without the frames of this file and of Node.js.
function tell(error) {
  const ours = /^\s+at .*(\[eval\]|node:internal)/;
  console.error(inspect(error).split("\n").filter((line) => !ours.test(line)).join("\n"));
}

function fail(errorType, errorMessage) {
  finish(JSON.stringify({ errorType, errorMessage }).slice(1, -1), 1);
}

function failWith(error) {
  tell(error);
  if (error instanceof Error) fail(error.name, error.message);
  else fail("Error", String(error));
}

function succeed(value) {
  let payload;
  try {
    payload = JSON.stringify(value === undefined ? null : value);
  } catch (error) {
    return fail("Runtime.MarshalError", `Unable to marshal response: ${error.message}`);
  }
  if (payload === undefined) return fail("Runtime.MarshalError", "Unable to marshal response: it is no JSON value");
  finish(`"payload":${payload}`, 0);
}

const context = {
  functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
  functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION,
  memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
  logGroupName: process.env.AWS_LAMBDA_LOG_GROUP_NAME,
  logStreamName: process.env.AWS_LAMBDA_LOG_STREAM_NAME,
  awsRequestId: process.env.PUMPHOUSE_REQUEST_ID,
  callbackWaitsForEmptyEventLoop: true,
  getRemainingTimeInMillis: () => Math.max(0, Number(deadline) - Date.now()),
};

process.on("uncaughtException", failWith);
process.on("unhandledRejection", failWith);
// A handler that takes a callback and never calls it.
process.on("beforeExit", () => succeed(null));

async function main() {
  const event = JSON.parse(fs.readFileSync(0, "utf8"));
  const dot = handlerName.lastIndexOf(".");
  if (dot <= 0 || dot === handlerName.length - 1) {
    return fail("Runtime.MalformedHandlerName", `Bad handler '${handlerName}': it is MODULE.FUNCTION, like index.handler`);
  }
  const [moduleName, functionName] = [handlerName.slice(0, dot), handlerName.slice(dot + 1)];
  const file = [".mjs", ".cjs", ".js"].map((end) => path.join(root, moduleName + end)).find((f) => fs.existsSync(f));
  if (!file) return fail("Runtime.ImportModuleError", `Error: Cannot find module '${moduleName}'`);
  let loaded;
  try {
    loaded = await import(pathToFileURL(file));
  } catch (error) {
    tell(error);
    const kind = error instanceof SyntaxError ? "Runtime.UserCodeSyntaxError" : "Runtime.ImportModuleError";
    return fail(kind, String(error));
  }
  const handler = loaded[functionName] ?? loaded.default?.[functionName];
  if (typeof handler !== "function") {
    return fail("Runtime.HandlerNotFound", `${handlerName} is undefined or not exported`);
  }
  const returned = handler(event, context, (error, value) => (error ? failWith(error) : succeed(value)));
  // One that takes two parameters answers with what it returns; one that takes three may call back.
  if (returned && typeof returned.then === "function") succeed(await returned);
  else if (handler.length < 3) succeed(returned);
}

main().catch(failWith);
