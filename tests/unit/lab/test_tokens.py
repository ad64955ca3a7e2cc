"""The lab's tokens."""

import base64
import json
from datetime import timedelta

import pytest

from acrcheck.lab import tokens
from acrcheck.lab.clock import LabClock
from acrcheck.lab.rsa import RsaSigner
from tests.unit.lab import worlds

NOW = LabClock().now()
SIGNER = RsaSigner.generate(NOW)


def part(text: str) -> bytes:
    """One part of a token, decoded independently of the code under test."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def test_a_managed_identitys_token_says_what_entra_says() -> None:
    """Version 1.0 claims: whose it is, for whom, from which tenant, and for how long."""
    identity = worlds.azure().identities[0]

    claims = tokens.entra_claims(identity, worlds.ARM_RESOURCE, NOW)

    assert claims["aud"] == "https://management.core.windows.net/"
    assert claims["iss"] == f"https://sts.windows.net/{worlds.TENANT}/"
    assert (claims["appid"], claims["oid"], claims["sub"]) == (
        worlds.CLIENT,
        worlds.PRINCIPAL,
        worlds.PRINCIPAL,
    )
    assert (claims["tid"], claims["idtyp"], claims["ver"]) == (worlds.TENANT, "app", "1.0")
    assert claims["xms_mirid"] == worlds.IDENTITY.replace("resourceGroups", "resourcegroups")
    assert claims["nbf"] == claims["iat"] < NOW.timestamp()
    assert claims["exp"] == (NOW + timedelta(hours=24)).timestamp()


def test_a_token_has_three_parts_that_anybody_can_read() -> None:
    """Header and claims are plain JSON in base64url; the header names type, algorithm and key."""
    token = tokens.encode(tokens.HmacSigner(b"k"), {"tid": "t"})

    header, claims, signature = token.split(".")

    assert json.loads(part(header)).keys() == {"typ", "alg", "kid"}
    assert json.loads(part(claims)) == {"tid": "t"}
    assert len(part(signature)) == 32


@pytest.mark.parametrize("signer", [tokens.HmacSigner(b"k"), SIGNER])
def test_only_what_was_signed_is_recognised(signer: tokens.Signer) -> None:
    """Another claim, another key or no token at all gives nothing."""
    token = tokens.encode(signer, {"oid": "me"})
    header, _, signature = token.split(".")
    forged = f"{header}.{tokens.encode(signer, {'oid': 'you'}).split('.')[1]}.{signature}"

    assert tokens.verified(signer, token) == {"oid": "me"}
    assert tokens.verified(signer, forged) is None
    assert tokens.verified(signer, f"{header}.e30.not base64!") is None
    assert tokens.verified(tokens.HmacSigner(b"other"), token) is None
    assert tokens.verified(signer, "") is None
    assert tokens.claims_of("a.bnVsbA.c") is None


def test_a_token_expires_at_its_moment() -> None:
    """At `exp` itself it is over."""
    claims = {"exp": int(NOW.timestamp())}

    assert tokens.expired(claims, NOW)
    assert not tokens.expired(claims, NOW - timedelta(seconds=1))
