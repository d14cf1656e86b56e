"""Execute one notebook with papermill in a process of its own: `python -m utils.journey.execute IN OUT PARAMETERS TIMEOUT`.

The process ends when the journey that started it ends, and its kernel ends with it: a killed journey leaves nothing
running. What cells print goes to standard error as it happens, each piece with its time, between lines that name the cell.
The last line on standard output is JSON: {"peak_memory_mb"} of the kernel, and for a failure {"cell", "message"} too.
"""

import json
import logging
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


def _readable(record: logging.LogRecord) -> bool:
    """Cut the line end that a print brings along, and leave out what is only a picture's or a table's name in Python."""
    record.msg, record.args = record.getMessage().rstrip().rstrip("-"), ()
    return bool(record.msg) and not record.msg.startswith(("<IPython.", "<Figure "))


def log_to(stream) -> None:
    """Send papermill's log, and with it everything that cells print, to a stream at once."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))
    handler.addFilter(_readable)
    logger = logging.getLogger("papermill")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.handlers = [handler]


def _execute(source: str, target: str, parameters: str, cell_timeout: str) -> dict:
    """{} when every cell ran, else {"cell", "message"}."""
    import papermill
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    try:
        papermill.execute_notebook(
            source, target, json.loads(parameters), kernel_name="python3", progress_bar=False, cwd=str(Path(source).parent),
            execution_timeout=int(cell_timeout), log_output=True,
        )  # fmt: skip
    except PapermillExecutionError as error:
        return {"cell": error.exec_count, "message": f"{error.ename}: {error.evalue}"[:500]}
    except CellTimeoutError:
        return {"cell": None, "message": f"a cell ran longer than {cell_timeout} s"}
    except DeadKernelError:
        return {"cell": None, "message": "the kernel died; the machine may be out of memory"}
    return {}


def main(source: str, target: str, parameters: str, cell_timeout: str) -> int:
    from utils.runs import peak_memory_mb

    end_with(os.getppid())
    log_to(sys.stderr)
    failure = _execute(source, target, parameters, cell_timeout)
    # The kernel has ended and was waited for. The system starts a child's count at its parent's size: never less than this process.
    print(json.dumps({"peak_memory_mb": peak_memory_mb(children=True) or None, **failure}), flush=True)
    return int(bool(failure))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
