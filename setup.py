"""Maps the root folders (the rooms) into the `tapewire` namespace; see pyproject.toml."""

from pathlib import Path

from setuptools import find_packages, setup

#: Root folders with an __init__.py; the list exists only here and in what the folders are.
ROOMS = sorted(
    init.parent.name
    for init in Path(__file__).parent.glob("*/__init__.py")
    if init.parent.name != "tapewire"
)

package_dir = {"tapewire": "tapewire"} | {f"tapewire.{room}": room for room in ROOMS}
packages = ["tapewire", *(f"tapewire.{p}" for p in find_packages("tapewire"))]
for room in ROOMS:
    packages += [f"tapewire.{room}", *(f"tapewire.{room}.{p}" for p in find_packages(room))]

setup(packages=packages, package_dir=package_dir)
