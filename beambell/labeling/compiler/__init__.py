"""The compiler of labeling functions: all of a run in one pass over each text, with the votes of the plain evaluation.

Patterns become trees (`syntax`) over sets of characters, trees an automaton (`nfa`, `dfa`) over symbols (`alphabet`)
whose tables compiled loops (`kernels`) run over texts, written for them (`texts`), and over those that folding changes
once more (`folded`). What a pattern cannot be found without (`factors`) tells how to compute each labeling function
(`plan`, `program`, `counting`).
"""

from __future__ import annotations

from beambell.labeling.compiler.compiled import CompiledLFs, compile_lfs
from beambell.labeling.compiler.plan import Plan

__all__ = ["CompiledLFs", "Plan", "compile_lfs"]
