# SPDX-License-Identifier: Apache-2.0
"""Field types for versions and for requirements on versions."""

from __future__ import annotations

from typing import Any

from oslo_versionedobjects import fields

from hyperv_sched import versions


class VersionSpecifiers(fields.FieldType):
    """A requirement in Nova's grammar, kept as packaging specifiers."""

    @staticmethod
    def coerce(obj: Any, attr: str, value: Any) -> versions.Specifiers:
        if isinstance(value, versions.Specifiers):
            return value
        if isinstance(value, str):
            return versions.parse_requirement(value)
        raise ValueError(f'A version requirement is needed in field {attr}, '
                         f'not a {type(value).__name__}')

    @staticmethod
    def to_primitive(obj: Any, attr: str, value: versions.Specifiers) -> str:
        return str(value)

    @classmethod
    def from_primitive(cls, obj: Any, attr: str,
                       value: Any) -> versions.Specifiers:
        return cls.coerce(obj, attr, value)

    @staticmethod
    def stringify(value: versions.Specifiers) -> str:
        return f"'{value}'"


class VersionSpecifierField(fields.AutoTypedField):
    AUTO_TYPE = VersionSpecifiers()


class HypervisorVersion(fields.FieldType):
    """A version that a host reports."""

    @staticmethod
    def coerce(obj: Any, attr: str, value: Any) -> versions.Version:
        if isinstance(value, versions.Version):
            return value
        if isinstance(value, str):
            return versions.Version(value)
        raise ValueError(f'A version is needed in field {attr}, '
                         f'not a {type(value).__name__}')

    @staticmethod
    def to_primitive(obj: Any, attr: str, value: versions.Version) -> str:
        return str(value)

    @classmethod
    def from_primitive(cls, obj: Any, attr: str,
                       value: Any) -> versions.Version:
        return cls.coerce(obj, attr, value)

    @staticmethod
    def stringify(value: versions.Version) -> str:
        return f"'{value}'"


class HypervisorVersionField(fields.AutoTypedField):
    AUTO_TYPE = HypervisorVersion()
