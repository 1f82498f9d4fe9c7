"""The compiled pass over a batch's bytes (numba, nopython).

`scan` says of every message whether it is *surely* good: a flat JSON object (RFC 8259) without escapes,
of known fields only, each once, of its type, and within every bound of its field. Whatever is not
surely good is for the row check in SQL to judge; the pass only may never call a bad record good.
Fields of one contract are described by parallel arrays, see `ScanPlan`.
"""

import numpy as np
from numba import njit

from connectors.sink.scan.kinds import BOOLEAN, DATE, INTEGER, NUMBER, STRING, STRINGS, TIMESTAMP

_POWERS = np.array([10.0**n for n in range(23)])
_PLAIN = np.array([32 <= c < 128 and c not in (34, 92) for c in range(256)])  # ASCII that a text holds as it is
_MAX_DIGITS = 15  # a decimal of so many digits over a power up to 10^22 is rounded once, so exactly
_MAX_INT_DIGITS = 18
_SHORT = 40  # bytes up to which a loop copies faster than a call


@njit(cache=True, nogil=True)
def scan(plan, buf, offsets, key_buf, key_offsets, nulls, good, present, starts, ends, ints, floats, items, item_rows):
    """Fill `good` (n), and for every field and row `present`, spans into `buf` or values; returns the items used.

    `offsets` and `key_offsets` have n + 1 entries; `nulls` marks messages without key or value. The field
    arrays are (fields, n). `items` (4, capacity) takes field, start, end, value of array items in row
    order, `item_rows` how many of a field's items each row has.
    """
    (
        name_bytes,
        name_ends,
        kinds,
        required,
        low,
        high,
        flow,
        fhigh,
        short,
        long_,
        allowed_bytes,
        allowed_ends,
        allowed_of,
        parts,
        parts_of,
        tables,
        next_hint,
        kafka_key,
    ) = plan
    fields = len(kinds)
    seen = np.full(fields, -1, np.int64)
    used = 0
    for row in range(len(good)):
        if nulls[row]:
            continue
        before = used
        end = np.int64(offsets[row + 1])
        pos = _skip(buf, np.int64(offsets[row]), end)
        ok = pos < end and buf[pos] == 123
        pos += 1
        previous = fields  # names mostly come in the order of the record before: a guess is kept for each
        first = True
        while ok:
            pos = _skip(buf, pos, end)
            if pos >= end:
                ok = False
                break
            if buf[pos] == 125:
                ok = first
                pos += 1
                break
            first = False
            if buf[pos] != 34:
                ok = False
                break
            hint = next_hint[previous]
            field, pos = _field(buf, pos + 1, end, name_bytes, name_ends, hint)
            if field < 0 or seen[field] == row:
                ok = False
                break
            seen[field] = row
            if field != hint:
                next_hint[previous] = field
            previous = field
            pos = _skip(buf, pos, end)
            if pos >= end or buf[pos] != 58:
                ok = False
                break
            pos = _skip(buf, pos + 1, end)
            if pos >= end:
                ok = False
                break
            c = buf[pos]
            kind = kinds[field]
            if c == 110:
                ok = not required[field] and _word(buf, pos, end, 110, 117, 108, 108)
                pos += 4
            elif kind == STRING:
                start = pos + 1
                pos, size = _string(buf, pos, end)
                ok = (
                    pos > 0
                    and short[field] <= size <= long_[field]
                    and _listed(buf, start, pos - 1, field, allowed_bytes, allowed_ends, allowed_of)
                    and _matches(buf, start, pos - 1, field, parts, parts_of, tables)
                )
                if ok:
                    present[field, row] = True
                    starts[field, row] = start
                    ends[field, row] = pos - 1
            elif kind == INTEGER:
                value, pos = _integer(buf, pos, end)
                ok = pos > 0 and low[field] <= value <= high[field]
                if ok:
                    present[field, row] = True
                    ints[field, row] = value
            elif kind == NUMBER:
                number, pos = _number(buf, pos, end)
                ok = pos > 0 and flow[field] <= number <= fhigh[field]
                if ok:
                    present[field, row] = True
                    floats[field, row] = number
            elif kind == BOOLEAN:
                truth = c == 116
                if truth:
                    ok = _word(buf, pos, end, 116, 114, 117, 101)
                    pos += 4
                else:
                    ok = _word(buf, pos, end, 102, 97, 108, 115) and pos + 4 < end and buf[pos + 4] == 101
                    pos += 5
                if ok:
                    present[field, row] = True
                    ints[field, row] = truth
            elif kind == DATE:
                ok = pos + 11 < end and c == 34 and buf[pos + 11] == 34
                if ok:
                    day, ok = _date(buf, pos + 1)
                    ok = ok and low[field] <= day <= high[field]
                    present[field, row] = ok
                    ints[field, row] = day
                pos += 12
            elif kind == TIMESTAMP:
                ok = c == 34
                if ok:
                    instant, pos = _instant(buf, pos + 1, end)
                    ok = pos > 0 and low[field] <= instant <= high[field]
                    present[field, row] = ok
                    ints[field, row] = instant
            else:
                ok = c == 91
                if ok:
                    count, pos, used = _items(
                        buf,
                        pos,
                        end,
                        field,
                        kind,
                        allowed_bytes,
                        allowed_ends,
                        allowed_of,
                        parts,
                        parts_of,
                        tables,
                        low[field],
                        high[field],
                        items,
                        used,
                    )
                    ok = pos > 0 and short[field] <= count <= long_[field]
                    present[field, row] = ok
                    item_rows[field, row] = count
            if not ok:
                break
            pos = _skip(buf, pos, end)
            if pos >= end:
                ok = False
                break
            if buf[pos] == 125:
                pos += 1
                break
            ok = buf[pos] == 44
            pos += 1
            if ok:  # a name must follow a comma
                pos = _skip(buf, pos, end)
                ok = pos < end and buf[pos] == 34
        if ok:
            ok = _skip(buf, pos, end) == end
        if ok:
            for field in range(fields):
                if required[field] and seen[field] != row:
                    ok = False
                    break
        if ok:
            ok = _same(
                buf, starts[kafka_key, row], ends[kafka_key, row], key_buf, key_offsets[row], key_offsets[row + 1]
            )
        good[row] = ok
        if not ok:
            used = before
    return used


@njit(cache=True, nogil=True, inline="always")
def _skip(buf, pos, end):
    while pos < end and (buf[pos] == 32 or buf[pos] == 10 or buf[pos] == 13 or buf[pos] == 9):
        pos += 1
    return pos


@njit(cache=True, nogil=True, inline="always")
def _word(buf, pos, end, a, b, c, d):
    return pos + 4 <= end and buf[pos] == a and buf[pos + 1] == b and buf[pos + 2] == c and buf[pos + 3] == d


@njit(cache=True, nogil=True)
def _same(left, start, end, right, right_start, right_end):
    if end - start != right_end - right_start:
        return False
    for n in range(end - start):
        if left[start + n] != right[right_start + n]:
            return False
    return True


@njit(cache=True, nogil=True)
def _field(buf, pos, end, name_bytes, name_ends, hint):
    """The field whose name starts at `pos`, and the position after its closing quote; -1 for an unknown one."""
    fields = len(name_ends) - 1
    for n in range(fields):
        field = hint + n
        if field >= fields:
            field -= fields
        start = name_ends[field]
        size = name_ends[field + 1] - start
        if pos + size < end and buf[pos + size] == 34:
            same = True
            for at in range(size):
                if buf[pos + at] != name_bytes[start + at]:
                    same = False
                    break
            if same:
                return field, pos + size + 1
    return -1, pos


@njit(cache=True, nogil=True)
def _string(buf, pos, end):
    """Position after the text's closing quote and its length in characters; 0 where it is not plain valid UTF-8."""
    if buf[pos] != 34:
        return 0, 0
    pos += 1
    size = -pos
    while pos < end:
        while pos < end and _PLAIN[buf[pos]]:
            pos += 1
        if pos >= end:
            return 0, 0
        c = buf[pos]
        if c == 34:
            return pos + 1, size + pos
        if c < 32 or c == 92:
            return 0, 0
        # Unicode 15, table 3-7: well-formed UTF-8 byte sequences.
        if 0xC2 <= c <= 0xDF:
            more, least, most = 1, 0x80, 0xBF
        elif c == 0xE0:
            more, least, most = 2, 0xA0, 0xBF
        elif c == 0xED:
            more, least, most = 2, 0x80, 0x9F
        elif 0xE1 <= c <= 0xEF:
            more, least, most = 2, 0x80, 0xBF
        elif c == 0xF0:
            more, least, most = 3, 0x90, 0xBF
        elif 0xF1 <= c <= 0xF3:
            more, least, most = 3, 0x80, 0xBF
        elif c == 0xF4:
            more, least, most = 3, 0x80, 0x8F
        else:
            return 0, 0
        if pos + more >= end or not least <= buf[pos + 1] <= most:
            return 0, 0
        for n in range(2, more + 1):
            if not 0x80 <= buf[pos + n] <= 0xBF:
                return 0, 0
        pos += more + 1
        size -= more
    return 0, 0


@njit(cache=True, nogil=True)
def _listed(buf, start, end, field, allowed_bytes, allowed_ends, allowed_of):
    first, last = allowed_of[field, 0], allowed_of[field, 1]
    if first < 0:
        return True
    for n in range(first, last):
        if _same(buf, start, end, allowed_bytes, allowed_ends[n], allowed_ends[n + 1]):
            return True
    return False


@njit(cache=True, nogil=True)
def _matches(buf, start, end, field, parts, parts_of, tables):
    """Whether the text is a run of character classes, each repeated within its bounds (see `plan.pattern_parts`)."""
    first, last = parts_of[field, 0], parts_of[field, 1]
    if first < 0:
        return True
    pos = start
    for n in range(first, last):
        least, most = parts[n, 0], parts[n, 1]
        count = 0
        while pos < end and count < most and tables[n, buf[pos]]:
            pos += 1
            count += 1
        if count < least:
            return False
    return pos == end


@njit(cache=True, nogil=True)
def _integer(buf, pos, end):
    """A JSON number without fraction or exponent, and the position after it; 0 for anything else."""
    negative = buf[pos] == 45
    if negative:
        pos += 1
    start = pos
    value = np.int64(0)
    while pos < end and 48 <= buf[pos] <= 57:
        value = value * 10 + (buf[pos] - 48)
        pos += 1
        if pos - start > _MAX_INT_DIGITS:
            return np.int64(0), 0
    if pos == start or (buf[start] == 48 and pos - start > 1) or pos >= end:
        return np.int64(0), 0
    if buf[pos] == 46 or buf[pos] == 101 or buf[pos] == 69:
        return np.int64(0), 0
    return (-value if negative else value), pos


@njit(cache=True, nogil=True)
def _number(buf, pos, end):
    """A JSON decimal short enough to be exact after one division; 0 for longer ones and exponents."""
    negative = buf[pos] == 45
    if negative:
        pos += 1
    start = pos
    digits = np.int64(0)
    count = 0
    while pos < end and 48 <= buf[pos] <= 57:
        digits = digits * 10 + (buf[pos] - 48)
        pos += 1
        count += 1
        if count > _MAX_DIGITS:
            return 0.0, 0
    if count == 0 or (buf[start] == 48 and count > 1) or pos >= end:
        return 0.0, 0
    scale = 0
    if buf[pos] == 46:
        pos += 1
        while pos < end and 48 <= buf[pos] <= 57:
            digits = digits * 10 + (buf[pos] - 48)
            pos += 1
            scale += 1
            if count + scale > _MAX_DIGITS:
                return 0.0, 0
        if scale == 0 or pos >= end:
            return 0.0, 0
    if buf[pos] == 101 or buf[pos] == 69:
        return 0.0, 0
    value = digits / _POWERS[scale]
    return (-value if negative else value), pos


@njit(cache=True, nogil=True, inline="always")
def _two(buf, pos):
    """Two digits as a number, -1 where they aren't."""
    a, b = buf[pos], buf[pos + 1]
    if 48 <= a <= 57 and 48 <= b <= 57:
        return np.int64(a - 48) * 10 + np.int64(b - 48)
    return np.int64(-1)


@njit(cache=True, nogil=True)
def _date(buf, pos):
    """Days since 1970-01-01 of the ten characters YYYY-MM-DD in the years 1000 to 2999, and whether they are one."""
    century, year2, month, day = _two(buf, pos), _two(buf, pos + 2), _two(buf, pos + 5), _two(buf, pos + 8)
    if not (10 <= century <= 29 and year2 >= 0 and 1 <= month <= 12 and day >= 1):
        return np.int64(0), False
    if buf[pos + 4] != 45 or buf[pos + 7] != 45:
        return np.int64(0), False
    year = century * 100 + year2
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    longest = (29 if leap else 28) if month == 2 else 30 if month in (4, 6, 9, 11) else 31
    if day > longest:
        return np.int64(0), False
    # Days from the civil calendar, years counted from March (H. Hinnant, "chrono-compatible date algorithms").
    shifted = year - (1 if month <= 2 else 0)
    era = shifted // 400
    of_era = shifted - era * 400
    of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468, True


@njit(cache=True, nogil=True)
def _instant(buf, pos, end):
    """Microseconds since 1970 UTC of an RFC 3339 instant, and the position after its closing quote; 0 if none."""
    if pos + 21 > end:
        return np.int64(0), 0
    day, ok = _date(buf, pos)
    hour, minute, second = _two(buf, pos + 11), _two(buf, pos + 14), _two(buf, pos + 17)
    if not (
        ok
        and buf[pos + 10] == 84
        and buf[pos + 13] == 58
        and buf[pos + 16] == 58
        and 0 <= hour <= 23
        and 0 <= minute <= 59
        and 0 <= second <= 59
    ):
        return np.int64(0), 0
    micros = ((day * 24 + hour) * 60 + minute) * 60_000_000 + second * 1_000_000
    pos += 19
    if buf[pos] == 46:
        pos += 1
        unit = np.int64(100_000)
        count = 0
        while pos < end and 48 <= buf[pos] <= 57:
            micros += unit * np.int64(buf[pos] - 48)
            unit //= 10
            pos += 1
            count += 1
        if count == 0 or count > 6:
            return np.int64(0), 0
    if pos + 1 < end and buf[pos] == 90:
        return (micros, pos + 2) if buf[pos + 1] == 34 else (np.int64(0), 0)
    if pos + 6 >= end or (buf[pos] != 43 and buf[pos] != 45) or buf[pos + 3] != 58 or buf[pos + 6] != 34:
        return np.int64(0), 0
    zone_hour, zone_minute = _two(buf, pos + 1), _two(buf, pos + 4)
    if not (0 <= zone_hour <= 23 and 0 <= zone_minute <= 59):
        return np.int64(0), 0
    shift = (zone_hour * 60 + zone_minute) * 60_000_000
    return (micros - shift if buf[pos] == 43 else micros + shift), pos + 7


@njit(cache=True, nogil=True)
def _items(
    buf, pos, end, field, kind, allowed_bytes, allowed_ends, allowed_of, parts, parts_of, tables, low, high, items, used
):
    """Count, position after the bracket (0: not surely good) and items used so far, of an array at `pos`."""
    pos = _skip(buf, pos + 1, end)
    count = 0
    if pos < end and buf[pos] == 93:
        return count, pos + 1, used
    while pos < end and used < items.shape[1]:
        items[0, used] = field
        if kind == STRINGS:
            start = pos + 1
            pos, _size = _string(buf, pos, end)
            if pos == 0 or not (
                _listed(buf, start, pos - 1, field, allowed_bytes, allowed_ends, allowed_of)
                and _matches(buf, start, pos - 1, field, parts, parts_of, tables)
            ):
                return count, 0, used
            items[1, used] = start
            items[2, used] = pos - 1
        else:
            value, pos = _integer(buf, pos, end)
            if pos == 0 or not low <= value <= high:
                return count, 0, used
            items[3, used] = value
        used += 1
        count += 1
        pos = _skip(buf, pos, end)
        if pos >= end:
            return count, 0, used
        if buf[pos] == 93:
            return count, pos + 1, used
        if buf[pos] != 44:
            return count, 0, used
        pos = _skip(buf, pos + 1, end)
    return count, 0, used


@njit(cache=True, nogil=True)
def gather(buf, starts, ends, present, rows, offsets):
    """Copy the spans of `rows` into one buffer; fills `offsets` (rows + 1); absent ones are empty."""
    total = np.int64(0)
    for n in range(len(rows)):
        offsets[n] = total
        row = rows[n]
        if present[row]:
            total += ends[row] - starts[row]
    offsets[len(rows)] = total
    out = np.empty(total, np.uint8)
    at = 0
    for n in range(len(rows)):
        row = rows[n]
        if present[row]:
            size = ends[row] - starts[row]
            if size < _SHORT:
                for pos in range(size):
                    out[at + pos] = buf[starts[row] + pos]
            else:
                out[at : at + size] = buf[starts[row] : ends[row]]
            at += size
    return out
