"""RecBole's own trainer and evaluator on a split that is given to it: one JSON line a model.

    python recbole_contestant.py FOLDER THREADS MODEL EPOCHS [steps=N] [name=value ...]
FOLDER holds tacet/tacet.{train,valid,test}.inter. With steps=N the only epoch ends after N batches (drawn and trained on as ever) and its seconds
are brought to a whole one: for timing alone. Early stopping by validation NDCG@10 as RecBole ships it; EPOCHS is the most it may take.
Prints the test figures that RecBole's evaluator gives, all items ranked, and the seconds of training: its epochs without evaluation, with the
model's construction where that is the training (EASE, ItemKNN), and of everything.
"""
import itertools
import json
import logging
import os
import sys
import time

folder, threads, name, epochs = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
os.environ["OMP_NUM_THREADS"] = str(threads)
import torch

torch.set_num_threads(threads)
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.utils import get_model, get_trainer, init_seed

os.chdir(folder)
settings = {
    "data_path": folder,
    "benchmark_filename": ["train", "valid", "test"],
    "load_col": {"inter": ["user_id", "item_id"]},
    "use_gpu": False,
    "epochs": epochs,
    "train_batch_size": 2048,
    # Pairs at once: a network scores them all in one pass, and millions of them take tens of gigabytes.
    "eval_batch_size": 4096 * 4096 if name in ("EASE", "ItemKNN", "BPR", "LightGCN", "Pop") else 4096 * 64,
    "metrics": ["NDCG", "Recall", "Hit"],
    "topk": [10, 20, 100],
    "metric_decimal_place": 6,
    "valid_metric": "NDCG@10",
    "eval_args": {"split": {"LS": "test_only"}, "order": "RO", "mode": "full", "group_by": "user"},
    "show_progress": False,
    "state": "ERROR",
    "seed": 1,
    "reproducibility": True,
}
for pair in sys.argv[5:]:
    key, value = pair.split("=")
    settings[key] = json.loads(value)
steps = settings.pop("steps", None)
closed_form = name in ("EASE", "ItemKNN", "Pop")
if closed_form:
    settings["epochs"] = 1
sys.argv = sys.argv[:1]
logging.disable(logging.CRITICAL)
config = Config(model=name, dataset="tacet", config_dict=settings)
init_seed(config["seed"], config["reproducibility"])
dataset = create_dataset(config)
train, valid, test = data_preparation(config, dataset)
# EASE and ItemKNN are solved by the constructor; for the others it only draws starting values.
start, cpu = time.perf_counter(), time.process_time()
model = get_model(config["model"])(config, train.dataset)
spent = {"wall": time.perf_counter() - start, "cpu": time.process_time() - cpu} if closed_form else {"wall": 0.0, "cpu": 0.0}
trainer = get_trainer(config["MODEL_TYPE"], config["model"])(config, model)
epochs_run = 0
one_epoch = trainer._train_epoch


class FirstSteps:
    """The first batches of a loader, which is otherwise itself."""

    def __init__(self, loader):
        self.loader = loader

    def __iter__(self):
        return itertools.islice(iter(self.loader), steps)

    def __len__(self):
        return len(self.loader)

    def __getattr__(self, name):
        return getattr(self.loader, name)


def counted(loader, *args, **kwargs):
    global epochs_run
    whole = 1 if steps is None else len(loader) / min(steps, len(loader))
    start, cpu = time.perf_counter(), time.process_time()
    result = one_epoch(loader if steps is None else FirstSteps(loader), *args, **kwargs)
    spent["wall"] += (time.perf_counter() - start) * whole
    spent["cpu"] += (time.process_time() - cpu) * whole
    epochs_run += 1
    return result


trainer._train_epoch = counted
start = time.perf_counter()
trainer.fit(train, valid, saved=True, show_progress=False, verbose=False)
seconds = time.perf_counter() - start
figures = trainer.evaluate(test, load_best_model=True, show_progress=False)
import recbole

print(
    json.dumps(
        {
            "peer": f"RecBole {recbole.__version__}",
            "task": name,
            "seconds": {**spent, "withValidation": seconds},
            "epochs": epochs_run,
            "metrics": {key.lower(): float(value) for key, value in figures.items()},
        }
    ),
    flush=True,
)
