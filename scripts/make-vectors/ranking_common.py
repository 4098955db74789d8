"""What the ranking vector scripts share: questions, right values by brute force, and the writer of test/vectors/ranking-*.json.

The right value is the definition in docs/metrics.md evaluated with plain loops, ties by enumerating every order of the tied items. A toolkit's
value that is not the right one must be in the script's table of known deviations, with the reason, or the script stops: a deviation that nobody
explained is not written down.
"""

import importlib.metadata
import itertools
import json
import math
import os
import pathlib
import random

VECTORS = pathlib.Path(__file__).resolve().parents[2] / 'test' / 'vectors'
TOLERANCE = 1e-9


def questions():
    """Name → question without its metric. Scores are multiples of 1/8: exact in any float."""
    draw = random.Random(20261125)
    items = [f'i{n:02d}' for n in range(20)]

    def people(count, relevant_of, score_of):
        users = [f'u{n}' for n in range(count)]
        return {
            'scores': {user: score_of() for user in users},
            'relevant': {user: relevant_of() for user in users},
        }

    def distinct():
        return {item: value / 8 for item, value in zip(items, draw.sample(range(200), len(items)))}

    def some():
        return sorted(draw.sample(items, draw.randint(1, 12)))

    found = {
        'plain': people(8, some, distinct),
        'one-relevant': people(8, lambda: draw.sample(items, 1), distinct),
        'graded': people(8, lambda: {item: draw.randint(1, 3) for item in some()}, distinct),
    }
    found['nothing-relevant'] = people(5, some, distinct)
    found['nothing-relevant']['relevant']['u2'] = []
    found['no-list'] = people(5, some, distinct)
    del found['no-list']['scores']['u1']
    found['short-lists'] = people(6, some, lambda: dict(list(distinct().items())[: draw.randint(2, 4)]))
    few = [f'i{n}' for n in range(7)]
    found['ties'] = {
        'scores': {f'u{n}': {item: draw.randint(0, 2) / 8 for item in few} for n in range(6)},
        'relevant': {f'u{n}': sorted(draw.sample(few, draw.randint(1, 4))) for n in range(6)},
    }
    found['constant'] = {
        'scores': {f'u{n}': {item: 1 for item in few} for n in range(4)},
        'relevant': {f'u{n}': sorted(draw.sample(few, n + 1)) for n in range(4)},
    }
    return found


def gains_of(relevant):
    return relevant if isinstance(relevant, dict) else {item: 1 for item in relevant}


def orders(scores):
    """Every order of the items by descending score."""
    runs = [[item for item in sorted(scores) if scores[item] == score] for score in sorted(set(scores.values()), reverse=True)]
    for choice in itertools.product(*(itertools.permutations(run) for run in runs)):
        yield [item for run in choice for item in run]


def one_order(metric, ranked, gains, k, gain=lambda value: value):
    top = ranked if k is None else ranked[:k]
    hits = [item in gains for item in top]
    if metric == 'ndcg':
        ideal = sorted(gains.values(), reverse=True)[:k]
        return sum(gain(gains[item]) / math.log2(r + 2) for r, item in enumerate(top) if item in gains) / sum(
            gain(value) / math.log2(r + 2) for r, value in enumerate(ideal)
        )
    if metric == 'hr':
        return float(any(hits))
    if metric == 'precision':
        return sum(hits) / (len(top) if k is None else k)
    if metric == 'recall':
        return sum(hits) / len(gains)
    if metric == 'recall-capped':
        return sum(hits) / min(k, len(gains))
    if metric == 'mrr':
        return next((1 / (r + 1) for r, hit in enumerate(hits) if hit), 0.0)
    precisions = [sum(hits[: r + 1]) / (r + 1) for r in range(len(top)) if hits[r]]
    if metric == 'map':
        return sum(precisions) / (len(gains) if k is None else min(k, len(gains)))
    if metric == 'map-relevant':
        return sum(precisions) / len(gains)
    if metric == 'map-hits':
        return sum(precisions) / len(precisions) if precisions else 0.0
    raise ValueError(metric)


def right(metric, question, k=None, exponential=False):
    """The definition of docs/metrics.md by enumeration."""
    gain = (lambda value: 2**value - 1) if exponential else (lambda value: value)
    values, weights = [], []
    for user, relevant in question['relevant'].items():
        gains = gains_of(relevant)
        if not gains:
            continue
        scores = question['scores'].get(user, {})
        if metric in ('auc', 'gauc'):
            negatives = [score for item, score in scores.items() if item not in gains]
            if not negatives:
                continue
            wins = sum((scores[item] > other) + (scores[item] == other) / 2 for item in gains if item in scores for other in negatives)
            values.append(wins / (len(gains) * len(negatives)))
            weights.append(len(gains) if metric == 'gauc' else 1)
        else:
            each = [one_order(metric, order, gains, k, gain) for order in orders(scores)]
            values.append(sum(each) / len(each))
            weights.append(1)
    return sum(value * weight for value, weight in zip(values, weights)) / sum(weights)


def case(toolkit, name, metric, question, k, value, expected, deviations, options=None):
    """One case; `deviations` is a list of (predicate over (name, metric, k), kind, why)."""
    value = float(value)
    made = {
        'id': f'{toolkit}/{name}/{metric}' + ('' if k is None else f'@{k}') + (f'/{"-".join(map(str, options.values()))}' if options else ''),
        'metric': metric,
        **({} if k is None else {'k': k}),
        **({'options': options} if options else {}),
        'on': question,
        'value': value if math.isfinite(value) else 'nan',
    }
    if abs(value - expected) <= TOLERANCE:
        return made
    for applies, kind, why in deviations:
        if applies(name, metric, k):
            return {**made, 'deviates': kind, 'why': why, 'right': expected}
    raise ValueError(f"{made['id']}: {value} is not {expected}, and no known deviation says why")


def write(name, *, package, provenance, cases, how_right='ranking_common.py: the definition by plain loops, ties by enumeration', tolerance=TOLERANCE):
    ids = [each['id'] for each in cases]
    if len(set(ids)) != len(ids):
        raise ValueError(f'{name}: an id occurs twice')
    # Each question once: cases name the one they are on.
    asked = {}
    for each in cases:
        if 'on' in each:
            text = json.dumps(each['on'])
            asked.setdefault(text, f"{each['id'].split('/')[1]}-{len(asked)}")
            each['on'] = asked[text]
    document = {
        'source': package,
        'version': importlib.metadata.version(package),
        'provenance': provenance,
        'rightFrom': how_right,
        'tolerance': tolerance,
        'toleranceReason': 'absolute; both sides are sums of doubles',
        'deviations': sorted({each['why'] for each in cases if 'why' in each}),
        **({'questions': {name: json.loads(text) for text, name in asked.items()}} if asked else {}),
        'cases': cases,
    }
    path = VECTORS / f'{name}.json'
    temporary = path.with_suffix('.json.tmp')
    temporary.write_text(json.dumps(document, ensure_ascii=False, indent=None, separators=(',', ':')).replace('{"id"', '\n{"id"').replace('{"scores"', '\n{"scores"') + '\n')
    os.replace(temporary, path)
    print(f'{path.name}: {len(cases)} cases, {sum("deviates" in each for each in cases)} deviate')
    for why in document['deviations']:
        print('  ', why)
