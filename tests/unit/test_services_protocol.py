"""The protocol of the server: stubs as the .proto files say, names by rule, nothing taken back."""

import re
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from packaging.requirements import Requirement

from ci_commands import ci_command

HEAD = 'syntax = "proto3";\npackage tapewire.v1;\nimport "google/protobuf/timestamp.proto";\n'
WHOLE = (
    "message A { int64 wait_s = 1; string name = 2; }\n"
    "enum Kind { KIND_UNSPECIFIED = 0; KIND_B = 1; }\n"
    "message ARequest {}\nmessage AResponse {}\n"
    "service AService { rpc Ask(ARequest) returns (AResponse); }\n"
)


@pytest.fixture(scope="module")
def stubs() -> ModuleType:
    """The command that makes them."""
    return ci_command("stubs")


@pytest.fixture
def described(stubs: ModuleType, tmp_path: Path) -> Any:
    """Descriptors of a file with such a text."""

    def describe(text: str) -> list[Any]:
        folder, out = tmp_path / "in" / "tapewire" / "services" / "proto", tmp_path / "out"
        folder.mkdir(parents=True, exist_ok=True)
        out.mkdir(exist_ok=True)
        (folder / "one.proto").write_text(text if text.startswith("syntax") else HEAD + text)
        return list(stubs.compiled(tmp_path / "in", out))

    return describe


def test_the_stubs_are_those_of_the_proto_files_and_nothing_was_taken_back(
    stubs: ModuleType,
) -> None:
    assert stubs.faults() == []


def test_a_stub_that_was_edited_is_told(
    stubs: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in stubs.PROTO.iterdir():
        if path.suffix != "" and path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    edited = tmp_path / "health_pb2.pyi"
    edited.write_text(edited.read_text() + "\n")
    monkeypatch.setattr(stubs, "PROTO", tmp_path)
    assert stubs.faults() == [
        "services/proto/health_pb2.pyi: not what the .proto comes to: run .ci/stubs"
    ]


def test_stubs_are_made_with_the_oldest_grpc_and_protobuf_that_are_let_in(
    stubs: ModuleType, repo: Path
) -> None:
    extras = tomllib.loads((repo / "pyproject.toml").read_text())["project"]
    lowest: dict[str, set[str]] = {}
    for extra in ("server", "client", "dev"):
        for one in map(Requirement, extras["optional-dependencies"][extra]):
            bounds = [bound.version for bound in one.specifier if bound.operator == ">="]
            lowest.setdefault(one.name, set()).update(bounds)
    grpc_of, protobuf_of = set(), set()
    for path in stubs.PROTO.glob("*_pb2*.py"):
        text = path.read_text()
        grpc_of |= set(re.findall(r"GRPC_GENERATED_VERSION = '([\d.]+)'", text))
        protobuf_of |= set(re.findall(r"# Protobuf Python Version: ([\d.]+)", text))
    assert lowest["grpcio"] == grpc_of
    assert lowest["protobuf"] == protobuf_of


@pytest.mark.parametrize(
    ("was", "becomes", "told"),
    [
        (" string name = 2;", "", "field tapewire.v1.A 2 = string name"),
        ("string name = 2", "string name = 3", "field tapewire.v1.A 2 = string name"),
        ("string name = 2", "string title = 2", "field tapewire.v1.A 2 = string name"),
        ("string name = 2", "bytes name = 2", "field tapewire.v1.A 2 = string name"),
        ("string name", "repeated string name", "field tapewire.v1.A 2 = string name"),
        (" KIND_B = 1;", "", "value tapewire.v1.Kind 1 = KIND_B"),
        ("returns (AR", "returns (stream AR", "call tapewire.v1.AService/Ask"),
        ("rpc Ask", "rpc Tell", "call tapewire.v1.AService/Ask"),
    ],
)
def test_what_an_older_client_relies_on_stays(
    stubs: ModuleType, described: Any, was: str, becomes: str, told: str
) -> None:
    known = stubs.listed(described(WHOLE))
    assert stubs.broken(known, described(WHOLE + "message B { string name = 1; }")) == []
    assert was in WHOLE
    faults = stubs.broken(known, described(WHOLE.replace(was, becomes)))
    assert [one for one in faults if one.startswith(told)], faults


def test_a_field_may_end_if_its_number_and_name_stay_its_own(
    stubs: ModuleType, described: Any
) -> None:
    known = stubs.listed(described(WHOLE))
    ended = WHOLE.replace("string name = 2;", 'reserved 2; reserved "name";')
    assert stubs.broken(known, described(ended)) == []
    for half in ("reserved 2;", 'reserved "name";'):
        assert stubs.broken(known, described(WHOLE.replace("string name = 2;", half)))
    value = WHOLE.replace("KIND_B = 1;", 'reserved 1; reserved "KIND_B";')
    assert stubs.broken(known, described(value)) == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("message a_b {}", "tapewire.v1.a_b: expected PascalCase"),
        ("message A { string Name = 1; }", "A.Name: expected lower_snake"),
        ("message A { int64 wait = 1; }", "A.wait: expected a unit last"),
        ("message A { double disk_free = 1; }", "A.disk_free: expected a unit last"),
        ("message A { int64 made_at = 1; }", "A.made_at: expected a Timestamp"),
        ("message A { google.protobuf.Timestamp made = 1; }", "A.made: expected a Timestamp"),
        ("enum Kind { B = 0; }", "Kind.B: expected KIND_…"),
        ("enum Kind { KIND_B = 0; }", "expected 0 to be …_UNSPECIFIED"),
        (WHOLE.replace("AService", "Asking"), "Asking: expected …Service"),
        (WHOLE.replace("ARequest", "Question"), "expected …Request, found .tapewire.v1.Question"),
        (WHOLE.replace("AResponse", "Answer"), "expected …Response, found .tapewire.v1.Answer"),
        (
            WHOLE.replace("(AResponse);", "(AResponse); rpc Tell(ARequest) returns (AResponse);"),
            "AService.Tell: expected a request of its own",
        ),
        ('syntax = "proto3";\npackage tapewire.v2;', "expected package tapewire.v1"),
    ],
)
def test_each_rule_of_names_bites(stubs: ModuleType, described: Any, text: str, told: str) -> None:
    assert stubs.misnamed(described(WHOLE)) == []
    assert [one for one in stubs.misnamed(described(text)) if told in one]
