"""Checkpoints: the size and root of the ledger as a signed note (C2SP signed-note, tlog-checkpoint; Ed25519 or SM2)."""

from __future__ import annotations

import base64
import hashlib
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import gmalg
import gmalg.errors
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from sanqu.ground.city import City
from sanqu.ground.errors import BadInput
from sanqu.ground.i18n import Text
from sanqu.ground.ledger.merkle import Digest, sha256, sm3

ORIGIN = "sanqu/ledger"


class Keys(Protocol):
    """A key pair that signs checkpoints."""

    @property
    def public(self) -> bytes:
        """The public key's bytes."""

    def sign(self, text: bytes) -> bytes:
        """The signature over `text`."""


@dataclass(frozen=True)
class Ed25519Keys:
    """Ed25519 (RFC 8032)."""

    private: Ed25519PrivateKey

    @property
    def public(self) -> bytes:
        """The 32 bytes of the public key."""
        return self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def sign(self, text: bytes) -> bytes:
        """The signature over `text`."""
        return self.private.sign(text)


@dataclass(frozen=True)
class Sm2Keys:
    """SM2 with SM3 (GB/T 32918.2), for cities that must use the national algorithms."""

    secret: bytes
    public: bytes

    def sign(self, text: bytes) -> bytes:
        """The signature over `text`: r and s, 32 bytes each."""
        r, s = gmalg.SM2(self.secret, SM2_UID, self.public).sign(text)
        return bytes(r) + bytes(s)


# The user id that GB/T 35276 gives where none was agreed on.
SM2_UID = b"1234567812345678"


def _ed25519_verifies(public: bytes, text: bytes, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, text)
    except (InvalidSignature, ValueError):
        return False
    return True


def _sm2_verifies(public: bytes, text: bytes, signature: bytes) -> bool:
    if len(signature) != 64:
        return False
    try:
        return bool(gmalg.SM2(uid=SM2_UID, pk=public).verify(text, signature[:32], signature[32:]))
    except (gmalg.errors.GMError, ValueError):
        return False


def _new_ed25519() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())


def _new_sm2() -> bytes:
    secret, public = gmalg.SM2().generate_keypair()
    return bytes(secret) + bytes(public)


@dataclass(frozen=True)
class Suite:
    """A choice of hash and signature; `kind` names it in a signed note (C2SP: 0x01 is Ed25519, 0xff what has no number)."""

    name: str
    digest: Digest
    kind: bytes
    verifies: Callable[[bytes, bytes, bytes], bool]
    generate: Callable[[], bytes]
    read: Callable[[bytes], Keys]


SUITES = {
    suite.name: suite
    for suite in (
        Suite("ed25519-sha256", sha256, b"\x01", _ed25519_verifies, _new_ed25519,
              lambda raw: Ed25519Keys(Ed25519PrivateKey.from_private_bytes(raw))),
        Suite("sm2-sm3", sm3, b"\xffsm2-sm3", _sm2_verifies, _new_sm2, lambda raw: Sm2Keys(raw[:32], raw[32:])),
    )
}  # fmt: skip


def suite_named(name: str) -> Suite:
    """The suite of this name; raises `BadInput`."""
    if name not in SUITES:
        raise BadInput(
            "ledger.suite",
            Text(zh=f"不认识签名算法 {name}", en=f"The signature suite {name} is not known"),
            Text(zh=f"用 {'、'.join(SUITES)} 之一", en=f"Use one of {', '.join(SUITES)}"),
            name,
        )
    return SUITES[name]


@dataclass(frozen=True)
class Signer:
    """The city's signing key and suite; the key stays in the home folder, readable by its user only."""

    suite: Suite
    keys: Keys

    @property
    def public(self) -> bytes:
        """The public key's bytes."""
        return self.keys.public


def _open_signer(city: City) -> Signer:
    folder = city.settings.home / "keys"
    suite = _suite_in(folder) or suite_named(city.settings.ledger_suite)
    file = folder / _key_name(suite)
    if not file.exists():
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # A file of our own, for its owner only, that takes its name whole and only if no other process was first: a key
        # that is replaced makes every checkpoint signed with it unreadable.
        handle, fresh = tempfile.mkstemp(dir=file.parent)
        try:
            with os.fdopen(handle, "wb") as out:
                out.write(suite.generate())
                out.flush()
                os.fsync(out.fileno())
            _name_first(Path(fresh), file)
        finally:
            Path(fresh).unlink(missing_ok=True)
    return Signer(suite, suite.read(file.read_bytes()))


def _key_name(suite: Suite) -> str:
    return "ledger.key" if suite.name == "ed25519-sha256" else f"ledger.{suite.name}.key"


def _suite_in(folder: Path) -> Suite | None:
    """The suite of the ledger that is there: hashes already strung together cannot change theirs."""
    return next((suite for suite in SUITES.values() if (folder / _key_name(suite)).exists()), None)


def _name_first(fresh: Path, file: Path) -> None:
    try:
        os.link(fresh, file)
    except FileExistsError:
        return
    except OSError:
        # A file system without hard links.
        if not file.exists():
            fresh.rename(file)


def signer_of(city: City) -> Signer:
    """The city's signing key, made when first needed."""
    return city.part(Signer, _open_signer)


def digest_of(city: City) -> Digest:
    """The hash of the city's ledger."""
    return signer_of(city).suite.digest


def key_hash(public: bytes, suite: Suite) -> bytes:
    """The four bytes that name a key in a note."""
    return hashlib.sha256(ORIGIN.encode() + b"\n" + suite.kind + public).digest()[:4]


def sign_note(city: City, size: int, root: bytes) -> str:
    """The signed note over (`size`, `root`)."""
    signer = signer_of(city)
    text = f"{ORIGIN}\n{size}\n{base64.b64encode(root).decode()}\n"
    signed = key_hash(signer.public, signer.suite) + signer.keys.sign(text.encode())
    return f"{text}\n— {ORIGIN} {base64.b64encode(signed).decode()}\n"


def read_note(note: str, public: bytes, suite: Suite) -> tuple[int, bytes]:
    """Size and root of a signed note; raises `BadInput` when the signature is not by `public`."""
    try:
        text, signature = note.split("\n\n", 1)
        text += "\n"
        signed = base64.b64decode(signature.split()[2])
        _, size, root = text.splitlines()[:3]
        if not suite.verifies(public, text.encode(), signed[4:]):
            raise ValueError("the signature does not verify")
        return int(size), base64.b64decode(root)
    except (ValueError, IndexError) as fault:
        raise BadInput(
            "ledger.note",
            Text(zh="检查点的签名不符", en="The checkpoint is not signed by this key"),
            Text(zh="核对公钥，或取得另一份检查点", en="Check the public key, or get another checkpoint"),
        ) from fault
