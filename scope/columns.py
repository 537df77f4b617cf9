"""Check the types of the columns of a table that a user gives, before anything is computed."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as kinds

from scope.errors import ScopeError

CATEGORY = "category"
"""The column of what is known of a question, unless another fact is named."""

TEXT, OPTIONAL_TEXT, NUMBER = "text", "text or null", "a number or null"
"""What a column may hold; whole numbers are text, too, and true and false are 1 and 0."""


def checked_columns(
    table: pa.Table,
    expected: Mapping[str, str],
    source: str,
    error: type[ScopeError],
    first_row: int = 0,
) -> pa.Table:
    """Return the columns that `expected` names: text as strings, numbers as floats.

    Parameters
    ----------
    table : pa.Table
    expected : mapping of str to str
        Name -> `TEXT`, `OPTIONAL_TEXT` or `NUMBER`.
    source : str
        Name of the file, for messages.
    error : type
        Raised if a column is missing, occurs twice, or holds anything else; infinity is no number.
    first_row : int
        Number of rows of the file before the table.
    """
    names = table.column_names
    if missing := [name for name in expected if name not in names]:
        raise error(f"{source} lacks {', '.join(missing)}; its columns are {', '.join(names)}")
    if twice := next((name for name in expected if names.count(name) > 1), None):
        raise error(f"{source} has the column {twice!r} twice")
    columns = {}
    for name, kind in expected.items():
        column = table[name]
        if not (_is_number(column.type) if kind == NUMBER else _is_text(column.type)):
            raise error(f"{source}: column {name!r} is of type {column.type}; expected {kind}")
        # Unsafe only for whole numbers that a float holds to sixteen digits.
        columns[name] = column.cast(pa.float64() if kind == NUMBER else pa.string(), safe=False)
        row = _first_wrong(columns[name], kind)
        if row is not None:
            found = column[row].as_py()
            where = f"{source}: row {first_row + row + 1}"
            raise error(f"{where}: {name} is {found}; expected {kind}")
    return pa.table(columns)


def _first_wrong(column: pa.ChunkedArray, kind: str) -> int | None:
    """Return the first row that is null where it may not be, or infinite."""
    if kind == OPTIONAL_TEXT or (kind == TEXT and not column.null_count):
        return None
    wrong = column.is_null() if kind == TEXT else pc.is_inf(column).fill_null(False)
    rows = np.flatnonzero(wrong.to_numpy())
    return int(rows[0]) if rows.size else None


def _is_text(kind: pa.DataType) -> bool:
    if kinds.is_dictionary(kind):
        kind = kind.value_type
    return any(
        is_kind(kind)
        for is_kind in (kinds.is_string, kinds.is_large_string, kinds.is_integer, kinds.is_null)
    )


def _is_number(kind: pa.DataType) -> bool:
    return any(
        is_kind(kind)
        for is_kind in (
            kinds.is_integer,
            kinds.is_floating,
            kinds.is_decimal,
            kinds.is_boolean,
            kinds.is_null,
        )
    )
