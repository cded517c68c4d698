"""Lines of dates alone are told from lines that say something."""

from __future__ import annotations

import pytest

from clustering.prepare.dates import is_date_line


@pytest.mark.parametrize(
    "line",
    [
        "42 minutes ago",
        "Published: November 28, 2005",
        "2 / 3 / 2009 5: 59: 13 PM",
        "Date:2025-04-16 12:47:42",
        "02:53 min",
        "January 31, 202302:53 min",
        "3小时前",
        "2024年3月5日 12:30",
        "السبت 8 يناير 2005",
        "Sobota, 8. ledna 2005",
        "שבת, 8 ינואר, 2005",
        "vor 3 Stunden",
        "il y a 5 heures",
        "5 часов назад",
        "hace 2 horas",
        "5 min read",
    ],
)
def test_dates(line: str) -> None:
    assert is_date_line(line)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "1987",
        "100 000",
        "He died in May 2011.",
        "Record December 17",
        "Pay January Seven",
        "$120 in May",
        "May 147.50 147.50 147.75 147.75 146.25 946",
        "Ten minutes ago",
        "May",
    ],
)
def test_other_lines(line: str) -> None:
    assert not is_date_line(line)
