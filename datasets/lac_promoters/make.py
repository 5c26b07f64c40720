"""Makes promoters.csv anew from the published measurements; prints its checksum.

    python datasets/lac_promoters/make.py

It fetches the full set with pip, once, and checks it against the registry. The same
input gives the same bytes; where they change, `registry.toml` and the card must too.
"""

import csv
import hashlib
import io
from pathlib import Path

from autograder.datasets import promoters, registry
from autograder.records import write_bytes

TARGET = Path(__file__).with_name("promoters.csv")


def make(published: bytes) -> bytes:
    """Returns the bundled file, made from the published one."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["sequence", "strong", "split"])
    writer.writerows(promoters.bundled(promoters.labelled(published)))
    return text.getvalue().encode()


def main() -> None:
    data = make(registry.fetch("lac_promoters_full"))
    write_bytes(TARGET, data)
    rows = data.count(b"\n") - 1
    print(f"{TARGET.name}: {rows} sequences")
    print(f"bytes = {len(data)}")
    print(f'sha256 = "{hashlib.sha256(data).hexdigest()}"')


if __name__ == "__main__":
    main()
