"""Certificates, and TLS 1.3 alone."""

import os
from pathlib import Path

from tapewire.errors import FormatError


def require_pair(certificate: Path, key: Path) -> None:
    """Refuse files that are no certificate and its key.

    Raises
    ------
    FormatError
        Naming the file.
    """
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key)
    except ssl.SSLError as error:
        raise FormatError(
            f"{certificate}: expected a certificate in PEM and its key in {key}, found another "
            f"({error.reason or error})"
        ) from None


def restrict_tls(certificate: Path) -> None:
    """Have gRPC take TLS 1.3 alone; before grpc makes its first connection.

    gRPC for Python takes TLS 1.2, too, and has no option for it. Which suites of 1.2 it offers can
    be said, and one whose keys are of the other kind than the certificate's can't be agreed upon;
    those of 1.3 are always there.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import rsa

    try:
        loaded = x509.load_pem_x509_certificate(certificate.read_bytes())
    except ValueError as error:
        raise FormatError(f"{certificate}: expected a certificate in PEM ({error})") from None
    is_rsa = isinstance(loaded.public_key(), rsa.RSAPublicKey)
    other = "ECDHE-ECDSA-AES256-GCM-SHA384" if is_rsa else "ECDHE-RSA-AES256-GCM-SHA384"
    os.environ["GRPC_SSL_CIPHER_SUITES"] = other
