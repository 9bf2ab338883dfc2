# SPDX-License-Identifier: Apache-2.0
"""Field types for versions, requirements on versions, and findings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from oslo_versionedobjects import fields

from hyperv_sched import rules
from hyperv_sched import versions


class _Parsed(fields.FieldType):
    """Text on the wire, parsed in the object."""

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
    """A requirement in Nova's grammar, parsed into packaging specifiers."""

    meaning = versions.Specifiers
    parse = staticmethod(versions.parse_requirement)


class VersionSpecifierField(fields.AutoTypedField):
    """A field with a version requirement."""

    AUTO_TYPE = VersionSpecifiers()


class HypervisorVersion(_Parsed):
    """A version that a host reports."""

    meaning = versions.Version
    parse = staticmethod(versions.Version)


class HypervisorVersionField(fields.AutoTypedField):
    """A field with the version of a hypervisor."""

    AUTO_TYPE = HypervisorVersion()


class RuleFinding(fields.FieldType):
    """A finding of a rule; on the wire an object of its members."""

    @classmethod
    def coerce(cls, obj: Any, attr: str, value: Any) -> rules.Finding:
        """Accept findings only."""
        if isinstance(value, rules.Finding):
            return value
        raise ValueError(f'Field {attr} takes no {type(value).__name__}')

    @staticmethod
    def to_primitive(obj: Any, attr: str, value: Any) -> dict[str, Any]:
        """Return the members of the finding."""
        primitive: dict[str, Any] = value.as_dict()
        return primitive

    @staticmethod
    def from_primitive(obj: Any, attr: str, value: Any) -> rules.Finding:
        """Make the finding of its members."""
        return rules.Finding.from_dict(value)

    @staticmethod
    def stringify(value: Any) -> str:
        """Return the text for the representation of an object."""
        return f"'{value}'"


class FindingField(fields.AutoTypedField):
    """A field with a finding."""

    AUTO_TYPE = RuleFinding()
