"""Gaussians that share a covariance but for few directions each: Mahalanobis distances without a matrix per position.

Where n samples are fewer than the d dimensions, (1 - share) S_p + share * pooled (`ml.gaussian.shrink_to_pooled`) is
share * pooled in all but n - 1 directions. By Woodbury's identity, with z = W (x - mean_p) and W the whitening matrix
of the pooled covariance,

    distance^2 = (|z|^2 - |B_p z|^2) / share

where B_p has a row per direction: n d numbers for each position instead of d^2 / 2. All CPU tensors.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ml.gaussian import pooled_covariance, pooled_share, whitening

_POSITIONS_AT_A_TIME = 256  # bounds the working memory
_NOTHING_LEFT = 3e-5  # of the variance that all directions share: whitening matrices in float32 say no more


@dataclass(frozen=True, slots=True, eq=False)
class PooledGaussians:
    """Of p positions with d dimensions and r directions of their own, all tensors of one floating-point type.

    mean (p, d). unmixing (d, d): W transposed. directions (p, r, d): B. share: above 0, at most 1.
    """

    mean: Tensor
    unmixing: Tensor
    directions: Tensor
    share: float

    def distances(self, samples: Tensor) -> Tensor:
        """Mahalanobis distances (n, p) of samples (n, p, d), in operations that a graph can hold."""
        whitened = (samples - self.mean) @ self.unmixing
        along = self.directions @ whitened.unsqueeze(3)
        squares = (whitened * whitened).sum(-1) - (along * along).sum((-2, -1))
        return (squares.clamp(min=0) / self.share).sqrt()

    def single(self) -> "PooledGaussians":
        """In float32."""
        return PooledGaussians(self.mean.float(), self.unmixing.float(), self.directions.float(), self.share)


def pooled_gaussians(samples: Tensor) -> PooledGaussians:
    """Learnt from samples (p, n, d), in float64: distances equal those by `shrink_to_pooled` and `whitening`.

    Of use for n < d: time grows with n d^2, working memory with n d.
    """
    positions, count, dimensions = samples.shape
    samples = samples.double()
    mean = samples.mean(1, keepdim=True)
    centred = (samples - mean).flatten(0, 1)
    unmixing = _unmixing(pooled_covariance(_squares(centred) / len(centred)))
    whitened = (centred @ unmixing).reshape(positions, count, dimensions)
    products = whitened @ whitened.mT / count  # (p, n, n), with the eigenvalues of the whitened S_p other than 0
    traces = torch.diagonal(products, dim1=1, dim2=2).sum(1)
    share = pooled_share(traces, products.square().sum((1, 2)), count, dimensions)
    directions = _contracted(whitened * ((1 - share) / count) ** 0.5, share)
    return PooledGaussians(mean.squeeze(1), unmixing, directions, share)


def pooled_gaussians_of(mean: Tensor, unmixing: Tensor, most: int) -> PooledGaussians | None:
    """What `shrink_to_pooled` and `whitening` gave, in float64: means (p, d), transposed whitening matrices (p, d, d).

    The pooled covariance is the mean of the shrunk ones. None where a position has more than `most` directions of its
    own. Distances agree to about 1e-5 where the whitening matrices are in float32.
    """
    mixings = [_mixing(block) for block in torch.split(unmixing, _POSITIONS_AT_A_TIME)]
    pooled = torch.stack([_squares(block.flatten(0, 1)) for block in mixings]).sum(0) / len(unmixing)
    shared = _unmixing(pooled)
    share = float(torch.linalg.eigvalsh(_squares(mixings[0][0] @ shared)).min())
    identity = torch.eye(len(shared), dtype=shared.dtype)
    found: list[Tensor] = []
    for block in mixings:
        own = _root(_squares(block @ shared) / share - identity, most)
        if own is None:
            return None
        found.append(own)
    roots = torch.cat(found)
    rank = max(1, int(roots.any(2).any(0).sum()))  # a graph cannot hold empty matrices
    return PooledGaussians(mean.double(), shared, _contracted(roots[:, :rank], 1.0), share)


def _contracted(roots: Tensor, share: float) -> Tensor:
    """B (p, r, d) of the whitened covariances share * I + R^T R, from `roots` R (p, r, d)."""
    identity = torch.eye(roots.shape[1], dtype=roots.dtype)
    factors = torch.linalg.cholesky(share * identity + roots @ roots.mT)
    directions: Tensor = torch.linalg.solve_triangular(factors, roots, upper=False)
    return directions


def _root(matrices: Tensor, most: int) -> Tensor | None:
    """R (p, most, d) with R^T R the positive semidefinite matrices (p, d, d); None where a rank is higher than `most`.

    Cholesky with pivoting (Harbrecht, Peters, Schneider 2012, "On the low-rank approximation by the pivoted Cholesky
    decomposition", algorithm 1): eigenvectors take several times as long.
    """
    positions = torch.arange(len(matrices))
    left = torch.diagonal(matrices, dim1=1, dim2=2).clone()
    rows = matrices.new_zeros(len(matrices), most, matrices.shape[2])
    for rank in range(most):
        largest, pivots = left.max(1, keepdim=True)
        if not (largest > _NOTHING_LEFT).any():
            break
        known = rows[:, :rank]
        row = matrices[positions, pivots[:, 0]] - (known[positions, None, :, pivots[:, 0]] @ known).squeeze(1)
        rows[:, rank] = torch.where(largest > _NOTHING_LEFT, row / largest.abs().sqrt(), 0.0)
        left -= rows[:, rank].square()
    return None if (left > _NOTHING_LEFT).any() else rows


def _unmixing(covariance: Tensor) -> Tensor:
    """The transposed whitening matrix of one covariance (d, d)."""
    return whitening(covariance[None])[0].T.contiguous()


def _mixing(unmixing: Tensor) -> Tensor:
    """M with M^T M the covariances, in float64, of transposed whitening matrices (p, d, d)."""
    identity = torch.eye(unmixing.shape[1], dtype=torch.float64).expand(unmixing.shape)
    mixing: Tensor = torch.linalg.solve_triangular(unmixing.double(), identity, upper=True)
    return mixing


def _squares(matrices: Tensor) -> Tensor:
    return matrices.mT @ matrices
