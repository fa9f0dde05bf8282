"""Made-up calls whose truth is known: what `calibration.py` compares. Each draw gives the values of some variants."""

import numpy as np

DEAR_SHARE, DEAR_TIMES = 0.02, 10
SCORE_SPREAD = 1.134  # standard deviation of the difference of two scores
MEAN_TOKENS = 150 * np.exp((0.5**2 + 0.4**2) / 2)


def draw_tokens(random, calls, variants=2):
    """Draw tokens of equal mean: a long call has long answers, and each answer a length of its own."""
    lengths = random.normal(0, 0.5, calls)
    return 150 * np.exp(lengths + random.normal(0, 0.4, (variants, calls)))


def draw_scores(random, calls, variants=2, gain=0.0):
    """Draw scores of 1 to 5 that follow the call; those of the first variant rise by a gain on average."""
    ease = random.normal(3.5, 0.7, calls)
    scores = np.clip(np.round(ease + random.normal(0, 0.8, (variants, calls))), 1, 5)
    # A share of the calls gains one; what was 5 is then 6, so that no gain is lost.
    scores[0] += random.random(calls) < gain
    return scores


def draw_shares(random, calls, variants=2, shares=None, own=1.0):
    """Draw Boolean values of one share each; each variant follows the call but on a share of calls of its `own`."""
    shares = np.full(variants, 0.3) if shares is None else np.array(shares)
    ease = np.tile(random.random(calls), (len(shares), 1))
    ease = np.where(random.random(ease.shape) < own, random.random(ease.shape), ease)
    return (ease < shares[:, None]).astype(float)


def draw_dear(random, calls, variants=2):
    """Draw costs of equal mean, of which the first variant's are ten times as high on 2 % of the calls."""
    base = random.lognormal(0, 0.3, (variants, calls))
    rises = np.where(random.random(calls) < DEAR_SHARE, DEAR_TIMES, 1.0)
    base[0] *= rises
    base[1:] *= 1 + DEAR_SHARE * (DEAR_TIMES - 1)
    return base


def draw_dear_each(random, calls, variants=2):
    """Draw costs of equal mean, of which each variant's are ten times as high on 2 % of the calls, each on others."""
    base = random.lognormal(0, 0.3, (variants, calls))
    return base * np.where(random.random(base.shape) < DEAR_SHARE, DEAR_TIMES, 1.0)


def draw_one_sided(random, calls, sigma):
    """Draw values whose difference is skewed to one side, of equal mean."""
    return np.stack([random.lognormal(0, sigma, calls), np.full(calls, np.exp(sigma**2 / 2))])


def draw_heavy(random, calls):
    """Draw values whose difference has heavy tails on both sides: Student's t with 3 degrees of freedom."""
    return np.stack([random.standard_t(3, calls), np.zeros(calls)])


def draw_clusters(random, clusters, calls_each=50):
    """Draw the cluster of each call; sizes are uneven (lognormal, sigma 1)."""
    sizes = np.maximum(1, random.lognormal(np.log(calls_each) - 0.5, 1, clusters).round().astype(int))
    return np.repeat(np.arange(clusters), sizes)


def draw_clustered_scores(random, clusters, alike):
    """Draw scores of equal mean whose difference is alike within a cluster: `alike` is the correlation of two calls."""
    calls, among = len(clusters), clusters.max() + 1
    differences = np.sqrt(alike) * random.normal(size=among)[clusters] + np.sqrt(1 - alike) * random.normal(size=calls)
    common = random.normal(3, 1, calls)
    return np.stack([common + differences, common])


def draw_clustered_shares(random, clusters, share, alike, gain=0.0):
    """Draw Boolean values whose chance differs from cluster to cluster (beta-binomial); the first's mean is higher."""
    size, means = (1 - alike) / alike, np.array([[share + gain], [share]])
    chances = random.beta(means * size, (1 - means) * size, (2, clusters.max() + 1))
    return (random.random((2, len(clusters))) < chances[:, clusters]).astype(float)


def draw_judged_scores(random, calls, alike, bias=0.8):
    """Draw differences of scores by people, whose mean is 0, and by a biased judge; `alike` is their correlation."""
    scores = draw_scores(random, calls)
    people = scores[0] - scores[1]
    noise = random.normal(size=calls)
    return people, bias + alike * people / SCORE_SPREAD + np.sqrt(1 - alike**2) * noise


def draw_judged_preferences(random, calls, agreement, bias=0.3):
    """Draw preferences of people (-1, 0, 1; mean 0), and of a judge that has its own, mostly 1, where it disagrees."""
    people = random.choice([-1.0, 0.0, 1.0], calls, p=[0.4, 0.2, 0.4])
    own = random.choice([-1.0, 0.0, 1.0], calls, p=[0.4 - bias, 0.2, 0.4 + bias])
    return people, np.where(random.random(calls) < agreement, people, own)


def draw_judged_findings(random, calls, share=0.05, seen=0.8, invented=0.02):
    """Draw differences of rare findings of one share: the judge sees most of them, and invents some of the first."""
    found = random.random((2, calls)) < share
    told = found & (random.random((2, calls)) < seen)
    told[0] |= random.random(calls) < invented
    return found[0].astype(float) - found[1], told[0].astype(float) - told[1]


def draw_judged_clusters(random, clusters, alike, within):
    """Draw differences by people that are alike within a cluster, and by a judge that follows them."""
    people = np.subtract(*draw_clustered_scores(random, clusters, within))
    return people, 0.8 + alike * people + np.sqrt(1 - alike**2) * random.normal(size=len(clusters))


def draw_wins(random, calls, always_first):
    """Draw what one of two equal prompts wins, by a judge that takes the first one each time or often."""
    is_first = random.random(calls) < 0.5
    takes_first = random.random(calls) < always_first
    return np.where(takes_first, is_first, random.random(calls) < 0.5).astype(float)


def draw_raters(random, calls, noise):
    """Draw scores of 1 to 5 by two raters, each with noise of its own."""
    truth = random.normal(3, 1, calls)
    return np.clip(np.round(truth + random.normal(0, noise, (2, calls))), 1, 5)
