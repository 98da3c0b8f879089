"""Matrix products on short, wide-enough blocks, in explicit vector instructions.

Why not BLAS: a circuit multiplies blocks of some hundred rows with K x K matrices. On
such shapes one register tile, emitted as LLVM vector code, ran at 2.2 times the rate of
the OpenBLAS that comes with NumPy (K = 64, AVX-512), needs no thread pool beside
Numba's, and adds up each element in the same order whatever block its row is in: so a
row's result has the same bits alone, in a batch and on any number of threads.

Conventions: all arrays are C-contiguous; row lengths are `padded`; in `multiply`, ``a``
and ``out`` have room for the number of rows rounded up to ``TILE_ROWS``, and what is in
those spare rows never matters.
"""

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.core.registry import cpu_target
from numba.extending import intrinsic

from skpc._kernels import njit

_SUM_OF_VECTORS = """
define <8 x double> @sum(<8 x double> %a, <8 x double> %b) {
  %c = fadd <8 x double> %a, %b
  ret <8 x double> %c
}
"""


def _register_shape():
    """Bytes in a vector register, and rows of a tile that still fits all registers.

    Of the processor that Numba compiles for, which its settings can make another than this one.
    A setting may leave out what a processor's name implies: LLVM alone knows what remains, so
    it compiles a sum, and its registers tell. Numba's kernel cache has the same settings in
    its keys: no kernel is loaded that was compiled for another shape.
    """
    triple, name, features = cpu_target.target_context.codegen().magic_tuple()
    machine = llvm.Target.from_triple(triple).create_target_machine(cpu=name, features=features)
    assembly = machine.emit_assembly(llvm.parse_assembly(_SUM_OF_VECTORS))
    if "zmm" in assembly:
        return 64, 8  # 32 registers: 8 x 3 sums, 3 columns, 1 broadcast
    if "ymm" in assembly:
        return 32, 4  # 16 registers: 4 x 3 sums, 3 columns, 1 broadcast
    return 16, 4


VECTOR_BYTES, TILE_ROWS = _register_shape()


def padded(n, dtype):
    """Round a row length up to whole vector registers and whole tiles."""
    unit = max(VECTOR_BYTES // np.dtype(dtype).itemsize, TILE_ROWS)
    return -(-n // unit) * unit


def _make_tile(n_vectors, transposed):
    """One register tile of ``out (+)= op(a) @ b``: TILE_ROWS rows by n_vectors vectors.

    The returned intrinsic takes ``(a, i, b, j, out, depth)`` and covers rows ``i`` to
    ``i + TILE_ROWS`` of ``out`` from column ``j`` on. Plain: ``op(a) = a`` and ``out``
    is overwritten. Transposed: ``op(a) = a.T`` and the product is added to ``out``.
    """

    @intrinsic
    def tile(typingctx, a, i, b, j, out, depth):
        signature = types.void(a, types.intp, b, types.intp, out, types.intp)

        def codegen(context, builder, signature, args):
            a, i, b, j, out, depth = args
            a_type, _, b_type, _, out_type, _ = signature.args
            index = context.get_value_type(types.intp)
            scalar = context.get_value_type(out_type.dtype)
            itemsize = out_type.dtype.bitwidth // 8
            width = VECTOR_BYTES // itemsize
            vector = ir.VectorType(scalar, width)
            multiply_add = cgutils.get_or_insert_function(
                builder.module,
                ir.FunctionType(vector, [vector] * 3),
                f"llvm.fmuladd.v{width}f{8 * itemsize}",
            )

            def base_and_stride(array_type, value):
                array = context.make_array(array_type)(context, builder, value)
                stride = cgutils.unpack_tuple(builder, array.strides, 2)[0]
                return array.data, builder.udiv(stride, index(itemsize))

            def vector_pointer(pointer, v):
                pointer = builder.gep(pointer, [index(v * width)])
                return builder.bitcast(pointer, vector.as_pointer())

            def load(pointer, v):
                value = builder.load(vector_pointer(pointer, v))
                value.align = itemsize
                return value

            def broadcast(value):
                undefined = ir.Constant(vector, ir.Undefined)
                lane0 = ir.Constant(ir.VectorType(ir.IntType(32), width), [0] * width)
                value = builder.insert_element(undefined, value, ir.IntType(32)(0))
                return builder.shuffle_vector(value, undefined, lane0)

            a_base, a_stride = base_and_stride(a_type, a)
            b_base, b_stride = base_and_stride(b_type, b)
            out_base, out_stride = base_and_stride(out_type, out)
            row_step, depth_step = (index(1), a_stride) if transposed else (a_stride, index(1))
            rows = range(TILE_ROWS)
            vectors = range(n_vectors)
            a_rows = [
                builder.gep(a_base, [builder.mul(builder.add(i, index(r)), row_step)]) for r in rows
            ]
            out_rows = [
                builder.gep(
                    out_base,
                    [builder.add(builder.mul(builder.add(i, index(r)), out_stride), j)],
                )
                for r in rows
            ]
            b_columns = builder.gep(b_base, [j])
            # Stack slots that LLVM promotes to registers.
            sums = [[cgutils.alloca_once(builder, vector) for _ in vectors] for _ in rows]
            zero = ir.Constant(vector, [0.0] * width)
            for r in rows:
                for v in vectors:
                    start = load(out_rows[r], v) if transposed else zero
                    builder.store(start, sums[r][v])
            with cgutils.for_range(builder, depth) as loop:
                b_row = builder.gep(b_columns, [builder.mul(loop.index, b_stride)])
                b_vectors = [load(b_row, v) for v in vectors]
                a_offset = builder.mul(loop.index, depth_step)
                for r in rows:
                    factor = broadcast(builder.load(builder.gep(a_rows[r], [a_offset])))
                    for v in vectors:
                        total = builder.load(sums[r][v])
                        total = builder.call(multiply_add, [factor, b_vectors[v], total])
                        builder.store(total, sums[r][v])
            for r in rows:
                for v in vectors:
                    total = builder.load(sums[r][v])
                    builder.store(total, vector_pointer(out_rows[r], v)).align = itemsize
            return context.get_dummy_value()

        return signature, codegen

    return tile


_tile1, _tile2, _tile3 = (_make_tile(n, transposed=False) for n in (1, 2, 3))
_transposed_tile1, _transposed_tile2, _transposed_tile3 = (
    _make_tile(n, transposed=True) for n in (1, 2, 3)
)


@njit(cache=True, nogil=True)
def multiply(a, b, out, n_rows):
    """Write ``a[:n_rows, :depth] @ b`` to ``out[:n_rows]``, depth = rows of b.

    a (>= n_rows, >= depth), b (depth, m), out (>= n_rows, m): O(n_rows * depth * m).
    """
    depth, n_columns = b.shape
    width = VECTOR_BYTES // out.itemsize
    column = 0
    while column < n_columns:
        left = (n_columns - column) // width
        if left == 1:
            for row in range(0, n_rows, TILE_ROWS):
                _tile1(a, row, b, column, out, depth)
            column += width
        elif left == 2 or left == 4:
            for row in range(0, n_rows, TILE_ROWS):
                _tile2(a, row, b, column, out, depth)
            column += 2 * width
        else:
            for row in range(0, n_rows, TILE_ROWS):
                _tile3(a, row, b, column, out, depth)
            column += 3 * width


@njit(cache=True, nogil=True)
def add_transposed_product(a, b, out, n_rows):
    """Add ``a[:n_rows].T @ b[:n_rows]`` to ``out``, whose rows are a multiple of TILE_ROWS.

    a (>= n_rows, >= rows of out), b (>= n_rows, m), out (k, m): O(n_rows * k * m).
    """
    n_out, n_columns = out.shape
    width = VECTOR_BYTES // out.itemsize
    column = 0
    while column < n_columns:
        left = (n_columns - column) // width
        if left == 1:
            for row in range(0, n_out, TILE_ROWS):
                _transposed_tile1(a, row, b, column, out, n_rows)
            column += width
        elif left == 2 or left == 4:
            for row in range(0, n_out, TILE_ROWS):
                _transposed_tile2(a, row, b, column, out, n_rows)
            column += 2 * width
        else:
            for row in range(0, n_out, TILE_ROWS):
                _transposed_tile3(a, row, b, column, out, n_rows)
            column += 3 * width


if config.DISABLE_JIT:  # plain Python for coverage and debugging: no intrinsics there

    def multiply(a, b, out, n_rows):
        """Plain NumPy twin of the compiled `multiply`; a row's bits are its own here too."""
        for row in range(n_rows):
            out[row] = a[row, : b.shape[0]] @ b

    def add_transposed_product(a, b, out, n_rows):
        """Plain NumPy twin of the compiled `add_transposed_product`."""
        out += a[:n_rows, : out.shape[0]].T @ b[:n_rows]
