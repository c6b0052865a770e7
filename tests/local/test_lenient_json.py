"""The lenient JSON reader: what it takes beyond JSON, what it refuses, how values are written."""

import math
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.host.dotnet_text import compact, invariant
from local.host.dotnet_time import Moment
from local.host.lenient_json import BLANKS, Constructor, Undefined, read_object

UNDEFINED = Undefined.UNDEFINED


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{}", {}),
        ("{ }", {}),
        ("{'a': 'b\"c'}", {"a": 'b"c'}),
        ('{"a": "it\'s"}', {"a": "it's"}),
        ("{a: 1, _b: 2, $c: 3, é9: 4}", {"a": 1, "_b": 2, "$c": 3, "é9": 4}),
        ("{9: 1}", {"9": 1}),
        ('{"": 1}', {"": 1}),
        ('{"a": 1,}', {"a": 1}),
        ('{"a": ,"b": 2}', {"a": UNDEFINED, "b": 2}),
        ('{"a": [1,,2,]}', {"a": [1, UNDEFINED, 2]}),
        ('{"a": [,]}', {"a": [UNDEFINED]}),
        ('{"a": undefined, "b": null}', {"a": UNDEFINED, "b": None}),
        ('{/*x*/"a": /*y*/ 1 /*z*/, // w\r"b": 2}', {"a": 1, "b": 2}),
        ('{"a": 1} // }', {"a": 1}),
        ('{"a": 1} /* } */ // }', {"a": 1}),
        ('{"a": true/**/}', {"a": True}),
        ('{"a": "x\r\n\ty"}', {"a": "x\r\n\ty"}),
        ('{"a"\u00a0:\u30001}', {"a": 1}),
        (f'{BLANKS}{{"a": 1}}{BLANKS}', {"a": 1}),
        ('{"a": "\\u00e9\\/\\\'\\b"}', {"a": "é/'\b"}),
        ('{"a": "\\ud83d\\ude00"}', {"a": "😀"}),
        ('{"a": "\\ud83dx\\ude00"}', {"a": "\ufffdx\ufffd"}),
        ('{"a": "\\ud83d\\ud83d\\ude00"}', {"a": "\ufffd😀"}),
        ('{"\\ud83d": 1}', {"\ufffd": 1}),
        ('{"a": new Date(1, "x",)}', {"a": Constructor("Date", [1, "x"])}),
        ('{"a": 1, "b": 2, "a": 3}', {"a": 3, "b": 2}),
    ],
)
def test_what_the_reader_takes(text: str, expected: dict[str, Any]) -> None:
    """Everything that the real host's reader reads as an object."""
    assert expected == read_object(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        "{a}",
        '{"a"}',
        '{"a" 1}',
        '{"a" /*x*/: 1}',
        '{"a": }',
        '{"a": ]}',
        '{"a": [1}',
        '{"a": 1 "b": 2}',
        '{,"a": 1}',
        '{"a": 1,,"b": 2}',
        '{"a": 1}}',
        '{"a": 1} {"b": 2}',
        '/*x*/{"a": 1}',
        '{"a": 1} // x\n',
        '{"a": 1} /* x */',
        '\ufeff{"a": 1}',
        '\x1c{"a": 1}',
        '{"a": "x}',
        '{"a": "\\x41"}',
        '{"a": "\\u12"}',
        '{"a": True}',
        '{"a": nul}',
        '{"a": trueish}',
        '{"a": +1}',
        '{"a": 1k}',
        '{"a": 1e}',
        '{"a": 1+2}',
        '{"a": -}',
        '{"a": .}',
        '{"a": 08}',
        '{"a": 0x}',
        '{"a": 0x0x1}',
        '{"a": 0x10000000000000000}',
        '{"a": ½}',
        '{"a": /x/}',
        '{"a": /* }',
        "{½: 1}",
        "{a-b: 1}",
        '{"a": new (1)}',
        '{"a": newDate(1)}',
        '{"a": ' + "1" * 381 + "}",
        '{"a": ' + "[" * 64 + "]" * 64 + "}",
        '{"a":' * 65 + "1" + "}" * 65,
    ],
)
def test_what_the_reader_refuses(text: str) -> None:
    """What is refused is refused whole."""
    with pytest.raises(ValueError, match=r"\w"):
        read_object(text)


def test_the_limits_are_in_reach() -> None:
    """64 levels and 380 digits are still read."""
    assert read_object('{"a": ' + "1" * 380 + "}") == {"a": int("1" * 380)}
    assert read_object('{"a": ' + "[" * 63 + "]" * 63 + "}")["a"] != []
    assert read_object('{"a":' * 64 + "1" + "}" * 64)["a"] != 1


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("0x1F", "31"),
        ("0XffffffffffffffFF", "-1"),
        ("017", "15"),
        ("00", "0"),
        ("-017", "-17"),
        ("-0", "0"),
        ("9223372036854775808", "9223372036854775808"),
        ("5.0", "5"),
        ("5.", "5"),
        (".5", "0.5"),
        ("-.5", "-0.5"),
        ("0e5", "0"),
        ("-0.0", "-0"),
        ("1e3", "1000"),
        ("1e14", "100000000000000"),
        ("1e15", "1E+15"),
        ("123456789012345678.0", "1.2345678901234568E+17"),
        ("12345678901234567.0", "12345678901234568"),
        ("1.5e300", "1.5E+300"),
        ("0.0001", "0.0001"),
        ("0.00001", "1E-05"),
        ("0.000012345", "1.2345E-05"),
        ("1e400", "Infinity"),
        ("-1e400", "-Infinity"),
        ("1e-400", "0"),
        ("4.9e-324", "5E-324"),
        ("1.7976931348623157e308", "1.7976931348623157E+308"),
        ("NaN", "NaN"),
        ("-Infinity", "-Infinity"),
        ("true", "True"),
        ("'true'", "true"),
    ],
)
def test_plain_values_have_their_invariant_text(written: str, expected: str) -> None:
    """Numbers and truth values as .NET writes them."""
    value: Any = read_object(f"{{a: {written}}}")["a"]

    assert expected == invariant(value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2030-01-31T12:00:00", "01/31/2030 12:00:00"),
        ("2030-01-31T12:00:00Z", "01/31/2030 12:00:00"),
        ("2030-01-31T12:00:00z", "01/31/2030 12:00:00"),
        ("2030-01-31T12:00:00.1234567", "01/31/2030 12:00:00"),
        ("2030-01-31T12:00:00+02:30", "01/31/2030 09:30:00"),
        ("2030-01-31T12:00:00-0230", "01/31/2030 14:30:00"),
        ("2030-01-31T12:00:00+02", "01/31/2030 10:00:00"),
        ("2030-01-31T12:00:00+02:", "01/31/2030 10:00:00"),
        ("2030-01-31T12:00:00+99:99", "01/27/2030 07:21:00"),
        ("2030-01-31T12:00:00:", "01/31/2030 12:00:00"),
        ("2030-01-31T12:00:0030", "01/31/2030 12:00:00"),
        ("2030-01-31T24:00:00", "02/01/2030 00:00:00"),
        ("2030-12-31T24:00:00.000Z", "01/01/2031 00:00:00"),
        ("0001-01-01T00:00:00+02:00", "01/01/0001 00:00:00"),
        ("0001-01-01T00:00:00Z", "01/01/0001 00:00:00"),
        ("9999-12-31T23:00:00-02:00", "12/31/9999 23:59:59"),
        ("2028-02-29T00:00:00Z", "02/29/2028 00:00:00"),
        ("/Date(0)/", "01/01/1970 00:00:00"),
        ("/Date(-1000)/", "12/31/1969 23:59:59"),
        ("/Date(1234567890000+0200)/", "02/13/2009 23:31:30"),
        ("/Date(1234567890000-02)/", "02/13/2009 23:31:30"),
    ],
)
def test_what_reads_as_a_time_is_written_as_one(text: str, expected: str) -> None:
    """Date and time in the invariant form, in UTC where there was an offset."""
    moment = Moment.read(text)

    assert moment is not None
    assert expected == invariant(moment)


@pytest.mark.parametrize(
    "text",
    [
        "2030-01-31",
        "2030-01-31 12:00:00Z",
        "2030-01-31t12:00:00Z",
        "2030-01-31T12:00",
        "2030-01-31T12:00:00.",
        "2030-01-31T12:00:00.12345678Z",
        "2030-01-31T12:00:00 +02:00",
        "2030-01-31T12:00:00+2:00",
        "2030-01-31T12:00:00+02:0",
        "2030-01-31T12:60:00Z",
        "2030-01-31T12:00:60Z",
        "2030-01-31T25:00:00Z",
        "2030-01-31T24:00:00.1Z",
        "2030-01-31T24:00:01Z",
        "2030-02-29T12:00:00Z",
        "2030-13-01T12:00:00Z",
        "0000-01-01T00:00:00Z",
        "٢٠٣٠-01-31T12:00:00Z",
        "/Date()/",
        "/Date(1.5)/",
        "/Date(1+2)/",
        "/date(1)/",
        "",
    ],
)
def test_what_does_not_read_as_a_time_stays_a_text(text: str) -> None:
    """Nearly a time is a text like any other."""
    assert Moment.read(text) is None


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ('{"a": 1, "b": [ ]}', '{"a":1,"b":[]}'),
        ("{'a': 'é\\n\\u2028\\u0001\"'}", '{"a":"é\\n\\u2028\\u0001\\""}'),
        (
            "{a: 5.0, b: 1e20, c: NaN, d: -Infinity}",
            '{"a":5.0,"b":1E+20,"c":"NaN","d":"-Infinity"}',
        ),
        ("{a: [true, null, undefined,]}", '{"a":[true,null,undefined]}'),
        ("{a: new Date(1)}", '{"a":new Date(1)}'),
        ("{a: '2030-01-31T12:00:00.50Z'}", '{"a":"2030-01-31T12:00:00.5Z"}'),
        ("{a: '2030-01-31T12:00:00+02:00'}", '{"a":"2030-01-31T10:00:00+00:00"}'),
        ("{a: '/Date(0)/'}", '{"a":"1970-01-01T00:00:00Z"}'),
        ("{a: '\\ud800'}", '{"a":"\ufffd"}'),
    ],
)
def test_an_object_is_written_without_blanks(written: str, expected: str) -> None:
    """Compact JSON, as the host hands an object to the worker."""
    assert expected == compact(read_object(written))


@given(st.floats(allow_nan=False))
def test_a_number_reads_back_as_itself(value: float) -> None:
    """Whatever form a number is written in, it is the same number, to the last bit."""
    text = invariant(value)

    assert struct.pack("d", value) == struct.pack("d", float(text))
    assert not math.isfinite(value) or compact(value).strip("-0123456789.E+") == ""


@given(st.text(st.sampled_from("{}[]()'\",:/*\\ntua0x1.eE-+ \t\u00a0N"), max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Nothing but a ValueError comes out of the reader, whatever it is given."""
    try:
        read_object(f"{{{text}}}")
    except ValueError:
        return
