"""All that is fuzzed, by name."""

from fuzzing.dbn_files import CutFiles, LegacyFiles, MboFiles, OtherSchemas
from fuzzing.folders import Bundles, Itch, Lobster, RunFolders
from fuzzing.frames import BridgeModel, BridgeRun, WireMessages, WireStream
from fuzzing.target import Target
from fuzzing.texts import Bars, Configurations, Exports, OrderLogs, Strategies, SymbologyFiles

DATA_FILES: tuple[type[Target], ...] = (MboFiles, CutFiles, OtherSchemas, LegacyFiles)
FRAMES: tuple[type[Target], ...] = (WireMessages, WireStream, BridgeModel, BridgeRun)
OTHERS: tuple[type[Target], ...] = (
    Configurations, Strategies, OrderLogs, Bars, Exports, SymbologyFiles, Itch, Lobster, Bundles,
    RunFolders,
)  # fmt: skip
TARGETS: dict[str, type[Target]] = {one.name: one for one in (*DATA_FILES, *FRAMES, *OTHERS)}
