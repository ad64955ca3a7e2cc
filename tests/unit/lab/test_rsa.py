"""Tokens as docker-registry wants them."""

import base64
import json

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from acrcheck.lab import tokens
from acrcheck.lab.clock import LabClock
from acrcheck.lab.rsa import RsaSigner

NOW = LabClock().now()
SIGNER = RsaSigner.generate(NOW)


def part(text: str) -> bytes:
    """One part of a token, decoded independently of the code under test."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def test_docker_registry_could_check_the_rsa_token() -> None:
    """The header's certificate is the one to trust, and its key made the signature."""
    token = tokens.encode(SIGNER, {"iss": "Azure Container Registry"})
    data, _, signature = token.rpartition(".")
    header = json.loads(part(token.split(".", maxsplit=1)[0]))

    certificate = x509.load_der_x509_certificate(base64.b64decode(header["x5c"][0]))

    assert header["alg"] == "RS256"
    assert certificate.public_bytes(Encoding.PEM) == SIGNER.certificate_pem
    assert certificate.not_valid_before_utc < NOW < certificate.not_valid_after_utc
    key = certificate.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    key.verify(part(signature), data.encode(), padding.PKCS1v15(), hashes.SHA256())


def test_a_key_of_another_kind_is_refused() -> None:
    """RS256 needs RSA."""
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    with pytest.raises(TypeError, match="RSA"):
        RsaSigner(pem, SIGNER.certificate_pem)
