"""Memory for arrays that kernels make: what Numba's runtime does, in the code itself.

Compiled code asks a function for a block with a header, whose first number counts references and whose fourth points to
the data. It calls another function once no reference is left.
"""

from typing import Any

from llvmlite import ir

_BYTE, _WORD, _LONG = ir.IntType(8), ir.IntType(32), ir.IntType(64)
_POINTER = _BYTE.as_pointer()

_HEADER_FIELDS = 6  # references, two of a destructor, data, size, allocator
_REFERENCES, _DATA, _SIZE = 0, 3, 4


def define_memory(module: ir.Module) -> None:
    """Define the functions that allocate and free the memory of arrays."""
    allocate = ir.Function(module, ir.FunctionType(_POINTER, [_LONG]), "malloc")
    release = ir.Function(module, ir.FunctionType(ir.VoidType(), [_POINTER]), "free")
    _define_allocation(module, allocate)
    free = ir.Function(module, ir.FunctionType(ir.VoidType(), [_POINTER]), "NRT_MemInfo_call_dtor")
    builder = ir.IRBuilder(free.append_basic_block())
    builder.call(release, free.args)
    builder.ret_void()


def _define_allocation(module: ir.Module, allocate: Any) -> None:
    function = ir.Function(module, ir.FunctionType(_POINTER, [_LONG, _WORD]), "NRT_MemInfo_alloc_aligned")
    size, alignment = function.args
    builder = ir.IRBuilder(function.append_basic_block())
    header, wide = _LONG(8 * _HEADER_FIELDS), builder.zext(alignment, _LONG)
    block = builder.call(allocate, [builder.add(builder.add(size, header), wide)])
    with builder.if_then(builder.icmp_unsigned("==", builder.ptrtoint(block, _LONG), _LONG(0))):
        builder.ret(block)  # no memory: the kernel reports an error
    end = builder.add(builder.add(builder.ptrtoint(block, _LONG), header), builder.sub(wide, _LONG(1)))
    data = builder.and_(end, builder.neg(wide))
    values = {_REFERENCES: _LONG(1), _DATA: data, _SIZE: size}
    fields = builder.bitcast(block, _LONG.as_pointer())
    for place in range(_HEADER_FIELDS):
        builder.store(values.get(place, _LONG(0)), builder.gep(fields, [_LONG(place)]))
    builder.ret(block)
