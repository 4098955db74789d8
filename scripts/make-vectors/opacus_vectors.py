"""Golden vectors from Opacus's three accountants. Run with the interpreter of the `opacus` environment (README.md)."""

import warnings

from opacus.accountants import GaussianAccountant, PRVAccountant, RDPAccountant
from opacus.accountants.analysis import rdp as opacus_rdp
from opacus.accountants.utils import get_noise_multiplier

import reference
from common import ML1M_RATE, ML1M_STEPS, case, composed, dp_sgd, gaussian, poisson, write

warnings.simplefilter('ignore')


def continuous(s, q, t, d, low=1.05, high=600):
    """RDP price over all orders."""
    return float(reference.rdp_epsilon(lambda a: t * reference.subsampled_gaussian_rdp(q, s, a), d, low=low, high=high))


def accountant(make, history):
    made = make()
    made.history = history
    return made


def rdp_curves():
    cases = []
    for s, q in ((1.0, 0.01), (2.0, 0.05), (0.8, ML1M_RATE), (4.0, 0.2)):
        for a in (1.5, 2.0, 3.7, 8.0, 10.9, 63.0):
            value = opacus_rdp.compute_rdp(q=q, noise_multiplier=s, steps=1, orders=float(a))
            right = float(reference.subsampled_gaussian_rdp(q, s, a))
            # Sums in doubles: what cancellation leaves of log A, and at fractional orders a series cut at terms below e^−30 ≈ 1e-13.
            absolute = (3e-12 if a != int(a) else 4e-14) / (a - 1)
            extra = {'tolerance': max(1e-9, absolute / right)}
            if abs(value / right - 1) > extra['tolerance']:
                extra.update(wrong=True, direction='high' if value > right else 'low', right=right, rightFrom='quadrature of the definition, mpmath, 40 digits (reference.py)',
                             why='its series at fractional orders is cut by the size of a term, not of the rest', tolerance=1e-9)
            cases.append(case(f'opacus-rdp-{s}-{q:.6g}-{a}', poisson(q, gaussian(s)), {'rdpAt': a}, value, accountant='rdp', **extra))
            print(f"  {cases[-1]['id']}: {value:.10g} {value / right - 1:.2e}")
    write(
        'opacus-rdp-curve', source='opacus', package='opacus', kind='rdp-curve',
        provenance='opacus.accountants.analysis.rdp.compute_rdp(q, noise_multiplier, steps=1, orders=α), integer and fractional α (here with the right signs, unlike dp_accounting)',
        tolerance=1e-9, tolerance_reason='each case carries what doubles leave of log A where A − 1 is small: 4e-14 (integer orders) or 3e-12 (series) over α − 1, relative to its value',
        cases=cases,
    )


def rdp_epsilons():
    cases = []
    rows = [
        (1.0, 0.01, 1000, 1e-5), (1.1, 256 / 60000, 14062, 1e-5), (3.0, 0.1, 512, 1e-6), (1.5, 0.04, 2249, 1e-5), (0.7, 0.004, 500, 1e-5),
        (1.0, ML1M_RATE, ML1M_STEPS, 1e-5), (2.0, ML1M_RATE, ML1M_STEPS, 1e-5), (3.0, ML1M_RATE, ML1M_STEPS, 1e-5), (4.0, ML1M_RATE, ML1M_STEPS, 1e-5), (5.0, ML1M_RATE, ML1M_STEPS, 1e-5),
    ]
    for s, q, t, d in rows:
        epsilon, order = accountant(RDPAccountant, [(s, q, t)]).get_privacy_spent(delta=d)
        right = continuous(s, q, t, d)
        extra = {}
        if abs(epsilon / right - 1) > 0.003:
            extra = dict(wrong=True, direction='high' if epsilon > right else 'low', right=right, rightFrom='minimum over continuous orders of the quadrature of the definition, mpmath (reference.py)',
                         why='its orders end at 63, where the conversion alone costs 0.103 at δ = 1e-5, and have gaps of 1 above 12')
        cases.append(case(f'opacus-rdp-epsilon-{s}-{q:.6g}-{t}', dp_sgd(s, q, t), {'epsilonAt': d}, epsilon, accountant='rdp', info={'optimalOrder': order}, **extra))
        print(f"  {cases[-1]['id']}: {epsilon:.6f} at {order}, right {right:.6f}", flush=True)
    event = composed(dp_sgd(2.0, 0.01, 300), dp_sgd(1.0, 0.02, 200))
    epsilon, order = accountant(RDPAccountant, [(2.0, 0.01, 300), (1.0, 0.02, 200)]).get_privacy_spent(delta=1e-5)
    cases.append(case('opacus-rdp-epsilon-schedule', event, {'epsilonAt': 1e-5}, epsilon, accountant='rdp', info={'optimalOrder': order}))
    write(
        'opacus-rdp-epsilon', source='opacus', package='opacus', kind='rdp-epsilon',
        provenance='opacus.accountants.RDPAccountant, history = [(σ, q, steps)], .get_privacy_spent(delta=δ), default orders',
        tolerance=0.003, tolerance_reason='orders a tenth or one apart on their side, refined on ours', cases=cases,
    )


def prv():
    cases = []
    rows = [
        (1.0, ML1M_RATE, ML1M_STEPS, 1e-5), (3.0, ML1M_RATE, ML1M_STEPS, 1e-5), (5.0, ML1M_RATE, ML1M_STEPS, 1e-5), (1.0, 0.01, 1000, 1e-5), (1.5, 0.04, 2249, 1e-5),
        (3.0, 0.001, 100, 1e-5), (3.0, 0.1, 512, 1e-6),
    ]
    for s, q, t, d in rows:
        made = accountant(PRVAccountant, [(s, q, t)])
        event, ask = dp_sgd(s, q, t), {'epsilonAt': d}
        cases.append(case(f'opacus-prv-{s}-{q:.6g}-{t}', event, ask, made.get_epsilon(d), bound='upper', how='eps_error=0.01 (its default)'))
        # With a small error the same accountant is a figure to equal, less the error that it adds.
        error = {1e-5: 2e-4, 1e-6: 1e-3}[d] if s > 1.2 and q < 0.01 else 2e-3
        dprv = made._get_dprv(eps_error=error, delta_error=d * 1e-3)  # noqa: SLF001 (get_epsilon keeps the estimate to itself)
        lower, estimate, upper = dprv.compute_epsilon(d, d * 1e-3, error)
        how = f'eps_error={error:g}'
        cases.append(case(f'opacus-prv-{s}-{q:.6g}-{t}-lower', event, ask, lower, bound='lower', how=how))
        cases.append(case(f'opacus-prv-{s}-{q:.6g}-{t}-estimate', event, ask, estimate, how=how))
        print(f"  {s} {q:.6g} {t}: {cases[-3]['value']:.6f}; {lower:.6f} {estimate:.6f} {upper:.6f}", flush=True)
    write(
        'opacus-prv-epsilon', source='opacus', package='opacus', kind='epsilon-bounds',
        provenance='opacus.accountants.PRVAccountant, history = [(σ, q, steps)], .get_epsilon(δ): the upper of (lower, estimate, upper), 0.01 above the near-exact figure by default; lower and estimate from ._get_dprv(eps_error, delta_error).compute_epsilon',
        tolerance=0.005, tolerance_reason='the estimate of a discretised privacy loss, without a certificate; their δ error is 0.1 %', cases=cases,
    )


def gdp():
    cases = []
    for s, q, t, d in ((1.5, 0.04, 2249, 1e-5), (0.6, 10000 / 800167, 1600, 1e-6), (1.0, ML1M_RATE, ML1M_STEPS, 1e-5)):
        made = accountant(PRVAccountant, [(s, q, t)])
        error = 5e-3 if s != 1.0 else 5e-4
        lower, estimate, _ = made._get_dprv(eps_error=error, delta_error=d * 1e-4).compute_epsilon(d, d * 1e-4, error)  # noqa: SLF001
        value = accountant(GaussianAccountant, [(s, q, t)]).get_epsilon(d)
        print(f'  gdp {s} {q:.6g} {t}: {value:.6f}, right {estimate:.6f} (≥ {lower:.6f})')
        assert value < lower, 'only a figure below the certified lower bound is wrong'
        cases.append(case(f'opacus-gdp-{s}-{q:.6g}-{t}', dp_sgd(s, q, t), {'epsilonAt': d}, value, wrong=True, direction='low', right=estimate,
                          rightFrom=f'Opacus\'s own PRVAccountant, estimate with eps_error={error:g}; certified lower bound {lower:.6f}',
                          why='the central-limit (GDP) approximation understates; Tacet refuses it'))
    write(
        'opacus-gdp-epsilon', source='opacus', package='opacus', kind='gdp-epsilon',
        provenance='opacus.accountants.GaussianAccountant, history = [(σ, q, steps)], .get_epsilon(δ)',
        tolerance=0.005, tolerance_reason='as for opacus-prv-epsilon', cases=cases,
    )


def calibration():
    cases = []
    for e, d, q, t, kind in ((1.0, 1e-5, ML1M_RATE, ML1M_STEPS, 'rdp'), (3.0, 1e-5, 0.01, 1000, 'rdp'), (8.0, 1e-5, 0.02, 500, 'rdp'), (3.0, 1e-5, 0.01, 1000, 'prv')):
        sigma = get_noise_multiplier(target_epsilon=e, target_delta=d, sample_rate=q, steps=t, accountant=kind, epsilon_tolerance=1e-3, **({'eps_error': 1e-3} if kind == 'prv' else {}))
        cases.append(case(f'opacus-calibrate-{kind}-{e}-{q:.6g}-{t}', dp_sgd(None, q, t), {'calibrate': {'epsilon': e, 'delta': d}}, sigma, accountant='pld' if kind == 'prv' else 'rdp'))
        print(f"  {cases[-1]['id']}: {sigma}", flush=True)
    write(
        'opacus-calibration', source='opacus', package='opacus', kind='calibration',
        provenance='opacus.accountants.utils.get_noise_multiplier(target_epsilon, target_delta, sample_rate, steps, accountant, epsilon_tolerance=1e-3)',
        tolerance=0.005, tolerance_reason='it stops within 0.001 of the target ε from below, and its orders are a tenth or one apart', cases=cases,
    )


if __name__ == '__main__':
    rdp_curves()
    rdp_epsilons()
    prv()
    gdp()
    calibration()
