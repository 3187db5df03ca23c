"""``tapewire keys …``: who a process is towards another host."""

import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="keys",
    help="Make keys for connections between hosts, and show public ones.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)


@app.command(
    "new",
    epilog="[bold]Examples[/bold]\n\ntapewire keys new run -o keys\n\n"
    "tapewire keys new model -o keys",
)
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the files are called.")],
    folder: Annotated[
        Path, typer.Option("-o", "--output", metavar="FOLDER", help="Where they are written.")
    ] = Path(),
) -> None:
    """Make a pair of keys for one end of a connection; print its public key.

    NAME.key holds the public key, for the other end; NAME.key_secret holds both, can be read by
    nobody else, and stays where it is. Neither replaces a file. A run has bridge.curve with its
    secret_key_file and allowed_clients; a model is served with --curve-server and --curve-key.
    """
    from tapewire.wire.keys import read_public, write_pair

    public_file, secret_file = write_pair(folder, name)
    print(*read_public(str(public_file)))
    print(f"{public_file}: public, for the other end", file=sys.stderr)
    print(f"{secret_file}: secret, for nobody else", file=sys.stderr)


@app.command(
    "public",
    epilog="[bold]Examples[/bold]\n\ntapewire keys public keys/run.key_secret\n\n"
    "tapewire keys public keys        all *.key of a folder",
)
def public(
    path: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="NAME.key, NAME.key_secret, or a folder of *.key."),
    ],
) -> None:
    """Print the public key of a file, or those of a folder, as a list of allowed_clients has them.

    Of a file with both keys the public one is printed if it belongs to the secret one.
    """
    from tapewire.wire.keys import SECRET_SUFFIX, read_pair, read_public

    if path.name.endswith(SECRET_SUFFIX):
        print(read_pair(path).public)
        return
    # As a path, so that a name that is a key itself is the file of that name.
    for key in sorted(read_public(str(path.absolute()))):
        print(key)
