"""Golden vectors from autodp. Run with the interpreter of the `autodp` environment (README.md: it needs a SciPy before 1.14)."""

import sys

from autodp import mechanism_zoo, rdp_bank, transformer_zoo
from autodp.calibrator_zoo import ana_gaussian_calibrator

import reference
from common import ML1M_RATE, case, composed, dp_sgd, gaussian, laplace, poisson, repeated, write


def response(truth):
    """Binary randomised response telling the truth with chance `truth`, in Tacet's spelling: a uniform answer with chance 2·(1 − truth)."""
    return {'kind': 'randomized-response', 'noiseParameter': 2 * (1 - truth), 'buckets': 2}


def rdp_curves():
    cases = []
    for s in (0.7, 5.0):
        for a in (1.5, 12):
            cases.append(case(f'autodp-rdp-gaussian-{s}-{a}', gaussian(s), {'rdpAt': a}, rdp_bank.RDP_gaussian({'sigma': s}, a), accountant='rdp'))
    for b in (0.5, 2.0, 10.0):
        for a in (1, 2, 7.5, 60, 'inf'):
            cases.append(case(f'autodp-rdp-laplace-{b}-{a}', laplace(b), {'rdpAt': a}, rdp_bank.RDP_laplace({'b': b}, float(a)), accountant='rdp'))
    for p in (0.6, 0.9):
        for a in (1, 2, 9.5, 'inf'):
            cases.append(case(f'autodp-rdp-response-{p}-{a}', response(p), {'rdpAt': a}, rdp_bank.RDP_randresponse({'p': p}, float(a)), relation='replace-one', accountant='rdp'))
    for e in (0.1, 1.0, 4.0):
        for a in (2, 5.5, 100, 'inf'):
            cases.append(case(f'autodp-rdp-pure-{e}-{a}', {'kind': 'pure', 'epsilon': e}, {'rdpAt': a}, rdp_bank.RDP_pureDP({'eps': e}, float(a)), accountant='rdp'))
    write(
        'autodp-rdp-curves', source='autodp', package='autodp', kind='rdp-curve',
        provenance='autodp.rdp_bank.RDP_gaussian / RDP_laplace / RDP_randresponse / RDP_pureDP(params, α)',
        tolerance=1e-9, tolerance_reason='closed forms on both sides, in doubles', cases=cases,
    )


def sampled_rdp():
    cases = []
    sample = transformer_zoo.AmplificationBySampling(PoissonSampling=True)
    for s, q in ((1.0, 0.01), (4.0, 0.1), (2.0, ML1M_RATE)):
        mechanism = sample(mechanism_zoo.GaussianMechanism(sigma=s), q, improved_bound_flag=True)
        for a in (2, 8, 32):
            value = mechanism.get_RDP(a)
            right = reference.subsampled_gaussian_rdp(q, s, a)
            cases.append(case(f'autodp-rdp-poisson-{s}-{q:.6g}-{a}', poisson(q, gaussian(s)), {'rdpAt': a}, value, accountant='rdp',
                              tolerance=max(1e-8, 4e-14 / float(right))))
    write(
        'autodp-rdp-poisson-gaussian', source='autodp', package='autodp', kind='rdp-curve',
        provenance='autodp.transformer_zoo.AmplificationBySampling(PoissonSampling=True)(GaussianMechanism(σ), q, improved_bound_flag=True).get_RDP(α), integer α (Zhu & Wang 2019, theorem 8)',
        tolerance=1e-8, tolerance_reason='doubles in log space: log A loses digits where A − 1 is small; each case carries 4e-14 ÷ its value', cases=cases,
    )


def epsilons():
    cases = []
    for s, d in ((0.8, 1e-5), (3.0, 1e-6), (25.0, 1e-4)):
        cases.append(case(f'autodp-gaussian-{s}-{d:g}', gaussian(s), {'epsilonAt': d}, mechanism_zoo.ExactGaussianMechanism(sigma=s).get_approxDP(d)))
    compose = transformer_zoo.ComposeGaussian()
    three = compose([mechanism_zoo.ExactGaussianMechanism(2.0), mechanism_zoo.ExactGaussianMechanism(5.0), mechanism_zoo.ExactGaussianMechanism(0.9)], [3, 10, 1])
    cases.append(case('autodp-gaussians-composed', composed(repeated(3, gaussian(2.0)), repeated(10, gaussian(5.0)), gaussian(0.9)), {'epsilonAt': 1e-6}, three.get_approxDP(1e-6)))
    for p, d in ((0.9, 1e-5), (0.6, 0.01), (0.75, 0.2)):
        cases.append(case(f'autodp-response-{p}-{d:g}', response(p), {'epsilonAt': d}, mechanism_zoo.RandresponseMechanism(p=p).get_approxDP(d), relation='replace-one'))
    for e, d in ((0.5, 1e-6), (2.0, 1e-5)):
        mechanism = ana_gaussian_calibrator()(mechanism_zoo.ExactGaussianMechanism, e, d, name='calibrated')
        cases.append(case(f'autodp-calibrate-{e}-{d:g}', gaussian(None), {'calibrate': {'epsilon': e, 'delta': d}}, mechanism.params['sigma']))
    write(
        'autodp-closed-forms', source='autodp', package='autodp', kind='closed-forms',
        provenance='autodp.mechanism_zoo.ExactGaussianMechanism / RandresponseMechanism(…).get_approxDP(δ); transformer_zoo.ComposeGaussian; calibrator_zoo.ana_gaussian_calibrator',
        tolerance=0.001, tolerance_reason='closed forms on their side (root finding to about 1e-6); ours may round up on a grid or in a calibration', cases=cases,
    )


def rdp_epsilons():
    cases = []
    compose = transformer_zoo.Composition()
    rows = [
        ('laplace-3-x20', repeated(20, laplace(3.0)), [mechanism_zoo.LaplaceMechanism(b=3.0)], [20], 'add-or-remove-one', 1e-6),
        ('gaussian-laplace', composed(gaussian(3.0), repeated(5, laplace(4.0))), [mechanism_zoo.GaussianMechanism(3.0), mechanism_zoo.LaplaceMechanism(b=4.0)], [1, 5], 'add-or-remove-one', 1e-5),
        ('discrete-gaussian-4', {'kind': 'discrete-gaussian', 'sigma': 4.0, 'sensitivity': 1}, [mechanism_zoo.DiscreteGaussianMechanism(4.0)], [1], 'add-or-remove-one', 1e-5),
        ('discrete-gaussian-7-x12', repeated(12, {'kind': 'discrete-gaussian', 'sigma': 7.0, 'sensitivity': 1}), [mechanism_zoo.DiscreteGaussianMechanism(7.0)], [12], 'add-or-remove-one', 1e-6),
        ('zcdp-0.2', {'kind': 'zcdp', 'rho': 0.2}, [mechanism_zoo.zCDP_Mechanism(0.2)], [1], 'add-or-remove-one', 1e-5),
    ]
    for name, event, mechanisms, counts, relation, delta in rows:
        cases.append(case(f'autodp-rdp-epsilon-{name}', event, {'epsilonAt': delta}, compose(mechanisms, counts).get_approxDP(delta), relation=relation, accountant='rdp'))
    for s, q, t, d in ((1.0, 0.01, 1000, 1e-6), (3.0, 0.1, 512, 1e-6), (1.5, 0.04, 2249, 1e-5)):
        mechanism = mechanism_zoo.SubsampleGaussianMechanism({'prob': q, 'sigma': s, 'coeff': t})
        cases.append(case(f'autodp-rdp-epsilon-poisson-{s}-{q}-{t}', dp_sgd(s, q, t), {'epsilonAt': d}, mechanism.get_approxDP(d), accountant='rdp', tolerance=0.02,
                          how='interpolates the curve between integer orders'))
    write(
        'autodp-rdp-epsilon', source='autodp', package='autodp', kind='rdp-epsilon',
        provenance='autodp.transformer_zoo.Composition()(mechanisms, counts).get_approxDP(δ) from RDP (BBGHS conversion, continuous orders); SubsampleGaussianMechanism for the sampled ones',
        tolerance=0.01, tolerance_reason='its conversion (Balle et al. 2020) and ours (Canonne, Kamath & Steinke 2020) are the same formula; its optimiser stops early', cases=cases,
    )


GROUPS = [rdp_curves, sampled_rdp, epsilons, rdp_epsilons]

if __name__ == '__main__':
    wanted = sys.argv[1:]
    for group in GROUPS:
        if not wanted or group.__name__ in wanted:
            group()
