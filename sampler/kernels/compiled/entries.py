"""Entries of compiled functions: machine code that Python calls, in place of Numba's dispatchers.

An entry converts the arguments, releases Python's lock while the kernel runs, and converts the result. It reads arrays
as NumPy lays them out in memory.
"""

from typing import Any

from llvmlite import ir
from numba.np.numpy_support import as_dtype

from sampler.kernels.compiled.jit import types
from sampler.kernels.compiled.machine_code import NDARRAY, OTHER_TYPES

_BYTE, _WORD, _LONG, _DOUBLE = ir.IntType(8), ir.IntType(32), ir.IntType(64), ir.DoubleType()
_POINTER = _BYTE.as_pointer()

# Offsets in Python's and NumPy's structures for arrays and their dtypes, which compiled extensions rely on.
_HEADER = object.__basicsize__
_TYPE, _DATA, _DIMENSIONS, _SHAPE, _STRIDES = _HEADER - 8, _HEADER, _HEADER + 8, _HEADER + 16, _HEADER + 24
_DTYPE, _FLAGS = _HEADER + 40, _HEADER + 48
_BYTE_ORDER, _TYPE_NUMBER = _HEADER + 10, _HEADER + 12

_CONTIGUOUS, _ALIGNED, _WRITEABLE = 0x1, 0x100, 0x400
"""NumPy's flags of an array."""

PYTHON = {
    "PyErr_Clear": (ir.VoidType(), ()),
    "PyErr_NoMemory": (_POINTER, ()),
    "PyErr_Occurred": (_POINTER, ()),
    "PyEval_RestoreThread": (ir.VoidType(), (_POINTER,)),
    "PyEval_SaveThread": (_POINTER, ()),
    "PyBool_FromLong": (_POINTER, (_LONG,)),
    "PyFloat_AsDouble": (_DOUBLE, (_POINTER,)),
    "PyFloat_FromDouble": (_POINTER, (_DOUBLE,)),
    "PyLong_AsLongLong": (_LONG, (_POINTER,)),
    "PyLong_FromLongLong": (_POINTER, (_LONG,)),
    "PyObject_IsTrue": (_WORD, (_POINTER,)),
    "PyTuple_GetItem": (_POINTER, (_POINTER, _LONG)),
    "PyTuple_New": (_POINTER, (_LONG,)),
    "PyTuple_SetItem": (_WORD, (_POINTER, _LONG, _POINTER)),
    "PyTuple_Size": (_LONG, (_POINTER,)),
    "Py_IncRef": (ir.VoidType(), (_POINTER,)),
}
"""The functions of Python that entries call: result and parameters."""


class EntryWriter:
    """Writes the entry of one compiled function into a module."""

    def __init__(self, context: Any, module: ir.Module, compiled: Any) -> None:
        """compiled: a result of Numba's compiler."""
        self._context = context
        self._module = module
        self._compiled = compiled
        self._builder: Any = None

    def write(self, symbol: str) -> None:
        """Write the entry as a function of this name."""
        kind = ir.FunctionType(_POINTER, [_POINTER, _POINTER.as_pointer(), _LONG])
        function = ir.Function(self._module, kind, symbol)
        self._builder = builder = ir.IRBuilder(function.append_basic_block())
        _, given, count = function.args
        wanted = self._compiled.signature.args
        self._require(builder.icmp_signed("==", count, _number(len(wanted))))
        pointers = [builder.load(builder.gep(given, [_number(n)])) for n in range(len(wanted))]
        arguments = [self._value(one, pointer) for one, pointer in zip(wanted, pointers, strict=True)]
        builder.ret(self._object(self._compiled.signature.return_type, self._run(arguments)))

    def _run(self, arguments: list[Any]) -> Any:
        """Call the kernel without Python's lock. Return from the entry with a MemoryError if it fails."""
        builder, signature = self._builder, self._compiled.signature
        native = self._context.declare_function(self._module, self._compiled.fndesc)
        state = self._python("PyEval_SaveThread")
        status, result = self._context.call_conv.call_function(
            builder, native, signature.return_type, signature.args, arguments
        )
        self._python("PyEval_RestoreThread", state)
        with builder.if_then(status.is_error, likely=False):
            builder.ret(self._python("PyErr_NoMemory"))  # with NumPy's error model, nothing else fails
        return result

    def _value(self, kind: Any, pointer: Any) -> Any:
        """Return what compiled code takes for a Python object."""
        builder = self._builder
        if isinstance(kind, types.Array):
            return self._array(kind, pointer)
        if isinstance(kind, types.BaseTuple):
            self._require(builder.icmp_signed("==", self._python("PyTuple_Size", pointer), _number(len(kind))))
            items = [self._python("PyTuple_GetItem", pointer, _number(n)) for n in range(len(kind))]
            values = [self._value(one, item) for one, item in zip(kind.types, items, strict=True)]
            return self._context.make_tuple(builder, kind, values)
        if isinstance(kind, types.Boolean):
            value = self._checked(self._python("PyObject_IsTrue", pointer), _WORD(-1))
            return builder.icmp_signed("==", value, _WORD(1))
        if isinstance(kind, types.Float):
            value = self._checked(self._python("PyFloat_AsDouble", pointer), _DOUBLE(-1.0))
            return value if kind.bitwidth == 64 else builder.fptrunc(value, self._context.get_value_type(kind))
        if isinstance(kind, types.Integer):
            value = self._checked(self._python("PyLong_AsLongLong", pointer), _number(-1))
            return value if kind.bitwidth == 64 else builder.trunc(value, self._context.get_value_type(kind))
        raise NotImplementedError(f"a kernel takes {kind}; give it numbers, arrays or tuples of them")

    def _array(self, kind: Any, pointer: Any) -> Any:
        self._check_array(kind, pointer)
        builder, context = self._builder, self._context
        shape, strides = self._field(pointer, _SHAPE, _POINTER), self._field(pointer, _STRIDES, _POINTER)
        lengths = [self._field(shape, 8 * n, _LONG) for n in range(kind.ndim)]
        items = _number(1)
        for length in lengths:
            items = builder.mul(items, length)
        array = context.make_array(kind)(context, builder)
        array.data = builder.bitcast(self._field(pointer, _DATA, _POINTER), array.data.type)
        array.nitems, array.itemsize = items, _number(as_dtype(kind.dtype).itemsize)
        array.shape = self._packed(lengths)
        array.strides = self._packed([self._field(strides, 8 * n, _LONG) for n in range(kind.ndim)])
        array.meminfo = context.get_constant_null(types.MemInfoPointer(types.voidptr))
        array.parent = context.get_constant_null(types.pyobject)
        return array._getvalue()

    def _check_array(self, kind: Any, pointer: Any) -> None:
        """Return from the entry unless an object is an array of this type."""
        if kind.layout != "C":
            raise NotImplementedError(f"a kernel takes {kind}; give it a contiguous array")
        builder, dtype = self._builder, as_dtype(kind.dtype)
        array_type = self._global(NDARRAY, _BYTE)
        self._require(builder.icmp_unsigned("==", self._field(pointer, _TYPE, _POINTER), array_type))
        wanted = _CONTIGUOUS | (_ALIGNED if kind.aligned else 0) | (_WRITEABLE if kind.mutable else 0)
        flags = builder.and_(self._field(pointer, _FLAGS, _WORD), _WORD(wanted))
        found = self._field(pointer, _DTYPE, _POINTER)
        for value, expected in (
            (self._field(pointer, _DIMENSIONS, _WORD), _WORD(kind.ndim)),
            (flags, _WORD(wanted)),
            (self._field(found, _TYPE_NUMBER, _WORD), _WORD(dtype.num)),
            (self._field(found, _BYTE_ORDER, _BYTE), _BYTE(ord(dtype.byteorder))),
        ):
            self._require(builder.icmp_signed("==", value, expected))

    def _object(self, kind: Any, value: Any) -> Any:
        """Return a new Python object for a result."""
        builder = self._builder
        if isinstance(kind, types.NoneType):
            none = self._global("_Py_NoneStruct", _BYTE)
            self._python("Py_IncRef", none)
            return none
        if isinstance(kind, types.BaseTuple):
            made = self._python("PyTuple_New", _number(len(kind)))
            for n, one in enumerate(kind.types):
                self._python("PyTuple_SetItem", made, _number(n), self._object(one, builder.extract_value(value, n)))
            return made
        if isinstance(kind, types.Boolean):
            return self._python("PyBool_FromLong", builder.zext(value, _LONG))
        if isinstance(kind, types.Float):
            wide = value if kind.bitwidth == 64 else builder.fpext(value, _DOUBLE)
            return self._python("PyFloat_FromDouble", wide)
        if isinstance(kind, types.Integer) and kind != types.uint64:
            extend = builder.sext if kind.signed else builder.zext
            return self._python("PyLong_FromLongLong", value if kind.bitwidth == 64 else extend(value, _LONG))
        raise NotImplementedError(f"a kernel returns {kind}; let it return int64, float64, bool or a tuple of them")

    def _checked(self, value: Any, suspect: Any) -> Any:
        """Return from the entry if a conversion has failed, which it may have if its value is `suspect`."""
        builder = self._builder
        compare = builder.fcmp_ordered if value.type == _DOUBLE else builder.icmp_signed
        with builder.if_then(compare("==", value, suspect), likely=False):
            error = builder.ptrtoint(self._python("PyErr_Occurred"), _LONG)
            with builder.if_then(builder.icmp_signed("!=", error, _number(0))):
                self._give_up()
        return value

    def _require(self, condition: Any) -> None:
        """Return from the entry unless a condition holds."""
        with self._builder.if_then(self._builder.not_(condition), likely=False):
            self._give_up()

    def _give_up(self) -> None:
        """Return from the entry, as with arguments of other types."""
        self._python("PyErr_Clear")
        other = self._global(OTHER_TYPES, _BYTE)
        self._python("Py_IncRef", other)
        self._builder.ret(other)

    def _packed(self, values: list[Any]) -> Any:
        whole = ir.Constant(ir.ArrayType(_LONG, len(values)), ir.Undefined)
        for place, value in enumerate(values):
            whole = self._builder.insert_value(whole, value, place)
        return whole

    def _field(self, pointer: Any, offset: int, kind: Any) -> Any:
        """Return the field of a C structure at an offset in bytes."""
        builder = self._builder
        return builder.load(builder.bitcast(builder.gep(pointer, [_number(offset)]), kind.as_pointer()))

    def _python(self, name: str, *arguments: Any) -> Any:
        """Call a function of Python."""
        result, parameters = PYTHON[name]
        function = self._module.globals.get(name)
        if function is None:
            function = ir.Function(self._module, ir.FunctionType(result, parameters), name)
        return self._builder.call(function, arguments)

    def _global(self, name: str, kind: Any) -> Any:
        found = self._module.globals.get(name)
        return ir.GlobalVariable(self._module, kind, name) if found is None else found


def _number(value: int) -> Any:
    return _LONG(value)
