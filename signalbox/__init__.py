"""What people who write tasks import.

>>> from signalbox import PermanentError, TaskContext, task
"""

from engine.registry import PermanentError, TaskContext, task

__all__ = ["PermanentError", "TaskContext", "task"]
