"""test/vectors/ranking-recbole.json: RecBole's metric functions on ranking_common's questions.

    python3.11 -m venv ENV && ENV/bin/pip install --no-deps -r scripts/make-vectors/ranking_requirements_recbole.txt
    ENV/bin/python scripts/make-vectors/ranking_recbole.py

Its own environment: RecBole 1.2.1 uses np.float, which NumPy 1.24 removed. Its metric files import PyTorch and the rest of RecBole for things that
their arithmetic does not use; those two imports are replaced by empty modules, and RecBole's three evaluator files are loaded as released.
"""

import importlib.util
import pathlib
import sys
import types

import numpy as np

from ranking_common import case, gains_of, questions, right, write

KS = (1, 3, 5, 10)


def load_metrics():
    home = pathlib.Path(importlib.util.find_spec('recbole').submodule_search_locations[0])
    for name in ('recbole', 'recbole.utils', 'recbole.evaluator', 'torch'):
        sys.modules[name] = types.ModuleType(name)
    for name, path in (
        ('recbole.utils.enum_type', 'utils/enum_type.py'),
        ('recbole.evaluator.utils', 'evaluator/utils.py'),
        ('recbole.evaluator.base_metric', 'evaluator/base_metric.py'),
        ('recbole.evaluator.metrics', 'evaluator/metrics.py'),
    ):
        spec = importlib.util.spec_from_file_location(name, home / path)
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
        if name.endswith('enum_type'):
            sys.modules['recbole.utils'].EvaluatorType = sys.modules[name].EvaluatorType
    return sys.modules['recbole.evaluator.metrics']


metrics = load_metrics()


def bare(name):
    """A metric without its configuration, which the arithmetic does not read."""
    return getattr(metrics, name).__new__(getattr(metrics, name))


def gini_by_pairs(counts):
    """Σ|a − b| over all ordered pairs ÷ (2 n² · mean): the Gini coefficient by its other definition."""
    return sum(abs(a - b) for a in counts for b in counts) / (2 * len(counts) * sum(counts))


made = {'ndcg': 'NDCG', 'hr': 'Hit', 'precision': 'Precision', 'recall': 'Recall', 'mrr': 'MRR', 'map': 'MAP'}
deviations = [
    (lambda name, metric, k: name == 'graded' and metric == 'ndcg', 'convention', 'RecBole’s NDCG is binary whatever the gains: options.gains "binary" here'),
]
cases = []
for name, question in questions().items():
    if name in ('nothing-relevant', 'no-list', 'short-lists'):
        continue  # RecBole ranks every item for every person who has something relevant
    users = list(question['scores'])
    items = sorted(question['scores'][users[0]])
    scores = np.array([[question['scores'][user][item] for item in items] for user in users])
    hit = np.array([[item in gains_of(question['relevant'][user]) for item in items] for user in users])
    order = np.argsort(-scores, axis=1, kind='stable')
    ranked, lengths = np.take_along_axis(hit, order, axis=1), hit.sum(axis=1)
    if name not in ('ties', 'constant'):
        for metric, theirs in made.items():
            for k in KS:
                cut = ranked[:, :k]
                info = bare(theirs).metric_info(cut, lengths) if theirs in ('NDCG', 'Recall', 'MAP') else bare(theirs).metric_info(cut)
                cases.append(case('recbole', name, metric, question, k, info.mean(axis=0)[-1], right(metric, question, k), deviations))
    # Descending mean ranks of the relevant items, as RecBole's collector hands them over.
    mean_rank = np.array([[(row > score).sum() + ((row == score).sum() + 1) / 2 for score in row] for row in scores])
    rank_sum = (mean_rank * hit).sum(axis=1)
    value = bare('GAUC').metric_info(rank_sum, np.full(len(users), len(items)), lengths)
    cases.append(case('recbole', name, 'gauc', question, None, value, right('gauc', question), deviations))
    flat, truth = scores.ravel(), hit.ravel()
    wins = sum((a > flat[~truth]).sum() + (a == flat[~truth]).sum() / 2 for a in flat[truth]) / (truth.sum() * (~truth).sum())
    cases.append(case('recbole', name, 'auc-pooled', question, None, bare('AUC').metric_info(flat, truth.astype(int)), wins, deviations))
    if name in ('ties', 'constant'):
        continue
    for k in (1, 3, 5):
        top = order[:, :k]
        lists = {'lists': {user: [items[i] for i in row] for user, row in zip(users, top)}, 'catalogue': items + ['never-1', 'never-2']}
        total = len(items) + 2
        counts = [int((top == i).sum()) for i in range(len(items))] + [0, 0]
        shares = [count / sum(counts) for count in counts if count]
        for metric, value, expected in (
            ('coverage', bare('ItemCoverage').get_coverage(top, total), len(shares) / total),
            ('gini', bare('GiniIndex').get_gini(top, total), gini_by_pairs(counts)),
            ('entropy-per-item', bare('ShannonEntropy').get_entropy(top), -sum(p * np.log(p) for p in shares) / len(shares)),
        ):
            cases.append(case('recbole', name, metric, lists, k, value, expected, deviations))
        popularity = {item: 3 * n + 1 for n, item in enumerate(items)}
        by_index = {n: popularity[item] for n, item in enumerate(items)}
        average = bare('AveragePopularity')
        value = average.metric_info(average.get_pop(top, by_index)).mean(axis=0)[-1]
        expected = np.mean([[by_index[i] for i in row] for row in top])
        cases.append(case('recbole', name, 'arp', {**lists, 'popularity': popularity}, k, value, expected, deviations))
        ratings = {'scores': question['scores'], 'relevant': {user: {item: 1 + (n + m) % 5 for m, item in enumerate(items)} for n, user in enumerate(users)}}
    target = np.array([[ratings['relevant'][user][item] for item in items] for user in users], dtype=float).ravel()
    for metric, theirs, expected in (
        ('rmse', 'RMSE', np.sqrt(np.mean((flat - target) ** 2))),
        ('mae', 'MAE', np.mean(np.abs(flat - target))),
    ):
        cases.append(case('recbole', name, metric, ratings, None, bare(theirs).metric_info(flat, target), expected, deviations))

write(
    'ranking-recbole',
    package='recbole',
    provenance='recbole.evaluator.metrics.{NDCG, Hit, Precision, Recall, MRR, MAP, GAUC, AUC, RMSE, MAE}.metric_info, ItemCoverage.get_coverage, GiniIndex.get_gini, ShannonEntropy.get_entropy, AveragePopularity.get_pop',
    cases=cases,
    how_right='ranking_common.py and ranking_recbole.py: the definitions by plain loops; Gini by pairwise differences',
)
