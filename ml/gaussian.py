"""Gaussians learnt from a stream: sums in float64, shrunk covariances, whitening matrices. All CPU tensors."""

from collections.abc import Mapping

import torch
from torch import Tensor


class Moments:
    """Sums over samples of `positions` independent d-dimensional variables; no sample is kept.

    float64 sums of raw products lose about as many digits as mean^2 / variance has, which leaves ten for network
    features. `with_fourth` also sums what the Ledoit-Wolf estimate needs.
    """

    def __init__(self, positions: int, dimensions: int, with_fourth: bool = False) -> None:
        self.count = 0
        self._sum = torch.zeros(positions, dimensions, dtype=torch.float64)
        self._products = torch.zeros(positions, dimensions, dimensions, dtype=torch.float64)
        self._with_fourth = with_fourth
        self._norm_weighted_sum = torch.zeros_like(self._sum)  # of |x|^2 x
        self._fourth = torch.zeros(positions, dtype=torch.float64)  # of |x|^4

    def add(self, samples: Tensor) -> None:
        """Add samples (positions, k, d)."""
        samples = samples.double()
        self.count += samples.shape[1]
        self._sum += samples.sum(1)
        self._products.baddbmm_(samples.transpose(1, 2), samples)
        if self._with_fourth:
            norms = samples.square().sum(2)
            self._norm_weighted_sum += torch.einsum("pk,pkd->pd", norms, samples)
            self._fourth += norms.square().sum(1)

    def tensors(self) -> dict[str, Tensor]:
        """All sums, without the products' upper halves: sums of further samples can be added to them."""
        size = self._sum.shape[1]
        lower = torch.tril_indices(size, size)
        kept = {
            "count": torch.tensor([self.count]),
            "sum": self._sum,
            "products": self._products[:, lower[0], lower[1]],
        }
        if self._with_fourth:
            kept |= {"norm_weighted_sum": self._norm_weighted_sum, "fourth": self._fourth}
        return kept

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over what `tensors` gave, of the same positions, dimensions and `with_fourth`."""
        size = self._sum.shape[1]
        lower = torch.tril_indices(size, size)
        self.count = int(tensors["count"].item())
        self._sum = tensors["sum"].clone()
        self._products[:, lower[0], lower[1]] = tensors["products"]
        self._products[:, lower[1], lower[0]] = tensors["products"]
        if self._with_fourth:
            self._norm_weighted_sum, self._fourth = tensors["norm_weighted_sum"].clone(), tensors["fourth"].clone()

    @property
    def mean(self) -> Tensor:
        """float64 (positions, d)."""
        return self._sum / self.count

    def covariance(self) -> Tensor:
        """Maximum-likelihood covariance (divided by n), float64 (positions, d, d)."""
        mean = self.mean
        centred = torch.baddbmm(self._products, mean.unsqueeze(2), mean.unsqueeze(1), alpha=-self.count)
        return centred.div_(self.count)

    def centred_fourth(self) -> Tensor:
        """Sum over the samples of |x - mean|^4, float64 (positions,), expanded into the sums that were kept."""
        mean, count = self.mean, self.count
        mean_norm = mean.square().sum(1)
        products_mean = torch.bmm(self._products, mean.unsqueeze(2)).squeeze(2)
        return (
            self._fourth
            + 4 * (mean * products_mean).sum(1)
            - 3 * count * mean_norm.square()
            - 4 * (mean * self._norm_weighted_sum).sum(1)
            + 2 * mean_norm * torch.diagonal(self._products, dim1=1, dim2=2).sum(1)
        )


def oas_shrinkage(covariance: Tensor, count: int) -> Tensor:
    """Oracle-approximating shrinkage towards a multiple of the identity (Chen, Wiesel, Eldar, Hero 2010, eq. 23).

    In scikit-learn's form, which leaves out terms in 2 / d. Covariances (p, d, d) -> shares (p,) in [0, 1].
    """
    dimensions = covariance.shape[1]
    mean_square = covariance.square().mean((1, 2))
    variance_square = mean_variance(covariance).square()
    excess = (count + 1) * (mean_square - variance_square / dimensions)
    return torch.where(excess > 0, (mean_square + variance_square) / excess, 1.0).clamp(max=1)


def ledoit_wolf_shrinkage(covariance: Tensor, count: int, centred_fourth: Tensor) -> Tensor:
    """Ledoit and Wolf 2004, lemma 3.2 ff., as scikit-learn computes it. Shares (p,) in [0, 1]."""
    dimensions = covariance.shape[1]
    square = covariance.square().sum((1, 2))
    scatter = (square - dimensions * mean_variance(covariance).square()) / dimensions
    noise = (centred_fourth / count - square) / (dimensions * count)
    return torch.where(scatter > 0, noise / scatter, 1.0).clamp(0, 1)


def shrink(covariance: Tensor, share: Tensor) -> Tensor:
    """(1 - share) S + share * mean variance * I, per position."""
    identity = torch.eye(covariance.shape[1], dtype=covariance.dtype)
    target = mean_variance(covariance)[:, None, None] * identity
    return torch.lerp(covariance, target, share[:, None, None])


def shrink_to_pooled(covariance: Tensor, count: int) -> Tensor:
    """(1 - share) S_p + share * pooled, with the mean over the positions p as the pooled covariance, (p, d, d).

    Regularised discriminant analysis (Friedman 1989, eq. 15), with one analytic share for all positions: the expected
    squared error of the S_p if the data are Gaussian, (tr S^2 + (tr S)^2) / (n + 1), over their squared distance from
    the pooled covariance, both measured where the pooled covariance is the identity, so that no unit matters.
    """
    dimensions = covariance.shape[1]
    pooled = pooled_covariance(covariance.mean(0))
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(pooled))
    traces, squares = [], []
    for block in torch.split(covariance, 256):  # a copy of all would double the memory
        product = (block.flatten(0, 1) @ inverse).reshape(block.shape)  # has the eigenvalues of the whitened one
        traces.append(torch.diagonal(product, dim1=1, dim2=2).sum(1))
        squares.append((product * product.mT).sum((1, 2)))
    share = pooled_share(torch.cat(traces), torch.cat(squares), count, dimensions)
    return torch.lerp(covariance, pooled.expand_as(covariance), share)


def pooled_covariance(mean: Tensor) -> Tensor:
    """The mean (d, d) of all positions' covariances, made invertible where a feature never varies."""
    variances = mean.diagonal()
    return mean + 1e-6 * torch.diag(variances.clamp(min=1e-9 * float(variances.max())))


def pooled_share(traces: Tensor, squares: Tensor, count: int, dimensions: int) -> float:
    """The share that `shrink_to_pooled` describes, from tr S_p and tr S_p^2, (p,), measured as it says."""
    noise = float((squares + traces.square()).sum()) / (count + 1)
    distance = float((squares - 2 * traces + dimensions).sum())
    return min(noise / distance, 1.0) if distance > 0 else 1.0


def mean_variance(covariance: Tensor) -> Tensor:
    """Trace / d, (p,)."""
    return torch.diagonal(covariance, dim1=1, dim2=2).mean(1)


def whitening(covariance: Tensor) -> Tensor:
    """W with |W (x - mean)| the Mahalanobis distance: the inverse of the Cholesky factor, lower triangular (p, d, d).

    Raises torch.linalg.LinAlgError for a covariance that is not positive definite.
    """
    factor = torch.linalg.cholesky(covariance)
    identity = torch.eye(covariance.shape[1], dtype=covariance.dtype).expand_as(covariance)
    inverse: Tensor = torch.linalg.solve_triangular(factor, identity, upper=False)
    return inverse
