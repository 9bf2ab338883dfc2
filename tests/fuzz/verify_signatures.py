# SPDX-License-Identifier: Apache-2.0
"""Look for certificate tables that the reader of signatures fails on.

    python -m tests.fuzz.verify_signatures -max_total_time=600 [DIRECTORY]

An input is a certificate table, which a program that is valid gets. Reading it
raises nothing but the errors of the reader, and costs a limited number of
steps.
"""

import pathlib
import sys
import tempfile

import atheris

with atheris.instrument_imports(include=['hyperv_sched.disk']):
    from hyperv_sched.disk import authenticode
    from hyperv_sched.disk import certificates
    from hyperv_sched.disk import pe

from tests import signing

_PROGRAM = signing.prepare(signing.program())
_CA = signing.signer('CA', ca=True)
_ANCHOR = certificates.read(_CA.encoded)
_MAX_STEPS = 400_000


class _ExhaustedError(Exception):
    pass


class _File:
    def __init__(self, data):
        self._data = data
        self.size = len(data)
        self._steps = 0

    def read(self, offset, length):
        return self._data[offset:offset + length]

    def spend(self, steps):
        self._steps += steps
        if self._steps > _MAX_STEPS:
            raise _ExhaustedError


def run_input(table):
    """Read a certificate table and verify its signatures."""
    if not table:
        return
    contents = pe.read(_File(signing.attach(_PROGRAM, table))).contents
    try:
        found = authenticode.read(contents)
        for signature in found.signatures:
            if signature.anchors([_ANCHOR]):
                certificate, *_ = signature.signers
                assert len(certificate.name) <= certificates.MAX_NAME
    except (authenticode.UnreadableError, certificates.UnsupportedError,
            _ExhaustedError):
        pass


def main():
    leaf = signing.signer('Signer', _CA)
    curve = signing.signer('Curve', private=signing.ec_key('Curve'))
    good = signing.entry(signing.pkcs7(_PROGRAM, leaf, _CA))
    with tempfile.TemporaryDirectory() as corpus:
        for number, table in enumerate((
                good, good + good,
                signing.entry(signing.pkcs7(
                    _PROGRAM, leaf, curve, name='sha512')),
                signing.entry(signing.pkcs7(
                    _PROGRAM, leaf, attributes=False)))):
            pathlib.Path(corpus, f'seed-{number}').write_bytes(table)
        atheris.Setup([sys.argv[0], '-max_len=8192', *sys.argv[1:], corpus],
                      run_input)
        atheris.Fuzz()


if __name__ == '__main__':
    main()
