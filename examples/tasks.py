"""Two tasks of your own: `signalbox serve --tasks examples/tasks.py`."""

import asyncio

from signalbox import PermanentError, TaskContext, task


@task("greet", max_attempts=5, timeout_seconds=10)
async def greet(ctx: TaskContext, name: str, times: int = 1) -> dict[str, str]:
    """Greet someone, slowly. The payload's keys are these arguments: {"name": "Ada", "times": 3}."""
    if not name.strip():
        raise PermanentError("nobody to greet")
    for turn in range(times):
        await ctx.log(f"greeting {name}, turn {turn + 1}")
        await asyncio.sleep(0.1)
        await ctx.progress((turn + 1) / times)
    return {"greeting": f"Hello, {name}!"}


@task("word count")
def word_count(text: str) -> dict[str, int]:
    """A plain function runs in a thread."""
    return {"words": len(text.split())}
