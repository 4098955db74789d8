"""What the Python contestants share: the data that bench/peers.ts wrote, and the line protocol by which it gives out turns.

A contestant prints one line of JSON when it is ready, {"name", "version", "parameters", "variants": [...], "failures": [...]}, then answers each
line "VARIANT STEPS" with {"wall", "cpu", "loss"}: seconds taken by that many steps, in wall time and in this process's CPU time.
"""

import json
import pathlib
import sys
import time
from dataclasses import dataclass

import numpy as np


@dataclass
class Contest:
    meta: dict
    users: np.ndarray  # int64[rows], as all columns below
    items: np.ndarray
    ratings: np.ndarray  # float32[rows]
    gender: np.ndarray  # int64[users]
    age: np.ndarray  # float32[users]
    occupation: np.ndarray  # float32[users]
    batches: np.ndarray  # int64[batches, batch size]: row numbers

    def features(self, batch):
        """The columns of one batch, gathered: (user, item, gender, age, occupation, rating)."""
        rows = self.batches[batch]
        users = self.users[rows]
        return users, self.items[rows], self.gender[users], self.age[users][:, None], self.occupation[users][:, None], self.ratings[rows][:, None]


def load():
    folder = pathlib.Path(sys.argv[1])
    meta = json.loads((folder / 'meta.json').read_text())
    column = lambda name, kind: np.fromfile(folder / f'{name}.bin', dtype=kind)
    return Contest(
        meta=meta,
        users=column('users', np.uint32).astype(np.int64),
        items=column('items', np.uint32).astype(np.int64),
        ratings=column('ratings', np.float32),
        gender=column('gender', np.float32).astype(np.int64),
        age=column('age', np.float32),
        occupation=column('occupation', np.float32),
        batches=column('batches', np.uint32).astype(np.int64).reshape(-1, meta['batchSize']),
    )


def check_noise(change):
    """A private step moves every row of the user table, also of those no example of the batch touched: a way that leaves them alone is not private."""
    still = int((change == 0).all(axis=1).sum())
    if still:
        raise RuntimeError(f'{still} of {len(change)} rows of the user table got no noise: not differentially private')


def serve(name, version, parameters, variants, failures):
    """variants: {name: step(batch number) → loss as a float only when asked}. Each `step` must have finished its work when it returns."""
    print(json.dumps({'name': name, 'version': version, 'parameters': parameters, 'variants': list(variants), 'failures': failures}), flush=True)
    turns = dict.fromkeys(variants, 0)
    for line in sys.stdin:
        variant, steps = line.split()
        step = variants[variant]
        cpu, wall = time.process_time(), time.perf_counter()
        for _ in range(int(steps)):
            loss = step(turns[variant])
            turns[variant] += 1
        answer = {'wall': time.perf_counter() - wall, 'cpu': time.process_time() - cpu, 'loss': float(loss)}
        print(json.dumps(answer), flush=True)
