"""Reads what a program needs from the system: its machine, its libraries, and the newest version of glibc."""

import struct

MACHINES = {62: "x86_64", 183: "aarch64"}
SECTION_DYNAMIC = 6
SECTION_NEEDED_VERSIONS = 0x6FFFFFFE
TAG_NEEDED = 1
# A version that only weak symbols use: the program starts without it.
FLAG_WEAK = 2

# What every Linux of the manylinux profile has (PEP 600), as far as a Rust program can need it.
EVERYWHERE = {
    "libc.so.6", "libm.so.6", "libdl.so.2", "librt.so.1", "libpthread.so.0", "libutil.so.1", "libresolv.so.2",
    "libgcc_s.so.1", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1",
}


class Program:
    """An executable file."""

    def __init__(self, data):
        # ELF, 64 bits, little-endian.
        if data[:6] != b"\x7fELF\x02\x01":
            raise ValueError("this is no 64-bit program for Linux")
        self.data = data
        machine = struct.unpack_from("<H", data, 18)[0]
        self.machine = MACHINES.get(machine, f"machine{machine}")
        self.sections = self.read_sections()
        self.libraries = self.read_libraries()
        self.versions = self.read_versions()

    def read_sections(self):
        (start,) = struct.unpack_from("<Q", self.data, 40)
        size, count = struct.unpack_from("<HH", self.data, 58)
        sections = []
        for place in range(start, start + size * count, size):
            _, kind, _, _, offset, length, link, info = struct.unpack_from("<IIQQQQII", self.data, place)
            sections.append({"kind": kind, "offset": offset, "length": length, "link": link, "info": info})
        return sections

    def of_kind(self, kind):
        return [section for section in self.sections if section["kind"] == kind]

    def text(self, section, offset):
        start = self.sections[section["link"]]["offset"] + offset
        return self.data[start : self.data.index(b"\0", start)].decode()

    def read_libraries(self):
        libraries = []
        for section in self.of_kind(SECTION_DYNAMIC):
            for place in range(section["offset"], section["offset"] + section["length"], 16):
                tag, value = struct.unpack_from("<qQ", self.data, place)
                if tag == TAG_NEEDED:
                    libraries.append(self.text(section, value))
        return libraries

    def read_versions(self):
        """The names of the versions that each library must have, such as `GLIBC_2.34`."""
        versions = {}
        for section in self.of_kind(SECTION_NEEDED_VERSIONS):
            library = section["offset"]
            for _ in range(section["info"]):
                _, count, file, first, following = struct.unpack_from("<HHIII", self.data, library)
                place = library + first
                for _ in range(count):
                    _, flags, _, name, next_one = struct.unpack_from("<IHHII", self.data, place)
                    if not flags & FLAG_WEAK:
                        versions.setdefault(self.text(section, file), set()).add(self.text(section, name))
                    place += next_one
                library += following
        return versions

    def glibc(self):
        """The oldest glibc that this program starts with, as (2, 34); None if it needs none."""
        found = []
        for version in set().union(*self.versions.values()):
            name, _, number = version.partition("_")
            if name == "GLIBC":
                # Versions without a number, and the glibc that brought them.
                number = {"ABI_DT_RELR": "2.36"}.get(number, number)
                if not number[:1].isdigit():
                    raise SystemExit(f"the program needs {version}, which no tag of a wheel can express")
                found.append(tuple(int(part) for part in number.split(".")[:2]))
        return max(found, default=None)

    def platform_tag(self):
        """The tag of the platforms that this program runs on, and why it is no better one."""
        glibc = self.glibc()
        foreign = sorted(set(self.libraries) - EVERYWHERE)
        if glibc is None or foreign:
            reason = f"it needs {', '.join(foreign)}" if foreign else "it does not need glibc"
            return f"linux_{self.machine}", reason
        # The first that manylinux defines for this form of tag is 2.5; no glibc of our machines is older.
        return f"manylinux_{glibc[0]}_{glibc[1]}_{self.machine}", f"it needs glibc {glibc[0]}.{glibc[1]}"
