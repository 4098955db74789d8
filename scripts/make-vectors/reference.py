"""Independent values by arbitrary precision (mpmath), for the cases where an implementation is wrong. Uses none of the libraries under test."""

import mpmath as mp

mp.mp.dps = 40


def subsampled_gaussian_rdp(rate, sigma, order):
    """Rényi divergence of order `order` of one Poisson-sampled Gaussian step, by quadrature (Mironov, Talwar & Zhang 2019, equation 3):
    D_α((1−q)·N(0,σ²) + q·N(1,σ²) ‖ N(0,σ²)), the larger of the two directions."""
    q, s, a = mp.mpf(rate), mp.mpf(sigma), mp.mpf(order)

    def excess(x):
        # E[ratio^α] − 1 rather than E[ratio^α]: no digits lost when the divergence is tiny.
        density = mp.exp(-x * x / (2 * s * s)) / (s * mp.sqrt(2 * mp.pi))
        return density * mp.expm1(a * mp.log1p(q * mp.expm1((2 * x - 1) / (2 * s * s))))

    # The integrand's mass sits near 0 and near α (where the ratio's power tilts the Gaussian to).
    points = sorted({mp.mpf(v) for v in (-14 * s, -4 * s, 0, a / 2, a, a + 4 * s, a + 14 * s)})
    return mp.log1p(mp.quad(excess, points)) / (a - 1)


def gaussian_delta(mu, epsilon):
    """δ of a Gaussian mechanism with sensitivity/σ = μ (Balle & Wang 2018)."""
    m, e = mp.mpf(mu), mp.mpf(epsilon)
    return mp.ncdf(m / 2 - e / m) - mp.exp(e) * mp.ncdf(-m / 2 - e / m)


def gaussian_epsilon(mu, delta):
    """Smallest ε at δ of the same."""
    d = mp.mpf(delta)
    low, high = mp.mpf(0), mp.mpf(1)
    while gaussian_delta(mu, high) > d:
        high *= 2
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if gaussian_delta(mu, middle) > d else (low, middle)
    return high


def rdp_epsilon(rdp, delta, low=1.01, high=4096):
    """ε at δ from an RDP curve, over all orders (continuous): Canonne, Kamath & Steinke 2020, proposition 12."""
    d = mp.mpf(delta)

    def at(order):
        a = mp.mpf(order)
        return rdp(a) + mp.log1p(-1 / a) - mp.log(d * a) / (a - 1)

    left, right = mp.log(mp.mpf(low) - 1), mp.log(mp.mpf(high) - 1)
    golden = (mp.sqrt(5) - 1) / 2
    for _ in range(120):
        x, y = right - golden * (right - left), left + golden * (right - left)
        if at(1 + mp.exp(x)) < at(1 + mp.exp(y)):
            right = y
        else:
            left = x
    return max(mp.mpf(0), at(1 + mp.exp((left + right) / 2)))


def exponential_mechanism_rdp(epsilon, order):
    """A bounded-range bound: min(KL-sharpened ε²/8-zCDP, ε) (Cesar & Rogers 2020; Canonne, Kamath & Steinke 2020, section 3)."""
    e, a = mp.mpf(epsilon), mp.mpf(order)
    ratio = e / mp.expm1(e)
    xi = ratio - 1 - mp.log(ratio) - e * e / 8
    return min(xi + e * e / 8 * a, e)


def randomized_response_delta(noise_parameter, buckets, times, epsilon):
    """δ(ε) of `times` rounds of k-ary randomised response under replacement of one answer, by summing the multinomial exactly."""
    p, k, e = mp.mpf(noise_parameter), buckets, mp.mpf(epsilon)
    up, down = 1 - p + p / k, p / k
    rest = (k - 2) * p / k
    loss = mp.log(up / down)
    total = mp.mpf(0)
    for i in range(times + 1):
        for j in range(times + 1 - i):
            others = times - i - j
            if rest == 0 and others > 0:
                continue
            net = (i - j) * loss
            if net <= e:
                continue
            ways = mp.binomial(times, i) * mp.binomial(times - i, j)
            mass = ways * up**i * down**j * (rest**others if others else 1)
            total += mass * -mp.expm1(e - net)
    return total


def randomized_response_epsilon(noise_parameter, buckets, times, delta):
    d = mp.mpf(delta)
    low, high = mp.mpf(0), mp.mpf(times) * mp.log((1 - noise_parameter + noise_parameter / buckets) / (noise_parameter / buckets))
    for _ in range(120):
        middle = (low + high) / 2
        if randomized_response_delta(noise_parameter, buckets, times, middle) > d:
            low = middle
        else:
            high = middle
    return high
