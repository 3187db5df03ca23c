"""Processes killed or stopped at random moments, and users who stop them.

Who is left says so and ends, and nothing is left behind.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from conftest import Tapewire
from interrupting import play_signal, play_stop
from killing import Scene, days_scene, measure, play_kill, run_scene, sweep_scene
from seeds import play_seeds
from soaking import Soak

KILLS = 100
#: The quick form: twenty in all.
KILLS_LONG = {"run": 4, "days": 1, "sweep": 1}
VICTIMS = [
    ("run", "command"), ("run", "replay"), ("run", "collector"), ("run", "model"),
    ("days", "command"), ("days", "worker"), ("sweep", "command"), ("sweep", "worker"),
]  # fmt: skip
SCENES = ("run", "days", "sweep")
Command = Callable[..., list[str]]


@pytest.fixture(scope="module")
def scenes(
    tmp_path_factory: pytest.TempPathFactory, synthetic_file: Path
) -> Iterator[Callable[[str, Command], Scene]]:
    """Scenes by name, measured when they are first asked for."""
    made: dict[str, Scene] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir("/tmp")

        def scene(name: str, command: Command) -> Scene:
            if name not in made:
                # Short: an address below it has at most 107 bytes.
                folder = tmp_path_factory.mktemp(name) / "s"
                build = {"run": run_scene, "sweep": sweep_scene}.get(name)
                one = build(folder, synthetic_file) if build else days_scene(folder)
                measure(one, command)
                made[name] = one
            return made[name]

        yield scene


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("name", "victim"), VICTIMS)
def test_few_kills_at_random_moments(
    scenes: Callable[[str, Command], Scene], tapewire: Tapewire, name: str, victim: str
) -> None:
    scene = scenes(name, tapewire.command)
    play_seeds(
        f"test_few_kills_at_random_moments and {name}-{victim}", KILLS_LONG[name],
        lambda seed: play_kill(scene, tapewire.command, victim, seed),
    )  # fmt: skip


@pytest.mark.soak
@pytest.mark.parametrize(("name", "victim"), VICTIMS)
def test_kills_at_random_moments(
    scenes: Callable[[str, Command], Scene], tapewire: Tapewire, soak: Soak, name: str, victim: str
) -> None:
    scene = scenes(name, tapewire.command)
    took_s: list[float] = []
    count = soak.seeds(
        KILLS, lambda seed: took_s.append(play_kill(scene, tapewire.command, victim, seed))
    )
    ended = [one for one in took_s if one >= 0]
    longest = f", all others gone in {max(ended):.2f} s at most" if ended else ""
    soak.say(f"{count} kills, {len(ended)} of them ended the command{longest}")


@pytest.mark.long
@pytest.mark.timeout(900)
def test_few_stops_and_signals_at_random_moments(
    scenes: Callable[[str, Command], Scene], tapewire: Tapewire
) -> None:
    scene, command = scenes("run", tapewire.command), tapewire.command

    def play(seed: int) -> None:
        play_stop(scene, command, ("replay", "collector", "model")[seed % 3], seed, long=False)
        play_signal(scene, command, seed)

    play_seeds("test_few_stops_and_signals_at_random_moments", 2, play)


@pytest.mark.soak
@pytest.mark.parametrize(("name", "victim"), VICTIMS)
def test_short_stops_change_nothing(
    scenes: Callable[[str, Command], Scene], tapewire: Tapewire, soak: Soak, name: str, victim: str
) -> None:
    scene = scenes(name, tapewire.command)
    count = soak.seeds(
        KILLS, lambda seed: play_stop(scene, tapewire.command, victim, seed, long=False)
    )
    soak.say(f"{count} stops of up to a second, no difference")


@pytest.mark.soak
@pytest.mark.parametrize(("name", "victim"), VICTIMS)
def test_long_stops_change_nothing_or_are_named(
    scenes: Callable[[str, Command], Scene], tapewire: Tapewire, soak: Soak, name: str, victim: str
) -> None:
    scene = scenes(name, tapewire.command)
    named: list[bool] = []
    count = soak.seeds(
        KILLS,
        lambda seed: named.append(play_stop(scene, tapewire.command, victim, seed, long=True)),
    )
    soak.say(f"{count} stops of 7 to 10 s, {sum(named)} of them ended the command by name")


@pytest.mark.soak
@pytest.mark.parametrize("name", SCENES)
def test_signals_at_random_moments(
    scenes: Callable[[str, Command], Scene], tapewire: Tapewire, soak: Soak, name: str
) -> None:
    scene = scenes(name, tapewire.command)
    took_s: list[float] = []
    count = soak.seeds(
        KILLS, lambda seed: took_s.append(play_signal(scene, tapewire.command, seed))
    )
    ended = [one for one in took_s if one >= 0]
    soak.say(f"{count} signals, {len(ended)} of them ended the command, "
             f"within {max(took_s):.2f} s")  # fmt: skip
