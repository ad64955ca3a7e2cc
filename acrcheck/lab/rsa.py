"""Tokens signed as docker-registry wants them; apart, because it loads cryptography."""

import base64
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID


class RsaSigner:
    """RS256 with the certificate in the header: docker-registry's token authentication accepts it.

    The certificate is its own issuer: put it into the registry's `rootcertbundle`.

    Args:
        key_pem: an RSA private key.
        certificate_pem: its certificate.

    Raises:
        TypeError: the key is not an RSA key.
        ValueError: something in it is not what it should be.
    """

    def __init__(self, key_pem: bytes, certificate_pem: bytes) -> None:
        key = serialization.load_pem_private_key(key_pem, password=None)
        if not isinstance(key, rsa.RSAPrivateKey):
            raise TypeError("the key must be an RSA key")
        self._key = key
        self.key_pem = key_pem
        self.certificate_pem = certificate_pem
        certificate = x509.load_pem_x509_certificate(certificate_pem)
        der = certificate.public_bytes(serialization.Encoding.DER)
        self._chain = [base64.b64encode(der).decode("ascii")]

    @classmethod
    def generate(cls, now: datetime) -> "RsaSigner":
        """A new key with a certificate that is valid from a day before this moment until a year after."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "registry token signer")])
        builder = (
            x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=365))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        )
        key_pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        certificate = builder.sign(key, hashes.SHA256())
        return cls(key_pem, certificate.public_bytes(serialization.Encoding.PEM))

    def header(self) -> dict[str, Any]:
        """Carries the certificate chain."""
        return {"typ": "JWT", "alg": "RS256", "x5c": self._chain}

    def sign(self, data: bytes) -> bytes:
        """RSASSA-PKCS1-v1_5 with SHA-256."""
        return self._key.sign(data, padding.PKCS1v15(), hashes.SHA256())

    def verify(self, data: bytes, signature: bytes) -> bool:
        """By the public half of the key."""
        try:
            self._key.public_key().verify(signature, data, padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            return False
        return True
