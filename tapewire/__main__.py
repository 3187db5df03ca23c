"""``python -m tapewire``: the command line."""

from tapewire.cli import main

if __name__ == "__main__":
    main()
