"""What tokens of known services look like.

Source: the services' own documentation, and GitHub's list of supported secret scanning
patterns. Every pattern holds a run of at least 20 letters, digits, `_` or `-`: that is what
the search looks for first (see `secret_search.py`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_END = r"(?![A-Za-z0-9_-])"


@dataclass(frozen=True, slots=True)
class Format:
    """A token's `kind` (`github-token`), its `name` in a sentence, and its pattern."""

    kind: str
    name: str
    pattern: re.Pattern[bytes]


def _formats(*rows: tuple[str, str, str]) -> tuple[Format, ...]:
    return tuple(
        Format(kind, name, re.compile((pattern + _END).encode())) for kind, name, pattern in rows
    )


#: Tokens that start where the run starts, by the run's first three bytes.
BY_START: dict[bytes, list[Format]] = {}

#: Tokens with a dot before the run.
BEFORE_A_DOT = _formats(
    ("sendgrid-key", "a SendGrid key", r"SG\.[\w-]{16,32}\.[\w-]{16,64}"),
    ("google-oauth-token", "a Google access token", r"ya29\.[\w-]{20,}"),
    ("vault-token", "a Vault token", r"hv[sbr]\.[\w-]{24,}"),
    ("dropbox-token", "a Dropbox token", r"sl\.[\w-]{100,}"),
    ("doppler-token", "a Doppler token", r"dp\.(?:pt|st|ct|sa|scim|audit)\.[A-Za-z0-9]{40,}"),
    ("mapbox-secret-token", "a secret Mapbox token", r"sk\.eyJ[\w-]{20,}\.[\w-]{10,}"),
    ("airtable-token", "an Airtable token", r"pat[A-Za-z0-9]{14}\.[a-f0-9]{64}"),
    ("terraform-token", "a Terraform token", r"[A-Za-z0-9]{14}\.atlasv1\.[\w-]{60,}"),
    ("discord-token", "a Discord bot token", r"[MNO][\w-]{23,27}\.[\w-]{6}\.[\w-]{27,}"),
)

#: Tokens with a colon and these two letters before the rest of the run.
AFTER_COLON = b"AA"
BEFORE_A_COLON = _formats(("telegram-token", "a Telegram bot token", r"\d{8,10}:AA[\w-]{33}"))

#: Addresses that are credentials themselves; each starts where its word starts.
SLACK_WEBHOOK, DISCORD_WEBHOOK = _formats(
    (
        "slack-webhook",
        "a Slack webhook",
        r"hooks\.slack\.com/(?:services|workflows)/(?P<value>[A-Z0-9]+/[A-Z0-9]+/[A-Za-z0-9]{20,})",
    ),
    ("discord-webhook", "a Discord webhook", r"/api/webhooks/(?P<value>\d+/[\w-]{40,})"),
)

for _start, _kind, _name, _pattern in (
    ("AKI", "aws-access-key", "an AWS access key", r"AKIA[A-Z2-7]{16}"),
    ("ASI", "aws-access-key", "an AWS access key", r"ASIA[A-Z2-7]{16}"),
    ("ghp", "github-token", "a GitHub token", r"ghp_[A-Za-z0-9]{36,}"),
    ("gho", "github-token", "a GitHub token", r"gho_[A-Za-z0-9]{36,}"),
    ("ghu", "github-token", "a GitHub token", r"ghu_[A-Za-z0-9]{36,}"),
    ("ghs", "github-token", "a GitHub token", r"ghs_[A-Za-z0-9]{36,}"),
    ("ghr", "github-token", "a GitHub token", r"ghr_[A-Za-z0-9]{36,}"),
    ("git", "github-token", "a GitHub token", r"github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}"),
    ("glp", "gitlab-token", "a GitLab token", r"glpat-[\w-]{20,}"),
    ("gld", "gitlab-token", "a GitLab token", r"gldt-[\w-]{20,}"),
    ("glr", "gitlab-token", "a GitLab token", r"glrt-[\w-]{20,}"),
    ("glc", "gitlab-token", "a GitLab or Grafana token", r"glc(?:bt-|_)[\w-]{20,}={0,2}"),
    ("gls", "grafana-token", "a Grafana token", r"glsa_[A-Za-z0-9]{32}_[A-Fa-f0-9]{8}"),
    ("xox", "slack-token", "a Slack token", r"xox[abeoprs]-(?:[0-9]+-)?[0-9A-Za-z-]{10,}"),
    ("xap", "slack-token", "a Slack token", r"xapp-\d-[0-9A-Z]+-\d+-[0-9a-f]{20,}"),
    ("AIz", "google-api-key", "a Google API key", r"AIza[\w-]{35}"),
    ("GOC", "google-client-secret", "a Google client secret", r"GOCSPX-[\w-]{28}"),
    ("sk_", "stripe-key", "a Stripe key", r"sk_(?:live|test)_[0-9a-zA-Z]{20,}"),
    ("rk_", "stripe-key", "a Stripe key", r"rk_(?:live|test)_[0-9a-zA-Z]{20,}"),
    ("whs", "stripe-webhook-secret", "a Stripe webhook secret", r"whsec_[0-9a-zA-Z]{24,}"),
    ("sk-", "anthropic-key", "an Anthropic key", r"sk-ant-(?:api|admin|oat|sid)\d\d-[\w-]{20,}"),
    ("sk-", "openai-key", "an OpenAI key", r"sk-(?:proj|svcacct|admin|None)-[\w-]{40,}"),
    ("sk-", "openai-key", "an OpenAI key", r"sk-[A-Za-z0-9]{48}"),
    ("sk-", "openrouter-key", "an OpenRouter key", r"sk-or-v1-[a-f0-9]{64}"),
    ("sk-", "api-key", "an API key", r"sk-[a-f0-9]{32}"),
    ("hf_", "huggingface-token", "a Hugging Face token", r"hf_[A-Za-z0-9]{34,}"),
    ("npm", "npm-token", "an npm token", r"npm_[A-Za-z0-9]{36}"),
    ("pyp", "pypi-token", "a PyPI token", r"pypi-AgE[\w-]{50,}"),
    ("eyJ", "jwt", "a JSON Web Token", r"eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}"),
    ("SK0", "twilio-key", "a Twilio key", r"SK[0-9a-f]{32}"),
    ("key", "mailgun-key", "a Mailgun key", r"key-[0-9a-f]{32}"),
    ("dap", "databricks-token", "a Databricks token", r"dapi[a-f0-9]{32}(?:-\d)?"),
    ("dop", "digitalocean-token", "a DigitalOcean token", r"dop_v1_[a-f0-9]{64}"),
    ("doo", "digitalocean-token", "a DigitalOcean token", r"doo_v1_[a-f0-9]{64}"),
    ("shp", "shopify-token", "a Shopify token", r"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}"),
    ("sq0", "square-token", "a Square token", r"sq0(?:atp|csp)-[\w-]{22,43}"),
    ("EAA", "facebook-token", "a Facebook token", r"EAA[A-Za-z0-9]{80,}"),
    ("HRK", "heroku-key", "a Heroku key", r"HRKU-[\w-]{36,}"),
    ("lin", "linear-key", "a Linear key", r"lin_api_[a-zA-Z0-9]{40}"),
    ("ntn", "notion-token", "a Notion token", r"ntn_[A-Za-z0-9]{40,}"),
    ("sec", "notion-token", "a Notion token", r"secret_[A-Za-z0-9]{43}"),
    ("NRA", "newrelic-key", "a New Relic key", r"NRAK-[A-Z0-9]{27}"),
    ("snt", "sentry-token", "a Sentry token", r"sntry[su]_[A-Za-z0-9+/=_-]{40,}"),
    ("dck", "docker-token", "a Docker Hub token", r"dckr_(?:pat|oat)_[\w-]{27,}"),
    ("PMA", "postman-key", "a Postman key", r"PMAK-[a-f0-9]{24}-[a-f0-9]{34}"),
    ("psc", "planetscale-token", "a PlanetScale token", r"pscale_(?:tkn|pw|oauth)_[\w.-]{32,}"),
    ("rub", "rubygems-key", "a RubyGems key", r"rubygems_[a-f0-9]{48}"),
    ("AGE", "age-key", "an age secret key", r"AGE-SECRET-KEY-1[0-9A-Z]{58}"),
    ("r8_", "replicate-token", "a Replicate token", r"r8_[A-Za-z0-9]{37}"),
    ("gsk", "groq-key", "a Groq key", r"gsk_[A-Za-z0-9]{50,}"),
    ("ATA", "atlassian-token", "an Atlassian token", r"ATATT3[\w=-]{100,}"),
    ("ATB", "atlassian-token", "an Atlassian token", r"ATBB[A-Za-z0-9]{32,}"),
    ("fig", "figma-token", "a Figma token", r"figd_[\w-]{40,}"),
    ("ppl", "perplexity-key", "a Perplexity key", r"pplx-[a-zA-Z0-9]{48}"),
    ("xai", "xai-key", "an xAI key", r"xai-[A-Za-z0-9]{70,}"),
    ("lsv", "langsmith-key", "a LangSmith key", r"lsv2_(?:pt|sk)_[a-f0-9]{32}_[a-f0-9]{10}"),
    ("nfp", "netlify-token", "a Netlify token", r"nfp_[A-Za-z0-9]{36,}"),
    ("fm2", "fly-token", "a Fly.io token", r"fm2_[A-Za-z0-9+/=_-]{60,}"),
    ("sbp", "supabase-token", "a Supabase token", r"sbp_[a-f0-9]{40}"),
    ("LTA", "alibaba-key", "an Alibaba Cloud key", r"LTAI[A-Za-z0-9]{16,20}"),
    ("tvl", "tavily-key", "a Tavily key", r"tvly-(?:dev-|prod-)?[A-Za-z0-9]{28,}"),
    ("pcs", "pinecone-key", "a Pinecone key", r"pcsk_[A-Za-z0-9]{4,8}_[A-Za-z0-9]{50,}"),
    ("nva", "nvidia-key", "an NVIDIA key", r"nvapi-[\w-]{60,}"),
    ("bkt", "buildkite-token", "a Buildkite token", r"bkua_[a-f0-9]{40}"),
):
    BY_START.setdefault(_start.encode(), []).extend(_formats((_kind, _name, _pattern)))
# Twilio's continues with any hex digit.
for _digit in b"123456789abcdef":
    BY_START[b"SK" + bytes([_digit])] = BY_START[b"SK0"]
BY_START[b"bku"] = BY_START.pop(b"bkt")

#: Without a beginning of its own: the end tells.
MAILCHIMP = Format(
    "mailchimp-key", "a Mailchimp key", re.compile(rb"[0-9a-f]{32}-us\d{1,2}(?![A-Za-z0-9_-])")
)
