"""What FIX 4.4 asks of each message, and what of it a message breaks.

`REQUIRED` is by hand, of the specification: FIX 4.4 with errata of 18 June 2003, volume 2 (the
session), 4 (orders) and 5 (positions, trades), the fields with "Y"; of components those that are
needed to say anything. `dictionary` is another party's copy of it as XML: QuickFIX's, which comes
with fixcore-engine.
"""

import functools
import xml.etree.ElementTree as ET
from pathlib import Path

import fixcore

Fields = list[tuple[int, str]]

HEADER = {8, 9, 35, 49, 56, 34, 52}
REQUIRED = {
    "0": set(),
    "1": {112},
    "2": {7, 16},
    "3": {45},
    "4": {36},
    "5": set(),
    "A": {98, 108},
    "D": {11, 55, 54, 60, 38, 40},
    "F": {41, 11, 55, 54, 60, 38},
    "G": {41, 11, 55, 54, 60, 38, 40},
    "H": {11, 55, 54},
    "AF": {584, 585},
    "AD": {568, 569},
    "AN": {710, 724, 1, 581, 715, 60},
    "8": {37, 17, 150, 39, 55, 54, 151, 14, 6},
    "9": {37, 11, 41, 39, 434},
    "j": {372, 380},
    "AQ": {568, 569, 749, 750, 55},
    "AE": {571, 570, 55, 32, 31, 75, 60, 552, 54, 37},
    "AO": {721, 728, 729, 1, 581},
    "AP": {721, 728, 715, 1, 581, 730, 731, 734, 702, 703},
}
#: Needed with others: an order's limit, its trigger, its time, a report's named one.
WITH = {
    ("40", "2"): 44, ("40", "3"): 99, ("40", "4"): 44, ("59", "6"): 126, ("123", "Y"): 43,
}  # fmt: skip


@functools.cache
def dictionary() -> ET.Element:
    path = Path(fixcore.__file__).parent / "specs" / "FIX44.xml"
    return ET.parse(path).getroot()


@functools.cache
def names() -> dict[str, int]:
    return {one.get("name", ""): int(one.get("number", "0")) for one in dictionary().find("fields")}  # type: ignore[union-attr]


@functools.cache
def enums() -> dict[int, set[str]]:
    return {
        int(one.get("number", "0")): {value.get("enum", "") for value in one}
        for one in dictionary().find("fields")  # type: ignore[union-attr]
        if len(one)
    }


def _fields(node: ET.Element, *, required: bool) -> set[int]:
    """Numbers below a node; those that it must have, or all that it may."""
    found: set[int] = set()
    for one in node:
        if required and one.get("required") != "Y":
            continue
        name = one.get("name", "")
        if one.tag in ("field", "group"):
            found.add(names()[name])
        if one.tag == "component":
            of = next(c for c in dictionary().find("components") if c.get("name") == name)  # type: ignore[union-attr]
            found |= _fields(of, required=required)
        elif one.tag == "group":
            found |= _fields(one, required=required)
    return found


@functools.cache
def message_fields(kind: str, *, required: bool) -> set[int]:
    node = next(one for one in dictionary().find("messages") if one.get("msgtype") == kind)  # type: ignore[union-attr]
    return _fields(node, required=required)


@functools.cache
def header_fields() -> set[int]:
    return _fields(dictionary().find("header"), required=False)  # type: ignore[arg-type]


def broken(message: Fields) -> list[str]:
    """What a message breaks of the standard."""
    got = dict(message)
    kind = got[35]
    tags = [tag for tag, _ in message]
    told = []
    if tags[:3] != [8, 9, 35] or tags[-1] != 10:
        told.append("order of header and trailer")
    if missing := (HEADER | REQUIRED[kind]) - set(tags):
        told.append(f"missing {sorted(missing)}")
    body = [tag for tag in tags[:-1] if tag not in header_fields()]
    if body and tags.index(body[0]) <= max(tags.index(tag) for tag in HEADER & set(tags)):
        told.append("a header's field behind the body's first")
    if strange := set(body) - message_fields(kind, required=False):
        told.append(f"not of this message {sorted(strange)}")
    if kind not in ("AE", "AP") and len(set(tags)) != len(tags):
        told.append("a field twice")
    told += [
        f"{tag}={value}"
        for tag, value in message
        if tag in enums() and tag not in (18,) and value not in enums()[tag]
    ]
    told += [
        f"{tag}={value} without {needed}"
        for (tag, value), needed in WITH.items()
        if got.get(int(tag)) == value and needed not in tags
    ]
    return [f"{kind}: {one}: {message}" for one in told]
