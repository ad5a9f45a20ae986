"""What can go wrong in coverify, one class per thing that the caller can do about it.

Every error carries its data in fields and says in one message what happened, where, and the next step.
An error is never a verdict: a mismatch, a counterexample or an unknown is a result, not an exception. With
which exit code the command line ends is said in cli/outcome.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


class CoverifyError(Exception):
    """The root: anything that coverify reports without a traceback."""


class BadInput(CoverifyError):
    """A file, option or value from outside is not what it must be; correct it and call again."""


class BoardError(CoverifyError):
    """The device URL, board name or board file is wrong; correct it."""


class ToolMissing(CoverifyError):
    """A program that coverify starts is not installed; `package` says what to install."""

    def __init__(self, tool: str, package: str, why: str, hint: str = "") -> None:
        """`tool` is the program looked for, `package` the Debian package(s) with it; `hint` another way."""
        self.tool = tool
        self.package = package
        how = hint or f"Debian: apt-get install {package}"
        super().__init__(f"{tool} is not installed; {why} needs it ({how})")


class BuildError(CoverifyError):
    """The firmware does not compile; `output` holds the last lines that the build printed."""

    def __init__(self, what: str, output: str) -> None:
        """`what` names the build and how it was called, `output` is quoted below it."""
        self.what = what
        self.output = output
        super().__init__(f"{what} failed:\n{output}")


class LinkError(CoverifyError):
    """No trustworthy answer came over the line; says nothing about the model. Check cable, port, power."""


class BadAnswer(LinkError):
    """An answer with a good CRC contradicts the protocol; host and firmware do not fit together."""


class DeviceReset(LinkError):
    """The device restarted in the middle of a session: its model and inputs are gone; say HELLO again."""

    def __init__(self, expected: int, got: int) -> None:
        """The boot nonces: the one of this session and the one in the answer."""
        self.expected = expected
        self.got = got
        super().__init__(
            f"the device restarted during the session (boot nonce {expected:#010x}, now {got:#010x}); "
            "its model and inputs are lost: start again, and look at its supply or watchdog if this returns"
        )


class StateLost(LinkError):
    """The device has run another invocation since the one that was to be continued; begin from a reset."""


class DeviceRefused(CoverifyError):
    """The device answered and said no: `status` and `state` (see protocol.h), `detail` (an op index, …)."""

    def __init__(
        self, request: str, status: int, status_name: str, state: int, detail: int, message: str
    ) -> None:
        """`message` is the device's own text, ASCII, possibly empty; `detail` 0xFFFFFFFF means nowhere."""
        self.request = request
        self.status = status
        self.status_name = status_name
        self.state = state
        self.detail = detail
        self.message = message
        said = f"at least {detail} bytes are needed" if status_name == "NO_ARENA" else f"detail {detail}"
        where = "" if detail == 0xFFFFFFFF else f" ({said})"
        text = f": {message}" if message else ""
        super().__init__(f"the device refused {request}: {status_name}{where}{text}")


@dataclass(frozen=True)
class FaultRegisters:
    """What a Cortex-M core stacked, and its fault status registers; zero where a port has none.

    sp, stack_end: where the stack pointer stood, and the lowest address that it may have; trail: what on the
    stack looks like return addresses, innermost first.
    """

    r0: int
    r1: int
    r2: int
    r3: int
    r12: int
    lr: int
    pc: int
    xpsr: int
    cfsr: int
    hfsr: int
    mmfar: int
    bfar: int
    sp: int = field(default=0, kw_only=True)
    stack_end: int = field(default=0, kw_only=True)
    trail: tuple[int, ...] = field(default=(), kw_only=True)

    @property
    def overflowed(self) -> bool:
        """Has the stack overflowed? The registers could not be stored on it, or it stands below its end."""
        return bool(self.cfsr & _STACKING) or self.sp < self.stack_end


_EXCEPTIONS = {
    2: "NMI",
    3: "HardFault",
    4: "MemManage",
    5: "BusFault",
    6: "UsageFault",
    7: "SecureFault",
    14: "watchdog: no operator ended in its time",
}
_STATUS = {
    0: "IACCVIOL", 1: "DACCVIOL", 3: "MUNSTKERR", 4: "MSTKERR", 5: "MLSPERR",
    8: "IBUSERR", 9: "PRECISERR", 10: "IMPRECISERR", 11: "UNSTKERR", 12: "STKERR", 13: "LSPERR",
    16: "UNDEFINSTR", 17: "INVSTATE", 18: "INVPC", 19: "NOCP", 20: "STKOF", 24: "UNALIGNED", 25: "DIVBYZERO",
}  # fmt: skip
"""The bits of CFSR that say what happened (Arm DDI 0403E, B3.2.15; DDI 0553B, CFSR)."""
_STACKING = 1 << 4 | 1 << 12 | 1 << 20
"""MSTKERR, STKERR, STKOF: the registers could not be stored on the stack."""


class DeviceFault(CoverifyError):
    """The firmware crashed and reported its registers; `located` adds what they mean in its ELF."""

    def __init__(self, boot: int, exception: int, registers: FaultRegisters, found: str = "") -> None:
        """`exception` is the core's exception number (3 HardFault, …); `found`: see located."""
        self.boot = boot
        self.exception = exception
        self.registers = registers
        name = _EXCEPTIONS.get(exception, f"exception {exception}")
        bits = [bit for at, bit in _STATUS.items() if registers.cfsr >> at & 1]
        if registers.overflowed:
            bits.append("the stack has overflowed")
        said = f" ({', '.join(bits)})" if bits else ""
        where = found or "look the pc up in the firmware's ELF (addr2line -e)"
        super().__init__(
            f"the firmware crashed: {name}{said} at pc {registers.pc:#010x}, lr {registers.lr:#010x}, "
            f"sp {registers.sp:#010x}, cfsr {registers.cfsr:#010x}, hfsr {registers.hfsr:#010x}, "
            f"bfar {registers.bfar:#010x}; {where}; reset the device"
        )

    def located(self, place: Callable[[int], str | None]) -> DeviceFault:
        """The same fault with its addresses as functions and lines; `place` tells those of one address."""
        registers = self.registers
        at = place(registers.pc & ~1) if registers.pc else None
        calls = (place((address & ~1) - 2) for address in (registers.lr, *registers.trail) if address)
        callers = [caller for caller in calls if caller is not None]
        if at is not None and callers and callers[0].split()[0] == at.split()[0]:
            callers = callers[1:]  # the link register still holds a call that the function itself made
        parts = [f"in {at}"] if at is not None else []
        if callers:
            parts.append(f"the stack shows calls from {' ← '.join(callers)}")
        return DeviceFault(self.boot, self.exception, registers, "; ".join(parts))
