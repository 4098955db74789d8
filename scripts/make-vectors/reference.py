"""Independent values by arbitrary precision (mpmath), for the cases where an implementation is wrong. Uses none of the libraries under test."""

import math

import mpmath as mp
import numpy
from scipy import optimize

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


# --- in doubles, for searches: an integrand that is analytic and decays like a Gaussian, on which the trapezoid rule is exact to rounding ---


def subsampled_gaussian_rdp_double(rate, sigma, order):
    """The same integral as subsampled_gaussian_rdp, about 1e-12 relative, a thousand times faster."""
    x = numpy.linspace(-14 * sigma, order + 14 * sigma, 6001 + 40 * int(order / sigma))
    # log1p(q·(e^y − 1)), with y kept from overflowing where e^y is all that counts.
    y = (2 * x - 1) / (2 * sigma**2)
    log_ratio = numpy.where(y > 600, numpy.log(rate) + y, numpy.log1p(rate * numpy.expm1(numpy.minimum(y, 600))))
    density = -(x**2) / (2 * sigma**2) - math.log(sigma * math.sqrt(2 * math.pi))
    grown = order * log_ratio
    width = x[1] - x[0]
    tilted = density + grown
    high = float(tilted.max())
    if grown.max() < 300 and high < 0:
        excess = numpy.exp(density) * numpy.expm1(grown)
        return math.log1p(float(excess.sum()) * width) / (order - 1)
    return (high + math.log(float(numpy.exp(tilted - high).sum()) * width)) / (order - 1)


def laplace_rdp_double(scale, order):
    """Mironov 2017, proposition 6."""
    a = order
    return math.log(a / (2 * a - 1) * math.exp((a - 1) / scale) + (a - 1) / (2 * a - 1) * math.exp(-a / scale)) / (a - 1)


def event_rdp(event, order):
    """RDP of an event of Gaussian, Laplace and Poisson-sampled Gaussian releases, in doubles."""
    kind = event['kind']
    if kind == 'gaussian':
        return order / (2 * event['noiseMultiplier'] ** 2)
    if kind == 'laplace':
        return laplace_rdp_double(event['noiseMultiplier'], order)
    if kind == 'repeated':
        return event['times'] * event_rdp(event['event'], order)
    if kind == 'composed':
        return sum(event_rdp(each, order) for each in event['events'])
    if kind == 'poisson-sampled':
        inner = event['event']
        parts = inner['events'] if inner['kind'] == 'composed' else [inner]
        sigma = sum(each['noiseMultiplier'] ** -2 for each in parts) ** -0.5
        return subsampled_gaussian_rdp_double(event['sampleRate'], sigma, order)
    raise ValueError(kind)


def _best_order(objective, low=1.01, high=4096.0):
    left, right = math.log(low - 1), math.log(high - 1)
    # A coarse look first: the objective may be flat or jump far out.
    grid = numpy.linspace(left, right, 60)
    values = [objective(1 + math.exp(v)) for v in grid]
    best = int(numpy.argmin(values))
    found = optimize.minimize_scalar(lambda v: objective(1 + math.exp(v)), bounds=(grid[max(0, best - 1)], grid[min(59, best + 1)]), method='bounded', options={'xatol': 1e-7})
    return min(float(found.fun), values[best])


def event_rdp_epsilon(event, delta):
    """Smallest ε at δ over all orders, from the curve of `event`."""
    return max(0.0, _best_order(lambda a: event_rdp(event, a) + math.log1p(-1 / a) - math.log(delta * a) / (a - 1)))


def event_rdp_delta(event, epsilon):
    return math.exp(min(0.0, _best_order(lambda a: (a - 1) * (event_rdp(event, a) - epsilon + math.log1p(-1 / a)) - math.log(a))))


def calibrate_rdp(event_of, epsilon, delta, low=0.3, high=40.0):
    """Smallest σ at which event_of(σ) costs at most ε at δ, over all orders."""
    return optimize.brentq(lambda s: event_rdp_epsilon(event_of(s), delta) - epsilon, low, high, xtol=1e-9)


if __name__ == '__main__':
    for q, s, a in ((0.01, 1.0, 1.5), (0.1, 4.0, 256), (0.00064, 0.58, 3.3), (0.2, 0.7, 1.05), (0.9, 20.0, 1024)):
        exact, double = subsampled_gaussian_rdp(q, s, a), subsampled_gaussian_rdp_double(q, s, a)
        print(f'q={q} σ={s} α={a}: {mp.nstr(exact, 15)}, in doubles {double / float(exact) - 1:+.1e} relative')
