"""A file on its way in: multipart as it comes, a piece at a time to whoever takes it. The whole is never held.

The form may have its fields in any order; what stands after the content counts as well as what stands before it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from producer.api.errors import ApiError

MAX_FIELD_BYTES = 4096
MAX_FIELDS = 16
MAX_FILENAME_CHARACTERS = 255

Take = Callable[[bytes], Awaitable[None]]


@dataclass
class Form:
    fields: dict[str, str] = field(default_factory=dict)
    filename: str | None = None
    """Of the part `file`; None where there was none."""
    size_bytes: int = 0


async def read_form(
    content_type: str,
    stream: AsyncIterator[bytes],
    take: Take,
    *,
    piece_bytes: int,
    check: Callable[[Form], None] = lambda form: None,
) -> Form:
    """Hands the content of the part `file` to `take` in pieces of this size, the last one shorter.

    `check` sees the form so far, again and again, and may raise. Raises `ApiError` for what is no such form.
    """
    reader = _Reader(_boundary(content_type))
    async for chunk in stream:
        reader.feed(chunk)
        check(reader.form)
        while len(reader.waiting) >= piece_bytes:
            await take(bytes(reader.waiting[:piece_bytes]))
            del reader.waiting[:piece_bytes]
    reader.require_whole()
    if reader.waiting:
        await take(bytes(reader.waiting))
    return reader.form


def _boundary(content_type: str) -> bytes:
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        raise ApiError(400, "A file is sent as multipart/form-data.", code="invalid_form", param="file")
    return options[b"boundary"]


class _Reader:
    """Keeps what the parser calls out until it is asked for it."""

    def __init__(self, boundary: bytes) -> None:
        self.form, self.waiting = Form(), bytearray()
        self._name, self._value = "", bytearray()
        self._header, self._content, self._headers = bytearray(), bytearray(), dict[bytes, bytes]()
        self._is_whole, self._is_file, self._parts = False, False, 0
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._part_begin,
                    "on_part_data": self._part_data,
                    "on_part_end": self._part_end,
                    "on_header_field": self._header_field,
                    "on_header_value": self._header_value,
                    "on_header_end": self._header_end,
                    "on_headers_finished": self._headers_finished,
                    "on_end": self._end,
                },
            )
        except (FormParserError, ValueError) as error:
            raise _broken() from error

    def feed(self, chunk: bytes) -> None:
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise _broken() from error

    def require_whole(self) -> None:
        if not self._is_whole:
            raise _broken()
        if self.form.filename is None:
            raise ApiError(
                400, "Missing required parameter: 'file'.", code="missing_required_parameter", param="file"
            )

    def _part_begin(self) -> None:
        self._parts += 1
        if self._parts > MAX_FIELDS:
            raise ApiError(400, f"The form has more than {MAX_FIELDS} parts.", code="invalid_form")
        self._headers, self._value = {}, bytearray()

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._content += data[start:end]

    def _header_end(self) -> None:
        self._headers[bytes(self._header).lower()] = bytes(self._content)
        self._header, self._content = bytearray(), bytearray()

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        self._is_file = self._name == "file"
        if self._is_file:
            if self.form.filename is not None:
                raise ApiError(400, "The form has two files; send one.", code="invalid_form", param="file")
            self.form.filename = _filename(options.get(b"filename", b"file"))

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if self._is_file:
            self.waiting += data[start:end]
            self.form.size_bytes += end - start
            return
        self._value += data[start:end]
        if len(self._value) > MAX_FIELD_BYTES:
            raise ApiError(400, "A field of the form is too long.", code="invalid_form")

    def _part_end(self) -> None:
        if not self._is_file:
            self.form.fields[self._name] = self._value.decode("utf-8", "replace")

    def _end(self) -> None:
        self._is_whole = True


def _filename(given: bytes) -> str:
    name = given.decode("utf-8", "replace").replace("\\", "/").rpartition("/")[2]
    return "".join(one if one.isprintable() else "�" for one in name)[:MAX_FILENAME_CHARACTERS] or "file"


def _broken() -> ApiError:
    return ApiError(400, "The form is broken or was cut short; send the file again.", code="invalid_form")
