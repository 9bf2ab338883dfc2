# SPDX-License-Identifier: Apache-2.0
"""Run programs of Windows with wine."""

import dataclasses
import fcntl
import os
import pathlib
import pty
import re
import select
import struct
import subprocess
import termios
import time
import tty

#: What tools/windows.py has set up.
HOME = pathlib.Path(os.environ['WINDOWS'])
PYTHON = HOME / 'python/python.exe'

#: Blanks are written as a movement of the cursor.
_BLANKS = re.compile(rb'\x1b\[([0-9]*)C')
_CONTROL = re.compile(rb'\x1b(\[[0-9;?]*[A-Za-z]|[=>])')


def windows_path(path):
    """Return the path of a file of Linux on drive Z:."""
    return f'Z:{path}'


def run(program, *arguments, **kwargs):
    """Run a program; return its exit code, output and errors in bytes.

    :param program: a name in the directory bin
    """
    done = subprocess.run(
        [HOME / 'bin' / program, *map(str, arguments)],
        stdin=subprocess.DEVNULL, capture_output=True, check=False,
        timeout=600, **kwargs)
    return done.returncode, done.stdout, done.stderr


@dataclasses.dataclass
class Console:
    """A program on a console of Windows, which is a terminal of Linux.

    :ivar output: bytes, without control sequences
    """

    process: int
    terminal: int
    output: bytes = b''
    code: int | None = None

    @classmethod
    def start(cls, *command, environ=()):
        """Start a command on a new console of 200 columns."""
        process, terminal = pty.fork()
        if not process:
            # The console of wine reads all keys, but takes Ctrl-C from the
            # signal.
            tty.setraw(0)
            attributes = termios.tcgetattr(0)
            attributes[tty.LFLAG] |= termios.ISIG
            termios.tcsetattr(0, termios.TCSANOW, attributes)
            os.environ.update(
                dict(environ), WINEPREFIX=str(HOME / 'prefix'),
                WINEDEBUG='-all', TERM='xterm',
                PACKAGES=windows_path(HOME / 'client'))
            os.execvp('wine', ['wine', *map(str, command)])
        fcntl.ioctl(terminal, termios.TIOCSWINSZ,
                    struct.pack('HHHH', 50, 200, 0, 0))
        return cls(process, terminal)

    def type(self, keys):
        os.write(self.terminal, keys)

    def wait(self, condition=lambda: False, seconds=60):
        """Read the output until a condition holds, or the program ends.

        :raises TimeoutError: neither happens.
        """
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                raise TimeoutError(self.output)
            if select.select([self.terminal], [], [], 0.1)[0]:
                try:
                    data = os.read(self.terminal, 65536)
                except OSError:
                    data = b''
                if not data:
                    self.code = os.waitstatus_to_exitcode(
                        os.waitpid(self.process, 0)[1])
                    os.close(self.terminal)
                    return
                self.output = _CONTROL.sub(b'', _BLANKS.sub(
                    lambda match: b' ' * int(match[1] or 1),
                    self.output + data))
