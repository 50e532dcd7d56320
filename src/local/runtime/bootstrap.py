# Runs one invocation of a Python function: the event comes on standard input, the result goes to a file, since
# standard output is the function's log. Arguments: handler, result file, deadline in milliseconds since 1970.
import importlib
import json
import os
import sys
import time
import traceback

handler_name, result_path, deadline_ms = sys.argv[1:4]
sys.argv = sys.argv[:1]
sys.path.insert(0, os.environ["LAMBDA_TASK_ROOT"])


def used_kib():
    # The resource module's maximum begins with what the parent process had.
    try:
        with open("/proc/self/status", encoding="utf-8") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        return None


def finish(result):
    with open(result_path, "w", encoding="utf-8") as file:
        file.write('{"memoryKib":%s,%s}' % (json.dumps(used_kib()), result))


# An error with its traceback, from the function's own code on: what is before that is this file and the import system.
def tell(error):
    rest = error.__traceback__
    while rest and (rest.tb_frame.f_code.co_filename.startswith("<") or rest.tb_frame.f_code.co_filename == importlib.__file__):
        rest = rest.tb_next
    traceback.print_exception(type(error), error, rest)


def fail(kind, message, code=1):
    finish(json.dumps({"errorType": kind, "errorMessage": message})[1:-1])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


class Context:
    function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
    function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
    memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
    log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
    log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
    aws_request_id = os.environ["PUMPHOUSE_REQUEST_ID"]
    identity = None
    client_context = None

    @staticmethod
    def get_remaining_time_in_millis():
        return max(0, int(deadline_ms) - int(time.time() * 1000))


event = json.loads(sys.stdin.buffer.read())
sys.stdin = open(os.devnull, encoding="utf-8")

module_name, dot, function_name = handler_name.rpartition(".")
if not dot or not module_name or not function_name:
    fail("Runtime.MalformedHandlerName", f"Bad handler '{handler_name}': it is MODULE.FUNCTION, like app.handler")
module_name = module_name.replace("/", ".")
try:
    module = importlib.import_module(module_name)
except ImportError as error:
    tell(error)
    fail("Runtime.ImportModuleError", f"Unable to import module '{module_name}': {error}")
except SyntaxError as error:
    tell(error)
    fail("Runtime.UserCodeSyntaxError", f"Syntax error in module '{module_name}': {error}")
except BaseException as error:
    tell(error)
    fail(type(error).__name__, str(error))
handler = getattr(module, function_name, None)
if not callable(handler):
    fail("Runtime.HandlerNotFound", f"Handler '{function_name}' missing on module '{module_name}'")
try:
    result = handler(event, Context())
except SystemExit as error:
    fail("Runtime.ExitError", f"the handler exited with status {error.code}")
except BaseException as error:
    tell(error)
    fail(type(error).__name__, str(error))
try:
    text = json.dumps(result, allow_nan=False)
except (TypeError, ValueError) as error:
    fail("Runtime.MarshalError", f"Unable to marshal response: {error}")
finish('"payload":' + text)
sys.stdout.flush()
sys.stderr.flush()
os._exit(0)
