"""Checkpoints: the size and root of the ledger as a signed note (C2SP signed-note, tlog-checkpoint; Ed25519)."""

from __future__ import annotations

import base64
import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

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

ORIGIN = "sanqu/ledger"
# C2SP signed-note: 0x01 names Ed25519.
ED25519_KIND = b"\x01"


@dataclass(frozen=True)
class Signer:
    """The city's signing key; it stays in the home folder, readable by its user only."""

    private: Ed25519PrivateKey

    @property
    def public(self) -> bytes:
        """The 32 bytes of the public key."""
        return self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def _open_signer(city: City) -> Signer:
    file = city.settings.home / "keys" / "ledger.key"
    if not file.exists():
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # A file of our own, for its owner only, that takes its name whole and only if no other process was first: a key
        # that is replaced makes every checkpoint signed with it unreadable.
        handle, fresh = tempfile.mkstemp(dir=file.parent)
        try:
            with os.fdopen(handle, "wb") as out:
                key = Ed25519PrivateKey.generate()
                out.write(key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption()))
                out.flush()
                os.fsync(out.fileno())
            _name_first(Path(fresh), file)
        finally:
            Path(fresh).unlink(missing_ok=True)
    return Signer(Ed25519PrivateKey.from_private_bytes(file.read_bytes()))


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


def key_hash(public: bytes) -> bytes:
    """The four bytes that name a key in a note."""
    return hashlib.sha256(ORIGIN.encode() + b"\n" + ED25519_KIND + public).digest()[:4]


def sign_note(city: City, size: int, root: bytes) -> str:
    """The signed note over (`size`, `root`)."""
    signer = signer_of(city)
    text = f"{ORIGIN}\n{size}\n{base64.b64encode(root).decode()}\n"
    signed = key_hash(signer.public) + signer.private.sign(text.encode())
    return f"{text}\n— {ORIGIN} {base64.b64encode(signed).decode()}\n"


def read_note(note: str, public: bytes) -> tuple[int, bytes]:
    """Size and root of a signed note; raises `BadInput` when the signature is not by `public`."""
    try:
        text, signature = note.split("\n\n", 1)
        text += "\n"
        signed = base64.b64decode(signature.split()[2])
        Ed25519PublicKey.from_public_bytes(public).verify(signed[4:], text.encode())
        _, size, root = text.splitlines()[:3]
        return int(size), base64.b64decode(root)
    except (ValueError, IndexError, InvalidSignature) as fault:
        raise BadInput(
            "ledger.note",
            Text(zh="检查点的签名不符", en="The checkpoint is not signed by this key"),
            Text(zh="核对公钥，或取得另一份检查点", en="Check the public key, or get another checkpoint"),
        ) from fault
