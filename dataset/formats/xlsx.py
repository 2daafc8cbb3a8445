"""Excel workbooks (.xlsx): one sheet, whose numbers, dates and booleans keep their types.

Excel has one type for numbers and one for dates and times: columns of whole numbers become integers, columns of
midnights dates. Rows and unnamed columns without any value are skipped.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import polars as pl

from dataset.errors import InvalidDataset, Malformed, TooLarge, quoted
from dataset.formats.archives import is_zip, open_zip, zip_bytes
from dataset.formats.header_row import NO_HEADER_NOTE, cell_kind, has_header, header_evidence
from dataset.formats.source import Body, Read, Source
from dataset.formats.typed_columns import check_scan, convert_columns
from dataset.load_options import LoadOptions
from dataset.notes import Note

if TYPE_CHECKING:
    import fastexcel

__all__ = ["MEDIA_TYPES", "OPTIONS", "read", "sniff"]

MEDIA_TYPES: Final = ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",)
OPTIONS: Final = ("sheet", "skip", "header")

# It warns of each column without values.
logging.getLogger("fastexcel").setLevel(logging.ERROR)

_SAMPLE_ROWS: Final = 100
_XML_BYTES: Final = 2**20
_BOOLEAN_CELL: Final = b't="b"'
_MAX_LISTED: Final = 20
_MAX_EXACT: Final = 2**53
_DAY_MILLISECONDS: Final = 86_400_000
_TIME_ONLY_DAY: Final = "1899-12-31"  # on which Excel's times of day fall
_MIDNIGHT: Final = " 00:00:00"
_TIME: Final = r"^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}$"


def sniff(head: bytes) -> bool:
    """Return whether the body starts as a zip does; other zips have been unpacked before."""
    return is_zip(head)


def read(source: Source) -> Read:
    """Read one sheet. Raises Malformed, InvalidDataset or TooLarge."""
    if zip_bytes(source.body) > source.limits.unpacked_bytes:
        raise TooLarge(f"The workbook unpacks to more than {source.limits.unpacked_bytes:,} bytes: send fewer rows.")
    import fastexcel  # several megabytes, which only a process that reads a workbook needs

    try:
        workbook = fastexcel.read_excel(bytes(source.body))
        sheet, notes = _choose_sheet(workbook, source.options.sheet)
        header = _find_header(sheet, source.options)
        names, frame = _load(workbook, sheet, header, source.body)
        frame, footer_notes = _without_footer(frame)
    except fastexcel.FastExcelError as error:
        raise Malformed(f"The body is not a complete Excel workbook: {str(error)[:200]}.") from error
    check_scan(frame.lazy(), frame.schema, source.limits)
    read = convert_columns(names, lambda first: [_refine(frame.to_series(first))], source)
    return read._replace(notes=(*notes, *header.notes, *footer_notes, *read.notes))


class _Sheet(NamedTuple):
    """A sheet's first rows, as text."""

    name: str
    is_visible: bool
    height: int
    rows: list[tuple[str | None, ...]]

    def is_table(self) -> bool:
        return self.height > 1 and any(_count_filled(row) > 1 for row in self.rows)


class _Header(NamedTuple):
    names: list[str]
    first_row: int  # of the records
    notes: list[Note]


def _choose_sheet(workbook: fastexcel.ExcelReader, requested: str | None) -> tuple[_Sheet, list[Note]]:
    """Return the sheet that was named, or the only one that is a table."""
    if requested is not None:
        if requested not in workbook.sheet_names:
            raise InvalidDataset(f"There is no sheet {quoted(requested)}; there are {_listed(workbook)}.", "sheet")
        return _open_sheet(workbook, requested), []
    sheets = [_open_sheet(workbook, name) for name in workbook.sheet_names]
    filled = [sheet for sheet in sheets if sheet.is_visible and sheet.rows]
    if len(filled) < 2:
        return filled[0] if filled else _Sheet("", True, 0, []), []
    tables = [sheet for sheet in filled if sheet.is_table()]
    if len(tables) != 1:
        raise InvalidDataset(f"Several sheets hold data: {_listed(workbook)}. Choose one with ?sheet=NAME.", "sheet")
    detail = f"The sheet {quoted(tables[0].name)} was read. The sheets are: {_listed(workbook)}; ?sheet=NAME chooses."
    return tables[0], [Note(detail)]


def _open_sheet(workbook: fastexcel.ExcelReader, name: str) -> _Sheet:
    sheet = workbook.load_sheet(name, header_row=None, skip_rows=0, n_rows=_SAMPLE_ROWS, dtypes="string")
    rows = sheet.to_polars().rows() if sheet.width else []
    return _Sheet(name, sheet.visible == "visible", sheet.total_height, rows if any(map(_count_filled, rows)) else [])


def _listed(workbook: fastexcel.ExcelReader) -> str:
    shown = ", ".join(map(quoted, workbook.sheet_names[:_MAX_LISTED]))
    return f"{shown} and more" if len(workbook.sheet_names) > _MAX_LISTED else shown


def _find_header(sheet: _Sheet, options: LoadOptions) -> _Header:
    """Return the names of the columns, and which rows are above them."""
    if not sheet.rows:
        return _Header([], 0, [])
    position = _header_position(sheet.rows) if options.skip is None else options.skip
    if position >= len(sheet.rows):
        raise InvalidDataset(f"The sheet has {sheet.height:,} rows: skip fewer, and {_SAMPLE_ROWS} at most.", "skip")
    titles = [row for row in sheet.rows[:position] if _count_filled(row)]
    notes = []
    if titles and options.skip is None:
        example = next(cell for cell in titles[0] if cell)
        notes.append(Note("These rows above the header were left out.", example=example[:100], rows=len(titles)))
    cells = sheet.rows[position]
    if options.header == "no" or (options.header is None and not has_header(cells, sheet.rows[position + 1 :])):
        if options.header is None:
            notes.append(NO_HEADER_NOTE)
        return _Header([f"column_{number}" for number in range(1, len(cells) + 1)], position, notes)
    first_row = sheet.height if options.header == "only" else position + 1
    return _Header([(cell or "").strip() for cell in cells], first_row, notes)


def _header_position(rows: Sequence[Sequence[str | None]]) -> int:
    """Return the first row with at least half as many values as the fullest: those above are titles.

    A list of titles may be as wide, if it ends with a blank row. pandas leaves the name of the index empty: such a row
    lacks only its first value.
    """
    filled = list(map(_count_filled, rows))
    least = max(min(2, max(filled)), (max(filled) + 1) // 2)
    first = next(
        position
        for position, count in enumerate(filled)
        if count >= least or (count == len(rows[position]) - 1 > 0 and not (rows[position][0] or "").strip())
    )
    return _skip_titles(rows, filled, first, least)


def _skip_titles(rows: Sequence[Sequence[str | None]], filled: Sequence[int], first: int, least: int) -> int:
    """Return the row of a header below a blank row, or the first. Raises Malformed if there are two tables."""
    texts = [[cell or "" for cell in row] for row in rows]
    for position in range(first + 1, len(rows)):
        is_below_blank = not filled[position - 1] and filled[position] >= least
        if is_below_blank and header_evidence(texts[position:], len(rows[0])) == "typed":
            if header_evidence(texts[first:position], len(rows[0])) != "typed":
                return position
            names = ", ".join(filter(None, texts[position]))
            raise Malformed(
                f"Row {position + 1} begins another table after a blank row: {quoted(names)}. Send one table, or add "
                f"?skip={position} to read only this one."
            )
    return first


def _count_filled(row: Sequence[str | None]) -> int:
    return sum(bool(cell and cell.strip()) for cell in row)


def _has_booleans(body: Body) -> bool:
    """Return whether any cell of the workbook is a boolean."""
    with open_zip(body) as archive:
        for name in archive.namelist():
            if name.startswith("xl/worksheets/"):
                with archive.open(name) as sheet:
                    end = b""
                    while part := sheet.read(_XML_BYTES):
                        if _BOOLEAN_CELL in end + part:
                            return True
                        end = part[-len(_BOOLEAN_CELL) :]
    return False


def _load(
    workbook: fastexcel.ExcelReader, sheet: _Sheet, header: _Header, body: Body
) -> tuple[list[str], pl.DataFrame]:
    """Return the names and values of the columns that have a name or values, and of the rows that have values."""
    frame = pl.DataFrame({str(number): [] for number in range(len(header.names))})
    if header.first_row < sheet.height:
        load = partial(
            workbook.load_sheet, sheet.name, header_row=None, skip_rows=header.first_row, schema_sample_rows=None
        )
        loaded = load().to_polars()
        frame = loaded if loaded.height else frame
        numeric = [position for position, column in enumerate(frame) if column.dtype.is_numeric()]
        if numeric and _has_booleans(body):
            texts = load(dtypes=dict.fromkeys(numeric, "string")).to_polars()
            for position in numeric:  # fastexcel reads booleans among numbers as 0 and 1
                if texts.to_series(position).is_in(("true", "false")).any():
                    frame.replace_column(position, texts.to_series(position).alias(frame.columns[position]))
    named = zip(header.names, frame.get_columns(), strict=True)
    kept = [(name, column) for name, column in named if name or column.null_count() < len(column)]
    frame = pl.DataFrame([column.alias(str(position)) for position, (_, column) in enumerate(kept)])
    return [name for name, _ in kept], frame


def _without_footer(frame: pl.DataFrame) -> tuple[pl.DataFrame, list[Note]]:
    """Return the rows with values, without those of a single text below the others, and a note on these."""
    if frame.width < 2:
        return (frame.drop_nulls() if frame.width else frame), []
    filled = frame.select(pl.sum_horizontal(pl.all().is_not_null())).to_series().to_list()
    end = next((row for row in range(len(filled), 0, -1) if filled[row - 1] > 1), len(filled))
    below = [row for row in range(end, len(filled)) if filled[row]]
    notes = []
    if below and _is_footer(frame, end, below[0]):
        example = next(str(value) for value in frame.row(below[0]) if value is not None)
        notes = [Note("These rows below the table were left out.", example=example[:100], rows=len(below))]
        frame = frame.head(end)
    return frame.filter(~pl.all_horizontal(pl.all().is_null())), notes


def _is_footer(frame: pl.DataFrame, end: int, row: int) -> bool:
    """Return whether a row of one value is a text in the first column, after a blank row or below other values."""
    first = frame.to_series(0)
    kinds = {cell_kind(value) for value in first.head(end).drop_nulls().tail(_SAMPLE_ROWS)}
    return cell_kind(first[row]) == "text" and (row > end or "text" not in kinds)


def _refine(column: pl.Series) -> pl.Series:
    """Return whole numbers as integers, midnights as dates, and times of day as text."""
    values: Any = column.drop_nulls()
    if column.dtype == pl.Float64:
        whole = ((values == values.floor()) & (values.abs() <= _MAX_EXACT)).all()
        return column.cast(pl.Int64) if whole and len(values) else column
    if column.dtype == pl.Datetime and len(values):
        if (values.dt.date().cast(pl.String) == _TIME_ONLY_DAY).all():
            return column.dt.strftime("%H:%M:%S")
        return column.cast(pl.Date) if (values.cast(pl.Int64) % _DAY_MILLISECONDS == 0).all() else column
    if column.dtype == pl.String and (values.str.ends_with(_MIDNIGHT) == values.str.contains(_TIME)).all():
        return column.str.strip_suffix(_MIDNIGHT)  # dates among cells of other types
    return column
