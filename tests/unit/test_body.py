"""The body of an answer, compressed or not."""

import gzip
import zlib

import pytest

from offer_cancellation.portal.body import BODY_LIMIT, decoded

JSON = b'[{"status": "completed"}]'


def _bare(body: bytes) -> bytes:
    """Deflate without zlib's frame."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


@pytest.mark.parametrize(
    ("body", "codings", "expected"),
    [
        pytest.param(JSON, "", JSON, id="none"),
        pytest.param(JSON, "identity", JSON, id="identity"),
        pytest.param(JSON, "utf-8", JSON, id="an unknown one"),
        pytest.param(JSON, "br", JSON, id="one that is not decompressed"),
        pytest.param(gzip.compress(JSON), "gzip", JSON, id="gzip"),
        pytest.param(gzip.compress(JSON), " X-GZip ", JSON, id="gzip's old name"),
        pytest.param(gzip.compress(b"[") + gzip.compress(b"]"), "gzip", b"[]", id="two members"),
        pytest.param(zlib.compress(JSON), "deflate", JSON, id="deflate"),
        pytest.param(_bare(JSON), "deflate", JSON, id="deflate without a frame"),
        pytest.param(gzip.compress(zlib.compress(JSON)), "deflate, gzip", JSON, id="two"),
        pytest.param(gzip.compress(JSON), "gzip, utf-8", JSON, id="one of them unknown"),
        pytest.param(JSON, "gzip", JSON, id="not in the coding that it claims"),
        pytest.param(JSON, "deflate", JSON, id="neither in this one"),
        pytest.param(gzip.compress(JSON) + bytes(8), "gzip", JSON, id="zeros behind gzip"),
        pytest.param(gzip.compress(JSON) + b"\r\n", "gzip", JSON, id="a line behind gzip"),
        pytest.param(zlib.compress(JSON) + b"\n", "deflate", JSON, id="a line behind deflate"),
        pytest.param(_bare(JSON) + b"\n", "deflate", JSON, id="and without a frame"),
        pytest.param(gzip.compress(JSON), ",".join(["gzip"] * 6), None, id="too many codings"),
        pytest.param(b"", "gzip", b"", id="nothing"),
        pytest.param(gzip.compress(JSON)[:-9], "gzip", None, id="cut off"),
        pytest.param(gzip.compress(b"x" * BODY_LIMIT), "gzip", b"x" * BODY_LIMIT, id="1 MiB"),
        pytest.param(gzip.compress(b"x" * (BODY_LIMIT + 1)), "gzip", None, id="more"),
        pytest.param(gzip.compress(b"x" * BODY_LIMIT) * 2, "gzip", None, id="more in two members"),
        pytest.param(gzip.compress(b"") * 50_000, "gzip", None, id="members without end"),
    ],
)
def test_decoded(body: bytes, codings: str, expected: bytes | None) -> None:
    """What is packed by gzip or deflate unpacked within 1 MiB; other codings count as none."""
    assert expected == decoded(body, codings)
