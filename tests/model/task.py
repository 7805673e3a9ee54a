"""One task: all its parts."""

from __future__ import annotations

from .aside import Asides
from .ends import Ends
from .moved import Holding
from .program import Program
from .way import Ways


class Task(Program, Holding, Ends, Ways, Asides):
    pass
