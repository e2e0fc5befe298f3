"""An object that is written only if it is still the one that was read: what a lock among machines is made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

_REFUSED = (409, 412)  # somebody else was first, or is writing at this moment


class ConditionalObject(Protocol):
    """A small object, and the conditional requests of its store."""

    path: str

    def read(self) -> tuple[bytes, str] | None:
        """Content and tag, or ``None`` if there is no such object."""
        ...

    def write(self, data: bytes, tag: str | None) -> str | None:
        """Write if the object still has this tag; with ``None``, if there is no object. Its new tag, or ``None``."""
        ...

    def remove(self, tag: str) -> None:
        """Remove the object if it still has this tag."""
        ...


class S3Object:
    """An object of an S3 API, by ``If-Match`` and ``If-None-Match``.

    Parameters
    ----------
    fs
        An ``s3fs.S3FileSystem``.
    path
        Path such as ``s3://bucket/key``.
    """

    def __init__(self, fs: Any, path: str) -> None:
        bucket, key, _ = fs.split_path(path)
        self.path = path
        self._fs = fs
        self._object = {"Bucket": bucket, "Key": key}

    def read(self) -> tuple[bytes, str] | None:
        """Read, in one request: content and tag belong together."""
        from fsspec.asyn import sync

        async def get() -> tuple[bytes, str]:
            response = await self._fs._call_s3("get_object", **self._object)
            async with response["Body"] as body:
                return await body.read(), response["ETag"]

        try:
            return sync(self._fs.loop, get)  # type: ignore[no-any-return]
        except FileNotFoundError:
            return None

    def write(self, data: bytes, tag: str | None) -> str | None:
        """Write if nobody did since."""
        condition = {"IfNoneMatch": "*"} if tag is None else {"IfMatch": tag}
        response = _unless_refused(lambda: self._fs.call_s3("put_object", **self._object, Body=data, **condition))
        return None if response is None else str(response["ETag"])

    def remove(self, tag: str) -> None:
        """Remove if nobody wrote since."""
        _unless_refused(lambda: self._fs.call_s3("delete_object", **self._object, IfMatch=tag))


def _unless_refused(request: Callable[[], Any]) -> Any:
    try:
        return request()
    except FileNotFoundError:  # it is gone, and so is the condition
        return None
    except OSError as error:
        answer = getattr(error.__cause__, "response", None) or {}
        if answer.get("ResponseMetadata", {}).get("HTTPStatusCode") in _REFUSED:
            return None
        raise
