# SPDX-License-Identifier: Apache-2.0
"""Distinguished Encoding Rules (X.690), for certificates and signatures.

An element is a tag of one byte, the length of the content and the content. A
length below 128 is one byte; others are a byte 0x80 + n and n bytes, big
endian.

Only what signatures of programs have is read: no tag of several bytes, and no
indefinite length, which DER does not allow. Lengths that are longer than they
must be are accepted, as OpenSSL does. Reading an element costs time linear in
its size, and nothing is read recursively.
"""

from __future__ import annotations

import typing

BOOLEAN = 0x01
INTEGER = 0x02
BIT_STRING = 0x03
OCTET_STRING = 0x04
OID = 0x06
SEQUENCE = 0x30
SET = 0x31
#: Context-specific tags of constructed elements: CONTEXT + number.
CONTEXT = 0xa0

_LONG_TAG = 0x1f
_LONG_LENGTH = 0x80
_MAX_LENGTH_BYTES = 4

#: Elements below one other. A certificate has some ten, a signature of a
#: program a handful of certificates.
MAX_ELEMENTS = 128


class DERError(Exception):
    """The bytes are not the element that is expected."""


class Element(typing.NamedTuple):
    """An element."""

    tag: int
    encoded: bytes
    """The whole element."""
    content: bytes

    def children(self) -> list[Element]:
        """Return the elements in the content.

        :raises DERError: it has others, or more than :data:`MAX_ELEMENTS`.
        """
        elements: list[Element] = []
        rest = self.content
        while rest:
            if len(elements) == MAX_ELEMENTS:
                raise DERError(f'more than {MAX_ELEMENTS} elements')
            element = read(rest)
            elements.append(element)
            rest = rest[len(element.encoded):]
        return elements

    def fields(self, *tags: int) -> list[Element]:
        """Return the elements in the content, whose tags are known.

        :param tags: those of the first elements; others may follow
        :raises DERError: the content differs.
        """
        elements = self.children()
        if tuple(element.tag for element in elements[:len(tags)]) != tags:
            raise DERError('other elements than expected')
        return elements

    def integer(self) -> int:
        """Return the value of an INTEGER."""
        return int.from_bytes(self.content, 'big', signed=True)


def read(data: bytes, tag: int | None = None) -> Element:
    """Return the element that data begin with; more data may follow.

    :param tag: the tag that the element must have; None for any
    :raises DERError: there is no such element.
    """
    if len(data) < 2 or data[0] & _LONG_TAG == _LONG_TAG:
        raise DERError('no element')
    start, length = 2, data[1]
    if length & _LONG_LENGTH:
        count = length - _LONG_LENGTH
        start += count
        if not 0 < count <= _MAX_LENGTH_BYTES or len(data) < start:
            raise DERError('no definite length')
        length = int.from_bytes(data[2:start], 'big')
    end = start + length
    if end > len(data):
        raise DERError(f'an element of {length} bytes is cut off')
    if tag is not None and data[0] != tag:
        raise DERError(f'tag {data[0]:#x} instead of {tag:#x}')
    return Element(data[0], data[:end], data[start:end])
