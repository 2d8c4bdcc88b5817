"""The certificate of a server that speaks TLS."""

import ssl
from pathlib import Path

from sampler.errors import SamplerError
from sampler.regular_files import open_regular
from sampler.system_errors import explain


class TlsError(SamplerError):
    """The certificate or its key cannot be used. The message is one line."""


def server_context(certificate: Path, key: Path | None) -> ssl.SSLContext:
    """Return the TLS context of a server. Raises `TlsError`.

    certificate: PEM file with the chain. key: PEM file with its private key (default: in the certificate's file).
    """
    for option, path in (("--tls-cert", certificate), ("--tls-key", key)):
        if path is not None:
            _require_readable(option, path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(certificate, key, password=_refuse_password)
    except ssl.SSLError as error:
        raise TlsError(_problem(error, certificate, key)) from error
    return context


def _require_readable(option: str, path: Path) -> None:
    try:
        with open_regular(path):
            pass
    except OSError as error:
        raise TlsError(f"{option} {path}: {explain(error, path, 'name a PEM file that this user can read')}") from error


def _refuse_password() -> str:
    """Answer OpenSSL's question for the password of a key, which it would otherwise ask at the terminal."""
    raise TlsError("the TLS key is encrypted; give a key without a password: openssl pkey -in KEY -out PLAIN_KEY")


def _problem(error: ssl.SSLError, certificate: Path, key: Path | None) -> str:
    """Return what is wrong with the files. OpenSSL gives no reason for a file without a certificate or key."""
    if b"-----BEGIN CERTIFICATE-----" not in certificate.read_bytes():
        return f"--tls-cert {certificate}: the file has no certificate in PEM format"
    if key is None and b"PRIVATE KEY-----" not in certificate.read_bytes():
        return f"--tls-cert {certificate}: the file has no private key; name the file of the key with --tls-key"
    if key is not None and b"PRIVATE KEY-----" not in key.read_bytes():
        return f"--tls-key {key}: the file has no private key in PEM format"
    where = f"--tls-cert {certificate}" + ("" if key is None else f", --tls-key {key}")
    if error.reason == "KEY_VALUES_MISMATCH":
        return f"{where}: the key is not that of the certificate"
    reason = (error.reason or "unreadable").replace("_", " ").lower()
    return f"{where}: {reason}; expected a certificate and its key in PEM format"
