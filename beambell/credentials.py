"""Credentials in URLs: found, so that they are refused; masked, so that nothing repeats them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote

_NAME = r"[A-Za-z0-9_.$-]+"
_VALUE = r"[^\s&;#'\"<>]+"

_SCHEME = re.compile(r"(?P<name>[A-Za-z][A-Za-z0-9+.-]*):/{1,2}(?!\[)")
_USER = re.compile(r"[^/?#@:\s]*(?P<password>:[^@\s]*)?(?=@)")
"""Who: a password may hold what ends a host elsewhere, as the secret keys of S3 do."""

_HOST_AND_PORT = re.compile(r"[^/?#@:\s]*:\d{0,5}(?=[/?#])")
_PAIR = re.compile(rf"(?:^|[?&;#\s]|--)(?P<name>{_NAME})=(?=(?P<value>{_VALUE}))")  # a value may have pairs, too
_OPTION = re.compile(rf"--(?P<name>{_NAME})$")

_SECRET = re.compile(
    r"(access|account|api|private|secret|shared|subscription|storage|auth)key"
    r"|passw(or)?d|passphrase|secret|token|signature|credential|authorization|connectionstring|sharedaccess"
)
_SECRETS = frozenset({"auth", "key", "pass", "pwd", "sas", "sig", "jwt"})
_NO_SECRETS = frozenset({"nexttoken", "pagetoken", "continuationtoken", "tokenizer", "maxtokens", "tokens"})

_USER_ALONE = frozenset({"http", "https", "s3", "s3a", "s3n", "gs", "gcs", "git"})
"""Schemes of which a lone name before the ``@`` is a token; of others it is a user, or a container."""

MASK = "***"

WHERE_THEY_BELONG = (
    "take it out, and have it changed: who could read this, could read it. Credentials come from the environment "
    "(AWS_ACCESS_KEY_ID, a role) or from fsspec's own configuration; in Airflow, from the connection beambell_env"
)


def credentials(text: str) -> str | None:
    """Say what credentials a URL, a connection string or an option ``--name=value`` holds, without repeating them.

    Returns
    -------
    str or None
        Name of what was found, such as ``a password`` or ``the parameter 'sig'``; ``None`` if there is none.
    """
    for form in dict.fromkeys((text, unquote(text))):
        for user in _users(form):
            return "a password" if user["password"] else "a user's name or token"
        for pair in _PAIR.finditer(form):
            if _is_secret(pair["name"]) and pair["value"] != MASK:
                return f"the parameter {pair['name'].lstrip('-')!r}"
    return None


def is_secret_option(word: str) -> bool:
    """Whether a word of a command line announces a secret: ``--s3_secret_access_key``."""
    option = _OPTION.fullmatch(word)
    return option is not None and _is_secret(option["name"])


def masked(text: str) -> str:
    """Put ``***`` for each secret in a text."""
    if "://" not in text and "=" not in text:
        return text
    secrets = [user.span() for user in _users(text)]
    secrets += [pair.span("value") for pair in _PAIR.finditer(text) if _is_secret(pair["name"])]
    for start, end in sorted(secrets, reverse=True):
        text = f"{text[:start]}{MASK}{text[end:]}"
    return text


def _users(text: str) -> Iterator[re.Match[str]]:
    """Find what stands before the ``@`` of URLs, where it tells more than who."""
    for scheme in _SCHEME.finditer(text):
        user = _USER.match(text, scheme.end())
        if user is None or _HOST_AND_PORT.match(text, scheme.end()):  # host:port/file@version
            continue
        if user["password"] or scheme["name"].lower() in _USER_ALONE or "%3a" in user[0].lower():
            yield user


def _is_secret(name: str) -> bool:
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    return plain not in _NO_SECRETS and (plain in _SECRETS or _SECRET.search(plain) is not None)
