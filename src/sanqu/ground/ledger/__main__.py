"""`python -m sanqu.ground.ledger verify FILE`: checks a receipt with nothing but this package: no city, no database."""

from __future__ import annotations

import base64
import binascii
import json
import sys
from pathlib import Path

from sanqu.ground.errors import SanquError
from sanqu.ground.ledger.proof import Proof, check

USAGE = """usage: python -m sanqu.ground.ledger verify FILE [PUBLIC_KEY]

核验一张回执：这一条确在签了名的账本里 · Checks a receipt: the entry is in the ledger that was signed.
FILE 是 /api/ledger/{n}/proof 或 sanqu ledger prove 给出的 JSON · is the JSON of either.
PUBLIC_KEY（base64）：您从别处得知的城市公钥 · the city's key as you know it from elsewhere; a receipt can bring any key.

例 · e.g.  python -m sanqu.ground.ledger verify receipt.json
"""


def main(arguments: list[str]) -> int:
    """0 when the receipt holds, 1 when it does not, 2 when it was not asked rightly."""
    if len(arguments) not in (2, 3) or arguments[0] != "verify":
        sys.stderr.write(USAGE)
        return 2
    try:
        proof = Proof(**json.loads(Path(arguments[1]).read_text("utf-8")))
        if len(arguments) == 3 and base64.b64decode(arguments[2]) != base64.b64decode(proof.public_key):
            print("✗ 回执不是用这把公钥签的 · the receipt is not signed with this key")
            return 1
        size = check(proof)
    except (OSError, TypeError, ValueError, binascii.Error) as fault:
        print(f"✗ 读不懂回执 · the receipt cannot be read: {fault}")
        return 1
    except SanquError as fault:
        print(f"✗ {fault.in_('zh')}\n  {fault.in_('en')}")
        return 1
    print(f"✓ 第 {proof.index} 条在 {size} 条的账本中 · entry {proof.index} is in the ledger of {size} · {proof.suite}")
    print(json.dumps(json.loads(proof.body), ensure_ascii=False, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
