"""What ``/metrics`` tells, as a dictionary."""

from __future__ import annotations

from client import Api
from prometheus_client.parser import text_string_to_metric_families


async def scrape(api: Api) -> dict[str, float]:
    """Each sample by its name and labels: ``name label=value``."""
    async with api.session.get(f"{api.base}/metrics") as response:
        assert response.status == 200
        text = await response.text()
    return {
        sample.name + "".join(f" {name}={value}" for name, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
