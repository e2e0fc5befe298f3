"""Words of a command line: what must not stand there, for shells and process lists keep them."""

from __future__ import annotations

from collections.abc import Sequence

from beambell.credentials import WHERE_THEY_BELONG, credentials, is_secret_option
from beambell.errors import UsageError


def refuse_credentials(words: Sequence[str]) -> None:
    """Refuse URLs with credentials in them, and options that are credentials.

    Raises
    ------
    UsageError
        Naming the option, and never the value.
    """
    option = ""
    for position, word in enumerate(words, 1):
        name, _, value = word.partition("=") if word.startswith("-") else ("", "", word)
        option = name or option
        found = None if any(map(str.isspace, value)) else credentials(word)
        if found is None and not name and position > 1 and is_secret_option(words[position - 2]):
            found = "an option's secret"
        if found:
            where = option if option and not credentials(option) else f"argument {position}"
            raise UsageError(f"it holds {found}", where=where, fix=WHERE_THEY_BELONG)
        option = name
