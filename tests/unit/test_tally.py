"""Attempts, counted for Prometheus without its cost."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from engine.metrics import MAX_TASKS, OTHER, Tally


def samples(tally: Tally) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    registry = CollectorRegistry()
    registry.register(tally)  # type: ignore[arg-type]
    text = generate_latest(registry).decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_outcomes_and_durations() -> None:
    tally = Tally()
    for seconds in (0.0005, 0.001, 0.02, 99999.0):
        tally.note("mail", "COMPLETED", seconds)
    tally.note("mail", "FAILED", 0.02)
    found = samples(tally)
    assert found["signalbox_attempts_total", (("task", "mail"), ("to", "COMPLETED"))] == 4
    assert found["signalbox_attempts_total", (("task", "mail"), ("to", "FAILED"))] == 1
    buckets = {dict(labels)["le"]: count for (name, labels), count in found.items() if name.endswith("_bucket")}
    assert (buckets["0.001"], buckets["0.01"], buckets["0.05"], buckets["7200.0"], buckets["+Inf"]) == (2, 2, 4, 4, 5)
    assert found["signalbox_run_seconds_count", (("task", "mail"),)] == 5
    assert found["signalbox_run_seconds_sum", (("task", "mail"),)] == 0.0005 + 0.001 + 0.02 + 99999.0 + 0.02


def test_names_without_end_do_not_make_series_without_end() -> None:
    tally = Tally()
    for number in range(3 * MAX_TASKS):
        tally.note(f"task {number}", "COMPLETED", 1.0)
    found = samples(tally)
    attempts = {dict(labels)["task"]: n for (name, labels), n in found.items() if name == "signalbox_attempts_total"}
    assert len(attempts) == MAX_TASKS + 1
    assert attempts[OTHER] == 2 * MAX_TASKS
    assert sum(attempts.values()) == 3 * MAX_TASKS
