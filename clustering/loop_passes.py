"""Passes of numba's compiler that do of their work what our loops need.

After most of its passes numba finds out anew where every variable of a function is last used, which
only the last but two asks for, and looks for whatever else Python has. Each pass here is numba's
but for that, and all of them together take a third of the time.
"""

# ruff: noqa: SLF001 - numba has no other way in; the lock file pins its version.

from __future__ import annotations

from typing import Any

import numpy as np
from numba.core import ir, types
from numba.core.compiler_machinery import register_pass
from numba.core.interpreter import (
    Interpreter,
    peep_hole_call_function_ex_to_call_function_kw,
    peep_hole_list_to_tuple,
    peep_hole_split_at_pop_block,
)
from numba.core.ir_utils import build_definitions
from numba.core.rewrites.registry import rewrite_registry
from numba.core.ssa import reconstruct_ssa
from numba.core.transforms import canonicalize_cfg
from numba.core.typed_passes import NopythonRewrites, PreLowerStripPhis
from numba.core.untyped_passes import (
    GenericRewrites,
    IRProcessing,
    ReconstructSSA,
    TranslateByteCode,
)


class _Interpreter(Interpreter):
    def post_process(self, peepholes: Any, func_ir: Any) -> Any:
        # Not those that look for ``with`` and for dictionaries.
        del peepholes
        for repair in (
            peep_hole_split_at_pop_block,
            peep_hole_list_to_tuple,
            peep_hole_call_function_ex_to_call_function_kw,
        ):
            func_ir = repair(func_ir)  # type: ignore[no-untyped-call]
        return func_ir


@register_pass(mutates_CFG=True, analysis_only=False)  # type: ignore[no-untyped-call]
class Translation(TranslateByteCode):
    """Makes numba's instructions of bytecode."""

    def run_pass(self, state: Any) -> bool:
        """Do it."""
        state.func_ir = _Interpreter(state.func_id).interpret(state.bc)  # type: ignore[no-untyped-call]
        return True


@register_pass(mutates_CFG=True, analysis_only=False)  # type: ignore[no-untyped-call]
class Canonicalisation(IRProcessing):
    """Gives every loop one way back."""

    def run_pass(self, state: Any) -> bool:
        """Do it."""
        state.func_ir.blocks = canonicalize_cfg(state.func_ir.blocks)  # type: ignore[no-untyped-call]
        # There are no generators among our loops.
        state.func_ir.generator_info = None
        return True


@register_pass(mutates_CFG=True, analysis_only=False)  # type: ignore[no-untyped-call]
class UntypedRewrites(GenericRewrites):
    """Makes constant indices and the like known as such."""

    def run_pass(self, state: Any) -> bool:
        """Do it."""
        blocks = state.func_ir.blocks
        for rewriting in rewrite_registry.rewrites["before-inference"]:
            rewrite = rewriting(state)
            pending = list(blocks.items())
            while pending:
                key, block = pending.pop()
                if rewrite.match(state.func_ir, block, state.typemap, state.calltypes):
                    blocks[key] = rewrite.apply()
                    # Until there is nothing left to rewrite.
                    pending.append((key, blocks[key]))
        return True


@register_pass(mutates_CFG=False, analysis_only=False)  # type: ignore[no-untyped-call]
class SingleAssignment(ReconstructSSA):
    """Makes a variable of each assignment."""

    def run_pass(self, state: Any) -> bool:
        """Do it."""
        state.func_ir = reconstruct_ssa(state.func_ir)  # type: ignore[no-untyped-call]
        self._patch_locals(state)  # type: ignore[no-untyped-call]
        state.func_ir._definitions = build_definitions(state.func_ir.blocks)  # type: ignore[no-untyped-call]
        return True


@register_pass(mutates_CFG=False, analysis_only=False)  # type: ignore[no-untyped-call]
class PhiRemoval(PreLowerStripPhis):
    """Gives those variables one place again that are one where branches meet."""

    def run_pass(self, state: Any) -> bool:
        """Do it."""
        state.func_ir = self._strip_phi_nodes(state.func_ir)  # type: ignore[no-untyped-call]
        state.func_ir._definitions = build_definitions(state.func_ir.blocks)  # type: ignore[no-untyped-call]
        return True


@register_pass(mutates_CFG=True, analysis_only=False)  # type: ignore[no-untyped-call]
class TypedRewrites(NopythonRewrites):
    """Makes one loop of a formula of arrays, where there is one; numba looks everywhere."""

    def run_pass(self, state: Any) -> bool:
        """Do it."""
        if _computes_with_arrays(state):
            super().run_pass(state)  # type: ignore[no-untyped-call]
        return True


def _computes_with_arrays(state: Any) -> bool:
    """Whether a function says ``a + b``, ``np.exp(a)`` or ``np.array([...])`` of arrays."""
    for block in state.func_ir.blocks.values():
        for assignment in block.find_insts(ir.Assign):
            value = assignment.value
            if not isinstance(value, ir.Expr):
                continue
            if value.op == "build_list":
                return True
            if not isinstance(state.typemap.get(assignment.target.name), types.Array):
                continue
            if value.op in ("unary", "binop"):
                return True
            if value.op == "call":
                called = state.typemap.get(value.func.name)
                if isinstance(getattr(called, "typing_key", None), np.ufunc):
                    return True
    return False
