"""Certificate authorities and certificates of the test cluster."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = timedelta(days=1)
YEARS = 3650


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, in PEM."""

    certificate: bytes
    key: bytes

    def write(self, folder: Path, name: str) -> None:
        """Write `<name>.crt` and, readable by the owner only, `<name>.key`."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.crt").write_bytes(self.certificate)
        (folder / f"{name}.key").touch(mode=0o600)
        (folder / f"{name}.key").write_bytes(self.key)


class Authority:
    """Issues certificates.

    Args:
        pair: its own certificate and key.
    """

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self._certificate = x509.load_pem_x509_certificate(pair.certificate)
        key = serialization.load_pem_private_key(pair.key, password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise TypeError("the authority's key must be on an elliptic curve")
        self._key = key

    @classmethod
    def new(cls, common_name: str) -> "Authority":
        """A root of that name."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name(common_name)
        builder = _builder(name, name, key.public_key()).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        usage = x509.KeyUsage(
            digital_signature=True,
            key_cert_sign=True,
            crl_sign=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )
        builder = builder.add_extension(usage, critical=True)
        return cls(_pair(builder.sign(key, hashes.SHA256()), key))

    def issue(
        self,
        common_name: str,
        organization: str = "",
        names: tuple[str, ...] = (),
        *,
        days: int = YEARS,
    ) -> Pair:
        """A certificate for a client and, when it has names or addresses, for a server.

        Args:
            common_name: of its subject.
            organization: of its subject.
            names: a server's names and addresses.
            days: until it runs out; less than none for one that has.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name(common_name, organization)
        builder = _builder(subject, self._certificate.subject, key.public_key(), days)
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH, *([ExtendedKeyUsageOID.SERVER_AUTH] if names else [])]
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = builder.add_extension(issuer, critical=False)
        if names:
            alternatives = x509.SubjectAlternativeName([_general_name(name) for name in names])
            builder = builder.add_extension(alternatives, critical=False)
        return _pair(builder.sign(self._key, hashes.SHA256()), key)


def ensure_azure_authority(folder: Path) -> None:
    """Make the root that the simulated Azure's certificates chain to; images and nodes trust it."""
    if not (folder / "azure-ca.crt").exists():
        pair = Authority.new("acrcheck test cluster root").pair
        pair.write(folder, "azure-ca.part")
        (folder / "azure-ca.part.key").rename(folder / "azure-ca.key")
        (folder / "azure-ca.part.crt").rename(folder / "azure-ca.crt")


def azure_authority(folder: Path) -> Authority:
    """The root that `ensure_azure_authority` made."""
    return Authority(Pair((folder / "azure-ca.crt").read_bytes(), (folder / "azure-ca.key").read_bytes()))


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, days: int = YEARS
) -> x509.CertificateBuilder:
    end = datetime.now(UTC) + days * DAY
    begin = min(datetime.now(UTC), end) - DAY
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _name(common_name: str, organization: str = "") -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    if organization:
        attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    return x509.Name(attributes)


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pair(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Pair:
    return Pair(
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
    )
