"""Runs notebooks in the environment whose Python runs this; says what became of them.

    python run_notebooks.py FOLDER NOTEBOOK …

Each is run in its folder, to its end. One line of JSON comes out for each.
"""

import json
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient


def main(paths):
    for path in paths:
        start = time.monotonic()
        # As it stands, without nbformat's mends: Colab's have no ids for cells.
        notebook = nbformat.from_dict(json.loads(path.read_text(encoding="utf-8")))
        for cell in notebook.cells:
            if isinstance(cell.source, list):
                cell.source = "".join(cell.source)
        client = NotebookClient(
            notebook,
            timeout=900,
            allow_errors=True,
            kernel_name="python3",
            resources={"metadata": {"path": str(path.parent)}},
        )
        client.execute()
        outputs = [o for cell in notebook.cells for o in cell.get("outputs", ())]
        print(
            json.dumps(
                {
                    "notebook": path.stem,
                    "seconds": time.monotonic() - start,
                    "errors": [
                        f"{o['ename']}: {o['evalue']}"
                        for o in outputs
                        if o["output_type"] == "error"
                    ],
                    "told": [
                        o.get("text") or o.get("data", {}).get("text/plain", "")
                        for o in outputs
                    ],
                }
            ),
            flush=True,
        )


main([Path(argument) for argument in sys.argv[1:]])
