# SPDX-License-Identifier: Apache-2.0
"""X.509 certificates (RFC 5280) with RSA keys, and what these sign.

Signatures are RSASSA-PKCS1-v1_5 (RFC 8017, 8.2.2): verifying one takes one
power modulo the key, and comparing the result with the one right text. No
secret is involved. Nothing that Microsoft or a vendor of a shim signs programs
with needs more. A library would do no more: cryptography reads certificates,
but not the signatures of programs.

::

    Certificate ::= SEQUENCE { tbsCertificate, algorithm, BIT STRING }
    tbsCertificate ::= SEQUENCE { [0] version, serialNumber, algorithm,
        issuer, validity, subject, subjectPublicKeyInfo, ...,
        [3] extensions }
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
import dataclasses
import hashlib

from hyperv_sched.disk import der

#: Hash functions that the firmware knows, by the content of their OIDs.
HASHES = {
    bytes.fromhex('2b0e03021a'): 'sha1',
    bytes.fromhex('608648016503040201'): 'sha256',
    bytes.fromhex('608648016503040202'): 'sha384',
    bytes.fromhex('608648016503040203'): 'sha512'}
_OIDS = {name: oid for oid, name in HASHES.items()}
_RSA = bytes.fromhex('2a864886f70d010101')
#: Algorithms of signatures: RSA with a hash function.
_SIGNATURES = {
    bytes.fromhex('2a864886f70d010105'): 'sha1',
    bytes.fromhex('2a864886f70d01010b'): 'sha256',
    bytes.fromhex('2a864886f70d01010c'): 'sha384',
    bytes.fromhex('2a864886f70d01010d'): 'sha512'}
_BASIC_CONSTRAINTS = bytes.fromhex('551d13')
_COMMON_NAME = bytes.fromhex('550403')
_NULL = bytes.fromhex('0500')
_BMP_STRING = 0x1e
_VERSION, _EXTENSIONS = der.CONTEXT, der.CONTEXT + 3

#: Bits of a key. Larger keys, and larger exponents, take too long; there are
#: none.
MAX_KEY = 8192
_MAX_EXPONENT = 32
#: Steps of work to verify a signature (see
#: :data:`hyperv_sched.disk.reader.MAX_STEPS`), by the bits of the key.
_STEPS = {2048: 400, 4096: 2000, MAX_KEY: 8000}
#: Characters of a name, which users read.
MAX_NAME = 64

Spend = Callable[[int], None]


class UnsupportedError(Exception):
    """A key or an algorithm that this module cannot verify with."""


@dataclasses.dataclass(frozen=True)
class Key:
    """A public key of RSA."""

    modulus: int
    exponent: int

    def verify(self, algorithm: str, digest: bytes, signature: bytes,
               spend: Spend) -> bool:
        """Return whether a signature of this key covers a digest.

        :param algorithm: the hash function of the digest
        :param spend: charges the work, in steps
        """
        bits = self.modulus.bit_length()
        spend(next(steps for size, steps in _STEPS.items() if bits <= size))
        size = (bits + 7) // 8
        info = _sequence(
            _sequence(bytes((der.OID, len(_OIDS[algorithm])))
                      + _OIDS[algorithm] + _NULL)
            + bytes((der.OCTET_STRING, len(digest))) + digest)
        padding = size - len(info) - 3
        number = int.from_bytes(signature, 'big')
        if padding < 8 or len(signature) != size or number >= self.modulus:
            return False
        return pow(number, self.exponent, self.modulus).to_bytes(
            size, 'big') == b'\0\1' + b'\xff' * padding + b'\0' + info


def _sequence(content: bytes) -> bytes:
    return bytes((der.SEQUENCE, len(content))) + content


@dataclasses.dataclass(frozen=True)
class Certificate:
    """A certificate."""

    encoded: bytes
    serial: bytes
    issuer: bytes
    """The name of the issuer, encoded."""
    subject: bytes
    is_ca: bool
    """Whether it may issue others."""
    key: Key | None
    """None for a key that is not one of RSA, or is too large."""
    signed: bytes
    """The part that the issuer has signed."""
    hash: str | None
    """The hash function of the signature; None for another algorithm."""
    signature: bytes

    @property
    def name(self) -> str:
        """The common name of the subject, else its first name."""
        return common_name(self.subject)

    @property
    def issuer_name(self) -> str:
        """The common name of the issuer."""
        return common_name(self.issuer)

    def issued(self, other: Certificate, spend: Spend) -> bool:
        """Return whether the key of this certificate signed the other.

        :raises UnsupportedError: only a library for other keys could tell.
        """
        if not self.is_ca or self.subject != other.issuer:
            return False
        if self.key is None or other.hash is None:
            raise UnsupportedError(f'no RSA: {self.name}')
        return self.key.verify(
            other.hash, hashlib.new(other.hash, other.signed).digest(),
            other.signature, spend)


def read(data: bytes) -> Certificate:
    """Return the certificate that data hold.

    :raises der.DERError: they hold none.
    """
    outer = der.read(data, der.SEQUENCE)
    body, algorithm, signature = outer.fields(
        der.SEQUENCE, der.SEQUENCE, der.BIT_STRING)[:3]
    fields = body.children()
    if fields and fields[0].tag == _VERSION:
        del fields[0]
    if [field.tag for field in fields[:6]] != [
            der.INTEGER, *[der.SEQUENCE] * 5]:
        raise der.DERError('no certificate')
    serial, inner, issuer, _, subject, key = fields[:6]
    if inner.encoded != algorithm.encoded:
        raise der.DERError('a certificate of two algorithms')
    return Certificate(
        encoded=outer.encoded, serial=serial.content, issuer=issuer.encoded,
        subject=subject.encoded, is_ca=_is_ca(fields[6:]), key=_read_key(key),
        signed=body.encoded, hash=_SIGNATURES.get(
            algorithm.fields(der.OID)[0].content),
        signature=signature.content[1:])


def _read_key(element: der.Element) -> Key | None:
    algorithm, bits = element.fields(der.SEQUENCE, der.BIT_STRING)[:2]
    if algorithm.fields(der.OID)[0].content != _RSA:
        return None
    modulus, exponent = (
        number.integer() for number in der.read(
            bits.content[1:], der.SEQUENCE).fields(
                der.INTEGER, der.INTEGER)[:2])
    if not 0 < modulus.bit_length() <= MAX_KEY or modulus < 0 or not (
            0 < exponent < 1 << _MAX_EXPONENT):
        return None
    return Key(modulus, exponent)


def _is_ca(fields: Iterable[der.Element]) -> bool:
    """Return whether the extensions allow to issue certificates."""
    for field in fields:
        if field.tag != _EXTENSIONS:
            continue
        for extension in der.read(field.content, der.SEQUENCE).children():
            parts = extension.fields(der.OID)
            if parts[0].content == _BASIC_CONSTRAINTS:
                constraints = der.read(
                    parts[-1].content, der.SEQUENCE).children()
                return bool(constraints and constraints[0].tag == der.BOOLEAN
                            and constraints[0].content != b'\0')
    return False


def common_name(name: bytes) -> str:
    """Return the common name in a name, else its last part; '' without one.

    At most :data:`MAX_NAME` characters are returned.
    """
    text = ''
    try:
        for part in der.read(name, der.SEQUENCE).children():
            kind, value = der.read(
                part.content, der.SEQUENCE).fields(der.OID)[:2]
            text = value.content.decode(
                'utf-16-be' if value.tag == _BMP_STRING else 'utf-8',
                'replace')[:MAX_NAME]
            if kind.content == _COMMON_NAME:
                break
    except (der.DERError, ValueError):
        pass
    return text
