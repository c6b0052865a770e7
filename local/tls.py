"""Makes a throw-away certificate authority, so that Azurite can speak TLS on loopback.

It installs nothing: a process that shall trust it gets SSL_CERT_FILE set to the authority.
"""

from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """A server certificate and its key, and the authority that signed it, all PEM."""

    cert: Path
    key: Path
    authority: Path


def write_tls_files(directory: Path) -> TlsFiles:
    """Make a fresh authority and a certificate for the loopback names in the directory."""
    files = TlsFiles(directory / "cert.pem", directory / "key.pem", directory / "authority.pem")
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1", "localhost")
    issued.private_key_pem.write_to_path(str(files.key))
    files.cert.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    authority.cert_pem.write_to_path(str(files.authority))
    return files
