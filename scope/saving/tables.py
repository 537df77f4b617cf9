"""The tables of the comparison with always one reference, as text."""

from scope.evaluation import (
    UNKNOWN,
    Table,
    TableCell,
    format_points,
    format_share,
    is_defined,
    percent,
    split_interval,
)
from scope.saving.comparison import AgainstReference, SavingPoint, SharePoint


def reference_tables(section: AgainstReference) -> tuple[Table, ...]:
    """Return the table by cost saved, that by share of questions for two arms, fixed points."""
    tables = [saving_table(section), fixed_point_table(section)]
    if section.sweeps[0].at_shares:
        tables.insert(1, share_table(section))
    return tuple(tables)


def saving_table(section: AgainstReference) -> Table:
    """Return the drop of every router where it saves a share of the reference's cost."""
    savings = [point.saving for point in section.sweeps[0].at_savings]
    rows = [
        (TableCell(row.name), *(_saving_cell(point) for point in row.at_savings))
        for row in section.sweeps
    ]
    title = (
        f"Quality drop in % against always {section.reference}, at a share of its cost saved; "
        "gap recovered, and gain over the hull of static arms in points"
    )
    headers = ("strategy", *(f"{percent(saving)} saved" for saving in savings))
    return Table(title, headers, tuple(rows))


def share_table(section: AgainstReference) -> Table:
    """Return the drop of routers of two arms where the small one answers a share."""
    shares = [point.share for point in section.sweeps[0].at_shares]
    rows = [
        (TableCell(row.name), *(_share_cell(point) for point in row.at_shares))
        for row in section.sweeps
        if row.at_shares
    ]
    title = (
        f"Quality drop in % against always {section.reference}, at a share of questions answered "
        f"by {section.smallest}; gain over as many at random in points"
    )
    headers = ("strategy", *(f"{percent(share)} small" for share in shares))
    return Table(title, headers, tuple(rows))


def fixed_point_table(section: AgainstReference) -> Table:
    """Return cost saved and drop of single arms and of routers without a setting."""
    rows = [
        (
            TableCell(row.name, row.note),
            TableCell(*split_interval(format_share(row.saving))),
            TableCell(*split_interval(format_share(row.drop))),
            TableCell(percent(row.gap_recovered.value)),
            TableCell(*split_interval(format_points(row.gain_over_hull))),
        )
        for row in section.fixed_points
    ]
    title = f"Without a setting, against always {section.reference}"
    headers = ("strategy", "cost saved %", "drop %", "gap recovered", "over the hull")
    return Table(title, headers, tuple(rows))


def _saving_cell(point: SavingPoint) -> TableCell:
    if not is_defined(point.drop):
        return TableCell(UNKNOWN, "never saves as much")
    gap, gain = percent(point.gap_recovered.value), format_points(point.gain_over_hull)
    return TableCell(format_share(point.drop), f"gap {gap}, hull {gain}")


def _share_cell(point: SharePoint) -> TableCell:
    if not is_defined(point.drop):
        return TableCell(UNKNOWN)
    return TableCell(format_share(point.drop), f"random {format_points(point.gain_over_random)}")
