"""Text files as lines: decompressed, decoded, bounded, and read to where they break."""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import BinaryIO, Final

from beambell.errors import ConfigError
from beambell.records.schema import Code, Reject

CHUNK_CHARS: Final = 32 * 2**20
_GZIP_MAGIC: Final = b"\x1f\x8b"
_BUFFER: Final = 2**18
_HEAD: Final = 4096
_BROKEN: Final = (EOFError, zlib.error, gzip.BadGzipFile)
_ESCAPE: Final = "beambell.escape"


def _escape(error: UnicodeError) -> tuple[str, int]:
    """Decode a stray byte to a lone surrogate, in any encoding, so that only the cell that has it is lost."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(chr(0xDC00 + byte) for byte in error.object[error.start : error.end]), error.end


codecs.register_error(_ESCAPE, _escape)


class _Stream(io.RawIOBase):
    """Bytes of a source that is left open, up to where its compression breaks."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self.position = 0
        self.broken: str | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        if self.broken is not None:  # another reading would complain of something else
            return 0
        try:
            data = self._read(len(buffer))
        except _BROKEN as error:
            self.broken = str(error)
            return 0
        buffer[: len(data)] = data
        self.position += len(data)
        return len(data)


def _buffered(stream: io.RawIOBase) -> io.BufferedReader:
    return io.BufferedReader(stream, _BUFFER)


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive lines, with their ends.

    Attributes
    ----------
    lines
        Lines, none of them longer than the limit.
    final
        Whether no record may reach beyond them: the file ends here, breaks off, or an overlong line follows.
    rejects
        Records after these lines that cannot be read, and remarks on the file.
    """

    lines: list[str]
    final: bool
    rejects: list[Reject]


class LineReader:
    r"""Lines of a text file, a block at a time.

    Parameters
    ----------
    source
        Raw bytes; not closed.
    name
        Ends in ``.gz`` if compressed; gzip is also known by its first bytes.
    encoding
        Python's name of it.
    limit
        Length, in characters, from which no line can be a record.
    newline
        Ends of lines, as for `open`: ``""`` is any of CR, LF, CRLF, ``"\n"`` is LF alone.

    Raises
    ------
    ConfigError
        When the encoding is unknown.
    """

    def __init__(self, source: BinaryIO, *, name: str, encoding: str, limit: int, newline: str) -> None:
        self.limit = limit
        self.taken = 0
        self._ahead: deque[str] = deque()
        self._ended = False
        self._packed = self._stream = _Stream(source.read)
        buffer = _buffered(self._stream)
        if name.lower().endswith(".gz") or buffer.peek(2).startswith(_GZIP_MAGIC):
            # read1, because read would drop what it already has when the next piece is broken.
            self._stream = _Stream(gzip.GzipFile(fileobj=buffer).read1)
            buffer = _buffered(self._stream)
        head = buffer.peek(_HEAD)[:_HEAD]
        try:
            codec = codecs.lookup(encoding).name
            marked = _marked(head) or ("utf-8-sig" if codec == "utf-8" else codec)
            self._text = io.TextIOWrapper(buffer, marked, errors=_ESCAPE, newline=newline)
        except LookupError:
            raise ConfigError(
                f"encoding {encoding!r} is unknown", fix="name one that Python knows, such as utf-8 or cp1252"
            ) from None
        self._refusal = _refusal(head, codec) if _marked(head) is None else None

    @property
    def expansion(self) -> float:
        """How many times larger the text is than the bytes that it was read from."""
        return self._stream.position / max(1, self._packed.position)

    def peek(self, n_lines: int, n_chars: int) -> tuple[list[str], bool]:
        """Look at the lines to come, at most ``n_lines`` of about ``n_chars`` characters; an overlong one ends them.

        Returns
        -------
        list of str
            Lines to come, without the overlong one.
        bool
            Whether nothing comes after them.
        """
        if self._ended or self._refusal is not None:
            return [], True
        size = sum(map(len, self._ahead))
        while len(self._ahead) < n_lines and size < n_chars:
            if self._ahead and self._is_cut(self._ahead[-1]):
                break
            line = self._text.readline(self.limit)
            if not line:
                return list(self._ahead), True
            self._ahead.append(line)
            size += len(line)
        return [line for line in self._ahead if not self._is_cut(line)], False

    def _is_cut(self, line: str) -> bool:
        return len(line) >= self.limit and line[-1] != "\n"

    def take(self, n: int) -> Block:
        """Read on, by at most ``n`` lines; of one or more, an empty final block without rejects means it is the end."""
        if self._ended or self._refusal is not None:
            return self._finish([])
        lines: list[str] = []
        size = 0
        while len(lines) < n and size < CHUNK_CHARS:
            line = self._ahead.popleft() if self._ahead else self._text.readline(self.limit)
            if self._is_cut(line):
                return self._skip(lines, line)
            if not line:
                return self._finish(lines)
            lines.append(line)
            size += len(line)
        if not _has_end(lines[-1]):
            return self._finish(lines)
        self.taken += len(lines)
        return Block(lines, final=False, rejects=[])

    def _skip(self, lines: list[str], head: str) -> Block:
        """Pass over a line too long to be a record."""
        while True:
            piece = self._text.readline(self.limit)
            if not piece or piece[-1] == "\n":
                break
        self.taken += len(lines) + 1
        message = f"a line of more than {self.limit} characters; put one record on a line, or raise max_text_chars"
        return Block(lines, final=True, rejects=[Reject(self.taken, Code.HUGE_RECORD, message, head)])

    def _finish(self, lines: list[str]) -> Block:
        """Give the last lines, and once, what there is to say about the file."""
        ended, self._ended = self._ended, True
        rejects: list[Reject] = []
        self.taken += len(lines)
        if ended:
            pass
        elif self._refusal is not None:
            rejects.append(self._refusal)
        elif self._stream.broken is not None:
            if lines and not _has_end(lines[-1]):
                message = "the file breaks off within this line; deliver it again"
                rejects.append(Reject(self.taken, Code.TRUNCATED, message, lines.pop()))
            rejects.append(self._break())
        elif self._stream.position == 0:
            rejects.append(Reject(None, Code.EMPTY_FILE, "the file is empty; deliver it again, or delete it"))
        return Block(lines, final=True, rejects=rejects)

    def _break(self) -> Reject:
        if self._stream.position == 0:
            message = f"not readable as gzip ({self._stream.broken}); deliver it again, or correct its name"
            return Reject(None, Code.UNREADABLE, message)
        message = (
            f"the gzip data breaks off in line {self.taken}, after {self._stream.position} bytes of text "
            f"({self._stream.broken}); the lines before are kept; deliver the file again"
        )
        return Reject(None, Code.TRUNCATED, message)


def _has_end(line: str) -> bool:
    return line[-1] in "\r\n"


def _marked(head: bytes) -> str | None:
    """Tell the encoding by the byte order mark that a text begins with, whatever the parameters say."""
    if head.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    # Some text of single bytes may begin like that, too, but has no NUL.
    return "utf-16" if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) and b"\0" in head else None


def _refusal(head: bytes, codec: str) -> Reject | None:
    """Tell a text in another family of encodings, of which not one line could be read."""
    if codec in ("utf-16", "utf-32"):
        if not head:
            return None
        message = f"no byte order mark, which {codec} needs; set encoding to {codec}-le, {codec}-be or utf-8"
    elif codec.startswith(("utf-16", "utf-32")) or not _looks_wide(head):
        return None
    else:
        message = f"the file is UTF-16 or UTF-32, not {codec}; convert it to UTF-8, or set the stream's encoding"
    return Reject(None, Code.BAD_ENCODING, message, head.decode("latin-1")[:80].replace("\0", "\\x00"))


def _looks_wide(head: bytes) -> bool:
    halves = sorted(half.count(0) / max(1, len(half)) for half in (head[0::2], head[1::2]))
    return halves[0] < 0.1 and halves[1] > 0.8


def split_suffix(name: str) -> tuple[str, bool]:
    """Give a file name's suffix, in lower case and without ``.gz``, and whether it ended in that."""
    path = PurePosixPath(name.lower())
    packed = path.suffix == ".gz"
    return PurePosixPath(path.stem).suffix if packed else path.suffix, packed


def record_limit(max_text_chars: int) -> int:
    r"""Give the characters from which on a record is none; a character can be 12 in JSON: ``\ud83d\ude00``."""
    return 16 * max_text_chars + 2**20
