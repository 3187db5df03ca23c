"""Messages of a server as plain values."""

import json
from collections.abc import Mapping
from typing import Any


def plain(message: Any, *, parsed: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return a message's fields by name.

    Parameters
    ----------
    message
        Moments become ISO 8601, empty where there is none; values of an enumeration their names
        in lower case, without its own; what is optional and absent None.
    parsed
        Fields that have JSON, which is read; empty text is None.
    """
    found = {field.name: _value(message, field) for field in message.DESCRIPTOR.fields}
    for name in parsed:
        found[name] = json.loads(found[name]) if found[name] else None
    return found


def given(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is not None: everything else is as the server has it."""
    return {name: value for name, value in values.items() if value is not None}


def moment_of(message: Any, name: str) -> str:
    """Return a moment of a message as ISO 8601; empty: not yet."""
    if not message.HasField(name):
        return ""
    return f"{getattr(message, name).ToDatetime().isoformat(timespec='milliseconds')}Z"


def _value(message: Any, field: Any) -> Any:
    value = getattr(message, field.name)
    if field.is_repeated:
        return [plain(one) if field.message_type else one for one in value]
    if field.message_type and field.message_type.full_name == "google.protobuf.Timestamp":
        return moment_of(message, field.name)
    if field.has_presence and not message.HasField(field.name):
        return None
    if field.message_type:
        return plain(value)
    if field.enum_type:
        return enum_name(field.enum_type, value)
    return value


def enum_name(kind: Any, number: int) -> str:
    """Return a value of an enumeration as it is called, without the enumeration's own name."""
    named, none = kind.values_by_number[number].name, kind.values_by_number[0].name
    return str(named.removeprefix(none.removesuffix("UNSPECIFIED"))).lower()
