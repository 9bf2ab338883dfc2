# SPDX-License-Identifier: Apache-2.0
"""The signatures of an EFI program, as firmware and shim verify them.

Certificate table, at the file offset in data directory 4, little endian; each
entry is padded to 8 bytes (Microsoft PE format, "The attribute certificate
table"):

====== ==== ==========================================================
offset size
====== ==== ==========================================================
     0    4 length, with or without the padding
     4    2 revision, which firmware ignores
     6    2 type; 2: PKCS #7, 0xef1: as a GUID says
     8      SignedData, in DER, or a GUID and content
====== ==== ==========================================================

The signature covers the hash of the program (Windows Authenticode Portable
Executable Signature Format)::

    SEQUENCE { signedData, [0] SEQUENCE { version, SET OF algorithm,
        SEQUENCE { spcIndirectData, [0] SEQUENCE { ..., SEQUENCE {
            algorithm, digest } } },
        [0] SET OF Certificate, SET OF SignerInfo } }
    SignerInfo ::= SEQUENCE { version, SEQUENCE { issuer, serialNumber },
        algorithm, [0] SET OF attribute, algorithm, signature, ... }

The checks are those of EDK II (``DxeImageVerificationLib.c``,
``CryptPkcs7VerifyCommon.c``, ``CryptAuthenticode.c``) with OpenSSL's
``PKCS7_verify``, which shim has, too. Hyper-V has Microsoft's copy of it.
Dates of certificates are ignored, and so are names: keys decide.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence
import dataclasses
import hashlib
import struct
import typing

from hyperv_sched.disk import certificates
from hyperv_sched.disk import der
from hyperv_sched.disk import pe

#: A table has some 20 KB, of two signatures.
MAX_TABLE = 256 * 1024
MAX_SIGNATURES = 16
#: Bytes of programs that are hashed at once.
_CHUNK = 1024 * 1024

_HEADER = struct.Struct('<IHH')
_PKCS7 = 2
#: The lengths of entries without content, at which firmware ends to read.
_EMPTY = {_PKCS7: 8, 0xef1: 24}
_ALIGNMENT = 8
_SIGNED_DATA = bytes.fromhex('2a864886f70d010702')
_SPC_INDIRECT_DATA = bytes.fromhex('2b060104018237020104')
_MESSAGE_DIGEST = bytes.fromhex('2a864886f70d010904')
#: Firmware finds the hash function at this offset of the DER, and wants a
#: length of two bytes at its beginning.
_HASH_OFFSET = 32
_TWO_BYTES = 0x82
#: Steps of work to decode an entry (see
#: :data:`hyperv_sched.disk.reader.MAX_STEPS`): at first, and for each 64
#: bytes.
_DECODE_STEPS = 500


class UnreadableError(Exception):
    """The certificate table is larger than any that is in use."""


@dataclasses.dataclass(frozen=True)
class Signature:
    """A signature, as far as the certificate table alone shows it."""

    hash: str
    """The hash function."""
    digest: bytes
    """The hash of the program that was signed."""
    signers: tuple[certificates.Certificate, ...]
    """The certificate of each signer, mostly one."""
    others: tuple[certificates.Certificate, ...]
    """Certificates that may be issuers."""
    defect: str
    """Why it is not a signature of the signers; '' if it is one."""
    spend: certificates.Spend

    def anchors(self, trusted: Sequence[certificates.Certificate]
                ) -> list[certificates.Certificate]:
        """Return the trusted certificates that the chains of signers reach.

        A chain reaches a certificate that is part of it, or whose key signed
        a part of it. Each of the trusted certificates counts alone.

        :raises certificates.UnsupportedError: see
            :meth:`certificates.Certificate.issued`.
        """
        if not trusted:
            return []
        chains = [self._issuers(signer) for signer in self.signers]
        return [anchor for anchor in trusted if all(
            any(part.encoded == anchor.encoded
                or anchor.issued(part, self.spend) for part in chain)
            for chain in chains)]

    def _issuers(self, signer: certificates.Certificate
                 ) -> list[certificates.Certificate]:
        """Return a signer, its issuer and so on, by signatures."""
        chain = [signer]
        seen = {signer.encoded}
        for part in chain:
            for other in self.others:
                if other.encoded not in seen and other.issued(
                        part, self.spend):
                    seen.add(other.encoded)
                    chain.append(other)
        return chain


@dataclasses.dataclass(frozen=True)
class Table:
    """The certificate table of a program."""

    signatures: tuple[Signature, ...]
    undecodable: tuple[str, ...]
    """Why an entry of PKCS #7 counts for nothing, for each such one."""
    unsupported: tuple[str, ...]
    """Why an entry cannot be verified here, for each such one."""
    defect: str
    """Why firmware refuses the table whatever it holds; '' if it does not."""
    shim_defect: str
    """Why shim refuses it."""


class _Entry(typing.NamedTuple):
    type: int
    data: bytes


def read(program: pe.Contents) -> Table:
    """Read the certificate table of a program that has one.

    :raises UnreadableError: it is too large, or has too many signatures.
    """
    offset, size = program.certificate_table
    if size > MAX_TABLE:
        raise UnreadableError(f'a certificate table of {size} bytes')
    program.file.spend(_DECODE_STEPS + size // 64)
    data = program.file.read(offset, size)
    entries, end = _walk(data)
    signed = [entry.data for entry in entries if entry.type == _PKCS7]
    if len(signed) > MAX_SIGNATURES:
        raise UnreadableError(f'{len(signed)} signatures')
    signatures = []
    undecodable, unsupported = [], []
    for encoded in signed:
        try:
            signatures.append(_decode(encoded, program.file.spend))
        except der.DERError as exc:
            undecodable.append(str(exc))
        except certificates.UnsupportedError as exc:
            unsupported.append(str(exc))
    defect = shim_defect = ''
    if end != size:
        defect = f'its entries end at byte {end} of {size}'
        if end < size:
            shim_defect = defect
    rest = program.file.size - offset - size
    if rest:
        # Firmware hashes the end of the file in place of a part of the
        # program.
        defect = shim_defect = f'{rest} bytes follow it'
    return Table(tuple(signatures), tuple(undecodable), tuple(unsupported),
                 defect, shim_defect)


def _walk(data: bytes) -> tuple[list[_Entry], int]:
    """Return the entries, and the offset at which firmware ends to read."""
    entries = []
    offset = 0
    while offset < len(data):
        rest = len(data) - offset
        if rest <= _HEADER.size:
            break
        length, _, kind = _HEADER.unpack_from(data, offset)
        if not _HEADER.size <= length <= rest or (
                length <= _EMPTY.get(kind, 0)):
            break
        entries.append(_Entry(
            kind, data[offset + _HEADER.size:offset + length]))
        offset += length + -length % _ALIGNMENT
    return entries, offset


def _decode(data: bytes, spend: certificates.Spend) -> Signature:
    """Decode a signature.

    :raises der.DERError: firmware finds no signature in it.
    :raises certificates.UnsupportedError: a key is not one of RSA.
    """
    if len(data) <= _HASH_OFFSET or data[1] & _TWO_BYTES != _TWO_BYTES:
        raise der.DERError('no SignedData')
    name = next((name for oid, name in certificates.HASHES.items()
                 if data.startswith(oid, _HASH_OFFSET)), None)
    if name is None:
        raise der.DERError('an unknown hash function')
    kind, explicit = der.read(data, der.SEQUENCE).fields(
        der.OID, der.CONTEXT)[:2]
    if kind.content != _SIGNED_DATA:
        raise der.DERError('no SignedData')
    fields = der.read(explicit.content, der.SEQUENCE).fields(
        der.INTEGER, der.SET, der.SEQUENCE, der.CONTEXT)
    _, functions, signed, bag = fields[:4]
    infos = fields[-1]
    if infos.tag != der.SET:
        raise der.DERError('no signers')
    content_type, wrapped = signed.fields(der.OID, der.CONTEXT)[:2]
    if content_type.content != _SPC_INDIRECT_DATA:
        raise der.DERError('the signature is not one of a program')
    content = der.read(wrapped.content, der.SEQUENCE).content
    size = hashlib.new(name).digest_size
    if len(content) < size:
        raise der.DERError('no hash')
    known = [certificates.read(item.encoded) for item in bag.children()]
    used = {item.fields(der.OID)[0].content for item in functions.children()}
    signers = []
    defect = ''
    for info in infos.children():
        signer, problem = _verify(info, known, used, content, spend)
        defect = defect or problem
        signers.append(signer)
    if not signers:
        raise der.DERError('no signers')
    return Signature(
        name, content[-size:], tuple(signers), tuple(known), defect, spend)


def _verify(info: der.Element, known: list[certificates.Certificate],
            used: set[bytes], content: bytes, spend: certificates.Spend,
            ) -> tuple[certificates.Certificate, str]:
    """Return the certificate of a signer, and the defect of its signature.

    :param used: the hash functions that the signature states at its beginning
    :raises der.DERError: the signer or its certificate is missing.
    """
    fields = info.fields(der.INTEGER, der.SEQUENCE, der.SEQUENCE)
    issuer, serial = fields[1].fields(der.SEQUENCE, der.INTEGER)[:2]
    signer = next((
        certificate for certificate in known
        if certificate.issuer == issuer.encoded
        and certificate.serial == serial.content), None)
    if signer is None:
        raise der.DERError('the certificate of the signer is missing')
    if signer.key is None:
        raise certificates.UnsupportedError(f'no RSA: {signer.name}')
    function = fields[2].fields(der.OID)[0].content
    name = certificates.HASHES.get(function)
    if name is None or function not in used:
        raise der.DERError('an unknown hash function')
    rest = fields[3:]
    signed = content
    if rest and rest[0].tag == der.CONTEXT:
        attributes = rest.pop(0)
        digest = hashlib.new(name, content).digest()
        if _message_digest(attributes) != digest:
            return signer, 'its attributes are those of another signature'
        # They are signed as a SET.
        signed = bytes((der.SET,)) + attributes.encoded[1:]
    if [field.tag for field in rest[:2]] != [der.SEQUENCE, der.OCTET_STRING]:
        raise der.DERError('no signature')
    if not signer.key.verify(name, hashlib.new(name, signed).digest(),
                             rest[1].content, spend):
        return signer, f'{signer.name} has not signed it'
    return signer, ''


def _message_digest(attributes: der.Element) -> bytes | None:
    for attribute in attributes.children():
        kind, values = attribute.fields(der.OID, der.SET)[:2]
        if kind.content == _MESSAGE_DIGEST:
            return der.read(values.content, der.OCTET_STRING).content
    return None


def digest(program: pe.Contents, names: Iterable[str]) -> dict[str, bytes]:
    """Return the hash of a program, by each of some hash functions.

    Reads the whole program, in addition to the budget of the inspection. A
    program whose hash firmware cannot compute has none.
    """
    hashes = {name: hashlib.new(name) for name in names}
    ranges = program.signed_ranges()
    if any(start > end for start, end in ranges):
        return {}
    for start, end in ranges:
        while start < end:
            data = program.file.read(start, min(end - start, _CHUNK))
            if not data:
                return {}
            for function in hashes.values():
                function.update(data)
            start += len(data)
    return {name: function.digest() for name, function in hashes.items()}
