"""implicit's trainers on the same training pairs, on the same cores: one JSON line a task, factors beside it for Tacet's evaluator.

    python implicit_contestant.py FOLDER THREADS TASK...     tasks: als, bpr, top20
FOLDER holds train.tsv (person<TAB>item, dense indices) and meta.json {people, items}. Nothing is printed but the lines.
"""
import json
import sys
import time

import numpy as np
from scipy.sparse import csr_matrix

folder, threads, tasks = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
from threadpoolctl import threadpool_limits

threadpool_limits(1, user_api="blas")  # implicit runs its own threads over people; BLAS threads below them only get in the way
import implicit

meta = json.load(open(f"{folder}/meta.json"))
pairs = np.loadtxt(f"{folder}/train.tsv", dtype=np.int64, delimiter="\t")
matrix = csr_matrix((np.ones(len(pairs), np.float32), (pairs[:, 0], pairs[:, 1])), shape=(meta["people"], meta["items"]))


def told(task, seconds, **more):
    print(json.dumps({"peer": f"implicit {implicit.__version__}", "task": task, "seconds": seconds, **more}), flush=True)


def timed(work):
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    return {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}, result


model = None
for task in tasks:
    if task == "als":
        model = implicit.als.AlternatingLeastSquares(
            factors=64, iterations=10, regularization=0.05, alpha=1.0, use_cg=True, num_threads=threads, random_state=1
        )
    elif task == "als-exact":
        model = implicit.als.AlternatingLeastSquares(
            factors=64, iterations=10, regularization=0.05, alpha=1.0, use_cg=False, num_threads=threads, random_state=1
        )
    elif task == "bpr":
        model = implicit.bpr.BayesianPersonalizedRanking(
            factors=64, iterations=20, learning_rate=0.05, regularization=0.01, num_threads=threads, random_state=1
        )
    elif task == "top20":
        people = np.arange(meta["people"])
        seconds, _ = timed(lambda: model.recommend(people, matrix, N=20, filter_already_liked_items=True))
        told(task, seconds)
        continue
    else:
        sys.exit(f"unknown task {task}")
    seconds, _ = timed(lambda: model.fit(matrix, show_progress=False))
    for side, factors in (("people", model.user_factors), ("items", model.item_factors)):
        np.ascontiguousarray(factors, np.float32).tofile(f"{folder}/implicit-{task}-{side}.f32")
    told(task, seconds, factors=f"implicit-{task}", dimension=int(model.item_factors.shape[1]))
