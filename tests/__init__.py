# SPDX-License-Identifier: Apache-2.0
"""All tests."""

import signal

# A shell lets commands in the background ignore some, nohup others, and so
# would the programs that tests start.
for _name in ('SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM'):
    _number = getattr(signal, _name, None)
    if _number is not None and signal.getsignal(_number) == signal.SIG_IGN:
        signal.signal(_number, signal.default_int_handler
                      if _number == signal.SIGINT else signal.SIG_DFL)
