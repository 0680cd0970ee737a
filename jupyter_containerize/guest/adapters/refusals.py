"""What only lives in the kernel's process, and cannot be served: files, locks, connections, GPUs."""

from __future__ import annotations

import io
import types
from typing import Any

from .problem import CannotServe

#: Where live connections come from; their classes' names say the rest.
_CONNECTIONS = ("sqlite3", "psycopg", "psycopg2", "pymysql", "MySQLdb", "sqlalchemy", "pymongo", "redis", "duckdb",
                "asyncpg", "mysql", "cx_Oracle", "oracledb", "pyodbc", "snowflake", "_sqlite3", "_duckdb", "kafka", "pika")  # fmt: skip
_CONNECTED = ("Connection", "Cursor", "Engine", "Client", "Redis", "Session", "Pool")


def refuse(value: Any, name: str) -> None:
    """Raise for what only lives in this process. Errors: `open-file`, `lock`, `connection`, `gpu-tensor`, `not-saved`."""
    kind = type(value)
    module, called = kind.__module__.partition(".")[0], kind.__name__
    told = f"{name} is a {kind.__module__}.{called}"
    if isinstance(value, io.IOBase):
        file = getattr(value, "name", "")
        raise CannotServe(
            "open-file",
            what=f"{name} is an open file ({file})." if file else f"{name} is an open file.",
            why="A container cannot carry what this process has open.",
            fix="Read what is needed into a variable, or open the file inside the function.",
        )
    if kind.__module__ in ("_thread", "threading", "multiprocessing.synchronize", "asyncio.locks"):
        raise CannotServe(
            "lock",
            what=f"{told}: a lock or thread of this process.",
            why="It means nothing in another process.",
            fix="Make it inside the function, or leave it out: the service calls a function once at a time.",
        )
    if module in _CONNECTIONS and any(word in called for word in _CONNECTED):
        raise CannotServe(
            "connection",
            what=f"{told}: an open connection.",
            why="A container cannot carry it, nor the password that may be in it.",
            fix="Connect inside the function, with the address from an environment variable.",
        )
    device = (
        getattr(getattr(value, "device", None), "type", "cpu")
        if module in ("torch", "__main__")
        else "cpu"
    )
    if module == "cupy" or (module == "torch" and isinstance(device, str) and device != "cpu"):
        raise CannotServe(
            "gpu-tensor",
            what=f"{name} lies in the memory of a GPU ({getattr(value, 'device', module)}).",
            why="The image serves on the CPU unless a machine gives it a GPU.",
            fix=f"Move it: {name.split('[', maxsplit=1)[0]} = {name.split('[', maxsplit=1)[0]}.cpu()",
        )
    if isinstance(value, (types.GeneratorType, types.CoroutineType)) or module in (
        "socket",
        "subprocess",
        "_socket",
    ):
        raise cannot(name, value, "It only lives in this process.")


def cannot(name: str, value: Any, why: str) -> CannotServe:
    """Return the error of a value that nothing can save."""
    kind = type(value)
    return CannotServe(
        "not-saved",
        what=f"{name}, a {kind.__module__}.{kind.__qualname__}, cannot be saved.",
        why=why,
        fix="Make it inside the function, or keep in a variable only what is needed of it.",
    )
