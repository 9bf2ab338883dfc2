# SPDX-License-Identifier: Apache-2.0
"""Field types for versions and for requirements on versions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from oslo_versionedobjects import fields

from hyperv_sched import versions


class _Parsed(fields.FieldType):
    """Text on the wire, and what it means in the object."""

    meaning: type
    parse: Callable[[str], Any]

    @classmethod
    def coerce(cls, obj: Any, attr: str, value: Any) -> Any:
        if isinstance(value, cls.meaning):
            return value
        if isinstance(value, str):
            return cls.parse(value)
        raise ValueError(f'Field {attr} takes no {type(value).__name__}')

    @staticmethod
    def to_primitive(obj: Any, attr: str, value: Any) -> str:
        return str(value)

    @classmethod
    def from_primitive(cls, obj: Any, attr: str, value: Any) -> Any:
        return cls.coerce(obj, attr, value)

    @staticmethod
    def stringify(value: Any) -> str:
        return f"'{value}'"


class VersionSpecifiers(_Parsed):
    """A requirement in Nova's grammar, kept as packaging specifiers."""

    meaning = versions.Specifiers
    parse = staticmethod(versions.parse_requirement)


class VersionSpecifierField(fields.AutoTypedField):
    AUTO_TYPE = VersionSpecifiers()


class HypervisorVersion(_Parsed):
    """A version that a host reports."""

    meaning = versions.Version
    parse = staticmethod(versions.Version)


class HypervisorVersionField(fields.AutoTypedField):
    AUTO_TYPE = HypervisorVersion()
