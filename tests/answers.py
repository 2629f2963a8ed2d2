"""Answers to refuse, answers to accept, and strategies that draw more of both."""

import re

from hypothesis import strategies as st

from hooks.pre_gen_project import find_problem, is_free

from .baking import CHOICES

# fmt: off
TEXT_BAD = [
    "", " ", "\u200d", 'say "hi"', "back\\slash", "trailing\\", "{", "}", "{{ 7*7 }}", "{% x %}",
    "{# x #}", "a\nb", "a\r\nb", "a\n", "a\tb", "a\x00b", "\x1b[31m", "\x7f", "\x85", "\xa0",
    "\u00ad", "\u200b", "\u2028", "\u2029", "\u202e", "\u3000", "\ufeff", "\ufffe", "\ue000",
    "\ud800", "a\udc80", "\udfff\ud800", "\U000e0041", "\U0010ffff",
]
TEXT_GOOD = [
    "x", "it's", "''", "'''", "a: b # c", "- x", "? x", "yes", "null", "~", "1e3", "0x1F", "None",
    "2024-01-01", "$(id)", "$HOME", "`id`", "](x) <b> |", "&amp; <script>", "%s %d %", "*a", "&a",
    "!!int 3", "@x", "|", ">", "a,b;c", "[x](y)", "#", "=", "//", "/", "../..", "~/x", "--help",
    "-x", "<<: *x", "%YAML 1.2", "---", "...", " padded ", "a  b", "a" * 5000, "日本語", "Ünïcödé",
    "e\u0301", "عربي", "🚕", "👩\u200d🔬", "\uff46ull", "İ", "ß",
]
BAD: dict[str, list[str]] = {
    "project_name": TEXT_BAD,
    "description": TEXT_BAD,
    "author_name": TEXT_BAD,
    "project_slug": [
        "../x", "a/b", "a/b/c", "/abs", "/abs/new/x", "../new/x", "..x", ".x", "x.", "x/", "./x",
        "x y/../z", "x/../y", ".", "..", "/", "", " x", "x\n", "-x", "x-", "x--y", "1x", "_x",
        "x.y", "Taxi", "taxi_duration", "taxi duration", "täxi", "t\u0430xi", "\uff54axi", "x²",
        "x٣", "x\\y", "c:x", "x*", "~", "~root", "$(id)", 'x"', "x{", "{{ 7 }}", "\u200dx",
        "x\x00y", "x\ud800", "x\udc80", "x" * 51, "x" * 5000, "class", "lambda", "not", "json",
        "statistics", "this", "xml", "queue", "importlib", "con", "nul", "aux", "prn", "com1",
        "lpt9", "tests", "test", "src", "checkpoints", "docs", "mlflow", "pandas", "prefect",
        "xgboost", "sklearn", "scikit-learn", "numpy", "pyarrow", "pydantic", "pydantic-settings",
        "matplotlib", "fsspec", "cyclopts", "optuna", "pytest", "yaml", "git", "google",
    ],
    "work_pool_name": [
        *TEXT_BAD, "prefect", "prefect-pool", "Prefect-pool", "PREFECTPOOL", "prefectx", "a/b",
        "a%b", "a&b", "a<b", "a>b", "a#b", "a?b", ".", "..", "'", "' '",
    ],
    "work_pool_type": ["", "kubernetes", "Process", "process "],
    "storage": ["", "s3", "GIT"],
    "license": ["", "mit", "GPL", "MIT\n"],
    "git_repository": [
        "", "x", "github.com/a/b", "https://", "https://host", "https:///a/b", "ftp://host/a",
        "https://user:pw@host/a", "https://token@host/a", "https://:pw@host/a", "https://@host/a",
        "ssh://git:pw@host/a", "user:pw@host:a/b", "https://host/a b", "https://host/a\n",
        "https://host/a?token=x", "https://host/a#x", "https://höst/a", "https://host/ä",
        "https://host:0/a", "https://host:99999/a", "https://[::1/a", "file://host/a", "file:///",
        "-oProxyCommand=x", "-u@host:a", "git@-host:a", "git@host:", "git@host://a", "HTTPS://h/a",
        "javascript:x", "ext::sh -c id", "git@host:a'b", "https://host/$(id)", 'https://host/"a',
        "https://host/{a}", "https://host\\a/b", "https://host/\x00", "https://host/\ud800",
    ],
    "git_branch": [
        "", " ", "a b", "a..b", "a~b", "a^b", "a:b", "a?b", "a*b", "a[b", "a\\b", "-x", "/a", "a/",
        "a//b", ".a", "a/.b", "a.", "a.lock", "a.lock/b", "@", "a@{b", "HEAD", "a\nb", "\x7f",
        "a\x00", "a\ud800", 'a"b', "a{b", "a\u00a0b",
    ],
    "schedule": [
        "", "*", "* * * *", "* * * * * *", "0 0 9 3 * * *", "@daily", "@monthly", "0 9 3 * x",
        "60 * * * *", "* 24 * * *", "* * 0 * *", "* * 32 * *", "* * * 0 *", "* * * 13 *",
        "* * * * 8", "-1 * * * *", "*/0 * * * *", "*/60 * * * *", "1-0 * * * *", "1- * * * *",
        "-5 * * * *", "*-5 * * * *", "1,,2 * * * *", ",1 * * * *", "1/ * * * *", "1.5 * * * *",
        "0 0 31 2 *", "0 0 30 2 *", "0 0 31 4 *", "0 0 31 4,6,9,11 *", "0 0 30-31 FEB *",
        "0 0 31 2 1", "0 0 L * *", "0 0 ? * *", "0 0 15W * *", "0 0 * * 5#3", "0 0 * * FRI-MON",
        "0 0 * JANUARY *", "H * * * *", "R * * * *", "0 9 3 * *\n", "0\t9 3 * *", "0 9 3 * ٣",
        "1* * * * *", "*5 * * * *", "** * * * *", "0 9 3 * 1-2-3", "100 9 3 * *", "0 9 3 * *;",
        "'0 9 3 * *'", "0 9 3 MON *", "0 9 3 * JAN", "0\u00a09 3 * *", "\uff10 9 3 * *",
        "0 9 3 * */8", "*/" + "9" * 5000 + " 9 3 * *",
    ],
    "prefect_api_url": [
        "", "127.0.0.1:4200/api", "localhost", "http://", "http:///api", "http://127.0.0.1:4200",
        "http://127.0.0.1:4200/", "http://h:4200/apis", "http://h/x", "ftp://h/api", "//h/api",
        "http://u:p@h/api", "http://u@h/api", "http://h:0/api", "http://h:99999/api",
        "http://h:x/api", "http://[::1/api", "http://h/api?x=1", "http://h/api#x", "http://h /api",
        "http://h/api\n", "http://höst/api", "http://h/api'", "http://h/$(id)/api", "HTTP://h/api",
        "http:/h/api", "http://h\\api", 'http://h/api"', "http://{h}/api", "http://h/api\x00",
        "http://h/api\ud800",
    ],
}
GOOD: dict[str, list[str]] = {
    "project_name": TEXT_GOOD,
    "description": TEXT_GOOD,
    "author_name": TEXT_GOOD,
    "project_slug": [
        "x", "taxi", "a1", "x-1", "a-b-c-d", "x" * 50, "yes", "no", "on", "null", "true", "e1",
        "data", "model", "match", "type", "console", "comet", "my-prefect", "no-class",
    ],
    "work_pool_name": [
        *(text for text in TEXT_GOOD if not set(text) & set("/%&<>#?") and set(text) - set("' .")),
        "my-prefect", "a.b", "x!", "a@b", "perfect", "x-prefect",
    ],
    **CHOICES,
    "git_repository": [
        "https://github.com/a/b.git", "https://github.com/a/b", "http://host:8080/a/b_c.git",
        "ssh://git@host:22/a/b.git", "ssh://host/a", "git@github.com:a/b.git", "me@host:~/a",
        "file:///srv/git/a.git", "https://host/a%20b/_git/c", "https://[::1]:3000/a", "g.h@h-i.j:k",
    ],
    "git_branch": ["main", "feature/x", "v1.0", "a-b_c", "日本", "a'b", "$(id)", "1", "a#b", "yes"],
    "schedule": [
        "0 9 3 * *", "* * * * *", "*/15 * * * *", "0 9-17 * * MON-FRI", "0 0 29 2 *",
        "5/15 * * * *",
        "0,30 8,20 1-7 JAN-MAR,dec sun", "59 23 31 12 7", "00 09 03 01 *", "0  9 3 * *",
        "0 0 31 */2 *", "0-30/10 * * * *", "0 0 30 1-4 *", "0 0 1 * Sun,Tue",
        "*/59 */23 */31 */12 */7",
    ],
    "prefect_api_url": [
        "http://127.0.0.1:4200/api", "https://api.prefect.cloud/api/accounts/1-a/workspaces/2-b",
        "http://[::1]:4200/api", "https://host/prefect/api", "http://h:65535/api/",
        "http://h_i/api",
    ],
}
CRON_NAMES = {
    "month": "jan feb mar apr may jun jul aug sep oct nov dec".split(),  # noqa: SIM905
    "weekday": "sun mon tue wed thu fri sat".split(),  # noqa: SIM905
}
# fmt: on
CRON_LIMITS = {
    "minute": (0, 59),
    "hour": (0, 23),
    "day": (1, 28),  # which every month has
    "month": (1, 12),
    "weekday": (0, 7),
}


@st.composite
def cron_part(draw: st.DrawFn, kind: str) -> tuple[str, set[int]]:
    """Draw a part of a cron field, with the numbers that it stands for."""
    low, high = CRON_LIMITS[kind]
    first, last = sorted(draw(st.tuples(*[st.integers(low, high)] * 2)))
    step = draw(st.none() | st.integers(1, high))
    names = dict(enumerate(CRON_NAMES.get(kind, []), low))
    write = draw(st.sampled_from(["{}".format, "{:02}".format, lambda n: names.get(n, str(n))]))
    form = draw(st.sampled_from(["*", "one", "range"]))
    if form == "*":
        first, last = low, {"day": 31}.get(kind, high)
    text = {"*": "*", "one": write(first), "range": f"{write(first)}-{write(last)}"}[form]
    if form == "one":
        last = first if step is None else {"day": 31}.get(kind, high)
    text += "" if step is None else f"/{step}"
    return draw(st.sampled_from([text, text.upper()])), set(range(first, last + 1, step or 1))


def cron_field(kind: str) -> st.SearchStrategy[tuple[str, set[int]]]:
    """Draw a cron field, with the numbers that it stands for."""
    return st.lists(cron_part(kind), min_size=1, max_size=3).map(
        lambda parts: (",".join(text for text, _ in parts), set().union(*(n for _, n in parts)))
    )


VISIBLE = st.characters(exclude_categories=("C", "Z"), exclude_characters='"\\{}')
TEXT = st.text(VISIBLE | st.just(" "), min_size=1, max_size=60).filter(str.strip)
WORDS = st.from_regex("[a-z][a-z0-9_]{0,9}", fullmatch=True)
HOSTS = st.lists(WORDS, min_size=1, max_size=3).map(".".join)
PATHS = st.lists(WORDS, min_size=1, max_size=4).map("/".join)
PORTS = st.just("") | st.integers(1, 65535).map(":{}".format)
SLUGS = st.from_regex("[a-z][a-z0-9]{0,9}(-[a-z0-9]{1,9}){0,3}", fullmatch=True).filter(
    lambda slug: is_free(slug) and not re.fullmatch("(com|lpt)[0-9]", slug)
)
STRATEGIES: dict[str, st.SearchStrategy[str]] = {
    "project_name": TEXT,
    "project_slug": SLUGS,
    "description": TEXT,
    "author_name": TEXT,
    "work_pool_name": TEXT.map(lambda name: "x" + re.sub("[/%&<>#?]", "", name)),
    **{question: st.sampled_from(choices) for question, choices in CHOICES.items()},
    "git_repository": st.one_of(
        st.builds("https://{}{}/{}.git".format, HOSTS, PORTS, PATHS),
        st.builds("ssh://{}@{}{}/{}".format, WORDS, HOSTS, PORTS, PATHS),
        st.builds("{}@{}:{}".format, WORDS, HOSTS, PATHS),
        PATHS.map("file:///{}".format),
    ),
    "git_branch": st.lists(st.text(VISIBLE, min_size=1, max_size=9), min_size=1, max_size=3)
    .map("/".join)
    .filter(lambda name: not find_problem("git_branch", name)),
    "schedule": st.tuples(*map(cron_field, CRON_LIMITS)).map(
        lambda fields: " ".join(text for text, _ in fields)
    ),
    "prefect_api_url": st.builds("http://{}{}/{}/api".format, HOSTS, PORTS, PATHS),
}
ANSWERS = st.fixed_dictionaries(STRATEGIES)
"""Good answers to every question that is not yes or no."""

FREELY = sorted(BAD.keys() - CHOICES.keys())
"""The questions that one types the answer to."""

ANYTHING = st.text(st.characters(), max_size=20) | st.sampled_from(TEXT_BAD + TEXT_GOOD)
