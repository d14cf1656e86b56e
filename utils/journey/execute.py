"""Execute one notebook with papermill in a process of its own: `python -m utils.journey.execute IN OUT PARAMETERS TIMEOUT`.

The process ends when the journey that started it ends, and its kernel ends with it: a killed journey leaves nothing
running. A failure is told as one JSON line on standard output: {"cell", "message"}.
"""

import json
import os
import sys
import threading
import time
from pathlib import Path


def end_with(parent: int) -> None:
    """End this process when its parent, of this id, has ended."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def main(source: str, target: str, parameters: str, cell_timeout: str) -> int:
    import papermill
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    end_with(os.getppid())
    try:
        papermill.execute_notebook(
            source, target, json.loads(parameters), kernel_name="python3", progress_bar=False, cwd=str(Path(source).parent),
            execution_timeout=int(cell_timeout),
        )  # fmt: skip
    except PapermillExecutionError as error:
        print(json.dumps({"cell": error.exec_count, "message": f"{error.ename}: {error.evalue}"[:500]}))
        return 1
    except CellTimeoutError:
        print(json.dumps({"cell": None, "message": f"a cell ran longer than {cell_timeout} s"}))
        return 1
    except DeadKernelError:
        print(json.dumps({"cell": None, "message": "the kernel died; the machine may be out of memory"}))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
