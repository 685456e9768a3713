"""What lessons draw from their own random generator."""

import torch


def below(count: int, random: torch.Generator) -> int:
    """A whole number from 0 to `count` - 1, each as likely as any other."""
    return int(torch.randint(count, (), generator=random))


def shared_out(count: int, among: int) -> list[int]:
    """`count` in as many shares as `among`, none of them nothing, that differ by one at most."""
    among = min(among, count)
    return [count // among + (index < count % among) for index in range(among)]
