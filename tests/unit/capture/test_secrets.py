"""Every planted credential is found, wherever it lies; nothing honest is called one."""

from __future__ import annotations

import base64
import json
import random
import string
import time
from pathlib import Path

import pytest

from jupyter_containerize.capture import secrets
from jupyter_containerize.model.files import FileEntry
from jupyter_containerize.model.reasons import Severity
from jupyter_containerize.model.snapshot import Cell, CellSource, TextCell

RANDOM = random.Random(20)
ALNUM = string.ascii_letters + string.digits
HEX = "0123456789abcdef"
BASE32 = string.ascii_uppercase + "234567"
URLSAFE = ALNUM + "_-"


def chars(count, alphabet=ALNUM):
    text = "".join(RANDOM.choice(alphabet) for _ in range(count - 1))
    # No token ends in a sign.
    return text + RANDOM.choice([c for c in alphabet if c.isalnum()])


def uid():
    return "-".join(chars(n, HEX) for n in (8, 4, 4, 4, 12))


def b64(text):
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


# Made anew in every run: nothing that looks like a token is in this repository.
TOKENS = {
    "aws-access-key": "AKIA" + chars(16, BASE32),
    "aws-session-key": "ASIA" + chars(16, BASE32),
    "github-classic": "ghp_" + chars(36),
    "github-oauth": "gho_" + chars(36),
    "github-app": "ghs_" + chars(36),
    "github-refresh": "ghr_" + chars(36),
    "github-fine": f"github_pat_{chars(22)}_{chars(59)}",
    "gitlab": "glpat-" + chars(20, URLSAFE),
    "gitlab-runner": "glrt-" + chars(20, URLSAFE),
    "slack-bot": f"xoxb-{chars(12, string.digits)}-{chars(13, string.digits)}-{chars(24)}",
    "slack-user": f"xoxp-{chars(12, string.digits)}-{chars(12, string.digits)}-{chars(32, HEX)}",
    "slack-webhook": f"https://hooks.slack.com/services/T{chars(8, BASE32)}/B{chars(8, BASE32)}/{chars(24)}",
    "google-api": "AIza" + chars(35, URLSAFE),
    "google-oauth": "ya29." + chars(60, URLSAFE),
    "google-client": "GOCSPX-" + chars(28, URLSAFE),
    "stripe-live": "sk_live_" + chars(24),
    "stripe-test": "sk_test_" + chars(24),
    "stripe-restricted": "rk_live_" + chars(24),
    "openai": f"sk-{chars(48)}",
    "openai-project": f"sk-proj-{chars(100, URLSAFE)}",
    "anthropic": f"sk-ant-api03-{chars(93, URLSAFE)}AA",
    "openrouter": f"sk-or-v1-{chars(64, HEX)}",
    "huggingface": "hf_" + chars(34),
    "npm": "npm_" + chars(36),
    "pypi": "pypi-AgEIcHlwaS5vcmc" + chars(80, URLSAFE),
    "jwt": ".".join(
        (b64('{"alg":"HS256","typ":"JWT"}'), b64('{"sub":"' + chars(10) + '"}'), chars(43, URLSAFE))
    ),
    "sendgrid": f"SG.{chars(22, URLSAFE)}.{chars(43, URLSAFE)}",
    "twilio": "SK" + chars(32, HEX),
    "mailgun": "key-" + chars(32, HEX),
    "mailchimp": f"{chars(32, HEX)}-us12",
    "telegram": f"{RANDOM.randrange(10**9, 10**10)}:AA{chars(33, URLSAFE)}",
    "discord": f"M{chars(25)}.{chars(6)}.{chars(38, URLSAFE)}",
    "discord-webhook": f"https://discord.com/api/webhooks/{chars(18, string.digits)}/{chars(68, URLSAFE)}",
    "databricks": "dapi" + chars(32, HEX),
    "digitalocean": "dop_v1_" + chars(64, HEX),
    "shopify": "shpat_" + chars(32, HEX),
    "square": "sq0atp-" + chars(22, URLSAFE),
    "facebook": "EAA" + chars(120),
    "heroku": f"HRKU-{uid()}",
    "linear": "lin_api_" + chars(40),
    "notion": "secret_" + chars(43),
    "newrelic": "NRAK-" + chars(27, BASE32),
    "sentry": "sntryu_" + chars(64, HEX),
    "grafana": f"glsa_{chars(32)}_{chars(8, HEX)}",
    "vault": "hvs." + chars(90, URLSAFE),
    "terraform": f"{chars(14)}.atlasv1.{chars(67, URLSAFE)}",
    "docker": "dckr_pat_" + chars(27, URLSAFE),
    "doppler": "dp.pt." + chars(43),
    "postman": f"PMAK-{chars(24, HEX)}-{chars(34, HEX)}",
    "planetscale": "pscale_tkn_" + chars(43),
    "rubygems": "rubygems_" + chars(48, HEX),
    "age": "AGE-SECRET-KEY-1" + chars(58, string.ascii_uppercase + string.digits),
    "replicate": "r8_" + chars(37),
    "groq": "gsk_" + chars(52),
    "atlassian": "ATATT3" + chars(180),
    "figma": "figd_" + chars(40, URLSAFE),
    "airtable": f"pat{chars(14)}.{chars(64, HEX)}",
    "perplexity": "pplx-" + chars(48),
    "langsmith": f"lsv2_pt_{chars(32, HEX)}_{chars(10, HEX)}",
    "netlify": "nfp_" + chars(40),
    "supabase": "sbp_" + chars(40, HEX),
    "database-url": f"postgresql://anna:{chars(14)}@db.internal:5432/sales",
    "mongo-url": f"mongodb+srv://anna:{chars(14)}@cluster0.mongodb.net/",
    "git-url": f"https://anna:{chars(20)}@git.internal/anna/study.git",
    "azure-storage": f"DefaultEndpointsProtocol=https;AccountName=a;AccountKey={chars(86)}==",
}  # fmt: skip

PEM = "\n".join(["-----BEGIN RSA PRIVATE KEY-----", *(chars(64) for _ in range(4)), "-----END"])

#: Lines of Python that hold a credential of no known format.
ASSIGNMENTS = {
    "password": "password = 'hunter2!'",
    "word": 'password = "letmein"',
    "db": f'DB_PASSWORD="{chars(9)}"',
    "keyword": f"connect(host='db', user='anna', passwd='{chars(10)}')",
    "dict": f'settings = {{"user": "anna", "password": "{chars(10)}"}}',
    "index": f"os.environ['API_KEY'] = '{chars(24)}'",
    "setdefault": f'os.environ.setdefault("SERVICE_TOKEN", "{chars(24)}")',
    "aws": f'aws_secret_access_key="{chars(40)}"',
    "annotated": f"secret: str = '{chars(20)}'",
    "bytes": f"SECRET_KEY = b'{chars(32)}'",
    "prefixed": f"my_service_api_key = '{chars(32, HEX)}'",
    "camel": f"clientSecret = '{uid()}'",
    "export": f"!export GITHUB_TOKEN={chars(40, HEX)}",
    "magic": f"%env WANDB_API_KEY={chars(40, HEX)}",
    "option": f"!tool login --token {chars(30)}",
    "curl": f"!curl -u anna:{chars(12)} https://example.com/data",
    "header": f"headers = {{'Authorization': 'Bearer {chars(40)}'}}",
    "compared": "ok = password == 'Tr0ub4dor&3'",
}


def cell(source="", outputs=(), number=3):
    return Cell("id", number, source, CellSource.EXECUTED, outputs=tuple(outputs))


def blocking(findings):
    return [f for f in findings if f.severity is Severity.BLOCKING]


def write(folder, name, text):
    path = folder / name
    path.write_text(text) if isinstance(text, str) else path.write_bytes(text)
    return FileEntry(str(path), size_bytes=path.stat().st_size)


@pytest.mark.parametrize("kind", TOKENS)
def test_a_known_token_is_found_wherever_it_lies(kind, tmp_path):
    token = TOKENS[kind]
    places = {
        "source": secrets.scan(cells=[cell(f"import os\n\nclient = Client('{token}')\n")]),
        "stream": secrets.scan(
            cells=[cell("show()", [{"output_type": "stream", "text": ["a\n", f"got {token}\n"]}])]
        ),
        "html": secrets.scan(
            cells=[cell("df", [{"data": {"text/html": f"<td>{token}</td>"}, "metadata": {}}])]
        ),
        "env": secrets.scan(files=[write(tmp_path, ".env", f"# settings\nX={token}\n")]),
        "json": secrets.scan(
            files=[write(tmp_path, "a.json", json.dumps({"n": 1, "x": token}, indent=1))]
        ),
        "yaml": secrets.scan(files=[write(tmp_path, "a.yaml", f"a: 1\nservice:\n  x: {token}\n")]),
        "csv": secrets.scan(files=[write(tmp_path, "a.csv", f"id,x\n1,{token}\n2,b\n")]),
        "quoted csv": secrets.scan(files=[write(tmp_path, "b.csv", f'id,x\n1,"{token}"\n2,b\n')]),
        "py": secrets.scan(files=[write(tmp_path, "a.py", f"# {token}\n")]),
        "notebook": secrets.scan(
            files=[write(tmp_path, "a.ipynb", json.dumps({"source": [f'x = "{token}"\n']}))]
        ),
    }
    missed = [place for place, found in places.items() if not blocking(found)]
    assert not missed, f"{kind} was missed in {missed}: {token}"
    for found in places.values():
        for finding in found:
            assert token[5:] not in repr(finding)
            assert finding.code.startswith("secret-")


@pytest.mark.parametrize("kind", ASSIGNMENTS)
def test_an_assigned_credential_is_found_in_a_cell(kind):
    (finding,) = blocking(secrets.scan(cells=[cell(f"import os\n{ASSIGNMENTS[kind]}\n")]))
    assert (finding.cell, finding.line) == (3, 2)
    value = ASSIGNMENTS[kind].strip("'\"}) ").split("'")[-1].split()[-1]
    assert value not in repr(finding)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (".env", "HOST=db\nPASSWORD=letmein\n"),
        (".env.local", f"export API_KEY={chars(24)}\n"),
        ("my.cnf", "[client]\nuser = anna\npassword = hunter2!\n"),
        ("app.ini", "[db]\npassword = letmein\n"),
        ("app.toml", f'[service]\ntoken = "{chars(30)}"\n'),
        ("app.yaml", "db:\n  user: anna\n  password: letmein\n"),
        ("app.json", '{"db": {"password": "letmein"}}'),
        (".netrc", f"machine api.internal\n  login anna\n  password {chars(12)}\n"),
        ("run.sh", f"export DB_PASSWORD={chars(12)}\n"),
        ("users.csv", "name,password,age\nanna,hunter2!,30\n"),
        ("users.tsv", f"name\tapi_key\nanna\t{chars(32)}\n"),
        ("web.xml", "<c><password>hunter2!</password></c>"),
        ("kaggle.json", json.dumps({"username": "anna", "key": chars(32, HEX)})),
        ("config.json", json.dumps({"auths": {"r.io": {"auth": chars(32) + "=="}}})),
        ("key.pem", PEM),
        ("account.json", json.dumps({"type": "service_account", "private_key": PEM})),
        ("nb.ipynb", json.dumps({"source": ["password = 'hunter2!'\n"]})),
        ("wide.txt", f"token {TOKENS['npm']}\n".encode("utf-16")),
        ("late.txt", "word " * 500_000 + f"\n{TOKENS['npm']}\n" + "word " * 500_000),
        ("one_line.json", '{"x": "' + "word " * 209_708 + TOKENS["github-classic"] + '"}'),
    ],
)  # fmt: skip
def test_credentials_are_found_in_files(tmp_path, name, text):
    found = blocking(secrets.scan(files=[write(tmp_path, name, text)]))
    assert found
    assert found[0].path == str(tmp_path / name)


def test_a_private_key_in_a_cell_is_found():
    (finding,) = blocking(secrets.scan(cells=[cell(f'key = """{PEM}"""')]))
    assert finding.code == "secret-private-key"


@pytest.mark.parametrize(
    "line",
    [
        "password = 'your-password'",
        "password = '<your password>'",
        "password = 'changeme'",
        "PASSWORD = 'xxxxxxxx'",
        "password = '********'",
        "api_key = 'YOUR_API_KEY_1234567890'",
        "token = os.environ['TOKEN']",
        "password = getpass.getpass('Password: ')",
        "password = config.password",
        "token = f'{prefix}-{number:08d}abc'",
        "secret = '${SECRET_FROM_VAULT_0a1b2c3d}'",
        "aws_access_key_id = 'AKIAIOSFODNN7EXAMPLE'",
        "aws_secret_access_key = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY'",
        "url = 'postgresql://user:password@localhost/db'",
        "url = f'postgresql://{user}:{password}@{host}/db'",
        "url = 'https://www.example.com:8080/a@b'",
        "tokens = ['the', 'cat']; pad_token = '[PAD]'; max_tokens = 4096",
        "token = 'Übermensch'",
        "tokenizer = AutoTokenizer.from_pretrained('bert-base-uncased')",
        "widgets.Password(value='password', description='Password:')",
        "columns = ['username', 'password', 'email', 'token']",
        "def login(user: str, password: str = None, token: Optional[str] = None): ...",
        "df['token'] = df.text.str.split(); key = 'value'",
        "known_hash = 'sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08'",
        "commit = '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b'",
        "ghp = 'ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'",
        "sk = 'sk-abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuv'",
        "pem = '-----BEGIN PRIVATE KEY-----\\n...\\n-----END PRIVATE KEY-----'",
        "next_page_token = 'CAUQAA8271bdHSJ1927dns'",
        "img = 'data:image/png;base64," + chars(400) + "'",
        "model = 'claude-sonnet-4-5-20250929'; sort_key = 'last_modified_2024'",
    ],
)
def test_what_only_looks_like_a_credential_does_not_block(line):
    assert blocking(secrets.scan(cells=[cell(line)])) == []


def test_vocabularies_numbers_and_binary_files_are_passed_over(tmp_path):
    files = [
        write(tmp_path, "vocab.json", json.dumps({"password": 20786, "secret": 3424, "token": 19204})),
        write(tmp_path, "numbers.csv", "a,b\n" + "0.123456,7.654321e-05\n" * 1000),
        write(tmp_path, "ids.csv", "id,hash\n" + "".join(f"{uid()},{chars(64, HEX)}\n" for _ in range(100))),
        write(tmp_path, "image.png", b"\x89PNG\r\n\0" + TOKENS["npm"].encode()),
        write(tmp_path, "empty.txt", ""),
    ]  # fmt: skip
    assert secrets.scan(files=files) == ()


def test_images_in_outputs_are_passed_over():
    output = {"data": {"image/png": TOKENS["github-classic"], "text/plain": ["<Figure>"]}}
    assert secrets.scan(cells=[cell("plot()", [output])]) == ()


def test_a_random_text_in_a_source_only_warns():
    (finding,) = secrets.scan(cells=[cell(f"x = '{chars(40)}Aa1'")])
    assert (finding.code, finding.severity) == ("possible-secret", Severity.WARNING)


@pytest.mark.parametrize(
    ("allow", "accepted"),
    [
        ("secret-password", True),
        ("cell 3", True),
        ("secret-password@cell 3", True),
        ("secret-password@cell 4", False),
        ("secret-npm-token@cell 3", False),
        ("cell 4", False),
        ("password", False),
    ],
)
def test_a_finding_is_accepted_by_code_place_or_both(allow, accepted):
    (finding,) = secrets.scan(cells=[cell("password = 'hunter2!'")], allow=[allow])
    assert (finding.severity is Severity.INFO) == accepted


@pytest.mark.parametrize(
    ("allow", "accepted"), [("data/.env", True), ("./.env", True), ("secret-password@.env", True), ("env", False)]
)  # fmt: skip
def test_a_file_is_accepted_by_the_end_of_its_path(tmp_path, allow, accepted):
    (tmp_path / "data").mkdir()
    entry = write(tmp_path / "data", ".env", "PASSWORD=letmein\n")
    (finding,) = secrets.scan(files=[entry], allow=[allow])
    assert (finding.severity is Severity.INFO) == accepted


def test_the_fix_names_what_allow_secret_takes():
    (finding,) = secrets.scan(cells=[cell("password = 'hunter2!'")])
    named = finding.fix.split("'")[1]
    (accepted,) = secrets.scan(cells=[cell("password = 'hunter2!'")], allow=[named])
    assert accepted.severity is Severity.INFO


def test_variables_are_searched_by_name_and_by_value():
    found = secrets.scan(variables={"DB_PASSWORD": "hunter2!", "X": TOKENS["npm"], "LANG": "C"})
    assert [f.code for f in found] == ["secret-password", "secret-npm-token"]
    assert secrets.is_secret("API_KEY", chars(24))
    assert not secrets.is_secret("OMP_NUM_THREADS", "4")


def test_an_unreadable_file_is_told(tmp_path):
    (finding,) = secrets.scan(files=[FileEntry(str(tmp_path / "gone.txt"))])
    assert (finding.code, finding.severity) == ("secret-scan-incomplete", Severity.WARNING)


def test_a_file_full_of_credentials_gives_few_findings(tmp_path):
    lines = "".join(f"password = '{chars(12)}'\n" for _ in range(5000))
    found = secrets.scan(files=[write(tmp_path, "a.py", lines)])
    assert [f.line for f in found] == list(range(1, 21))


def test_many_accepted_findings_hide_no_other(tmp_path):
    lines = "".join(f"password = '{chars(12)}'\nx = '{chars(40)}aA1'\n" for _ in range(2000))
    entry = write(tmp_path, "a.py", lines + f"client = Client('{TOKENS['npm']}')\n")
    found = blocking(secrets.scan(files=[entry], allow=["secret-password"]))
    assert [(f.code, f.line) for f in found] == [("secret-npm-token", 4001)]


def test_an_encrypted_key_with_headers_is_found():
    headers = "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,0F0F\n\n"
    key = PEM.replace("-----\n", f"-----\n{headers}", 1)
    found = secrets.scan(cells=[cell(f'k = """{key}"""')])
    assert [f.code for f in blocking(found)] == ["secret-private-key"]


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN PRIVATE KEY-----" + "a: b" * 500,
        "-----BEGIN PRIVATE KEY-----\n" + "a: b: \\n" * 500,
        "password" * 100_000,
        "password = " * 50_000,
        "://a:" * 100_000,
        "api_key" + "_key" * 100_000,
        "curl -u " * 50_000,
        "'" * 1_000_000,
        "a.b:" * 200_000,
        "x" * 3_000_000,
        "-" * 3_000_000,
        "authorization" * 50_000,
        ".aaaaaaaaaaaaaaaaaaaaa" * 40_000,
    ],
    ids=lambda text: text[:12],
)
def test_no_text_makes_the_search_slow(tmp_path, text):
    started = time.process_time()
    for name in ("a.py", "a.env", "a.txt"):
        secrets.scan(files=[write(tmp_path, name, text)])
    spent = time.process_time() - started
    print(f"{spent:.2f} s")
    assert spent < 10


def test_our_own_notebooks_hold_no_credentials():
    root = Path(__file__).parents[3]
    paths = [*root.glob("tests/notebooks/*/*.ipynb"), *root.glob("examples/*/*.ipynb")]
    assert len(paths) > 10
    for path in paths:
        cells = [
            cell("".join(c["source"]), c["outputs"], number)
            for number, c in enumerate(json.loads(path.read_text())["cells"], 1)
            if c["cell_type"] == "code"
        ]
        assert blocking(secrets.scan(cells=cells)) == [], path


def test_lines_are_counted_in_large_files(tmp_path):
    text = "word " * 60_000 + "\n" * 700_000 + TOKENS["npm"] + "\n" * 10 + TOKENS["jwt"]
    found = secrets.scan(files=[write(tmp_path, "a.txt", text)])
    assert [f.line for f in found] == [700_001, 700_011]


@pytest.mark.parametrize("kind", ["numbers", "prose", "ids"])
def test_the_search_reads_tens_of_megabytes_a_second(tmp_path, kind):
    row = {
        "numbers": lambda: ",".join(f"{RANDOM.random():.6f}" for _ in range(20)) + "\n",
        "prose": lambda: " ".join(chars(RANDOM.randrange(2, 9), string.ascii_lowercase) for _ in range(40)) + "\n",
        "ids": lambda: f"{uid()},{chars(5, string.ascii_lowercase)},{RANDOM.random():.3f},2024-01-01\n",
    }[kind]  # fmt: skip
    block = "".join(row() for _ in range(1000))
    entry = write(tmp_path, "a.csv", block * (8_000_000 // len(block)))
    started = time.process_time()
    assert secrets.scan(files=[entry]) == ()
    rate = entry.size_bytes / (time.process_time() - started) / 1e6
    print(f"{kind}: {rate:.0f} MB/s")
    # The benchmark asks for 50; a busy machine under test may be slower.
    assert rate > 15


def test_credentials_in_texts_between_cells_block():
    text = TextCell("t", 4, "Use the key AKIA" + "IOSFODNN7" + "QRSTUVW\nfor uploads.")
    (finding,) = secrets.scan(texts=[text])
    assert finding.severity is Severity.BLOCKING
    assert "before cell 4" in finding.what
    assert "QRSTUVW" not in str(finding)
