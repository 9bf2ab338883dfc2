# SPDX-License-Identifier: Apache-2.0
"""Run a command often, in processes that have imported its modules before.

Each run is a fork of one process: importing Nova or Glance takes seconds, most
commands take hundredths.
"""

import importlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).parents[1]


class Command:
    """A command, ready to run.

    :param function: module and name of its main function
    :param modules: to import before
    """

    def __init__(self, function, *modules):
        self._process = subprocess.Popen(
            [sys.executable, '-W', 'ignore', '-m', __name__, function,
             *modules], cwd=TOP, text=True, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE)

    def run(self, *argv, env=None):
        """Run it; return the completed process with its output.

        :param env: its environment, if not that of this process
        """
        argv = [str(word) for word in argv]
        self._process.stdin.write(json.dumps([argv, env]) + '\n')
        self._process.stdin.flush()
        return subprocess.CompletedProcess(
            argv, *json.loads(self._process.stdout.readline()))

    def close(self):
        """End the process."""
        self._process.communicate()


def _run(main, argv, env):
    """Run a command in a fork; return its exit code, output and errors."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        pid = os.fork()
        if not pid:
            code = 70
            try:
                os.dup2(out.fileno(), 1)
                os.dup2(err.fileno(), 2)
                if env is not None:
                    os.environ.clear()
                    os.environ.update(env)
                code = main(argv) or 0
            except SystemExit as exc:
                code = exc.code or 0
                if isinstance(code, str):
                    print(code, file=sys.stderr)
                    code = 1
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        _, status = os.waitpid(pid, 0)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode())
        return os.waitstatus_to_exitcode(status), *texts


def main(function, *modules):
    """Serve until standard input ends."""
    for module in modules:
        importlib.import_module(module)
    module, _, name = function.partition(':')
    command = getattr(importlib.import_module(module), name)
    for line in sys.stdin:
        print(json.dumps(_run(command, *json.loads(line))), flush=True)


if __name__ == '__main__':
    main(*sys.argv[1:])
