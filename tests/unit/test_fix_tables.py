"""The numbers and messages that are spoken are those of FIX 4.4, by two copies of it."""

import pytest

import fix_tables
from tapewire.live.brokers.fix import commands
from tapewire.live.brokers.fix import executions as ex
from tapewire.live.brokers.fix import fields as fld

NUMBERS = {name: value for name, value in vars(fld).items() if isinstance(value, int)}
KINDS = {
    name: value for name, value in vars(fld).items()
    if isinstance(value, str) and name.isupper() and name not in ("VERSION", "YES", "NO")
}  # fmt: skip


def spelled(name: str) -> str:
    return name.replace("_", "").lower()


@pytest.mark.parametrize("name", NUMBERS)
def test_every_field_has_its_number(name: str) -> None:
    known = {spelled(one): number for one, number in fix_tables.names().items()}
    assert known[spelled(name)] == NUMBERS[name]


@pytest.mark.parametrize("name", KINDS)
def test_every_message_has_its_code(name: str) -> None:
    messages = fix_tables.dictionary().find("messages")
    assert messages is not None
    known = {spelled(one.get("name", "")): one.get("msgtype") for one in messages}
    assert known[spelled(name)] == KINDS[name]


@pytest.mark.parametrize("kind", fix_tables.REQUIRED)
def test_both_copies_want_the_same_of_a_message(kind: str) -> None:
    """The XML leaves a component's own fields open; the table has those that say something."""
    theirs = fix_tables.message_fields(kind, required=True)
    assert theirs <= fix_tables.REQUIRED[kind]
    assert fix_tables.REQUIRED[kind] <= fix_tables.message_fields(kind, required=False)


def test_every_word_is_one_of_the_fields_own() -> None:
    enums = fix_tables.enums()
    assert set(commands.SIDES.values()) <= enums[fld.SIDE]
    assert set(commands.ORDER_TYPES.values()) <= enums[fld.ORD_TYPE]
    assert set(commands.TIMES_IN_FORCE.values()) <= enums[fld.TIME_IN_FORCE]
    assert set(ex.REJECT_REASONS) <= enums[fld.ORD_REJ_REASON]
    assert set(ex.CANCEL_REASONS) <= enums[fld.CXL_REJ_REASON]


def test_every_execution_type_of_the_standard_is_known() -> None:
    known = {"0", "3", "4", "5", "8", "C", "D", "F", "G", "H", ex.STATUS, *ex.TOLD, *ex.PROMISES}
    assert known == fix_tables.enums()[fld.EXEC_TYPE]


def test_what_breaks_the_standard_is_found() -> None:
    whole = [
        (8, "FIX.4.4"), (9, "1"), (35, "D"), (49, "A"), (56, "B"), (34, "1"), (52, "t"), (11, "x"),
        (55, "S"), (54, "1"), (60, "t"), (38, "1"), (40, "2"), (44, "5"), (10, "000"),
    ]  # fmt: skip
    assert fix_tables.broken(whole) == []
    for change, words in (
        ([one for one in whole if one[0] != 54], "missing [54]"),
        ([one for one in whole if one[0] != 44], "40=2 without 44"),
        ([*whole[:8], (584, "y"), *whole[8:]], "not of this message [584]"),
        ([(tag, "9Z" if tag == 54 else value) for tag, value in whole], "54=9Z"),
        ([*whole[:9], (55, "S"), *whole[9:]], "a field twice"),
        ([*whole[1:3], whole[0], *whole[3:]], "order of header"),
    ):
        assert any(words in told for told in fix_tables.broken(change)), words
