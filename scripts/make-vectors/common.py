"""What the vector scripts share: event builders in Tacet's spelling, and the writer of test/vectors/*.json.

Nothing here computes a privacy price. A script hands over what the other implementation returned, and this file writes it down with its origin.
"""

import importlib.metadata
import json
import math
import os
import pathlib

VECTORS = pathlib.Path(__file__).resolve().parents[2] / 'test' / 'vectors'

# Seed 000's setting: 800,167 training rows, batch 512, 5 epochs.
ML1M_RATE = 512 / 800167
ML1M_STEPS = 7814


def gaussian(noise_multiplier):
    return {'kind': 'gaussian', 'noiseMultiplier': noise_multiplier}


def laplace(noise_multiplier):
    return {'kind': 'laplace', 'noiseMultiplier': noise_multiplier}


def poisson(rate, event):
    return {'kind': 'poisson-sampled', 'sampleRate': rate, 'event': event}


def without_replacement(dataset_size, sample_size, event):
    return {'kind': 'sampled-without-replacement', 'datasetSize': dataset_size, 'sampleSize': sample_size, 'event': event}


def mixture(standard_deviation, sensitivities, probabilities):
    return {
        'kind': 'mixture-of-gaussians',
        'standardDeviation': standard_deviation,
        'sensitivities': list(sensitivities),
        'samplingProbabilities': list(probabilities),
    }


def repeated(times, event):
    return event if times == 1 else {'kind': 'repeated', 'times': times, 'event': event}


def composed(*events):
    return {'kind': 'composed', 'events': list(events)}


def dp_sgd(noise_multiplier, rate, steps):
    """DP-SGD with Poisson sampling; `noise_multiplier` may be None for a calibration."""
    return repeated(steps, poisson(rate, gaussian(noise_multiplier)))


def case(id, event, ask, value, *, relation='add-or-remove-one', accountant='pld', **extra):
    """One case. `value` is what the implementation returned, unrounded."""
    value = float(value)
    if math.isnan(value):
        raise ValueError(f'{id}: not a number')
    extra = {key: item for key, item in extra.items() if item is not None}
    return {
        'id': id,
        'event': event,
        'relation': relation,
        'accountant': accountant,
        'ask': ask,
        'value': 'inf' if math.isinf(value) else value,
        **extra,
    }


def write(name, *, source, package, provenance, kind, tolerance, tolerance_reason, cases, note=None):
    """Writes test/vectors/<name>.json."""
    version = importlib.metadata.version(package)
    ids = [each['id'] for each in cases]
    if len(set(ids)) != len(ids):
        raise ValueError(f'{name}: an id occurs twice')
    for each in cases:
        if each.get('wrong') and not {'right', 'why', 'rightFrom', 'direction'} <= each.keys():
            raise ValueError(f"{each['id']}: a wrong case needs right, rightFrom, direction and why")
    document = {
        'source': source,
        'version': version,
        'provenance': provenance,
        'kind': kind,
        'tolerance': tolerance,
        'toleranceReason': tolerance_reason,
        **({'note': note} if note else {}),
        'cases': cases,
    }
    path = VECTORS / f'{name}.json'
    temporary = path.with_suffix('.json.tmp')
    temporary.write_text(json.dumps(document, indent=2, ensure_ascii=False) + '\n')
    os.replace(temporary, path)
    print(f'{path.name}: {len(cases)} cases')


def loose_at_integer_orders(value, right, tolerance):
    """Fields for a price that integer orders alone leave above the right one by more than `tolerance`; none if it is within half of it.
    In between the case would hang on rounding, so it is marked too, with a tolerance that tells the two apart."""
    off = value / right - 1
    if abs(off) < tolerance / 2:
        return {}
    return {
        'wrong': True,
        'direction': 'high' if off > 0 else 'low',
        'right': right,
        'rightFrom': 'minimum over continuous orders of the curve in doubles (reference.py)',
        'why': 'asked at integer orders only (its fractional ones are too high); the best order lies between two of them',
        'tolerance': min(tolerance, abs(off) / 2),
    }
