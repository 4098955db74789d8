"""test/vectors/ranking-{pytrec-eval,ranx,scikit-learn,cornac,significance}.json: what the toolkits answer to ranking_common's questions.

    python3.11 -m venv ENV && ENV/bin/pip install -r scripts/make-vectors/ranking_requirements.txt
    ENV/bin/python scripts/make-vectors/ranking_vectors.py
"""

import random

import numpy as np
import pytrec_eval
import scipy.stats
import sklearn.metrics
from cornac import metrics as cornac
from ranx import Qrels, Run, evaluate

from ranking_common import case, gains_of, questions, right, write

KS = (1, 3, 5, 10, 30)
QUESTIONS = questions()
TIED = ('ties', 'constant')


def served(question):
    """People whom a toolkit that needs a list and a truth can be asked about."""
    return [user for user, relevant in question['relevant'].items() if relevant and user in question['scores']]


def pytrec():
    measures = {'ndcg': 'ndcg_cut', 'precision': 'P', 'recall': 'recall', 'map-relevant': 'map_cut', 'hr': 'success'}
    deviations = [
        (lambda name, metric, k: name in TIED, 'convention', 'trec_eval breaks ties by descending document id: a constant scorer is judged by the names of the items'),
        (lambda name, metric, k: name == 'no-list', 'convention', 'pytrec_eval leaves out a person without a list, who counts 0 here'),
    ]
    cases = []
    for name, question in QUESTIONS.items():
        qrels = {user: {item: int(gain) for item, gain in gains_of(relevant).items()} for user, relevant in question['relevant'].items()}
        run = {user: {item: float(score) for item, score in scores.items()} for user, scores in question['scores'].items()}
        wanted = {f'{measure}.{",".join(map(str, KS))}' for measure in measures.values()} | {'recip_rank', 'map', 'ndcg'}
        answers = pytrec_eval.RelevanceEvaluator(qrels, wanted).evaluate(run)

        def mean(key):
            return float(np.mean([answer[key] for answer in answers.values()]))

        for metric, measure in measures.items():
            for k in KS:
                cases.append(case('pytrec_eval', name, metric, question, k, mean(f'{measure}_{k}'), right(metric, question, k), deviations))
        for metric, key in (('mrr', 'recip_rank'), ('map', 'map'), ('ndcg', 'ndcg')):
            cases.append(case('pytrec_eval', name, metric, question, None, mean(key), right(metric, question), deviations))
    write(
        'ranking-pytrec-eval',
        package='pytrec_eval-terrier',
        provenance='pytrec_eval.RelevanceEvaluator(qrels, {ndcg_cut, P, recall, map_cut, success, recip_rank, map, ndcg}).evaluate(run), mean over the people returned',
        cases=cases,
    )


def ranx():
    names = {'ndcg': 'ndcg', 'precision': 'precision', 'recall': 'recall', 'map-relevant': 'map', 'hr': 'hit_rate', 'mrr': 'mrr'}
    deviations = [
        (lambda name, metric, k: name in TIED, 'convention', 'ranx keeps tied items in the order its sort leaves them in'),
    ]
    cases = []
    for name, question in QUESTIONS.items():
        if name == 'nothing-relevant':
            continue  # ranx cannot hold a person without a relevant item
        qrels = Qrels({user: {item: int(gain) for item, gain in gains_of(relevant).items()} for user, relevant in question['relevant'].items()})
        run = Run({user: {item: float(score) for item, score in scores.items()} for user, scores in question['scores'].items()})
        for metric, theirs in names.items():
            for k in KS:
                value = evaluate(qrels, run, f'{theirs}@{k}', make_comparable=True)
                cases.append(case('ranx', name, metric, question, k, value, right(metric, question, k), deviations))
        for k in KS:
            value = evaluate(qrels, run, f'ndcg_burges@{k}', make_comparable=True)
            expected = right('ndcg', question, k, exponential=True)
            cases.append(case('ranx', name, 'ndcg', question, k, value, expected, deviations, {'gains': 'exponential'}))
    write(
        'ranking-ranx',
        package='ranx',
        provenance='ranx.evaluate(Qrels, Run, "{ndcg, ndcg_burges, precision, recall, map, hit_rate, mrr}@k", make_comparable=True)',
        cases=cases,
    )


def scikit_learn():
    deviations = [
        (lambda name, metric, k: name == 'short-lists', 'convention', 'scikit-learn knows no item without a score: relevant items that were not ranked are missing from the ideal'),
        (lambda name, metric, k: name == 'no-list', 'convention', 'a person without a list cannot be asked about, and counts 0 here'),
        (lambda name, metric, k: metric == 'map' and name in TIED, 'convention', 'average_precision_score takes tied items as one threshold, neither an order nor a mean over orders'),
    ]
    cases = []
    for name, question in QUESTIONS.items():
        per = {}
        for user in served(question):
            gains, scores = gains_of(question['relevant'][user]), question['scores'][user]
            ordered = sorted(scores)
            truth, score = [gains.get(item, 0) for item in ordered], [scores[item] for item in ordered]
            for k in KS:
                per.setdefault(('ndcg', k), []).append(sklearn.metrics.ndcg_score([truth], [score], k=k))
            binary = [int(gain > 0) for gain in truth]
            if 0 < sum(binary) < len(binary):
                per.setdefault(('auc', None), []).append(sklearn.metrics.roc_auc_score(binary, score))
            if sum(binary) > 0:
                per.setdefault(('map', None), []).append(sklearn.metrics.average_precision_score(binary, score))
        for (metric, k), values in per.items():
            if name == 'short-lists' and metric != 'ndcg':
                continue  # relevant items without a score: another question
            cases.append(case('scikit-learn', name, metric, question, k, np.mean(values), right(metric, question, k), deviations))
    write(
        'ranking-scikit-learn',
        package='scikit-learn',
        provenance='sklearn.metrics.ndcg_score(k), roc_auc_score, average_precision_score per person, then the mean; ndcg_score averages over ties by itself',
        cases=cases,
    )


def cornac_metrics():
    made = {
        'ndcg': lambda k: cornac.NDCG(k=k),
        'hr': lambda k: cornac.HitRatio(k=k),
        'precision': lambda k: cornac.Precision(k=k),
        'recall': lambda k: cornac.Recall(k=k),
    }
    deviations = [
        (lambda name, metric, k: name == 'graded' and metric == 'ndcg', 'convention', 'cornac’s NDCG is binary whatever the gains: options.gains "binary" here'),
        (lambda name, metric, k: name in TIED and metric == 'auc', 'defect', 'cornac’s AUC counts a tie as lost: a constant scorer has 0, not ½ (options.ties "pessimistic" here)'),
        (lambda name, metric, k: name in TIED and metric == 'map', 'convention', 'cornac’s MAP gives every tied item the worst rank of its run'),
        (lambda name, metric, k: name == 'no-list', 'convention', 'a person without a list cannot be asked about, and counts 0 here'),
        (lambda name, metric, k: metric == 'auc' and name == 'short-lists', 'convention', 'cornac leaves relevant items without a score out of the AUC; here they lose every pair'),
        (lambda name, metric, k: metric == 'map' and name == 'short-lists', 'convention', 'cornac’s MAP is divided by the relevant items that were ranked, not by all'),
    ]
    cases = []
    for name, question in QUESTIONS.items():
        per = {}
        for user in served(question):
            scores = question['scores'][user]
            items = sorted(scores)
            known = {item: n for n, item in enumerate(items)}
            # Relevant items that were not ranked need a number too.
            positives = np.array([known.get(item, len(items) + n) for n, item in enumerate(gains_of(question['relevant'][user]))])
            values = np.array([scores[item] for item in items], dtype=float)
            ranked = np.argsort(-values, kind='stable')
            if name not in TIED:
                for metric, make in made.items():
                    for k in KS:
                        per.setdefault((metric, k), []).append(make(k).compute(gt_pos=positives, pd_rank=ranked))
                if np.isin(ranked, positives).any():
                    per.setdefault(('mrr', None), []).append(cornac.MRR().compute(gt_pos=positives, pd_rank=ranked))
            indices = np.arange(len(items))
            inside = np.isin(indices, positives)
            if inside.any() and not inside.all():
                per.setdefault(('auc', None), []).append(cornac.AUC().compute(item_indices=indices, pd_scores=values, gt_pos=positives))
            if inside.any():
                per.setdefault(('map', None), []).append(cornac.MAP().compute(item_indices=indices, pd_scores=values, gt_pos=positives))
        for (metric, k), each in per.items():
            if name == 'short-lists' and metric == 'mrr':
                continue  # raises where nothing relevant is ranked, so that its mean is over other people
            cases.append(case('cornac', name, metric, question, k, np.mean(each), right(metric, question, k), deviations))
    write('ranking-cornac', package='cornac', provenance='cornac.metrics.{NDCG, HitRatio, Precision, Recall}(k), MRR, AUC, MAP .compute per person, then the mean', cases=cases)


def significance():
    draw = random.Random(7)
    cases = []

    def add(id, question, answer):
        cases.append({'id': f'scipy/{id}', 'question': question, 'answer': answer})

    pairs = {
        'small': ([draw.gauss(0.4, 0.2) for _ in range(9)], [draw.gauss(0.3, 0.2) for _ in range(9)]),
        'fifty': ([draw.gauss(0.42, 0.2) for _ in range(50)], [draw.gauss(0.4, 0.2) for _ in range(50)]),
        'many': ([draw.gauss(0.41, 0.2) for _ in range(150)], [draw.gauss(0.4, 0.2) for _ in range(150)]),
        'hits': ([float(draw.random() < 0.5) for _ in range(150)], [float(draw.random() < 0.4) for _ in range(150)]),
        'clear': ([draw.gauss(0.9, 0.1) for _ in range(80)], [draw.gauss(0.3, 0.1) for _ in range(80)]),
    }
    for name, (a, b) in pairs.items():
        a, b = [round(x, 6) for x in a], [round(x, 6) for x in b]
        found = scipy.stats.ttest_rel(a, b)
        interval = found.confidence_interval(0.95)
        add(
            f't/{name}',
            {'test': 'paired-t', 'a': a, 'b': b},
            {'statistic': float(found.statistic), 'degreesOfFreedom': int(found.df), 'pValue': float(found.pvalue), 'low': float(interval.low), 'high': float(interval.high)},
        )
        for zeros in ('wilcox', 'pratt'):
            tied = len(set(abs(x - y) for x, y in zip(a, b))) < len(a) or any(x == y for x, y in zip(a, b))
            exact = len(a) <= 50 and not tied
            found = scipy.stats.wilcoxon(a, b, zero_method=zeros, method='exact' if exact else 'asymptotic')
            add(
                f'wilcoxon/{name}/{zeros}',
                {'test': 'wilcoxon', 'a': a, 'b': b, 'zeros': zeros},
                {'statistic': float(found.statistic), 'pValue': float(found.pvalue), 'method': 'exact' if exact else 'normal'},
            )
    for name, values in {'eight': [0.001, 0.008, 0.039, 0.041, 0.042, 0.06, 0.074, 0.205], 'random': [draw.random() ** 3 for _ in range(20)]}.items():
        add(f'bh/{name}', {'test': 'benjamini-hochberg', 'pValues': values}, {'adjusted': [float(p) for p in scipy.stats.false_discovery_control(values, method='bh')]})
    for t, df in ((0.1, 1), (2.5, 3), (-1.7, 12.5), (6, 200), (40, 30), (1.96, 1e6)):
        add(f'student/{t}/{df}', {'test': 'student-t', 't': t, 'degreesOfFreedom': df}, {'pValue': float(2 * scipy.stats.t.sf(abs(t), df))})
    for z in (0.01, 0.5, 1.96, 3, 5, 8, 15):
        add(f'normal/{z}', {'test': 'normal', 'z': z}, {'pValue': float(2 * scipy.stats.norm.sf(z))})
    write(
        'ranking-significance',
        package='scipy',
        provenance='scipy.stats.ttest_rel, wilcoxon(zero_method, method), false_discovery_control("bh"), t.sf, norm.sf',
        how_right='scipy',
        cases=cases,
    )


pytrec()
ranx()
scikit_learn()
cornac_metrics()
significance()
