"""Writes core/tokenizer/unicode_tables.c: properties of code points as the tokenizers library sees them.

usage: python3 core/tokenizer/unicode_tables.py > core/tokenizer/unicode_tables.c
Needs the tokenizers package (its version is written into the file). Categories, spaces, words and scripts come
from its Split pre-tokenizer (Oniguruma), numbers from Digits (Rust's char::is_numeric), words and spaces around
added tokens from Whitespace (the regex crate): three engines with Unicode versions of their own.
"""
import tokenizers
from tokenizers import Regex, pre_tokenizers

CATEGORIES = "Cn Cc Cf Co Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp".split()
CODES = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
TEXT = "".join(map(chr, CODES))


def members(splitter):
    """Code points that the splitter keeps."""
    found = set()
    for _, (start, end) in splitter.pre_tokenize_str(TEXT):
        found.update(CODES[start:end])
    return found


def of_class(pattern):
    return members(pre_tokenizers.Split(Regex(pattern), "removed", invert=True))


def of_digits():
    """Isolated digits are pieces of one character between letters."""
    digits = pre_tokenizers.Digits(individual_digits=True)
    text = "".join("a" + c for c in TEXT) + "a"
    return {ord(piece) for piece, _ in digits.pre_tokenize_str(text) if len(piece) == 1 and piece != "a"}


def of_crate():
    """Between two letters a word character joins them, a space vanishes, anything else stands alone."""
    whitespace = pre_tokenizers.Whitespace()
    words, spaces = set(), set()
    for c in CODES:
        pieces = whitespace.pre_tokenize_str("a" + chr(c) + "a")
        if len(pieces) == 1:
            words.add(c)
        elif len(pieces) == 2:
            spaces.add(c)
    return words, spaces


def main():
    flags = [of_class(r"\s"), of_class(r"\w"), of_digits(), *of_crate(), of_class(r"\p{Han}")]
    category = {}
    for index, name in enumerate(CATEGORIES):
        for c in of_class(r"\p{%s}" % name):
            assert c not in category, (hex(c), name)
            category[c] = index
    runs = []
    for c in range(0x110000):
        value = category.get(c, 0)
        for bit, members_of in enumerate(flags):
            value |= (c in members_of) << (5 + bit)
        if not runs or runs[-1][1] != value:
            runs.append((c, value))
    print("/* clang-format off: written by core/tokenizer/unicode_tables.py with tokenizers "
          f"{tokenizers.__version__}. */")
    print('#include "core/tokenizer/unicode_tables.h"\n')
    print(f"const size_t ps_unicode_run_count = {len(runs)};\n")
    print("const uint32_t ps_unicode_run[] = {")
    words = [f"0x{start << 11 | value:08X}" for start, value in runs]
    for i in range(0, len(words), 7):
        print("\t" + ", ".join(words[i:i + 7]) + ",")
    print("};")


main()
