"""``tapewire new …``: files to begin with."""

import importlib.resources
import keyword
import re
import string
import sys
from pathlib import Path
from typing import Annotated, Final, Literal

import typer

from tapewire.cli.terminal import say

app = typer.Typer(name="new", help="Write files to begin with.", no_args_is_help=True)
#: The files by kind of strategy, ``$name`` is its name, and the template of each.
_NAMES: Final = ("$name.py", "$name.yaml", "test_$name.py")
_TEMPLATES: Final = {
    "plain": ("strategy.py.j2", "config.yaml.j2", "test_strategy.py.j2"),
    "compiled": ("compiled_strategy.py.j2", "config.yaml.j2", "test_strategy.py.j2"),
    "external": ("model.py.j2", "model_config.yaml.j2", "test_model.py.j2"),
}
Kind = Literal["plain", "compiled", "external"]


@app.command(
    "strategy",
    epilog="[bold]Examples[/bold]\n\ntapewire new strategy my_idea\n\n"
    "tapewire new strategy my_idea --compiled --output strategies\n\n"
    "tapewire new strategy my_model --external",
)
def strategy(
    name: Annotated[str, typer.Argument(metavar="NAME", help="As a file is called: my_idea.")],
    compiled: Annotated[
        bool,
        typer.Option("--compiled", help="Functions for the compiled loop in place of a class."),
    ] = False,
    external: Annotated[
        bool,
        typer.Option("--external", help="A model in a process of its own, which gets features."),
    ] = False,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder; made if it is not there.")
    ] = Path(),
) -> None:
    """Write a strategy that runs, its configuration and its test.

    They are NAME.py, NAME.yaml and test_NAME.py; what is there already is never replaced.
    """
    from tapewire.errors import ConfigError

    if compiled and external:
        raise ConfigError("expected one of --compiled and --external, found both")
    kind: Kind = "compiled" if compiled else "external" if external else "plain"
    paths = write_strategy(name, output, kind)
    listed = "\n".join(f"wrote   {path}" for path in paths)
    config, test = paths[1:]
    text = f"{listed}\nrun     tapewire run {config}\ntest    pytest {test}"
    say(text, done=f"the files in {output} are written")


def write_strategy(name: str, folder: Path, kind: Kind = "plain") -> list[Path]:
    """Write the files of a new strategy; return their paths: code, configuration, test.

    Raises
    ------
    ConfigError
        If the name can't be a module's.
    OutputError
        If one of them is there already, or can't be written.
    """
    from tapewire.atomic import atomic_write, output_errors
    from tapewire.errors import OutputError

    _require_name(name)
    class_name = "".join(part.capitalize() for part in name.split("_"))
    words = {
        "name": name,
        "title": name.replace("_", " ").capitalize(),
        "class_name": class_name,
        "constant": name.upper(),
        "symbol": name.upper() if kind == "compiled" else class_name,
    }
    files = {
        folder / string.Template(file).substitute(words): template
        for file, template in zip(_NAMES, _TEMPLATES[kind], strict=True)
    }
    there = [str(path) for path in files if path.exists() or path.is_symlink()]
    if there:
        raise OutputError(
            f"expected nothing under the names of a new strategy, found {', '.join(there)}; "
            "choose another name, or another folder with -o"
        )
    with output_errors(folder, "make the folder"):
        folder.mkdir(parents=True, exist_ok=True)
    source = importlib.resources.files("tapewire.cli.templates")
    for path, template in files.items():
        text = source.joinpath(template).read_text(encoding="utf-8")
        atomic_write(path, string.Template(text).substitute(words))
    return list(files)


def _require_name(name: str) -> None:
    from tapewire.errors import ConfigError

    if re.fullmatch(r"[a-z][a-z0-9_]{0,47}", name) is None:
        raise ConfigError(
            f"NAME: expected up to 48 small letters, digits and _, like my_idea, found {name!r}"
        )
    if keyword.iskeyword(name) or name in sys.stdlib_module_names or name == "tapewire":
        raise ConfigError(f"NAME: expected one that is no module of Python's, found {name!r}")
