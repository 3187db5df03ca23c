"""``python -m tapewire.executors.ray_probe ADDRESS``: whether a Ray cluster answers there.

Ray tries for two minutes and then ends the process that asked; so a process of its own asks first.
"""

import logging
import sys

import ray


def main() -> int:
    """Connect and leave; say why that was not possible."""
    try:
        ray.init(
            address=sys.argv[1],
            log_to_driver=False,
            logging_level=logging.ERROR,
            configure_logging=False,
        )
    except Exception as error:
        print(str(error).strip().splitlines()[0] if str(error) else type(error).__name__)
        return 1
    ray.shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
