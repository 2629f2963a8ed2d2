"""What odd clients send to the endpoint, byte by byte, and what they have to get."""

import gzip
import json
import re
from typing import Any

from .conftest import TEMPLATE

PAGE = TEMPLATE / "{{cookiecutter.project_slug}}" / "docs" / "model-life.md"
# The row that the page sends with curl.
[ROW] = json.loads(re.findall(r"-d '(.+)'", PAGE.read_text())[0])["dataframe_records"]
TIME, ZONE, DISTANCE = "lpep_pickup_datetime", "PULocationID", "trip_distance"
JSON = "application/json"
NO_BODY: dict[str, Any] = {"Content_Length": None, "Content_Type": None}


def request(
    line: str = "POST /invocations HTTP/1.1", body: bytes | str = b"", *headers: str, **more: Any
) -> bytes:
    """Return the bytes of a request that is whole; `more` takes or replaces its own headers."""
    content = body.encode() if isinstance(body, str) else body
    own = {"Host": "x", "Connection": "close", "Content-Type": JSON}
    own |= {"Content-Length": str(len(content))} | {
        name.replace("_", "-"): value for name, value in more.items()
    }
    lines = [line, *(f"{name}: {value}" for name, value in own.items() if value is not None)]
    head = "\r\n".join([*lines, *headers]) + "\r\n\r\n"
    return head.encode("latin-1") + content


def get(path: str = "/health", *headers: str, **more: Any) -> bytes:
    return request(f"GET {path} HTTP/1.1", b"", *headers, **NO_BODY | more)


def records(*rows: Any) -> str:
    return json.dumps({"dataframe_records": rows})


def but(**values: Any) -> str:
    """Return the body with the page's row, with other values."""
    return records(ROW | values)


def literally(column: str, literal: str) -> str:
    """Return the body with the page's row, with a value as it is written in JSON."""
    return but(**{column: "HERE"}).replace('"HERE"', literal)


def chunked(*chunks: bytes, **more: Any) -> bytes:
    head = request(**{"Content_Length": None, "Transfer_Encoding": "chunked"} | more)
    return head + b"".join(chunks)


def chunk(content: bytes) -> bytes:
    return f"{len(content):x}\r\n".encode() + content + b"\r\n"


def two(first: bytes, second: bytes) -> bytes:
    """Return two requests on one connection, the second sent without waiting."""
    return first.replace(b"Connection: close\r\n", b"") + second


GOOD = but()
SPLIT = {"columns": [*ROW], "data": [[*ROW.values()]]}
COLUMNS = {name: [value] for name, value in ROW.items()}

# By name, a pattern of the statuses that answer ("": who asks is gone), and what is sent.
Table = dict[str, tuple[str, bytes]]

REQUEST_LINES: Table = {
    "only empty lines": ("400|", b"\r\n\r\n\r\n\r\n"),
    "zero bytes": ("400", b"\0" * 100 + b"\r\n\r\n"),
    "a TLS hello": ("400", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
    "a preface of HTTP/2": ("404( 400)?", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "a method alone": ("400", b"GET\r\n\r\n"),
    "no version": ("400", b"GET /health\r\n\r\n"),
    "no path": ("400", b"GET HTTP/1.1\r\nHost: x\r\n\r\n"),
    "two spaces": ("400", b"GET  /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
    "a space in the path": ("400", get("/he alth")),
    "a method in small letters": ("40.", request("get /health HTTP/1.1", **NO_BODY)),
    "an unknown method": ("405", request("FROB /health HTTP/1.1", **NO_BODY)),
    "a method that is no word": ("400", request("G@T /health HTTP/1.1", **NO_BODY)),
    "a method of 10,000 letters": ("40.", request("G" * 10_000 + " /health HTTP/1.1", **NO_BODY)),
    "HTTP/1.0": ("200", request("GET /health HTTP/1.0", **NO_BODY)),
    "HTTP/1.0 without a host": ("200", request("GET /health HTTP/1.0", Host=None, **NO_BODY)),
    "HTTP/0.9": ("200|400", b"GET /health HTTP/0.9\r\n\r\n"),
    "HTTP/2.0": ("200|505", request("GET /health HTTP/2.0", **NO_BODY)),
    "HTTP/9": ("400", request("GET /health HTTP/9", **NO_BODY)),
    "HTTP/1.1x": ("400", request("GET /health HTTP/1.1x", **NO_BODY)),
    "HTTQ": ("400", request("GET /health HTTQ/1.1", **NO_BODY)),
    "line feeds alone": ("200|400", get().replace(b"\r", b"")),
    "carriage returns alone": ("", get().replace(b"\n", b"")),
    "an absolute address": ("40.", get("http://127.0.0.1/health")),
    "OPTIONS of all": ("40.", request("OPTIONS * HTTP/1.1", **NO_BODY)),
    "a tunnel": ("40.", request("CONNECT example.org:443 HTTP/1.1", **NO_BODY)),
    "a path of 60,000 letters": ("404", get("/" + "a" * 60_000)),
    "a path of 600,000 letters": ("4..|", get("/" + "a" * 600_000)),
    "a query of 60,000 letters": ("200", get("/health?" + "a" * 60_000)),
    "bytes in the path": ("400|404", get("/\xff\xfe")),
    "a zero in the path": ("400|404", get("/health\0")),
    "a quoted zero": ("404", get("/health%00")),
    "quotes that are none": ("404", get("/%zz%")),
    "a way up": ("404", get("/../../etc/passwd")),
    "a quoted way up": ("404", get("/docs/%2e%2e/%2e%2e/etc/passwd")),
    "two slashes": ("404", get("//health")),
    "a slash at the end": ("307|404", get("/health/")),
    "a path without a slash": ("400|404", get("health")),
    "a fragment": ("200|40.", get("/health#x")),
}

METHODS: Table = {
    f"{method} {path}": ("405", request(f"{method} {path} HTTP/1.1", **NO_BODY))
    for path, methods in {
        "/invocations": ("GET", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE"),
        "/predict": ("GET", "PUT", "DELETE"),
        "/health": ("POST", "HEAD", "DELETE"),
        "/version": ("POST", "PUT"),
        "/docs": ("POST",),
    }.items()
    for method in methods
} | {
    f"{line}": ("404", request(f"{line} HTTP/1.1", GOOD))
    for line in ("GET /", "POST /", "POST /invocation", "POST /INVOCATIONS", "GET /metrics")
}

HEADERS: Table = {
    "no host": ("400", get(Host=None)),
    "two hosts": ("400", get("/health", "Host: y")),
    "an empty host": ("200|400", get(Host="")),
    "a foreign host": ("200|400", get(Host="evil.example")),
    "a header without a colon": ("400", get("/health", "Header")),
    "a header without a name": ("400", get("/health", ": value")),
    "a space before the colon": ("400", get("/health", "Header : value")),
    "a space in a header's name": ("400", get("/health", "He ader: value")),
    "a header on two lines": ("200|400", get("/health", "Header: a\r\n b")),
    "a first header that goes on": ("400", b"GET /health HTTP/1.1\r\n Host: x\r\n\r\n"),
    "a zero in a header": ("400", get("/health", "Header: a\0b")),
    "a return in a header": ("400", get("/health", "Header: a\rb")),
    "a line feed in a header": ("400", get("/health", "Header: a\nb")),
    "a split header": ("400", get("/health", "Header: a\r\n\rHost: y")),
    "bytes in a header": ("200|400", get("/health", "Header: \xff\xfe")),
    "a header of 60,000 letters": ("200|4..", get("/health", "Header: " + "a" * 60_000)),
    "a header of 1,000,000 letters": ("4..|", get("/health", "Header: " + "a" * 1_000_000)),
    "1,000 headers": ("200|4..", get("/health", *(f"H{number}: x" for number in range(1_000)))),
    "20,000 headers": ("4..|", get("/health", *(f"H{number}: x" for number in range(20_000)))),
    "a web socket": (
        "200|4..",
        get("/health", "Upgrade: websocket", "Sec-WebSocket-Key: x", Connection="Upgrade, close"),
    ),
    "an upgrade to HTTP/2": ("200", get("/health", "Upgrade: h2c", Connection="Upgrade, close")),
    "a web socket for rows": (
        "200|4..",
        request("POST /invocations HTTP/1.1", GOOD, "Upgrade: websocket"),
    ),
    "waits for a continue": ("100 200", request(body=GOOD, Expect="100-continue")),
    "expects something else": ("200|417", request(body=GOOD, Expect="the best")),
    "a range": ("200", request(body=GOOD, Range="bytes=0-1")),
    "another language": ("200", request(body=GOOD, Accept="text/xml", Accept_Encoding="br")),
    "a cookie": ("200", request(body=GOOD, Cookie="a=b; " * 100)),
}

LENGTHS: Table = {
    "no length": ("411", request(body=GOOD, Content_Length=None)),
    **{
        f"a length of {length!r}": ("400", request(body=GOOD, Content_Length=length))
        for length in (
            "x",
            "-1",
            "+5",
            "5.0",
            "0x10",
            "1 2",
            "",
            "1_0",
            "٣".encode().decode("latin-1"),
        )
    },
    "a length of 31 digits": ("4..", request(body=GOOD, Content_Length="9" * 31)),
    "a length of 5,000 digits": ("4..", request(body=GOOD, Content_Length="9" * 5_000)),
    "two lengths": ("400", request(body=GOOD, Content_Length=f"{len(GOOD)}, 5")),
    "the same length twice": (
        "200|400",
        request(body=GOOD, Content_Length=f"{len(GOOD)}, {len(GOOD)}"),
    ),
    "a length of 0 with a body": ("400( .*)?", request(body=GOOD, Content_Length="0")),
    "a length that is too short": ("400( .*)?", request(body=GOOD, Content_Length="9")),
    "a length that is too long": ("", request(body=GOOD, Content_Length=str(len(GOOD) + 9))),
    "a length of 1 GB and no body": ("", request(Content_Length=str(10**9))),
    "no body": ("400", request()),
    "no body and no length": ("411", request(Content_Length=None)),
    "chunks": ("411", chunked(chunk(GOOD.encode()), b"0\r\n\r\n")),
    "chunks and a length": (
        "411",
        chunked(chunk(GOOD.encode()), b"0\r\n\r\n").replace(b"Host", b"Content-Length: 5\r\nHost"),
    ),
    "no chunk": ("411", chunked(b"0\r\n\r\n")),
    "chunks without an end": ("", chunked(chunk(GOOD.encode()))),
    "a chunk that is too short": ("4..", chunked(b"5\r\nab\r\n0\r\n\r\n")),
    "a chunk that is too long": ("4..", chunked(b"2\r\nabcdef\r\n0\r\n\r\n")),
    "a chunk's size is a word": ("4..", chunked(b"zz\r\nab\r\n0\r\n\r\n")),
    "a chunk of size -1": ("4..", chunked(b"-1\r\nab\r\n0\r\n\r\n")),
    "a chunk of 30 digits": ("4..", chunked(b"f" * 30 + b"\r\nab\r\n0\r\n\r\n")),
    "an extension of a chunk": ("411", chunked(b"2;a=b\r\n{}\r\n0\r\n\r\n")),
    "a trailer": ("411", chunked(chunk(b"{}"), b"0\r\nX: y\r\n\r\n")),
    "gzip and chunks": ("4..|501", chunked(b"0\r\n\r\n").replace(b": chunked", b": gzip, chunked")),
    "chunks twice": ("4..|501", chunked(b"0\r\n\r\n").replace(b": chunked", b": chunked, chunked")),
    "an unknown encoding": ("4..|501", request(body=GOOD, Transfer_Encoding="xchunked")),
    "chunks to a GET": ("200", get(Transfer_Encoding="chunked") + b"0\r\n\r\n"),
    "a body for a GET": ("200", request("GET /health HTTP/1.1", GOOD)),
}

TYPES: Table = {
    **{
        f"type {kind!r}": (status, request(body=GOOD, Content_Type=kind))
        for status, kinds in {
            "200": (
                *("APPLICATION/JSON", "application/json; charset=utf-8"),
                *("application/json;charset=UTF-8", " application/json "),
            ),
            "415": (
                *("", "text/plain", "text/csv", "json", "application/jsonp", "*/*"),
                *("application/json; charset=latin-1", "application/json; charset=utf-16"),
                *("multipart/form-data; boundary=x", "application/x-www-form-urlencoded"),
                *("application/x-pickle", "application/octet-stream", "a" * 1_000, "\xff"),
            ),
        }.items()
        for kind in kinds
    },
    "no type": ("415", request(body=GOOD, Content_Type=None)),
    "two types": ("200|4..", request("POST /invocations HTTP/1.1", GOOD, "Content-Type: text/csv")),
    "a gzipped body": (
        "400|415",
        request(body=gzip.compress(GOOD.encode()), Content_Encoding="gzip"),
    ),
}

TEXTS: Table = (
    {
        name: ("400", request(body=body))
        for name, body in {
            "spaces": "   ",
            "UTF-16": GOOD.encode("utf-16"),
            "UTF-16 without a mark": GOOD.encode("utf-16-le"),
            "UTF-32": GOOD.encode("utf-32"),
            "a byte order mark": b"\xef\xbb\xbf" + GOOD.encode(),
            "latin-1": but(note="é").replace("\\u00e9", "é").encode("latin-1"),
            "a zero after it": GOOD + "\0",
            "two documents": GOOD + GOOD,
            "lines of JSON": f"{GOOD}\n{GOOD}\n",
            "a comma at the end": GOOD[:-1] + ",}",
            "single quotes": GOOD.replace('"', "'"),
            "a comment": GOOD + "// good",
            "Python": "{'dataframe_records': None}",
            "a key without quotes": GOOD.replace('"dataframe_records"', "dataframe_records"),
            "an unknown escape": GOOD.replace("dataframe", "\\qdataframe"),
            "a control character": GOOD.replace("records", "rec\nords"),
            "half a surrogate": GOOD.replace("dataframe_records", "\\ud800"),
            "half a surrogate for a time": literally(TIME, '"\\ud800"'),
            "CSV": ",".join(ROW) + "\n1,2,3\n",
            "parquet": b"PAR1\0\0PAR1",
            "a pickle": b"\x80\x04\x95\x00.",
            "XML": "<rows/>",
            "a form": "dataframe_records=1",
            "a word": "true",
            "a text": '"dataframe_records"',
            "10,000 lists": "[" * 10_000 + "]" * 10_000,
            "100,000 objects": '{"dataframe_records":' * 100_000 + "1" + "}" * 100_000,
            "a deep zone": literally(ZONE, "[" * 150 + "]" * 150),
            "a deep column that is not known": GOOD[:-3] + ', "x": ' + "[" * 50_000,
            "a key of 1,000,000 letters": f'{{"{"a" * 1_000_000}": 1}}',
            "a key that is empty": '{"": []}',
        }.items()
    }
    | {
        "the same key twice": (
            "200",  # the last one counts, as in other readers of JSON
            request(body=f'{{"dataframe_records": [], "dataframe_records": {GOOD[22:]}'),
        ),
        "the same column twice": ("200", request(body=literally(ZONE, f'1, "{ZONE}": 2'))),
        "a column that is not known": ("200", request(body=but(more={"a": [1, None]}))),
        "other spaces": ("200", request(body=json.dumps(json.loads(GOOD), indent="\t") + "\r\n")),
    }
)

VALUES: Table = {
    f"{literal[:40]} ({len(literal)} letters) for {column}": (
        status,
        request(body=literally(column, literal)),
    )
    for column, by_status in {
        ZONE: {
            "200": ("1", "1.0", "1e0", "100e-2", "true", "1.0000000000000000001"),
            "400": (
                *("null", '"1"', '""', '" 1"', "1.5", "-1", "0", "266", "1e400", "-1e400", "[]"),
                *("{}", "[1]", "NaN", "Infinity", "-Infinity", "01", "0x1", "1_0", "+1", ".5"),
                *("9007199254740993", "9223372036854775807", "9223372036854775808", "1e20"),
                *("-9223372036854775809", "9" * 5_000, "-" + "9" * 5_000, "9" * 100_000),
                *("1" + "0" * 400 + ".0", "False", "undefined", "false", "-0", "-0.0"),
            ),
        },
        DISTANCE: {
            "200": (
                *("null", "0", "2.5", "-0.0", "-5", "true", "1e-400", "1e5", "1" * 30),
                *("1.7976931348623157e308", "-1.7976931348623157e308"),
            ),
            "400": (
                *('"2.5"', '"NaN"', "NaN", "Infinity", "-Infinity", "1e400", "[2.5]", "{}", '""'),
                *("9" * 5_000, "2,5"),
            ),
        },
        TIME: {
            "200": (
                *('"2024-03-01T08:00:00"', '"2024-03-01 08:00"', '"2024-03-01T08:00:00.123456"'),
                *('"2024-03-01T08:00:00Z"', '"2024-03-01T08:00:00+02:00"', '"2024-03-01"'),
                *('"0001-01-01"', '"9999-12-31T23:59:59.999999"', '"1969-12-31T23:59:59"'),
                *(
                    '"2024-W09-5"',
                    '"2024-03-01T08:00:00.123456789"',
                    '"2262-04-12"',
                    '"1677-09-20"',
                ),
                *('"0001-01-01T00:00:00+23:59"', '"9999-12-31T23:59:59-23:59"'),
            ),
            "400": (
                *("1709280000", "1709280000000", "1709280000000000", "1709280000000000000"),
                *("1709280000.5", '"1709280000"', '"1709280000000"', "-1", '"-1"', "null", "true"),
                *('"2024-02-30"', '"2024-13-01"', '"2024-03-01T25:00:00"', '"yesterday"', '"-"'),
                *('"01/03/2024"', '"2024-3-1"', '""', '" "', '"NaT"', '"10000-01-01"', "[]", "{}"),
                *('["2024-03-01"]', '"0000-01-01"', '"-2024-03-01"', '"2024-03-01T08:00:00+99:00"'),
                f'"{"2024-" * 10_000}"',
            ),
            "200|400": ('"2024-03-01T24:00:00"',),  # known to Python from 3.14
        },
    }.items()
    for status, literals in by_status.items()
    for literal in literals
}

FORMS: Table = {
    f"{name}: {status}": (status, request(body=json.dumps(form)))
    for status, forms in {
        "200": {
            "split": {"dataframe_split": SPLIT},
            "split with an index": {"dataframe_split": SPLIT | {"index": [0]}},
            "instances": {"instances": [ROW]},
            "inputs as rows": {"inputs": [ROW]},
            "inputs by column": {"inputs": COLUMNS},
            "more columns": {"dataframe_records": [ROW | {"a": 1}, ROW | {"b": None}]},
        },
        "400": {
            "rows alone": [ROW],
            "a row alone": ROW,
            "pandas by column": {name: {"0": value} for name, value in ROW.items()},
            "pandas by index": {"0": ROW},
            "pandas as a table": {"schema": {"fields": []}, "data": [ROW]},
            "records by column": {"dataframe_records": COLUMNS},
            "records by index": {"dataframe_records": {"0": ROW}},
            "records as values": {"dataframe_records": [[*ROW.values()]]},
            "one record": {"dataframe_records": ROW},
            "records as text": {"dataframe_records": GOOD},
            "a record of null": {"dataframe_records": [None]},
            "an empty record": {"dataframe_records": [{}]},
            "a record among lists": {"dataframe_records": [ROW, []]},
            "the rows of the other path": {"rows": [ROW]},
            "other letters": {"Dataframe_Records": [ROW]},
            "two forms": {"instances": [ROW], "inputs": [ROW]},
            "a form and null": {"instances": [ROW], "inputs": None},
            "inputs of a number": {"inputs": 1},
            "inputs of nothing": {"inputs": {}},
            "inputs of no rows": {"inputs": {name: [] for name in ROW}},
            "inputs by column that are ragged": {"inputs": COLUMNS | {ZONE: [1, 2]}},
            "inputs of numbers by column": {"inputs": ROW},
            "inputs by column, one missing": {"inputs": {ZONE: [1]}},
            "inputs as an array": {"inputs": [[1, 2], [3, 4]]},
            "instances of text": {"instances": ["a"]},
            "split of null": {"dataframe_split": None},
            "split of a list": {"dataframe_split": [SPLIT]},
            "split without columns": {"dataframe_split": {"data": SPLIT["data"]}},
            "split without data": {"dataframe_split": {"columns": [*ROW]}},
            "split without rows": {"dataframe_split": SPLIT | {"data": []}},
            "split of one row": {"dataframe_split": SPLIT | {"data": [*ROW.values()]}},
            "split with short rows": {"dataframe_split": SPLIT | {"data": [[1]]}},
            "split with long rows": {"dataframe_split": SPLIT | {"data": [[*ROW.values(), 1]]}},
            "split, a column twice": {
                "dataframe_split": {"columns": [*ROW, ZONE], "data": [[*ROW.values(), 2]]}
            },
            "split, columns as numbers": {"dataframe_split": SPLIT | {"columns": [1, 2]}},
            "split, a column of null": {"dataframe_split": SPLIT | {"columns": [None, *ROW][:-1]}},
            "split, columns as text": {"dataframe_split": SPLIT | {"columns": "abc"}},
            "split and more": {"dataframe_split": SPLIT | {"more": 1}},
            **{
                f"params of {params!r}": {"dataframe_records": [ROW], "params": params}
                for params in (None, [], 1, "x", {"a": [1, {"b": None}]}, True, {"__class__": "x"})
            },
        },
    }.items()
    for name, form in forms.items()
}

TYPED: Table = {
    f"/predict: {name}": (status, request("POST /predict HTTP/1.1", json.dumps(body)))
    for name, (status, body) in {
        "rows": ("200", {"rows": [ROW]}),
        "no rows": ("400", {"rows": []}),
        "rows of null": ("400", {"rows": None}),
        "a row": ("400", {"rows": ROW}),
        "rows as text": ("400", {"rows": json.dumps([ROW])}),
        "nothing": ("400", {}),
        "records": ("400", {"dataframe_records": [ROW]}),
        "params": ("400", {"rows": [ROW], "params": {}}),
        "an epoch time": ("400", {"rows": [ROW | {TIME: 1709280000000}]}),
        "a list": ("400", [ROW]),
        "150 bad rows": ("400", {"rows": [ROW | {ZONE: "x"}] * 150}),
    }.items()
} | {
    "/predict: a type": ("415", request("POST /predict HTTP/1.1", GOOD, Content_Type="text/plain")),
    "/predict: chunks": (
        "411",
        chunked(chunk(GOOD.encode()), b"0\r\n\r\n").replace(b"/invocations", b"/predict"),
    ),
}

SIZES: Table = {
    "5,000,000 bytes": ("200", request(body=GOOD + " " * (5_000_000 - len(GOOD)))),
    "5,000,001 bytes": ("413", request(body=GOOD + " " * (5_000_001 - len(GOOD)))),
    "199 rows": ("200", request(body=records(*[ROW] * 199))),
    "201 rows": ("200", request(body=records(*[ROW] * 201))),
    "10,000 rows, the last one bad": ("400", request(body=records(*[ROW] * 9_999, {}))),
    "chunks of 6 MB": ("411", chunked(chunk(b" " * 6_000_000), b"0\r\n\r\n")),
}

CONNECTIONS: Table = {
    "two at once": ("200 200", two(get(), get("/version"))),
    "rows twice at once": ("200 200", two(request(body=GOOD), request(body=GOOD))),
    "good after bad rows": ("400 200", two(request(body="{"), request(body=GOOD))),
    "good after another type": ("415 200", two(request(body=GOOD, Content_Type="x"), get())),
    "good after no such path": ("404 200", two(request("POST /x HTTP/1.1", GOOD), get())),
    "good after a wrong method": ("405 200", two(request("PUT /predict HTTP/1.1", GOOD), get())),
    "good after too much": ("413 200", two(request(body=" " * 5_000_001), get())),
    "a second one that is none": ("200 400", two(get(), b"\0\0\0\r\n\r\n")),
    "a request in a body": ("400", request(body=get("/version"))),
    "a smuggled request": (
        "4..",
        chunked(b"0\r\n\r\n", Content_Length=str(len(get()) + 5)) + get("/version"),
    ),
    "half a line": ("", b"POST /invoc"),
    "half of the headers": ("", b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-"),
    "half of a body": ("", request(body=GOOD)[:-20]),
    "nothing at all": ("", b""),
}

ODD: Table = {
    **(REQUEST_LINES | METHODS | HEADERS | LENGTHS | TYPES),
    **(TEXTS | VALUES | FORMS | TYPED | SIZES | CONNECTIONS),
}
