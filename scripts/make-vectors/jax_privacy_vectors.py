"""Golden vectors from jax_privacy's training accountants and calibration. Run with the interpreter of the `jax` environment (README.md)."""

import math

from jax_privacy import accounting

import reference
from common import case, composed, dp_sgd, loose_at_integer_orders, mixture, repeated, write

EXAMPLES = 800_167
PLD = accounting.DpsgdTrainingAccountant(dp_accountant_config=accounting.PldAccountantConfig(value_discretization_interval=2e-5))
RDP = accounting.DpsgdTrainingAccountant(dp_accountant_config=accounting.RdpAccountantConfig(orders=tuple(range(2, 400))))
USER = accounting.DpsgdTrainingUserLevelAccountant(dp_accountant_config=accounting.PldAccountantConfig(value_discretization_interval=1e-4))


def params(noise, batch, samples, delta, **extra):
    return accounting.DpParams(noise_multipliers=noise, batch_size=batch, num_samples=samples, delta=delta, **extra)


def binomial(k, q):
    return [math.comb(k, i) * q**i * (1 - q) ** (k - i) for i in range(k + 1)]


def epsilons():
    cases = []
    for s, b, n, t, d in ((1.0, 512, EXAMPLES, 7814, 1e-5), (1.0, 100, 10_000, 1000, 1e-5), (3.0, 1000, 10_000, 512, 1e-6), (1.5, 400, 10_000, 2249, 1e-5), (0.8, 64, 50_000, 300, 1e-6)):
        cases.append(case(f'jax-pld-{s}-{b}-{n}-{t}', dp_sgd(s, b / n, t), {'epsilonAt': d}, PLD.compute_epsilon(t, params(s, b, n, d))))
        value = RDP.compute_epsilon(t, params(s, b, n, d))
        extra = loose_at_integer_orders(value, reference.event_rdp_epsilon(dp_sgd(s, b / n, t), d), 0.003)
        cases.append(case(f'jax-rdp-{s}-{b}-{n}-{t}', dp_sgd(s, b / n, t), {'epsilonAt': d}, value, accountant='rdp', **extra))
    schedule = [(0, 2.0), (300, 1.0)]
    cases.append(case('jax-pld-noise-schedule', composed(dp_sgd(2.0, 0.01, 300), dp_sgd(1.0, 0.01, 200)), {'epsilonAt': 1e-5}, PLD.compute_epsilon(500, params(schedule, 100, 10_000, 1e-5))))
    for k, s, t in ((4, 1.0, 1000), (16, 2.0, 500)):
        event = repeated(t, mixture(s, range(k + 1), binomial(k, 0.01)))
        cases.append(case(f'jax-user-level-{k}-{s}-{t}', event, {'epsilonAt': 1e-5}, USER.compute_epsilon(t, params(s, 100, 10_000, 1e-5, examples_per_user=k))))
    # Fixed batches: they reduce replacement under sampling without replacement to Poisson with the sensitivity doubled, which is a Poisson event at σ/2.
    fixed = params(4.0, 100, 10_000, 1e-5, sampling_method=accounting.SamplingMethod.FIXED_BATCH_SIZE)
    cases.append(case('jax-fixed-batch-as-poisson', dp_sgd(2.0, 0.01, 1000), {'epsilonAt': 1e-5}, PLD.compute_epsilon(1000, fixed), how='sampling_method=FIXED_BATCH_SIZE, noise multiplier 4'))
    for each in cases:
        print('  ', each['id'], each['value'])
    write(
        'jax-privacy-epsilon', source='jax_privacy', package='jax-privacy', kind='training-epsilon',
        provenance='jax_privacy.accounting.DpsgdTrainingAccountant / DpsgdTrainingUserLevelAccountant(dp_accountant_config=PldAccountantConfig(interval) or RdpAccountantConfig(orders 2 … 399)).compute_epsilon(steps, DpParams(…))',
        tolerance=0.003, tolerance_reason='its PLD interval is 2e-5 (1e-4 at user level), its RDP orders integer', cases=cases,
    )


def calibrations():
    cases = []
    for e, d, b, n, t, tol in ((1.0, 1e-5, 100, 10_000, 1000, 1e-4), (4.0, 1e-6, 1000, 10_000, 512, 1e-4), (8.0, 1e-5, 256, 60_000, 14_062, 1e-4)):
        for name, made in (('pld', PLD), ('rdp', RDP)):
            sigma = accounting.calibrate_noise_multiplier(target_epsilon=e, accountant=made, batch_sizes=b, num_updates=t, num_samples=n, target_delta=d, initial_min_noise=0.3, tol=tol)
            right = reference.calibrate_rdp(lambda x: dp_sgd(x, b / n, t), e, d) if name == 'rdp' else sigma
            extra = loose_at_integer_orders(sigma, right, 0.003)
            cases.append(case(f'jax-calibrate-{name}-{e}-{b}-{n}-{t}', dp_sgd(None, b / n, t), {'calibrate': {'epsilon': e, 'delta': d}}, sigma, accountant=name, **extra))
            print('  ', cases[-1]['id'], sigma, flush=True)
    # Step calibration, told as a price: at the number of steps it returns, ε is just below the target.
    steps = accounting.calibrate_num_updates(target_epsilon=3.0, accountant=PLD, noise_multipliers=1.0, batch_sizes=100, num_samples=10_000, target_delta=1e-5, tol=1e-3)
    cases.append(case('jax-calibrate-steps-below', dp_sgd(1.0, 0.01, steps), {'epsilonAt': 1e-5}, 3.0, bound='upper', tolerance=0.001, how=f'calibrate_num_updates returned {steps} for ε = 3'))
    cases.append(case('jax-calibrate-steps-above', dp_sgd(1.0, 0.01, steps + 8), {'epsilonAt': 1e-5}, 3.0, bound='lower', tolerance=0.001, how=f'eight steps more than the {steps} returned for ε = 3'))
    write(
        'jax-privacy-calibration', source='jax_privacy', package='jax-privacy', kind='calibration',
        provenance='jax_privacy.accounting.calibrate_noise_multiplier(…, tol=1e-4) and calibrate_num_updates',
        tolerance=0.003, tolerance_reason='its tolerance is 1e-4 in σ; its grids cost up to 0.2 % in σ', cases=cases,
    )


if __name__ == '__main__':
    epsilons()
    calibrations()
