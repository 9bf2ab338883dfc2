# SPDX-License-Identifier: Apache-2.0
"""Sign EFI programs, with each part of the signature as a test wants it.

Keys are made by cryptography, once in a process. The signatures are encoded
here: sbsign makes valid ones only.
"""

import dataclasses
import datetime
import functools
import hashlib
import struct

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509 import oid

HASHES = {'sha1': hashes.SHA1, 'sha256': hashes.SHA256,
          'sha384': hashes.SHA384, 'sha512': hashes.SHA512}
_HASH_OIDS = {'sha1': '2b0e03021a', 'sha256': '608648016503040201',
              'sha384': '608648016503040202', 'sha512': '608648016503040203'}
_START = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)


@functools.cache
def key(name, bits=2048):
    """Return the RSA key of a name."""
    return rsa.generate_private_key(65537, bits)


@functools.cache
def ec_key(name):
    return ec.generate_private_key(ec.SECP256R1())


@dataclasses.dataclass(frozen=True)
class Signer:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: rsa.RSAPrivateKey

    @property
    def encoded(self):
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def pem(self):
        return self.certificate.public_bytes(serialization.Encoding.PEM)


@functools.cache
def signer(name, issuer=None, key_name=None, ca=False, serial=None,
           private=None, days=3650, algorithm='sha256'):
    """Return a signer; without an issuer it is one of its own.

    :param key_name: another name than that of the certificate, for its key
    """
    private = private or key(key_name or name)
    subject = x509.Name([x509.NameAttribute(oid.NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder().subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(private.public_key())
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(_START)
        .not_valid_after(_START + datetime.timedelta(days))
        .add_extension(x509.BasicConstraints(ca, None), critical=True))
    return Signer(builder.sign(
        issuer.key if issuer else private, HASHES[algorithm]()), private)


def element(tag, *content):
    """Encode an element of DER."""
    data = b''.join(content)
    if len(data) < 0x80:
        return bytes((tag, len(data))) + data
    size = (len(data).bit_length() + 7) // 8
    return (bytes((tag, 0x80 + size)) + len(data).to_bytes(size, 'big')
            + data)


def inside(encoded):
    """Return the content of an element of less than 256 bytes."""
    return encoded[3 if encoded[1] == 0x81 else 2:]


def sequence(*content):
    return element(0x30, *content)


def oid_element(text):
    return element(6, bytes.fromhex(text))


def algorithm(text):
    return sequence(oid_element(text), element(5))


def integer(number):
    return element(2, number.to_bytes(number.bit_length() // 8 + 1, 'big'))


def signed_ranges(program):
    """Return the bytes that a signature covers, for adjacent sections."""
    start, = struct.unpack_from('<I', program, 60)
    checksum, entry = start + 88, start + 168
    table, size = struct.unpack_from('<II', program, entry)
    end = table if size else len(program)
    return (program[:checksum] + program[checksum + 4:entry]
            + program[entry + 8:end])


def content(digest, name='sha256'):
    """Encode SpcIndirectDataContent."""
    return sequence(
        sequence(oid_element('2b06010401823702010f'), sequence(
            element(3, b'\0'), element(0xa0, element(0xa2, element(
                0x80, '<<<Obsolete>>>'.encode('utf-16-be')))))),
        sequence(algorithm(_HASH_OIDS[name]), element(4, digest)))


def signer_info(who, data, name='sha256', named=None, attributes=True,
                stated=None, hash_key=None):
    """Encode SignerInfo.

    :param data: the content without its tag and length
    :param named: whose certificate it names; None for that of the key
    :param stated: the content whose hash is an attribute
    """
    certificate = (named or who).certificate
    digest = hashlib.new(name, data if stated is None else stated).digest()
    signed = b''.join((
        sequence(oid_element('2a864886f70d010903'), element(
            0x31, oid_element('2b060104018237020104'))),
        sequence(oid_element('2a864886f70d010904'), element(
            0x31, element(4, digest)))))
    text = element(0x31, signed) if attributes else data
    return sequence(
        integer(1),
        sequence(certificate.issuer.public_bytes(), integer(
            certificate.serial_number)),
        algorithm(_HASH_OIDS[hash_key or name]),
        element(0xa0, signed) if attributes else b'',
        algorithm('2a864886f70d010101'),
        element(4, who.key.sign(
            text, padding.PKCS1v15(), HASHES[name]())))


def pkcs7(program, who, *others, name='sha256', digest=None,
          certificates=None, infos=None, **options):
    """Encode the signature of a program.

    :param others: further certificates
    :param certificates: all certificates, if they differ
    """
    if digest is None:
        digest = hashlib.new(name, signed_ranges(program)).digest()
    spc = content(digest, name)
    data = inside(spc)
    if infos is None:
        infos = (signer_info(who, data, name, **options),)
    if certificates is None:
        certificates = (who, *others)
    return sequence(
        oid_element('2a864886f70d010702'),
        element(0xa0, sequence(
            integer(1), element(0x31, algorithm(_HASH_OIDS[name])),
            sequence(oid_element('2b060104018237020104'),
                     element(0xa0, spc)),
            element(0xa0, *(item.encoded for item in certificates)),
            element(0x31, *infos))))


def entry(data, kind=2, length=None, padded=True):
    """Return an entry of the certificate table."""
    if length is None:
        length = 8 + len(data)
    padding = bytes(-len(data) % 8) if padded else b''
    return struct.pack('<IHH', length, 0x200, kind) + data + padding


def prepare(program):
    """Return a program padded to 8 bytes, as it is signed."""
    return program + bytes(-len(program) % 8)


def attach(program, *entries, size=None):
    """Return a program with a certificate table."""
    table = b''.join(entries)
    data = bytearray(program + table)
    start, = struct.unpack_from('<I', data, 60)
    struct.pack_into('<II', data, start + 168, len(program),
                     len(table) if size is None else size)
    return bytes(data)


def sign(program, *signers, **options):
    """Return a program with a signature, in place of others.

    :param signers: the signer, and further certificates
    """
    program = prepare(program)
    return attach(program, entry(pkcs7(program, *signers, **options)))
