import sys


def main() -> None:
    """Runs a command; `pack` with nothing but what students have installed."""
    if sys.argv[1:2] == ["pack"]:
        from autograder.student.packing import main as pack

        sys.exit(pack(sys.argv[2:]))
    from autograder.cli import main as all_commands

    all_commands()


if __name__ == "__main__":
    main()
