"""Variable names to paths in a mount, and back, written from the documented rules alone.

Nothing here is taken from the C code, so that the two check each other.  Names and paths are
bytes.
"""

import collections

SUFFIX = b"/.ATTRIBUTES/VARIABLE_VALUE"
MAX = 250  # bytes of a component; 255 less ".json"
CUT = MAX - len(b"%~") - 16
MARKS = (b".d", b".json", b".npy", b".txt")


def fnv1a(data):
    number = 0xCBF29CE484222325
    for byte in data:
        number = (number ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return number


def _component_whole(part, root, last, sep):
    """A component's spelling, however long."""
    if part == b"":
        return b"%-"
    encoded = {}  # position: must be percent-encoded
    for i, byte in enumerate(part):
        if byte in (0x25, 0x00) or (byte == 0x2F and sep != b"/"):
            encoded[i] = True
    if part in (b".", b".."):
        encoded.update({i: True for i in range(len(part))})
    for mark in MARKS:
        if part.endswith(mark):
            encoded[len(part) - len(mark)] = True
    if root and part == b".ckptfuse":
        encoded[0] = True
    if last:
        if part.startswith(b"."):
            encoded[0] = True
        if part.endswith(b"~"):
            encoded[len(part) - 1] = True
        if part.endswith(b".swp"):
            encoded[len(part) - 4] = True
        if len(part) > 1 and part.startswith(b"#") and part.endswith(b"#"):
            encoded[0] = encoded[len(part) - 1] = True
    return b"".join(b"%%%02X" % byte if i in encoded else bytes([byte])
                    for i, byte in enumerate(part))


def _is_character(data):
    try:
        return len(data.decode("utf-8")) == 1
    except UnicodeDecodeError:
        return False


def _cut(spelling):
    """Cuts a long spelling, never inside %XX or a UTF-8 character."""
    end = CUT
    if b"%" in spelling[end - 2:end]:
        end = spelling.rindex(b"%", end - 2, end)
    for before in range(1, 4):
        for length in range(before + 1, 5):
            if _is_character(spelling[end - before:end - before + length]):
                return spelling[:end - before] + b"%%~%016x" % fnv1a(spelling)
    return spelling[:end] + b"%%~%016x" % fnv1a(spelling)


def component(part, root=False, last=False, sep=b"/"):
    """The file name that one component of a name is spelt as."""
    whole = _component_whole(part, root, last, sep)
    return whole if len(whole) <= MAX else _cut(whole)


def shown(names, raw_names=False):
    """{name: the name that its path is made of}: TF2's suffix is left out where nothing collides.

    A name that is nothing but the suffix keeps it: no variable has the empty name.
    """
    out = {name: name[:-len(SUFFIX)]
           if not raw_names and len(name) > len(SUFFIX) and name.endswith(SUFFIX) else name
           for name in names}
    while True:
        count = collections.Counter(out.values())
        kept = [name for name, short in out.items() if count[short] > 1 and short != name]
        if not kept:
            return out
        out.update((name, name) for name in kept)


def encode(name, names, sep=b"/", raw_names=False):
    """The path of the variable name in the mount of a checkpoint that holds names."""
    table = shown(names, raw_names)
    return _path(table[name], set(table.values()), sep)


def encode_all(names, sep=b"/", raw_names=False):
    """{name: path} of a whole checkpoint."""
    table = shown(names, raw_names)
    variables = set(table.values())
    return {name: _path(short, variables, sep) for name, short in table.items()}


def _path(name, variables, sep):
    parts = name.split(sep)
    out = []
    for i, part in enumerate(parts):
        last = i == len(parts) - 1
        spelling = component(part, i == 0, last, sep)
        if not last and sep.join(parts[:i + 1]) in variables:
            spelling += b".d"
        out.append(spelling)
    return b"/".join(out)


def _undo(spelling, root, last, sep):
    if spelling == b"%-":
        return b""
    part, i = b"", 0
    while i < len(spelling):
        if spelling[i:i + 1] == b"%":
            if spelling[i + 1:i + 2] == b"~":
                raise ValueError("cut: only the checkpoint knows the name")
            part += bytes([int(spelling[i + 1:i + 3], 16)])
            i += 3
        else:
            part += spelling[i:i + 1]
            i += 1
    if component(part, root, last, sep) != spelling:
        raise ValueError("no name is spelt so")
    return part


def decode(path, sep=b"/"):
    """The name that path stands for (TF2's suffix stays left out); ValueError where none does."""
    parts = path.split(b"/")
    out = []
    for i, part in enumerate(parts):
        last = i == len(parts) - 1
        if not last and part.endswith(b".d"):
            part = part[:-2]
        out.append(_undo(part, i == 0, last, sep))
    return sep.join(out)
