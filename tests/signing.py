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
import uuid

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


def program(**sections):
    """Return an EFI program with sections of some content, one by another.

    Its code is in a section of its own, and does nothing.

    :param sections: content by the name, without the dot
    """
    parts = [('.text', b'\xc3' * 64)] + [
        (f'.{name}', data) for name, data in sections.items()]
    strings = b''
    names = []
    for name, _ in parts:
        encoded = name.encode()
        if len(encoded) > 8:
            encoded = f'/{4 + len(strings)}'.encode()
            strings += name.encode() + b'\0'
        names.append(encoded)
    table = 64 + 24 + 240
    strings_offset = table + 40 * len(parts)
    headers_size = -(-(strings_offset + 4 + len(strings)) // 512) * 512
    image = bytearray(headers_size)
    image[:2] = b'MZ'
    struct.pack_into('<I', image, 60, 64)
    struct.pack_into('<4sHHIIIHHH', image, 64, b'PE\0\0', 0x8664, len(parts),
                     0, strings_offset, 0, 240, 0x22, 0x20b)
    address = 4096
    for number, (_, data) in enumerate(parts):
        data = data + bytes(-len(data) % 512)
        struct.pack_into('<8sIIII', image, table + 40 * number,
                         names[number], len(data), address, len(data),
                         len(image))
        image += data
        address += -(-len(data) // 4096) * 4096
    struct.pack_into('<I12xI20xII4xH', image, 64 + 24 + 16, 4096, 4096,
                     address, headers_size, 10)
    struct.pack_into('<I', image, 64 + 24 + 108, 16)
    image[strings_offset:strings_offset + 4] = struct.pack(
        '<I', 4 + len(strings))
    image[strings_offset + 4:strings_offset + 4 + len(strings)] = strings
    return bytes(image)


#: Types of lists of certificates and of hashes.
X509 = 'a5c059a1-94e4-4aa7-87b5-ab155c2bf072'
SHA256 = 'c1c41626-504c-4092-aca9-41f936934328'


def signature_list(kind, *values):
    """Encode a list of certificates or hashes of one size.

    :param kind: a GUID as text
    """
    if not values:
        return b''
    size = 16 + len(values[0])
    return uuid.UUID(kind).bytes_le + struct.pack(
        '<III', 28 + size * len(values), 0, size) + b''.join(
            bytes(16) + value for value in values)


def vendor_cert(trusted, revoked=b''):
    """Encode the section .vendor_cert of a shim.

    :param trusted: a certificate, or lists
    :param revoked: lists
    """
    return struct.pack('<IIII', len(trusted), len(revoked), 16,
                       16 + len(trusted)) + trusted + revoked


def sbat_levels(automatic, latest='sbat,1,2030010100\nshim,99\n'):
    """Encode the section .sbatlevel of a shim."""
    level = automatic.encode() + b'\0'
    return struct.pack('<III', 0, 8, 8 + len(level)) + level + (
        latest.encode() + b'\0')
