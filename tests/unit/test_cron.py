"""Cron rules: what they refuse, and when they fire on the days that clocks change."""

from __future__ import annotations

import contextlib
import itertools
import random
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.cron import cron_rule
from engine.errors import InvalidInput
from engine.misfires import firings
from models.enums import MisfirePolicy


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def fires(cron: str, zone: str, after: str, count: int) -> list[str]:
    """The next firings as clocks in ``zone`` show them, with their offsets."""
    moment: datetime | None = at(after)
    found = []
    for _ in range(count):
        moment = cron_rule(cron, zone).after(moment)
        assert moment is not None
        assert moment.tzinfo is UTC
        found.append(moment.astimezone(ZoneInfo(zone)).strftime("%d %H:%M%z"))
    return found


@pytest.mark.parametrize(
    ("cron", "zone", "after", "expected"),
    [
        ("30 2 * * *", "UTC", "2026-03-28 12:00", ["29 02:30+0000", "30 02:30+0000"]),
        ("0 12 * * *", "UTC", "2026-03-28 12:00", ["29 12:00+0000"]),
        # Berlin, spring: 02:00 is 03:00
        ("30 2 * * *", "Europe/Berlin", "2026-03-28 00:00", ["28 02:30+0100", "29 03:00+0200", "30 02:30+0200"]),
        ("0,30 2 * * *", "Europe/Berlin", "2026-03-28 12:00", ["29 03:00+0200", "30 02:00+0200"]),
        ("30 2,3 * * *", "Europe/Berlin", "2026-03-28 12:00", ["29 03:00+0200", "29 03:30+0200", "30 02:30+0200"]),
        ("@hourly", "Europe/Berlin", "2026-03-28 23:30", ["29 01:00+0100", "29 03:00+0200", "29 04:00+0200"]),
        ("*/30 * * * *", "Europe/Berlin", "2026-03-29 00:20", ["29 01:30+0100", "29 03:00+0200", "29 03:30+0200"]),
        ("0 0-23 * * *", "Europe/Berlin", "2026-03-28 23:30", ["29 01:00+0100", "29 03:00+0200"]),
        # Berlin, autumn: 03:00 is 02:00 again
        ("30 2 * * *", "Europe/Berlin", "2026-10-24 12:00", ["25 02:30+0200", "26 02:30+0100"]),
        ("45 2 * * *", "Europe/Berlin", "2026-10-25 01:15", ["26 02:45+0100"]),
        ("30 2,3 * * *", "Europe/Berlin", "2026-10-24 12:00", ["25 02:30+0200", "25 03:30+0100"]),
        (
            "@hourly",
            "Europe/Berlin",
            "2026-10-24 23:30",
            ["25 02:00+0200", "25 02:00+0100", "25 03:00+0100", "25 04:00+0100"],
        ),
        (
            "*/30 * * * *",
            "Europe/Berlin",
            "2026-10-25 00:20",
            ["25 02:30+0200", "25 02:00+0100", "25 02:30+0100", "25 03:00+0100"],
        ),
        # New York
        ("30 2 * * *", "America/New_York", "2026-03-07 12:00", ["08 03:00-0400", "09 02:30-0400"]),
        ("30 1 * * *", "America/New_York", "2026-10-31 12:00", ["01 01:30-0400", "02 01:30-0500"]),
        ("0 * * * *", "America/New_York", "2026-11-01 04:30", ["01 01:00-0400", "01 01:00-0500", "01 02:00-0500"]),
        # Lord Howe changes by half an hour: 02:00 is 02:30 in spring, and 01:30 in autumn
        ("15 2 * * *", "Australia/Lord_Howe", "2026-10-03 00:00", ["04 02:30+1100", "05 02:15+1100"]),
        ("45 1 * * *", "Australia/Lord_Howe", "2026-04-04 00:00", ["05 01:45+1100", "06 01:45+1030"]),
        (
            "*/15 * * * *",
            "Australia/Lord_Howe",
            "2026-04-04 14:35",
            ["05 01:45+1100", "05 01:30+1030", "05 01:45+1030", "05 02:00+1030"],
        ),
        ("0 */2 * * *", "Australia/Lord_Howe", "2026-04-04 12:00", ["05 00:00+1100", "05 02:00+1030", "05 04:00+1030"]),
        # Havana changes at midnight
        ("@daily", "America/Havana", "2026-03-07 12:00", ["08 01:00-0400", "09 00:00-0400"]),
        ("@daily", "America/Havana", "2026-10-31 12:00", ["01 00:00-0400", "02 00:00-0500"]),
    ],
)
def test_when_clocks_change(cron: str, zone: str, after: str, expected: list[str]) -> None:
    assert fires(cron, zone, after, len(expected)) == expected


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
def test_a_year_of_minutes_and_of_days(zone: str) -> None:
    """Against what clocks show: minutes at real intervals through each change, 02:30 once on each day."""
    start, end = at("2026-01-01 12:00"), at("2027-01-01 12:00")
    days = cron_rule("30 2 * * *", zone).latest(start, end, 400)
    dates = [moment.astimezone(ZoneInfo(zone)).date() for moment in days]
    assert len(dates) == len(set(dates)) == 365
    for change in ("2026-03-08", "2026-03-29", "2026-04-04", "2026-04-05", "2026-10-03", "2026-10-25", "2026-11-01"):
        day = at(f"{change} 00:00")
        quarters = cron_rule("*/15 * * * *", zone).latest(day, day + timedelta(days=1), 1000)
        gaps = {second - first for first, second in itertools.pairwise(quarters)}
        assert gaps == {timedelta(minutes=15)}, change


@pytest.mark.parametrize(
    ("shorthand", "expected"),
    [
        ("@hourly", "05 15:00"),
        ("@daily", "06 00:00"),
        ("@MIDNIGHT", "06 00:00"),
        ("@weekly", "08 00:00"),
        ("@monthly", "01 00:00"),
        ("@yearly", "01 00:00"),
        ("@annually", "01 00:00"),
    ],
)
def test_shorthands(shorthand: str, expected: str) -> None:
    assert fires(shorthand, "UTC", "2026-02-05 14:59", 1) == [f"{expected}+0000"]


@pytest.mark.parametrize(
    ("cron", "message"),
    [
        ("", "it has 0 fields; give five"),
        ("* * * *", "it has 4 fields"),
        ("* * * * * *", "it has 6 fields"),
        ("60 * * * *", "bad minute"),
        ("* 24 * * *", "bad hour"),
        ("* * 0 * *", "bad day-of-month"),
        ("* * * 13 *", "bad month"),
        ("* * * * 8", "bad day-of-week"),
        ("*/0 * * * *", "bad minute"),
        ("5-1 * * * *", "bad minute"),
        ("x * * * *", "bad minute"),
        ("0 0 30 2 *", "bad day-of-month"),
        ("0 0 31 4,6,9,11 *", "bad day-of-month"),
        ("@reboot", "the shorthands are @yearly"),
        ("0 0 * * *" + " " * 250, "at most 255"),
        ("0 0 * *\n*", "printable"),
    ],
)
def test_rules_that_are_refused(cron: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message) as refusal:
        cron_rule(cron, "UTC")
    assert refusal.value.field == "cron"


@pytest.mark.parametrize(
    "zone", ["", "Mars/Olympus", "America", "localtime", "../../etc/passwd", "/etc/localtime", "a\0b", "\ud800"]
)
def test_zones_that_are_refused(zone: str) -> None:
    with pytest.raises(InvalidInput, match="IANA name such as Europe/Berlin") as refusal:
        cron_rule("* * * * *", zone)
    assert refusal.value.field == "timezone"


@given(st.text(alphabet="0123456789*/,-#LW@ MONJAN", max_size=30) | st.text(max_size=20))
def test_any_text_is_a_rule_or_refused(text: str) -> None:
    moment = at("2026-02-05 15:00")
    with contextlib.suppress(InvalidInput):
        following = cron_rule(text, "UTC").after(moment)
        assert following is None or following > moment


def test_the_latest_are_those_of_a_plain_walk() -> None:
    pick = random.Random(11)
    zone = "Europe/Berlin"
    for cron in ("*/7 * * * *", "30 2 * * *", "0 9 * * 1-5", "15 3 1 * *", "* 2 29 * *"):
        rule = cron_rule(cron, zone)
        for _ in range(5):
            first = at("2026-03-01 00:00") + timedelta(minutes=pick.randrange(40_000))
            until = first + timedelta(minutes=pick.randrange(60_000))
            walked = []
            moment = rule.after(first - timedelta(microseconds=1))
            while moment is not None and moment <= until:
                walked.append(moment)
                moment = rule.after(moment)
            assert rule.latest(first, until, 20) == walked[-20:]
    assert cron_rule("@daily", zone).latest(at("2026-03-02 00:00"), at("2026-03-01 00:00"), 20) == []


NOW = at("2026-02-05 15:00:00.500")


@pytest.mark.parametrize(
    ("policy", "next_run_at", "expected"),
    [
        ("RUN_ONCE", "2026-02-05 15:00", ["15:00"]),
        ("RUN_ALL", "2026-02-05 15:00", ["15:00"]),
        ("SKIP", "2026-02-05 15:00", ["15:00"]),
        ("RUN_ONCE", "2026-02-05 14:40", ["14:50", "15:00"]),
        ("RUN_ALL", "2026-02-05 14:40", ["14:40", "14:50", "15:00"]),
        ("SKIP", "2026-02-05 14:40", ["15:00"]),
    ],
)
def test_what_was_missed(policy: str, next_run_at: str, expected: list[str]) -> None:
    found = firings(cron_rule("*/10 * * * *", "UTC"), at(next_run_at), NOW, MisfirePolicy(policy))
    assert [f"{moment:%H:%M}" for moment in found] == expected


def test_run_all_takes_the_latest_thousand_of_a_long_outage() -> None:
    found = firings(cron_rule("* * * * *", "UTC"), at("2024-01-01 00:00"), NOW, MisfirePolicy.RUN_ALL)
    missed = [moment for moment in found if moment < NOW - timedelta(seconds=60)]
    assert (len(missed), found[-1], found[0]) == (1000, at("2026-02-05 15:00"), missed[-1] - timedelta(minutes=999))


def test_what_is_late_by_less_than_a_minute_is_on_time() -> None:
    rule = cron_rule("*/10 * * * *", "UTC")
    just_on_time, missed = at("2026-02-05 15:01:00"), at("2026-02-05 15:01:00.000001")
    fire_at = at("2026-02-05 15:00")
    assert firings(rule, fire_at, just_on_time, MisfirePolicy.SKIP) == [fire_at]
    assert firings(rule, fire_at, missed, MisfirePolicy.SKIP) == []
