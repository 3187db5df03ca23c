"""Maps the root folders (the rooms) into the `tapewire` namespace; see pyproject.toml."""

from setuptools import find_packages, setup

ROOMS = (
    "market", "wire", "replay", "execution", "positions", "router", "analytics", "bridge", "bench",
)  # fmt: skip

package_dir = {"tapewire": "tapewire"} | {f"tapewire.{room}": room for room in ROOMS}
packages = ["tapewire", *(f"tapewire.{p}" for p in find_packages("tapewire"))]
for room in ROOMS:
    packages += [f"tapewire.{room}", *(f"tapewire.{room}.{p}" for p in find_packages(room))]

setup(packages=packages, package_dir=package_dir)
