"""Golden vectors from prv_accountant. Run with the interpreter of the `autodp` environment (README.md)."""

from prv_accountant import PRVAccountant
from prv_accountant.privacy_random_variables import GaussianMechanism, LaplaceMechanism, PoissonSubsampledGaussianMechanism

from common import ML1M_RATE, ML1M_STEPS, case, composed, dp_sgd, gaussian, laplace, repeated, write


def triple(id, event, variables, counts, delta, epsilon_error, *, estimate_tolerance=0.005):
    """Its (lower, estimate, upper), as three cases."""
    accountant = PRVAccountant(prvs=variables, max_self_compositions=counts, eps_error=epsilon_error, delta_error=delta * 1e-5)
    lower, estimate, upper = accountant.compute_epsilon(delta, counts)
    print(f'  {id}: {lower:.6f} {estimate:.6f} {upper:.6f}', flush=True)
    ask = {'epsilonAt': delta}
    how = f'eps_error={epsilon_error:g}, delta_error={delta * 1e-5:g}'
    return [
        case(f'{id}-lower', event, ask, lower, bound='lower', how=how),
        case(f'{id}-estimate', event, ask, estimate, how=how, tolerance=estimate_tolerance),
        case(f'{id}-upper', event, ask, upper, bound='upper', how=how),
        case(f'{id}-upper-of-lower', event, ask, upper, bound='upper', answer='epsilonLower', how=how),
    ]


if __name__ == '__main__':
    cases = []
    for s, error in ((1.0, 1e-3), (2.0, 4e-4), (3.0, 2e-4), (5.0, 1e-4)):
        cases += triple(f'prv-ml1m-sigma-{s}', dp_sgd(s, ML1M_RATE, ML1M_STEPS), [PoissonSubsampledGaussianMechanism(sampling_probability=ML1M_RATE, noise_multiplier=s)], [ML1M_STEPS], 1e-5, error)
    for s, q, t, d, error in ((1.0, 0.01, 1000, 1e-5, 5e-3), (1.5, 0.04, 2249, 1e-5, 1e-2), (0.6, 10000 / 800167, 1600, 1e-6, 1e-2), (3.0, 0.1, 512, 1e-6, 5e-3), (3.0, 0.001, 100, 1e-5, 5e-5), (0.8, 0.2, 20, 1e-7, 5e-3)):
        cases += triple(f'prv-{s}-{q:.6g}-{t}-{d:g}', dp_sgd(s, q, t), [PoissonSubsampledGaussianMechanism(sampling_probability=q, noise_multiplier=s)], [t], d, error)
    cases += triple('prv-laplace-4-x30', repeated(30, laplace(4.0)), [LaplaceMechanism(mu=1 / 4.0)], [30], 1e-6, 5e-3)
    cases += triple('prv-gaussian-laplace', composed(repeated(4, gaussian(5.0)), repeated(6, laplace(8.0))), [GaussianMechanism(noise_multiplier=5.0), LaplaceMechanism(mu=1 / 8.0)], [4, 6], 1e-5, 5e-3)
    cases += triple(
        'prv-schedule', composed(dp_sgd(2.0, 0.01, 300), dp_sgd(1.0, 0.02, 200)),
        [PoissonSubsampledGaussianMechanism(sampling_probability=0.01, noise_multiplier=2.0), PoissonSubsampledGaussianMechanism(sampling_probability=0.02, noise_multiplier=1.0)],
        [300, 200], 1e-5, 5e-3,
    )
    write(
        'prv-accountant-epsilon', source='prv_accountant', package='prv-accountant', kind='epsilon-bounds',
        provenance='prv_accountant.PRVAccountant(prvs, max_self_compositions, eps_error, delta_error).compute_epsilon(δ, counts) → (lower, estimate, upper)',
        tolerance=0.001, tolerance_reason='their bounds are certified, so 0.1 % is only room for our own grid; the estimates (0.5 %) are not',
        cases=cases,
        note='An upper bound also bounds our lower one ("answer": "epsilonLower").',
    )
