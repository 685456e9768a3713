"""The looks between which HistAuGAN learns to change: which picture has which. No torch."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml.errors import TrainingError
from ml.generation.colours import Figures

TEMPLATE_PROBABILITY = 2 / 11
"""How often a template is learnt from, against all other pictures together."""

_LEAST_PICTURES = 2
_LEAST_DEVIATION = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Domains:
    """members: the pictures of each domain, by index. probabilities: how often each domain is learnt from."""

    members: tuple[NDArray[np.intp], ...]
    probabilities: tuple[float, ...]

    @property
    def count(self) -> int:
        return len(self.members)

    def of(self, picture: int) -> int:
        """The domain of a picture."""
        return next(number for number, members in enumerate(self.members) if picture in members)


def clustered(pictures: Sequence[Figures], count: int, seed: int) -> Domains:
    """Domains of alike pictures, all learnt from equally often: k-means of their colours, each figure in its spread.

    As many as `count`, fewer where one would hold a single picture. Raises TrainingError where not even two can be told
    apart: a single domain leaves the domain classifiers and the content discriminator nothing to separate, and the
    network degenerates to a noisy autoencoder of random colours.
    """
    from sklearn.cluster import KMeans

    table = np.asarray(pictures)
    spread = table.std(axis=0)
    table = (table - table.mean(axis=0)) / np.maximum(spread, _LEAST_DEVIATION)
    for clusters in range(min(count, len(np.unique(table, axis=0))), 1, -1):
        labels = KMeans(clusters, n_init=10, random_state=seed).fit(table).labels_
        members = tuple(np.flatnonzero(labels == number) for number in range(clusters))
        if clusters == 2 or min(map(len, members)) >= _LEAST_PICTURES:
            return Domains(members, (1 / clusters,) * clusters)
    raise TrainingError(
        "The good pictures are all of the same colours: there are no two looks that HistAuGAN could tell apart. "
        "Give pictures taken on other days or under other light, or use the generator 'appearance'."
    )


def good_and_template(pictures: int) -> Domains:
    """Two domains: pictures 0 to `pictures - 1`, and the template, which is the one after them."""
    return Domains((np.arange(pictures), np.array([pictures])), (1 - TEMPLATE_PROBABILITY, TEMPLATE_PROBABILITY))
