# SPDX-License-Identifier: Apache-2.0
"""Runs commands in processes of their own, with a signal at a given moment.

A moment is a line of the package, the first time that it is run. Everything is
imported once; each command is a fork. Reads requests as lines of JSON on
standard input, and answers so on standard output.
"""

import json
import os
import signal
import sys
import tempfile

import openstack.connection

from hyperv_sched import validators
from hyperv_sched.cli import base
from hyperv_sched.cli import image_api
from hyperv_sched.cli import main
from hyperv_sched.cli import signals
from hyperv_sched.cli import transport
from hyperv_sched.cli import upload
from hyperv_sched.validators import image

_LOADED = (openstack.connection, validators, image)
_FILES = {module.__file__: module.__name__.rpartition('.')[2] for module in (
    base, image_api, signals, transport, upload)}


class Tracer:
    """Lists the moments, or does something at one of them."""

    def __init__(self, moment=None, action=None):
        self.moments = {}
        self._moment = moment
        self._action = action
        self._begun = False

    def __call__(self, frame, event, argument):
        name = _FILES.get(frame.f_code.co_filename)
        if name is None:
            return None
        if (name, frame.f_code.co_name) == ('upload', 'take_action'):
            self._begun = True
        return self._line if self._begun else None

    def _line(self, frame, event, argument):
        if event == 'line':
            moment = (f'{_FILES[frame.f_code.co_filename]}.'
                      f'{frame.f_code.co_name}:{frame.f_lineno}')
            if moment not in self.moments:
                self.moments[moment] = None
                if moment == self._moment:
                    self._action()
        return self._line


def run(argv, environment, moment=None, number=None, ignored=False):
    """Run a command; return its exit code, output, messages and moments.

    :param number: the signal
    :param ignored: whether the command starts with the signal ignored
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, \
            tempfile.TemporaryFile() as moments:
        child = os.fork()
        if not child:
            code = 99
            try:
                os.dup2(out.fileno(), 1)
                os.dup2(err.fileno(), 2)
                os.environ.clear()
                os.environ.update(environment)
                if ignored:
                    signal.signal(number, signal.SIG_IGN)
                tracer = Tracer(moment, lambda: os.kill(os.getpid(), number))
                sys.settrace(tracer)
                code = main.main(argv)
                sys.settrace(None)
                moments.write(json.dumps([*tracer.moments]).encode())
                moments.flush()
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        answer = {'code': os.waitstatus_to_exitcode(status)}
        for name, file in (('out', out), ('err', err), ('moments', moments)):
            file.seek(0)
            answer[name] = file.read().decode()
        return answer


if __name__ == '__main__':
    for line in sys.stdin:
        print(json.dumps(run(**json.loads(line))), flush=True)
