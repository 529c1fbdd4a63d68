/* Text in the making: numbers, dates and names as they stand in the lines of listings. */

#include "listing.h"

int
reserve(text_t *out, size_t more)
{
    size_t needed = out->length + more;
    if (out->made == NULL)
        out->made = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)needed);
    else if (needed > (size_t)PyBytes_GET_SIZE(out->made))
        _PyBytes_Resize(&out->made, (Py_ssize_t)needed * 2);
    return out->made == NULL ? -1 : 0;
}

PyObject *
finished(text_t *out)
{
    if (out->made != NULL)
        _PyBytes_Resize(&out->made, (Py_ssize_t)out->length);
    return out->made;
}

char *
put_signed(char *to, int64_t value, int width, char pad)
{
    char digits[20];
    int length = 0, negative = value < 0;
    uint64_t rest = negative ? 0 - (uint64_t)value : (uint64_t)value;
    do
        digits[sizeof digits - 1 - (size_t)length++] = (char)('0' + rest % 10);
    while ((rest /= 10) != 0);
    width -= length + negative;
    if (negative && pad == '0')
        *to++ = '-';
    for (; width > 0; width--)
        *to++ = pad;
    if (negative && pad != '0')
        *to++ = '-';
    return put(to, digits + sizeof digits - length, (size_t)length);
}

char *
put_hex(char *to, uint64_t value)
{
    int shift = 60;
    while (shift > 0 && value >> shift == 0)
        shift -= 4;
    for (; shift >= 0; shift -= 4)
        *to++ = "0123456789ABCDEF"[value >> shift & 15];
    return to;
}

/* Whether one of eight letters is no plain one: below a blank, DEL, or beyond ASCII. */
static int
any_odd(uint64_t letters)
{
    const uint64_t ones = 0x0101010101010101u, tops = ones * 0x80;
    uint64_t dels = letters ^ ones * 0x7F;
    return ((letters | (letters - ones * ' ') | (dels - ones)) & tops) != 0;
}

char *
put_name(char *to, const char *name, Py_ssize_t length, int everything)
{
    Py_ssize_t at = 0;
    uint64_t letters;
    for (; at + (Py_ssize_t)sizeof letters <= length; at += (Py_ssize_t)sizeof letters) {
        memcpy(&letters, name + at, sizeof letters);
        if (any_odd(letters))
            break;
        to = put(to, name + at, sizeof letters);
    }
    for (; at < length; at++) {
        unsigned char letter = (unsigned char)name[at];
        if (letter == '\r' || letter == '\n')
            letter = '?';
        else if (everything && ((letter < ' ' && letter != '\t') || letter == 0x7F))
            letter = '?';
        else if (everything && letter == 0xC2 && at + 1 < length && ((unsigned char)name[at + 1] & 0xE0) == 0x80) {
            /* U+0080 to U+009F */
            letter = '?';
            at++;
        }
        *to++ = (char)letter;
    }
    return to;
}

/* Seconds from 1970 in which all calendars have a year for everything. */
#define CALENDAR ((int64_t)1 << 55)

#define DAY 86400
#define ERA 146097 /* the days of 400 years, after which the calendar begins anew */

/* UTC, as gmtime_r tells it, which takes ten times as long: entries of a real folder have a time each. Days are counted
   from March 1st of the year 0: in years that begin so, a leap day is the last one. */
static void
read_utc(int64_t moment, struct tm *at)
{
    int64_t days = moment / DAY - (moment % DAY < 0);
    int rest = (int)(moment - days * DAY);
    days += 719468; /* 1970-01-01 */
    int64_t era = days / ERA - (days % ERA < 0);
    int day = (int)(days - era * ERA);
    int year = (day - day / 1460 + day / 36524 - day / (ERA - 1)) / 365;
    day -= 365 * year + year / 4 - year / 100;
    int month = (5 * day + 2) / 153; /* five months have 153 days, from March and from August on */
    at->tm_mday = day - (153 * month + 2) / 5 + 1;
    at->tm_mon = (month + 2) % 12;
    at->tm_year = (int)(era * 400 + year + (month >= 10) - 1900);
    at->tm_hour = rest / 3600;
    at->tm_min = rest / 60 % 60;
    at->tm_sec = rest % 60;
}

const struct tm *
read_clock(reading_t *last, int64_t moment, int seconds, int gmt)
{
    int64_t stretch = moment / seconds - (moment % seconds < 0);
    if (last->seconds != seconds || last->stretch != stretch) {
        last->stretch = stretch;
        last->seconds = seconds;
        time_t start = 0;
        if (stretch >= -CALENDAR / seconds - 1 && stretch <= CALENDAR / seconds)
            start = (time_t)(stretch * seconds);
        else
            gmt = 1;
        if (start < -CALENDAR || start >= CALENDAR || (!gmt && localtime_r(&start, &last->at) == NULL)) {
            start = 0;
            gmt = 1;
        }
        if (gmt)
            read_utc(start, &last->at);
    }
    return &last->at;
}
