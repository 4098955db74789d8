"""Golden vectors from dp_accounting. Run with the interpreter of the `accounting` environment (README.md)."""

import sys

import dp_accounting
import mpmath as mp
from dp_accounting.rdp import rdp_privacy_accountant as rdp_module

import reference
from common import ML1M_RATE, ML1M_STEPS, case, composed, dp_sgd, gaussian, laplace, loose_at_integer_orders, mixture, poisson, repeated, without_replacement, write

RELATIONS = {
    'add-or-remove-one': dp_accounting.NeighboringRelation.ADD_OR_REMOVE_ONE,
    'replace-one': dp_accounting.NeighboringRelation.REPLACE_ONE,
    'replace-special': dp_accounting.NeighboringRelation.REPLACE_SPECIAL,
}

# Its own grid of orders has gaps (63 → 128 → 256 …); this one has none that matter. Only integers from 2: its fractional orders are too high.
DENSE_ORDERS = list(range(2, 400)) + list(range(400, 1200, 4)) + list(range(1200, 4100, 25))


def translate(event):
    """Tacet's event → dp_accounting's. Raises on a kind that release 0.6.0 has no class for."""
    kind = event['kind']
    if kind == 'gaussian':
        return dp_accounting.GaussianDpEvent(event['noiseMultiplier'])
    if kind == 'laplace':
        return dp_accounting.LaplaceDpEvent(event['noiseMultiplier'])
    if kind == 'discrete-laplace':
        return dp_accounting.dp_event.DiscreteLaplaceDpEvent(event['parameter'], event['sensitivity'])
    if kind == 'randomized-response':
        return dp_accounting.dp_event.RandomizedResponseDpEvent(event['noiseParameter'], event['buckets'])
    if kind == 'zcdp':
        return dp_accounting.dp_event.ZCDpEvent(event['rho'], event.get('xi', 0.0))
    if kind == 'mixture-of-gaussians':
        return dp_accounting.dp_event.MixtureOfGaussiansDpEvent(
            event['standardDeviation'], event['sensitivities'], event['samplingProbabilities']
        )
    if kind == 'tree-aggregation':
        return dp_accounting.SingleEpochTreeAggregationDpEvent(event['noiseMultiplier'], event['stepCounts'])
    if kind == 'poisson-sampled':
        return dp_accounting.PoissonSampledDpEvent(event['sampleRate'], translate(event['event']))
    if kind == 'sampled-without-replacement':
        return dp_accounting.SampledWithoutReplacementDpEvent(event['datasetSize'], event['sampleSize'], translate(event['event']))
    if kind == 'repeated':
        return dp_accounting.SelfComposedDpEvent(translate(event['event']), event['times'])
    if kind == 'composed':
        return dp_accounting.ComposedDpEvent([translate(each) for each in event['events']])
    if kind == 'non-private':
        return dp_accounting.NonPrivateDpEvent()
    raise ValueError(kind)


def pld_ask(event, ask, relation, interval):
    accountant = dp_accounting.pld.PLDAccountant(RELATIONS[relation], value_discretization_interval=interval)
    accountant.compose(translate(event))
    return accountant.get_epsilon(ask['epsilonAt']) if 'epsilonAt' in ask else accountant.get_delta(ask['deltaAt'])


def pld_case(id, event, ask, relation='add-or-remove-one', interval=1e-4, settle=4e-4, finest=1.5e-6, **extra):
    """Halves the grid interval until the figure moves by less than `settle` (relative), and keeps the last."""
    value = pld_ask(event, ask, relation, interval)
    while True:
        finer = pld_ask(event, ask, relation, interval / 2)
        interval /= 2
        moved = abs(finer / value - 1) if value else abs(finer)
        value = finer
        if moved < settle:
            break
        if interval < finest:
            raise RuntimeError(f'{id}: the grid does not settle: {value}, last move {moved}')
    print(f'  {id}: {value:.8g} (interval {interval:.3g})', flush=True)
    return case(id, event, ask, value, relation=relation, accountant='pld', how=f'value_discretization_interval={interval:.4g}', **extra)


def rdp_accountant(event, relation, orders):
    accountant = dp_accounting.rdp.RdpAccountant(orders, RELATIONS[relation])
    accountant.compose(translate(event))
    return accountant


def rdp_at(event, order, relation='add-or-remove-one'):
    return rdp_accountant(event, relation, [float(order)])._rdp[0]  # noqa: SLF001 (there is no public reader of the curve)


PLD_PROVENANCE = 'dp_accounting.pld.PLDAccountant({relation}, value_discretization_interval=h).compose(event).{call}; h halved from 1e-4 until the figure moved by less than 0.04 %, the last h is in `how`'
PLD_TOLERANCE = 0.003
PLD_REASON = 'both round the privacy loss up on a grid: theirs was refined until halving the interval moved the figure by less than 0.04 %, ours may keep up to 0.1 %; the rest is room for the tails'


def poisson_gaussian_pld():
    rows = [
        # (σ, q, T, δ)
        (0.8, 0.01, 1000, 1e-5), (1.0, 0.01, 10000, 1e-5), (1.1, 256 / 60000, 14062, 1e-5), (1.5, 0.04, 2249, 1e-5),
        (0.6, 10000 / 800167, 1600, 1e-6), (3.0, 0.1, 512, 1e-6), (3.0, 0.001, 100, 1e-5),
        (0.805, 0.1, 50, 1e-5), (1.152, 0.1, 50, 1e-5), (1.760, 0.1, 50, 1e-5), (2.977, 0.1, 50, 1e-5),
        (10.08, 0.1, 200, 1e-5), (5.43, 0.1, 200, 1e-5), (1.13, 0.1, 200, 1e-5), (0.97, 0.05, 500, 1e-5),
        (0.5, 0.001, 1000, 1e-6), (2.0, 0.5, 10, 1e-5), (5.0, 0.9, 100, 1e-5), (0.7, 0.2, 1, 1e-5), (1.0, 0.01, 1, 1e-6),
        (1.0, 0.01, 1000, 1e-10), (1.0, 0.01, 1000, 1e-2), (20.0, 0.3, 1000, 1e-7), (0.4125, ML1M_RATE, ML1M_STEPS, 1e-5),
        (0.6580, ML1M_RATE, ML1M_STEPS, 1e-5),
    ]
    cases = [
        pld_case(f'dpa-pld-ml1m-sigma-{s}', dp_sgd(float(s), ML1M_RATE, ML1M_STEPS), {'epsilonAt': 1e-5}) for s in (1, 2, 3, 4, 5)
    ]
    cases += [pld_case(f'dpa-pld-{s}-{q:.6g}-{t}-{d:g}', dp_sgd(s, q, t), {'epsilonAt': d}) for s, q, t, d in rows]
    write(
        'dp-accounting-poisson-gaussian-pld-epsilon', source='dp_accounting', package='dp-accounting', kind='poisson-gaussian-pld-epsilon',
        provenance=PLD_PROVENANCE.format(relation='ADD_OR_REMOVE_ONE', call='get_epsilon(δ)'),
        tolerance=PLD_TOLERANCE, tolerance_reason=PLD_REASON, cases=cases,
    )


def coarse_grid():
    cases = []
    for s in (3, 4, 5):
        event, ask = dp_sgd(float(s), ML1M_RATE, ML1M_STEPS), {'epsilonAt': 1e-5}
        fine = pld_ask(event, ask, 'add-or-remove-one', 2.5e-6)
        cases.append(case(
            f'dpa-pld-default-grid-ml1m-sigma-{s}', event, ask, pld_ask(event, ask, 'add-or-remove-one', 1e-4),
            how='value_discretization_interval=1e-4 (its default)', wrong=True, direction='high', right=fine,
            rightFrom='the same accountant at interval 2.5e-6',
            why='its default grid of 1e-4 costs several per cent when ε is small and the steps are many',
        ))
    write(
        'dp-accounting-pld-default-grid', source='dp_accounting', package='dp-accounting', kind='poisson-gaussian-pld-epsilon',
        provenance='dp_accounting.pld.PLDAccountant(ADD_OR_REMOVE_ONE) with its default interval of 1e-4 .compose(event).get_epsilon(δ)',
        tolerance=PLD_TOLERANCE, tolerance_reason=PLD_REASON, cases=cases,
    )


def pld_delta():
    cases = []
    for s, e in ((1.0, 1.0), (0.5, 4.0), (4.0, 0.1), (10.0, 0.01), (1.0, 6.0)):
        cases.append(pld_case(f'dpa-pld-delta-gaussian-{s}-{e}', gaussian(s), {'deltaAt': e}))
    for s, q, t, e in ((1.0, 0.01, 1000, 1.0), (1.0, ML1M_RATE, ML1M_STEPS, 0.2), (3.0, 0.1, 512, 2.0), (0.8, 0.05, 100, 3.0), (2.0, 0.2, 50, 0.5)):
        cases.append(pld_case(f'dpa-pld-delta-{s}-{q:.6g}-{t}-{e}', dp_sgd(s, q, t), {'deltaAt': e}))
    write(
        'dp-accounting-pld-delta', source='dp_accounting', package='dp-accounting', kind='gaussian-pld-delta',
        provenance=PLD_PROVENANCE.format(relation='ADD_OR_REMOVE_ONE', call='get_delta(ε)'),
        tolerance=0.005, tolerance_reason=PLD_REASON + '; a relative error in δ is several times that in ε', cases=cases,
    )


def closed_form_gaussian():
    cases = []
    for s, d in ((0.5, 1e-5), (1.0, 1e-5), (2.0, 1e-6), (5.0, 1e-5), (20.0, 1e-3), (1.0, 1e-12), (100.0, 1e-8)):
        cases.append(case(f'dpa-analytic-{s}-{d:g}', gaussian(s), {'epsilonAt': d}, dp_accounting.get_epsilon_gaussian(s, d)))
    for s in (1.0, 2.0, 3.0, 4.0, 5.0):
        # 5 epochs of shuffled data without amplification: a person's row takes part in 5 Gaussian releases.
        cases.append(case(f'dpa-analytic-shuffled-{s}', repeated(5, gaussian(s)), {'epsilonAt': 1e-5},
                          dp_accounting.get_epsilon_gaussian(s / 5**0.5, 1e-5), relation='replace-special'))
    for e, d in ((1.0, 1e-5), (0.1, 1e-6), (8.0, 1e-5), (3.0, 1e-9)):
        cases.append(case(f'dpa-analytic-calibrate-{e}-{d:g}', gaussian(None), {'calibrate': {'epsilon': e, 'delta': d}},
                          dp_accounting.get_sigma_gaussian(e, d)))
    write(
        'dp-accounting-gaussian-closed-form', source='dp_accounting', package='dp-accounting', kind='gaussian-closed-form',
        provenance='dp_accounting.get_epsilon_gaussian(σ, δ) and get_sigma_gaussian(ε, δ), tol 1e-12; a composition of n releases as σ/√n',
        tolerance=0.001, tolerance_reason='theirs is the closed form to 1e-12; ours may round calibrations up by 0.05 % so as never to overshoot the target',
        cases=cases,
    )


def pld_replace():
    cases = [
        pld_case(f'dpa-pld-replace-one-ml1m-sigma-{s}', dp_sgd(float(s), ML1M_RATE, ML1M_STEPS), {'epsilonAt': 1e-5}, 'replace-one')
        for s in (1, 3, 5)
    ]
    cases += [
        pld_case('dpa-pld-replace-one-1-0.01-1000', dp_sgd(1.0, 0.01, 1000), {'epsilonAt': 1e-5}, 'replace-one'),
        pld_case('dpa-pld-replace-one-3-0.1-512', dp_sgd(3.0, 0.1, 512), {'epsilonAt': 1e-6}, 'replace-one'),
        pld_case('dpa-pld-replace-one-delta-2-0.2-50', dp_sgd(2.0, 0.2, 50), {'deltaAt': 1.0}, 'replace-one', tolerance=0.006),
        pld_case('dpa-pld-replace-special-1-0.01-1000', dp_sgd(1.0, 0.01, 1000), {'epsilonAt': 1e-5}, 'replace-special'),
        pld_case('dpa-pld-replace-special-gaussian-2', gaussian(2.0), {'epsilonAt': 1e-5}, 'replace-special'),
    ]
    write(
        'dp-accounting-pld-replace', source='dp_accounting', package='dp-accounting', kind='poisson-gaussian-pld-replace',
        provenance=PLD_PROVENANCE.format(relation='REPLACE_ONE or REPLACE_SPECIAL, as in the case', call='get_epsilon(δ) or get_delta(ε)'),
        tolerance=PLD_TOLERANCE, tolerance_reason=PLD_REASON, cases=cases,
        note='noiseMultiplier is the standard deviation over what one added or removed example can change; under replace-one two examples change, and the PLD accounts for that itself.',
    )


def pld_others():
    discrete = lambda parameter, sensitivity: {'kind': 'discrete-laplace', 'parameter': parameter, 'sensitivity': sensitivity}
    response = lambda p, k: {'kind': 'randomized-response', 'noiseParameter': p, 'buckets': k}
    cases = [
        pld_case('dpa-pld-laplace-1', laplace(1.0), {'epsilonAt': 1e-5}),
        pld_case('dpa-pld-laplace-1-delta', laplace(1.0), {'deltaAt': 0.5}),
        pld_case('dpa-pld-laplace-4-x30', repeated(30, laplace(4.0)), {'epsilonAt': 1e-6}),
        pld_case('dpa-pld-laplace-10-x200', repeated(200, laplace(10.0)), {'epsilonAt': 1e-5}),
        pld_case('dpa-pld-laplace-2-delta-x10', repeated(10, laplace(2.0)), {'deltaAt': 2.0}),
        pld_case('dpa-pld-sampled-laplace-1-0.1-x100', repeated(100, poisson(0.1, laplace(1.0))), {'epsilonAt': 1e-5}),
        pld_case('dpa-pld-sampled-laplace-2-0.01-x1000', repeated(1000, poisson(0.01, laplace(2.0))), {'epsilonAt': 1e-6}),
        pld_case('dpa-pld-discrete-laplace-1-1', discrete(1.0, 1), {'epsilonAt': 1e-5}),
        pld_case('dpa-pld-discrete-laplace-0.5-2-x10', repeated(10, discrete(0.5, 2)), {'epsilonAt': 1e-6}),
        pld_case('dpa-pld-discrete-laplace-0.1-1-x100', repeated(100, discrete(0.1, 1)), {'epsilonAt': 1e-5}),
        pld_case('dpa-pld-discrete-laplace-0.2-3-delta', discrete(0.2, 3), {'deltaAt': 0.3}),
        pld_case('dpa-pld-response-0.5-4', response(0.5, 4), {'epsilonAt': 1e-5}, 'replace-one'),
        pld_case('dpa-pld-response-0.8-2-delta', response(0.8, 2), {'deltaAt': 0.2}, 'replace-one'),
        pld_case('dpa-pld-response-0.5-4-special', response(0.5, 4), {'deltaAt': 0.4}, 'replace-special'),
        pld_case('dpa-pld-response-list-of-10', composed(*[response(0.7, 5)] * 10), {'epsilonAt': 1e-5}, 'replace-one'),
        pld_case('dpa-pld-response-special-list-of-6', composed(*[response(0.6, 3)] * 6), {'epsilonAt': 1e-4}, 'replace-special'),
    ]
    write(
        'dp-accounting-pld-other-mechanisms', source='dp_accounting', package='dp-accounting', kind='pld-other-mechanisms',
        provenance=PLD_PROVENANCE.format(relation='the case\'s relation', call='get_epsilon(δ) or get_delta(ε)'),
        tolerance=PLD_TOLERANCE, tolerance_reason=PLD_REASON, cases=cases,
    )

    times = 100
    event = repeated(times, response(0.5, 4))
    ask = {'epsilonAt': 1e-5}
    short = repeated(10, response(0.7, 5))
    write(
        'dp-accounting-pld-randomized-response-count', source='dp_accounting', package='dp-accounting', kind='pld-other-mechanisms',
        provenance='dp_accounting.pld.PLDAccountant(REPLACE_ONE, 1e-4).compose(SelfComposedDpEvent(RandomizedResponseDpEvent(p, k), n)).get_epsilon(δ)',
        tolerance=PLD_TOLERANCE, tolerance_reason='ours rounds the loss up on a grid; the right value is an exact sum',
        cases=[
            case(f'dpa-pld-response-count-{n}', e, ask, pld_ask(e, ask, 'replace-one', 1e-4), relation='replace-one', wrong=True, direction='low',
                 right=float(reference.randomized_response_epsilon(p, k, n, 1e-5)), rightFrom='exact multinomial sum, mpmath, 40 digits (reference.py)',
                 why='PLDAccountant composes randomised response once, whatever the count: understates')
            for e, p, k, n in ((event, 0.5, 4, times), (short, 0.7, 5, 10))
        ],
    )


def binomial_mixture(k, rate, sigma):
    """One person with k examples, each sampled by itself: the sum of their gradients changes by up to Binomial(k, q) clip norms."""
    probabilities = [float(mp.binomial(k, i) * mp.mpf(rate) ** i * (1 - mp.mpf(rate)) ** (k - i)) for i in range(k + 1)]
    keep = [i for i, p in enumerate(probabilities) if p > 1e-300]
    kept = [probabilities[i] for i in keep]
    total = sum(kept)
    return mixture(sigma, [float(i) for i in keep], [p / total for p in kept])


def mixtures():
    cases = [
        pld_case('dpa-mixture-two-points-is-poisson', repeated(1000, mixture(1.0, [0.0, 1.0], [0.99, 0.01])), {'epsilonAt': 1e-5}),
        pld_case('dpa-mixture-three-points', repeated(200, mixture(2.0, [0.0, 1.0, 2.0], [0.9, 0.08, 0.02])), {'epsilonAt': 1e-5}),
        pld_case('dpa-mixture-no-zero', repeated(5, mixture(4.0, [0.5, 1.0, 3.0], [0.2, 0.5, 0.3])), {'epsilonAt': 1e-6}),
        pld_case('dpa-mixture-delta', mixture(1.0, [0.0, 1.0, 2.0], [0.5, 0.3, 0.2]), {'deltaAt': 1.0}),
    ]
    for k, sigma in ((16, 1.0), (16, 3.0), (16, 5.0), (20, 1.0), (77, 1.0), (77, 3.0), (77, 5.0), (132, 3.0)):
        cases.append(pld_case(
            f'dpa-mixture-user-{k}-sigma-{sigma}', repeated(ML1M_STEPS, binomial_mixture(k, ML1M_RATE, sigma)), {'epsilonAt': 1e-5},
            interval=4e-4 if k > 16 and sigma < 3 else 1e-4,
        ))
    write(
        'dp-accounting-mixture-of-gaussians', source='dp_accounting', package='dp-accounting', kind='user-level-mixture',
        provenance=PLD_PROVENANCE.format(relation='ADD_OR_REMOVE_ONE', call='get_epsilon(δ) or get_delta(ε)') + '; MixtureOfGaussiansDpEvent',
        tolerance=PLD_TOLERANCE, tolerance_reason=PLD_REASON, cases=cases,
        note='The user-level cases are seed 000\'s training (q = 512/800,167, T = 7,814, δ = 1e-5) for a person who holds k ratings.',
    )


def compositions():
    response = {'kind': 'randomized-response', 'noiseParameter': 0.8, 'buckets': 3}
    cases = [
        pld_case('dpa-composed-gaussian-laplace', composed(gaussian(2.0), laplace(3.0), repeated(10, gaussian(9.0))), {'epsilonAt': 1e-5}),
        pld_case('dpa-composed-training-and-means', composed(gaussian(10.0), repeated(4, laplace(8.0)), dp_sgd(1.2, 0.02, 500)), {'epsilonAt': 1e-6}),
        pld_case('dpa-composed-sigma-schedule', composed(dp_sgd(2.0, 0.01, 300), dp_sgd(1.5, 0.01, 300), dp_sgd(1.0, 0.01, 300)), {'epsilonAt': 1e-5}),
        pld_case('dpa-composed-rate-schedule', composed(dp_sgd(1.5, 0.005, 400), dp_sgd(1.5, 0.01, 200), dp_sgd(1.5, 0.04, 50)), {'epsilonAt': 1e-5}),
        pld_case('dpa-composed-adaptive-clipping', repeated(1000, poisson(0.01, gaussian(1.1))), {'epsilonAt': 1e-5}),
        pld_case('dpa-composed-discrete', composed({'kind': 'discrete-laplace', 'parameter': 0.3, 'sensitivity': 1}, laplace(5.0), gaussian(4.0)), {'deltaAt': 0.7}),
        pld_case('dpa-composed-nested', repeated(3, composed(gaussian(5.0), repeated(2, laplace(10.0)), poisson(0.1, gaussian(1.5)))), {'epsilonAt': 1e-5}),
        pld_case('dpa-composed-response-gaussian', composed(response, gaussian(3.0)), {'epsilonAt': 1e-5}, 'replace-special'),
        case('dpa-composed-non-private', composed(gaussian(3.0), {'kind': 'non-private'}), {'epsilonAt': 1e-5},
             pld_ask(composed(gaussian(3.0), {'kind': 'non-private'}), {'epsilonAt': 1e-5}, 'add-or-remove-one', 1e-4)),
    ]
    write(
        'dp-accounting-pld-compositions', source='dp_accounting', package='dp-accounting', kind='pld-compositions',
        provenance=PLD_PROVENANCE.format(relation='the case\'s relation', call='get_epsilon(δ) or get_delta(ε)'),
        tolerance=PLD_TOLERANCE, tolerance_reason=PLD_REASON, cases=cases,
    )


def rdp_curves():
    cases = []
    for s, q in ((1.0, 0.01), (0.5, 0.001), (4.0, 0.1), (1.5, 0.5), (1.0, ML1M_RATE), (20.0, 0.9)):
        for order in (2, 3, 7, 16, 63, 256, 1024):
            event = poisson(q, gaussian(s))
            cases.append(case(f'dpa-rdp-{s}-{q:.6g}-{order}', event, {'rdpAt': order}, rdp_at(event, order), accountant='rdp'))
    write(
        'dp-accounting-rdp-integer-orders', source='dp_accounting', package='dp-accounting', kind='rdp-curve',
        provenance='dp_accounting.rdp.RdpAccountant([α]).compose(PoissonSampledDpEvent(q, GaussianDpEvent(σ))), its RDP at α (private field _rdp)',
        tolerance=1e-8, tolerance_reason='theirs sums in doubles in log space: log A loses digits where A − 1 is small (about 1e-15 / rdp relative)',
        cases=[dict(each, tolerance=max(1e-8, 4e-14 / each['value'])) for each in cases],
        note='A case whose value is tiny carries its own tolerance: 4e-14 ÷ value, what cancellation in doubles leaves of theirs.',
    )

    wrong = []
    for s, q, order in ((0.8, 0.01, 1.5), (1.0, 0.01, 1.5), (1.0, 0.01, 2.5), (0.5, 0.01, 2.5), (1.0, 0.001, 1.1), (1.0, ML1M_RATE, 1.5), (2.0, 0.05, 1.9), (0.7, 0.02, 1.3)):
        event = poisson(q, gaussian(s))
        wrong.append(case(
            f'dpa-rdp-fractional-{s}-{q:.6g}-{order}', event, {'rdpAt': order}, rdp_at(event, order), accountant='rdp',
            wrong=True, direction='high', right=float(reference.subsampled_gaussian_rdp(q, s, order)),
            rightFrom='quadrature of the definition, mpmath, 40 digits (reference.py)',
            why='its series at fractional orders adds the absolute values of alternating terms',
        ))
    event = poisson(0.1, gaussian(1.0))
    wrong.append(case(
        'dpa-rdp-fractional-not-converged', event, {'rdpAt': 1.5}, rdp_at(event, 1.5), accountant='rdp', wrong=True, direction='high',
        right=float(reference.subsampled_gaussian_rdp(0.1, 1.0, 1.5)), rightFrom='quadrature of the definition, mpmath, 40 digits (reference.py)',
        why='its series is not summed to the end within 1,000 terms, and the order is given up as infinite',
    ))
    # The library's own test sequence (rdp_privacy_accountant_test.py, test_compute_rdp_poisson_sampled_gaussian): 50 steps at σ = 2.5, q = 0.01.
    event = repeated(50, poisson(0.01, gaussian(2.5)))
    for order in (1.5, 2.5):
        wrong.append(case(
            f'dpa-rdp-fractional-own-test-{order}', event, {'rdpAt': order}, rdp_at(event, order), accountant='rdp', wrong=True, direction='high',
            right=float(50 * reference.subsampled_gaussian_rdp(0.01, 2.5, order)), rightFrom='quadrature of the definition, mpmath, 40 digits (reference.py)',
            why='its series at fractional orders adds the absolute values of alternating terms',
        ))
    for order in (5, 50, 100, 'inf'):
        wrong.append(case(f'dpa-rdp-own-test-{order}', event, {'rdpAt': order}, rdp_at(event, float(order)), accountant='rdp', tolerance=1e-8))
    write(
        'dp-accounting-rdp-fractional-orders', source='dp_accounting', package='dp-accounting', kind='rdp-curve',
        provenance='dp_accounting.rdp.RdpAccountant([α]).compose(PoissonSampledDpEvent(q, GaussianDpEvent(σ))), its RDP at fractional α (private field _rdp)',
        tolerance=1e-9, tolerance_reason='the right values are quadratures of the definition to 40 digits', cases=wrong,
    )


def rdp_other_curves():
    response = lambda p, k: {'kind': 'randomized-response', 'noiseParameter': p, 'buckets': k}
    rows = [
        ('gaussian-2', gaussian(2.0), (1.5, 2, 32, 1000), 'add-or-remove-one'),
        ('gaussian-composed', composed(repeated(7, gaussian(3.0)), gaussian(0.9)), (1.1, 8), 'add-or-remove-one'),
        ('laplace-1', laplace(1.0), (1, 1.05, 1.5, 2, 10, 100), 'add-or-remove-one'),
        ('laplace-0.2', laplace(0.2), (2, 20), 'add-or-remove-one'),
        ('laplace-30-x50', repeated(50, laplace(30.0)), (2.5, 40), 'add-or-remove-one'),
        ('zcdp', {'kind': 'zcdp', 'rho': 0.3, 'xi': 0.05}, (2, 12.5), 'add-or-remove-one'),
        ('zcdp-x9', repeated(9, {'kind': 'zcdp', 'rho': 0.01}), (3, 50), 'add-or-remove-one'),
        ('response-0.5-4', response(0.5, 4), (1.5, 2, 10, 200, 'inf'), 'replace-one'),
        ('response-0.5-4-special', response(0.5, 4), (1.5, 2, 10, 200, 'inf'), 'replace-special'),
        ('response-0.9-2-x20', repeated(20, response(0.9, 2)), (2, 6), 'replace-one'),
        ('response-0.1-10-special', response(0.1, 10), (1.2, 30), 'replace-special'),
        ('tree-one', {'kind': 'tree-aggregation', 'noiseMultiplier': 4.0, 'stepCounts': [1]}, (2,), 'replace-special'),
        ('tree-7', {'kind': 'tree-aggregation', 'noiseMultiplier': 4.0, 'stepCounts': [7]}, (2, 30), 'replace-special'),
        ('tree-8', {'kind': 'tree-aggregation', 'noiseMultiplier': 4.0, 'stepCounts': [8]}, (2,), 'replace-special'),
        ('tree-restarts', {'kind': 'tree-aggregation', 'noiseMultiplier': 10.0, 'stepCounts': [300, 1000, 5]}, (4, 64), 'replace-special'),
    ]
    cases = []
    for name, event, orders, relation in rows:
        for order in orders:
            cases.append(case(f'dpa-rdp-{name}-{order}', event, {'rdpAt': order}, rdp_at(event, float(order), relation), relation=relation, accountant='rdp'))
    write(
        'dp-accounting-rdp-other-mechanisms', source='dp_accounting', package='dp-accounting', kind='rdp-curve',
        provenance='dp_accounting.rdp.RdpAccountant([α], relation).compose(event), its RDP at α (private field _rdp)',
        tolerance=1e-9, tolerance_reason='closed forms on both sides, in doubles', cases=cases,
    )


def rdp_without_replacement():
    cases = []
    for s, n, m in ((1.0, 800167, 512), (2.0, 1000, 100), (5.0, 60000, 6000)):
        event = without_replacement(n, m, gaussian(s))
        for order in (2, 3, 8, 32):
            cases.append(case(f'dpa-wor-{s}-{n}-{m}-{order}', event, {'rdpAt': order}, rdp_at(event, order, 'replace-one'), relation='replace-one', accountant='rdp'))
    for s in (1.0, 2.0, 3.0, 4.0, 5.0):
        event = repeated(ML1M_STEPS, without_replacement(800167, 512, gaussian(s)))
        epsilon, order = rdp_accountant(event, 'replace-one', list(range(2, 257))).get_epsilon_and_optimal_order(1e-5)
        cases.append(case(f'dpa-wor-ml1m-sigma-{s}', event, {'epsilonAt': 1e-5}, epsilon, relation='replace-one', accountant='rdp', tolerance=0.01,
                          how='orders 2 … 256', info={'optimalOrder': float(order)}))
    write(
        'dp-accounting-rdp-without-replacement', source='dp_accounting', package='dp-accounting', kind='rdp-without-replacement',
        provenance='dp_accounting.rdp.RdpAccountant(orders, REPLACE_ONE).compose(SampledWithoutReplacementDpEvent(n, m, GaussianDpEvent(σ))): Wang, Balle & Kasiviswanathan 2019, theorem 27',
        tolerance=1e-6, tolerance_reason='the same theorem on both sides; their forward differences are taken in log space and lose digits', cases=cases,
        note='noiseMultiplier is the standard deviation over the sensitivity under replacement of one example, as this library reads it here; it does not double it as its PLD does for Poisson samples. ε cases (1 %): ours may also look at orders above 256.',
    )


def rdp_epsilons():
    cases = []
    rows = [
        (1.0, ML1M_RATE, ML1M_STEPS, 1e-5), (2.0, ML1M_RATE, ML1M_STEPS, 1e-5), (3.0, ML1M_RATE, ML1M_STEPS, 1e-5), (4.0, ML1M_RATE, ML1M_STEPS, 1e-5),
        (5.0, ML1M_RATE, ML1M_STEPS, 1e-5), (1.0, 0.01, 1000, 1e-6), (3.0, 0.1, 512, 1e-6), (1.1, 256 / 60000, 14062, 1e-5), (10.08, 0.1, 200, 1e-5),
        (20.0, 0.3, 1000, 1e-7), (1.5, 0.04, 2249, 1e-5), (2.977, 0.1, 50, 1e-5),
    ]
    for s, q, t, d in rows:
        event = dp_sgd(s, q, t)
        epsilon, order = rdp_accountant(event, 'add-or-remove-one', DENSE_ORDERS).get_epsilon_and_optimal_order(d)
        extra = loose_at_integer_orders(epsilon, reference.event_rdp_epsilon(event, d), 0.003)
        cases.append(case(f'dpa-rdp-epsilon-{s}-{q:.6g}-{t}-{d:g}', event, {'epsilonAt': d}, epsilon, accountant='rdp', info={'optimalOrder': float(order)}, **extra))
        print(f'  rdp {s} {q:.6g} {t} {d:g}: {epsilon:.6f} at {order}', flush=True)
    others = [
        ('gaussian-1', gaussian(1.0), {'epsilonAt': 1e-5}, 'add-or-remove-one'),
        ('laplace-4-x30', repeated(30, laplace(4.0)), {'epsilonAt': 1e-6}, 'add-or-remove-one'),
        ('mixed', composed(gaussian(10.0), repeated(4, laplace(8.0)), dp_sgd(1.2, 0.02, 500)), {'epsilonAt': 1e-6}, 'add-or-remove-one'),
        ('schedule', composed(dp_sgd(2.0, 0.01, 300), dp_sgd(1.5, 0.01, 300), dp_sgd(1.0, 0.01, 300)), {'epsilonAt': 1e-5}, 'add-or-remove-one'),
        ('delta', dp_sgd(1.0, 0.01, 1000), {'deltaAt': 2.0}, 'add-or-remove-one'),
        ('delta-2', dp_sgd(3.0, 0.1, 512), {'deltaAt': 3.0}, 'add-or-remove-one'),
        ('tree', {'kind': 'tree-aggregation', 'noiseMultiplier': 10.0, 'stepCounts': [300, 1000, 5]}, {'epsilonAt': 1e-6}, 'replace-special'),
        ('response', repeated(20, {'kind': 'randomized-response', 'noiseParameter': 0.9, 'buckets': 2}), {'epsilonAt': 1e-5}, 'replace-one'),
        ('sampled-composition', repeated(100, poisson(0.02, composed(gaussian(3.0), gaussian(4.0)))), {'epsilonAt': 1e-5}, 'add-or-remove-one'),
        ('zcdp', {'kind': 'zcdp', 'rho': 0.5}, {'epsilonAt': 1e-6}, 'add-or-remove-one'),
    ]
    # Fine in both regimes: every mechanism but the sampled Gaussian is exact at fractional orders too, so those join where none is sampled.
    fractional = [1.02 + 0.02 * i for i in range(49 * 12)]
    for name, event, ask, relation in others:
        orders = DENSE_ORDERS if 'poisson-sampled' in repr(event) else sorted(set(fractional + [float(o) for o in DENSE_ORDERS]))
        accountant = rdp_accountant(event, relation, orders)
        if 'epsilonAt' in ask:
            value, order = accountant.get_epsilon_and_optimal_order(ask['epsilonAt'])
        else:
            value, order = accountant.get_delta_and_optimal_order(ask['deltaAt'])
        extra = {}
        if 'poisson-sampled' in repr(event):
            right = reference.event_rdp_epsilon(event, ask['epsilonAt']) if 'epsilonAt' in ask else reference.event_rdp_delta(event, ask['deltaAt'])
            extra = loose_at_integer_orders(value, right, 0.003)
        cases.append(case(f'dpa-rdp-{name}', event, ask, value, relation=relation, accountant='rdp', info={'optimalOrder': float(order)}, **extra))
        print(f'  rdp {name}: {value:.6g} at {order}', flush=True)
    write(
        'dp-accounting-rdp-epsilon', source='dp_accounting', package='dp-accounting', kind='rdp-epsilon',
        provenance='dp_accounting.rdp.RdpAccountant(orders, relation).compose(event).get_epsilon_and_optimal_order(δ) or get_delta_and_optimal_order(ε); '
        'orders 2, 3 … 399, then by 4 to 1,200 and by 25 to 4,100, with 1.02, 1.04 … 12.76 added where nothing is sampled',
        tolerance=0.003, tolerance_reason='theirs is the best of a dense grid of orders, ours the best order near it; at a best order of 10 the neighbouring integers cost up to 0.2 %',
        cases=cases,
    )

    artefacts = []
    for s in (3.0, 4.0, 5.0):
        event = dp_sgd(s, ML1M_RATE, ML1M_STEPS)
        epsilon, order = rdp_accountant(event, 'add-or-remove-one', None).get_epsilon_and_optimal_order(1e-5)
        right = reference.rdp_epsilon(lambda a: ML1M_STEPS * reference.subsampled_gaussian_rdp(ML1M_RATE, s, a), 1e-5, low=20, high=600)
        artefacts.append(case(
            f'dpa-rdp-default-orders-ml1m-sigma-{s}', event, {'epsilonAt': 1e-5}, epsilon, accountant='rdp', info={'optimalOrder': float(order)},
            wrong=True, direction='high', right=float(right), rightFrom='minimum over continuous orders of the quadrature of the definition, mpmath (reference.py)',
            why='its default orders have gaps between 63, 128, 256 and 512; the best order lies in one',
        ))
    gap = [float(o) for o in list(range(2, 33)) + [64, 128, 256, 512]]
    event = dp_sgd(2.0, ML1M_RATE, ML1M_STEPS)
    epsilon, order = rdp_accountant(event, 'add-or-remove-one', gap).get_epsilon_and_optimal_order(1e-5)
    artefacts.append(case(
        'dpa-rdp-paper-orders-ml1m-sigma-2', event, {'epsilonAt': 1e-5}, epsilon, accountant='rdp', info={'optimalOrder': float(order)},
        how='orders 2 … 32, 64, 128, 256, 512', wrong=True, direction='high',
        right=float(reference.rdp_epsilon(lambda a: ML1M_STEPS * reference.subsampled_gaussian_rdp(ML1M_RATE, 2.0, a), 1e-5, low=20, high=200)),
        rightFrom='minimum over continuous orders of the quadrature of the definition, mpmath (reference.py)',
        why='the grid that reproduces the paper\'s 0.24 has no order between 32 and 64, where the best one (about 57) lies',
    ))
    write(
        'dp-accounting-rdp-grid-artefacts', source='dp_accounting', package='dp-accounting', kind='rdp-epsilon',
        provenance='dp_accounting.rdp.RdpAccountant(orders).compose(event).get_epsilon_and_optimal_order(δ), default orders unless `how` names others',
        tolerance=0.002, tolerance_reason='the right value is the minimum over all orders; ours refines around its best order', cases=artefacts,
    )


def exponential():
    """Release 0.6.0 has no exponential mechanism. The defect was in the repository after it (commit b5b0286): `count` was ignored.
    The figure comes out of the released conversion applied to that curve at count 1; the right one from the same curve 100 times."""
    orders = rdp_module.DEFAULT_RDP_ORDERS
    once = [float(reference.exponential_mechanism_rdp(1, a)) for a in orders]
    ignored, _ = rdp_module.compute_epsilon(orders, once, 1e-5)
    right = reference.rdp_epsilon(lambda a: 100 * reference.exponential_mechanism_rdp(1, a), 1e-5, high=200)
    write(
        'dp-accounting-exponential-count', source='dp_accounting', package='dp-accounting', kind='rdp-epsilon',
        provenance='google/differential-privacy@b5b0286, rdp_privacy_accountant.py lines 1064-1073 (not in a release): RdpAccountant().compose(ExponentialMechanismDpEvent(1), 100).get_epsilon(1e-5) printed 1.0035. '
        'The value here is dp_accounting.rdp.compute_epsilon of the installed release on that curve counted once, which prints the same',
        tolerance=0.01, tolerance_reason='sound bounds of the exponential mechanism\'s curve differ by less than 1 % here (with or without the small constant beside ε²/8)',
        cases=[
            case('dpa-exponential-count-100', repeated(100, {'kind': 'exponential', 'epsilon': 1.0}), {'epsilonAt': 1e-5}, ignored, accountant='rdp',
                 wrong=True, direction='low', right=float(right), rightFrom='the same curve 100 times, minimum over continuous orders, mpmath (reference.py)',
                 why='the accountant ignored the count of this event: 100 releases priced as one'),
        ],
    )


def calibrations():
    cases = []
    for name, q, t, e, d in (('ml1m-1', ML1M_RATE, ML1M_STEPS, 1.0, 1e-5), ('ml1m-0.5', ML1M_RATE, ML1M_STEPS, 0.5, 1e-5), ('ml1m-3', ML1M_RATE, ML1M_STEPS, 3.0, 1e-5), ('steps-512', 0.1, 512, 4.0, 1e-6)):
        sigma = dp_accounting.calibrate_dp_mechanism(
            lambda: dp_accounting.rdp.RdpAccountant(DENSE_ORDERS[:398]),
            lambda x: dp_accounting.SelfComposedDpEvent(dp_accounting.PoissonSampledDpEvent(q, dp_accounting.GaussianDpEvent(x)), t),
            e, d, dp_accounting.ExplicitBracketInterval(0.3, 20.0), tol=1e-5,
        )
        extra = loose_at_integer_orders(sigma, reference.calibrate_rdp(lambda x: dp_sgd(x, q, t), e, d, 0.3, 20.0), 0.002)
        cases.append(case(f'dpa-calibrate-rdp-{name}', dp_sgd(None, q, t), {'calibrate': {'epsilon': e, 'delta': d}}, sigma, accountant='rdp', how='orders 2 … 399', **extra))
        print(f'  calibrate rdp {name}: {sigma}', flush=True)
    for name, q, t, e, d, h in (('ml1m-1', ML1M_RATE, ML1M_STEPS, 1.0, 1e-5, 1e-5), ('ml1m-8', ML1M_RATE, ML1M_STEPS, 8.0, 1e-5, 5e-5), ('users-0.5', 0.1, 200, 0.5, 1e-5, 1e-5),
                                ('users-1', 0.1, 200, 1.0, 1e-5, 2e-5), ('users-8', 0.1, 200, 8.0, 1e-5, 1e-4), ('users-2-500', 0.05, 500, 2.0, 1e-5, 2e-5), ('full-batch-1', 1.0, 20, 1.0, 1e-5, 1e-5)):
        sigma = dp_accounting.calibrate_dp_mechanism(
            lambda: dp_accounting.pld.PLDAccountant(value_discretization_interval=h),
            lambda x: dp_accounting.SelfComposedDpEvent(dp_accounting.PoissonSampledDpEvent(q, dp_accounting.GaussianDpEvent(x)), t),
            e, d, dp_accounting.ExplicitBracketInterval(0.4, 40.0), tol=1e-4,
        )
        event = repeated(t, gaussian(None)) if q == 1 else dp_sgd(None, q, t)
        cases.append(case(f'dpa-calibrate-pld-{name}', event, {'calibrate': {'epsilon': e, 'delta': d}}, sigma, how=f'value_discretization_interval={h:g}'))
        print(f'  calibrate pld {name}: {sigma}', flush=True)
    write(
        'dp-accounting-calibration', source='dp_accounting', package='dp-accounting', kind='calibration',
        provenance='dp_accounting.calibrate_dp_mechanism(accountant, event of σ, ε, δ, ExplicitBracketInterval, tol 1e-5 for RDP, 1e-4 for PLD)',
        tolerance=0.002, tolerance_reason='theirs stops within tol of the target; its grid of orders or of losses costs up to 0.1 % in σ', cases=cases,
    )


GROUPS = [
    rdp_curves, rdp_other_curves, rdp_without_replacement, rdp_epsilons, exponential, closed_form_gaussian, pld_delta, pld_replace, pld_others,
    compositions, poisson_gaussian_pld, coarse_grid, mixtures, calibrations,
]

if __name__ == '__main__':
    wanted = sys.argv[1:]
    for group in GROUPS:
        if not wanted or group.__name__ in wanted:
            group()
