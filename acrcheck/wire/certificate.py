"""What a certificate says of itself."""

from datetime import UTC

from acrcheck.wire.door import Failure, Shaken, Trouble


def describe(der: bytes, problem: str = "") -> Shaken | Failure:
    """Read a certificate in DER; `problem` is what the client said against it."""
    from cryptography import x509

    try:
        certificate = x509.load_der_x509_certificate(der)
        names = _names(certificate)
    except ValueError as error:
        return Failure(Trouble.TLS, f"the certificate cannot be read: {error}")
    expires = certificate.not_valid_after_utc.astimezone(UTC)
    return Shaken(
        certificate.subject.rfc4514_string(),
        certificate.issuer.rfc4514_string(),
        expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
        names,
        problem,
    )


def _names(certificate: object) -> tuple[str, ...]:
    from cryptography import x509

    if not isinstance(certificate, x509.Certificate):
        return ()
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    addresses = (str(address) for address in found.get_values_for_type(x509.IPAddress))
    return (*found.get_values_for_type(x509.DNSName), *addresses)
