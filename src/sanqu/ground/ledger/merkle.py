"""Merkle tree hashing and proofs of RFC 9162 (section 2.1), as pure functions; SHA-256 or, by choice, SM3 (GB/T 32905)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

from cryptography.hazmat.primitives import hashes

Digest = Callable[[bytes], bytes]
# Reads the hash of the complete subtree number `index` at `level` (level 0 holds the leaves).
NodeReader = Callable[[int, int], bytes]


def sha256(data: bytes) -> bytes:
    """SHA-256 (FIPS 180-4)."""
    return hashlib.sha256(data).digest()


def sm3(data: bytes) -> bytes:
    """SM3 (GB/T 32905-2016)."""
    hashed = hashes.Hash(hashes.SM3())
    hashed.update(data)
    return hashed.finalize()


def leaf_hash(body: bytes, digest: Digest = sha256) -> bytes:
    """The hash of one leaf: over 0x00 and the body (RFC 9162 §2.1.1)."""
    return digest(b"\x00" + body)


def node_hash(left: bytes, right: bytes, digest: Digest = sha256) -> bytes:
    """The hash of an inner node: over 0x01, left and right (RFC 9162 §2.1.1)."""
    return digest(b"\x01" + left + right)


def largest_power_below(size: int) -> int:
    """The largest power of two smaller than `size` (size ≥ 2)."""
    return 1 << ((size - 1).bit_length() - 1)


def range_hash(read: NodeReader, start: int, end: int, digest: Digest = sha256) -> bytes:
    """The hash over leaves `start` … `end` - 1; `start` is a multiple of the range's power of two.

    Complete subtrees are read, not recomputed, so the work is logarithmic.
    """
    size = end - start
    if size & (size - 1) == 0:
        level = size.bit_length() - 1
        return read(level, start >> level)
    split = largest_power_below(size)
    return node_hash(range_hash(read, start, start + split, digest), range_hash(read, start + split, end, digest), digest)


def root_hash(read: NodeReader, size: int, digest: Digest = sha256) -> bytes:
    """The root over the first `size` leaves; of an empty tree, the hash of nothing."""
    return digest(b"") if size == 0 else range_hash(read, 0, size, digest)


def inclusion_path(read: NodeReader, index: int, size: int, digest: Digest = sha256) -> list[bytes]:
    """The hashes that lead from leaf `index` to the root of `size` leaves (RFC 9162 §2.1.3.1)."""
    if not 0 <= index < size:
        raise ValueError(f"leaf {index} is not among {size}")
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        split = start + largest_power_below(end - start)
        if index < split:
            path.append(range_hash(read, split, end, digest))
            end = split
        else:
            path.append(range_hash(read, start, split, digest))
            start = split
    return path[::-1]


def root_from_path(leaf: bytes, index: int, size: int, path: Sequence[bytes], digest: Digest = sha256) -> bytes:
    """The root that `path` proves for `leaf` at `index` of `size` (RFC 9162 §2.1.3.2); raises ValueError if malformed."""
    if not 0 <= index < size:
        raise ValueError(f"leaf {index} is not among {size}")
    node, last, reached = index, size - 1, leaf
    for step in path:
        if last == 0:
            raise ValueError("the path is too long")
        if node & 1 or node == last:
            reached = node_hash(step, reached, digest)
            while not node & 1 and node:
                node >>= 1
                last >>= 1
        else:
            reached = node_hash(reached, step, digest)
        node >>= 1
        last >>= 1
    if last != 0:
        raise ValueError("the path is too short")
    return reached


def consistency_path(read: NodeReader, first: int, second: int, digest: Digest = sha256) -> list[bytes]:
    """The hashes that show the tree of `first` leaves to be a prefix of that of `second` (RFC 9162 §2.1.4.1)."""
    if not 0 < first <= second:
        raise ValueError(f"{first} is not a prefix of {second}")

    def subproof(inside: int, start: int, end: int, whole: bool) -> list[bytes]:
        if inside == end - start:
            return [] if whole else [range_hash(read, start, end, digest)]
        split = largest_power_below(end - start)
        if inside <= split:
            return [*subproof(inside, start, start + split, whole), range_hash(read, start + split, end, digest)]
        return [*subproof(inside - split, start + split, end, False), range_hash(read, start, start + split, digest)]

    return subproof(first, 0, second, True)


def consistent(
    first: int, second: int, first_root: bytes, second_root: bytes, path: Sequence[bytes], digest: Digest = sha256
) -> bool:  # fmt: skip
    """Whether `path` proves that the tree (`first`, `first_root`) grew into (`second`, `second_root`) (§2.1.4.2)."""
    if first == second:
        return not path and first_root == second_root
    if not 0 < first < second or not path:
        return False
    steps = list(path)
    if first & (first - 1) == 0:
        steps.insert(0, first_root)
    node, last = first - 1, second - 1
    while node & 1:
        node >>= 1
        last >>= 1
    old = new = steps[0]
    for step in steps[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            old, new = node_hash(step, old, digest), node_hash(step, new, digest)
            while not node & 1 and node:
                node >>= 1
                last >>= 1
        else:
            new = node_hash(new, step, digest)
        node >>= 1
        last >>= 1
    return old == first_root and new == second_root and last == 0
