"""Golden vectors from TensorFlow Privacy's dp-SGD statements. Run with the interpreter of the `tensorflow` environment (README.md)."""

import math
import os

os.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'

from tensorflow_privacy.privacy.analysis import compute_dp_sgd_privacy_lib as lib  # noqa: E402

from common import case, dp_sgd, gaussian, mixture, repeated, write  # noqa: E402

TYPES = {'rdp': lib.AccountantType.RDP, 'pld': lib.AccountantType.PLD}


def binomial(k, q):
    return [math.comb(k, i) * q**i * (1 - q) ** (k - i) for i in range(k + 1)]


if __name__ == '__main__':
    cases = []
    # Rows of its own test (compute_dp_sgd_privacy_test.py) and two more: examples, batch, σ, epochs, δ.
    for n, b, s, epochs, d in ((60_000, 150, 1.3, 15, 1e-5), (100_000, 100, 1.0, 30, 1e-7), (60_000, 256, 1.1, 60, 1e-5), (10_000, 64, 2.0, 5, 1e-6)):
        epsilon, order = lib.compute_dp_sgd_privacy(n, b, s, epochs, d)
        steps = int(math.ceil(epochs * n / b))
        cases.append(case(f'tfp-dp-sgd-{n}-{b}-{s}-{epochs}', dp_sgd(s, b / n, steps), {'epsilonAt': d}, epsilon, accountant='rdp', info={'optimalOrder': float(order)},
                          how='compute_dp_sgd_privacy (deprecated: assumes Poisson sampling and no microbatches)'))
    for name, accountant in (('rdp', 'rdp'), ('pld', 'pld')):
        for microbatches in (False, True):
            for rate in (None, 0.01):
                value = lib._compute_dp_sgd_example_privacy(5.0, 1.0, 1e-6, microbatches, rate, TYPES[name])  # noqa: SLF001 (the statement prints it to 4 digits)
                sigma = 0.5 if microbatches else 1.0
                event = repeated(5, gaussian(sigma)) if rate is None else dp_sgd(sigma, rate, 500)
                cases.append(case(f"tfp-example-{name}-{'micro' if microbatches else 'plain'}-{rate}", event, {'epsilonAt': 1e-6}, value, accountant=accountant,
                                  how='5 epochs, noise multiplier 1' + (', halved for microbatches' if microbatches else ''), tolerance=0.004))
    for k, s, rate in ((2, 2.0, 0.01), (4, 4.0, 0.005)):
        steps = math.ceil(5 / rate)
        value = lib._compute_dp_sgd_user_privacy(5.0, s, 1e-6, k, False, rate, TYPES['rdp'])  # noqa: SLF001
        cases.append(case(f'tfp-user-{k}-{s}-{rate}', repeated(steps, mixture(s, range(k + 1), binomial(k, rate))), {'epsilonAt': 1e-6}, value, bound='upper',
                          how='group privacy (Vadhan 2017, lemma 2.2), which the mixture of Gaussians must beat'))
    for each in cases:
        print('  ', each['id'], each['value'])
    write(
        'tensorflow-privacy-epsilon', source='tensorflow_privacy', package='tensorflow-privacy', kind='training-epsilon',
        provenance='tensorflow_privacy.privacy.analysis.compute_dp_sgd_privacy_lib: compute_dp_sgd_privacy, _compute_dp_sgd_example_privacy and _compute_dp_sgd_user_privacy (with dp-accounting 0.4.3, which it pins)',
        tolerance=0.003, tolerance_reason='its RDP orders are a tenth or one apart; its PLD interval is 1e-4', cases=cases,
    )
