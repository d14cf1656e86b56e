"""The same pipeline on many cores or machines: Ray Data actors say the sentences, this process gates, stores and writes.

Ray only carries texts to engines and back. The memory, the gates and the files stay here, so the output is the local
run's to the byte, and a killed run goes on from the memory.
"""

import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import replace

from utils.runs import ROOT, UserError
from utils.translation.attempt import Voice, attempt
from utils.translation.block import ASKED, KEEP, Job, blocks
from utils.translation.gates import Band
from utils.translation.memory import Memory
from utils.translation.tally import Tally

SHARD = 20_000  # texts in one Ray dataset: what a kill of the cluster asks again at most
BATCH = 256  # texts in one message to an actor
ROUNDS = 3  # wholes, the parts of broken wholes, the parts of those


class Speaker:
    """One actor: an engine that stays loaded. Ray calls it on another thread than it made it on, so nothing is opened here."""

    def __init__(self, voice: Voice, band: Band):
        self.voice, self.band = voice, band

    def __call__(self, batch: dict) -> dict:
        said = {text: (target, bool(reasons), tries) for text, target, reasons, tries in attempt(list(batch["text"]), self.voice, self.band)}
        return {"text": list(said), "target": [t for t, _, _ in said.values()], "bad": [b for _, b, _ in said.values()],
                "tries": [n for _, _, n in said.values()]}  # fmt: skip


def say_ahead(missing: Callable[[], Iterator[str]], job: Job, memory: Memory, tally: Tally, workers: str) -> None:
    """Fill the memory with everything that is missing; the local run that follows finds it there.

    `workers` is "ray" (an actor a core) or "ray:N". Raises UserError when Ray is not installed or an actor fails.
    """
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise UserError("--workers ray needs Ray; install it with: pip install -r requirements-scaleout.txt") from error
    # On a cluster (RAY_ADDRESS) the actors' machines get this code with the job; alone, they read it where it lies.
    code = {"py_modules": [str(ROOT / "utils")]} if os.environ.get("RAY_ADDRESS") else None
    logging.getLogger("ray").setLevel(logging.WARNING)
    ray.init(ignore_reinit_error=True, include_dashboard=False, log_to_driver=False, configure_logging=False, runtime_env=code)
    ray.data.DataContext.get_current().enable_progress_bars = False
    number = int(workers.partition(":")[2] or ray.cluster_resources().get("CPU", 1))
    for _ in range(ROUNDS):
        asked = 0
        for shard in blocks(missing(), SHARD):
            asked += len(memory.note(shard, ASKED))
            _say_shard(ray, shard, job, memory, tally, number)
            print(f"translation: {asked:,} sentences said by {number} actors", flush=True)
        if not asked:
            break


def _say_shard(ray, shard: list[str], job: Job, memory: Memory, tally: Tally, number: int) -> None:
    # One core an actor: Ray counts processes, so an engine must not start a process a core of its own.
    voice = replace(job.voices[0], setup=replace(job.voices[0].setup, workers=1))
    texts = ray.data.from_items([{"text": text} for text in shard])
    said = texts.map_batches(
        Speaker, fn_constructor_args=(voice, job.band), batch_size=BATCH, compute=ray.data.ActorPoolStrategy(size=number), num_cpus=1
    )
    try:
        for rows in blocks(said.iter_rows(), KEEP):
            memory.put({row["text"]: row["target"] for row in rows if not row["bad"]}, job.ids[0])
            memory.put({row["text"]: row["target"] for row in rows if row["bad"]}, job.ids[0], "failed")
            tally.sent += sum(row["tries"] for row in rows)
            tally.characters_sent += sum(row["tries"] * len(row["text"]) for row in rows)
    except ray.exceptions.RayError as error:
        raise UserError(f"a Ray actor failed ({str(error).splitlines()[-1]}); what was said is kept, run again") from error
