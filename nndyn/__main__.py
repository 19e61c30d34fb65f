"""``python -m nndyn``: the command, where its script is not on the path."""

from nndyn.cli import main

if __name__ == "__main__":
    main()
