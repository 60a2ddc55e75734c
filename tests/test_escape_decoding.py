"""Escapes are decoded, whatever wrote them, and each piece is traced to its place in the text."""

from __future__ import annotations

import pytest

from conformance.deployment.record.escape_decoding import layers, unescaped


@pytest.mark.parametrize(
    ("text", "decoded"),
    [
        # URLs
        ("%66ish", "fish"),
        ("%2566ish", "fish"),
        ("%252566ish", "fish"),
        ("%u0066ish", "fish"),
        ("%25u0066ish", "fish"),
        ("%u20AC", "€"),
        ("%C3%A9", "é"),
        ("%25C3%25A9", "é"),
        ("%FFa", "\ufffda"),
        ("%66%69", "fi"),
        # JSON and source code
        ("\\u0066", "f"),
        ("\\\\u0066", "f"),
        ("\\U00000066", "f"),
        ("\\u{66}", "f"),
        ("\\u{1F41F}", "🐟"),
        ("\\U0001f41f", "🐟"),
        ("\\ud83d\\udc1f", "🐟"),
        ("\\\\uD83D\\\\uDC1F", "🐟"),
        ("\\ud83d", "\ud83d"),
        ("\\u{110000}", "\ufffd"),
        ("\\u{10FFFF}", "\U0010ffff"),
        ("\\x66", "f"),
        ("\\146", "f"),
        ("\\b\\f\\n\\r\\t", "\b\f\n\r\t"),
        ('\\/\\"\\u', '/"u'),
        # HTML
        ("&#102;", "f"),
        ("&#102", "f"),
        ("&#x66;", "f"),
        ("&lt;&amp;", "<&"),
        ("&amp;#102;", "f"),
        ("&amp;amp;lt;", "<"),
        ("\\X\\u", "Xu"),
        # Escapes of escapes of one kind are decoded at once, however deep
        ("%" + 9 * "25" + "66", "f"),
        (9 * "\\" + "u0066", "f"),
        ("&" + 9 * "amp;" + "lt;", "<"),
        # Lines that are folded
        ("c3dv\n cmRm", "c3dvcmRm"),
        ("c3dv\r\n\tcmRm", "c3dvcmRm"),
        ("c3dv\\ncmRm", "c3dvcmRm"),
        # Escapes of escapes of another kind
        ("&#37;66", "f"),
        ("%5Cu0066", "f"),
        ("\\u00266#102;", "&6#102;"),
        ("a%66b&#102;c\\u0066d", "afbfcfd"),
    ],
)
def test_escapes_are_decoded(text: str, decoded: str) -> None:
    assert unescaped(text) == decoded


@pytest.mark.parametrize(
    "text",
    ["", "fish", "100%", "%6", "%zz", "\\", "&unknown;", "&;", "abc\nfish", "fish\n\nfish"],
)
def test_what_is_no_escape_stays(text: str) -> None:
    assert unescaped(text) == text
    assert [each.text for each in layers(text)] == [text]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a%66b", ["a%66b", "afb"]),
        ("&#37;66", ["&#37;66", "%66", "f", "%66"]),
        # In each of these, one kind of escapes is none: the backslash, the percent sign, the &.
        ("C:\\token%2F1", "C:\\token/1"),
        ("\\u0066%66", "f%66"),
        ("&#102;%66", "f%66"),
        ("&#102;\\u0066", "&#102;f"),
    ],
)
def test_where_kinds_are_mixed_each_is_also_decoded_alone(
    text: str, found: list[str] | str
) -> None:
    texts = [each.text for each in layers(text)]
    assert texts[0] == text
    if isinstance(found, str):
        assert found in texts
    else:
        assert set(texts) == set(found)


@pytest.mark.parametrize(
    ("text", "piece", "place"),
    [
        ("before %66ish after", "fish", "%66ish"),
        ("%66i%73h", "fish", "%66i%73h"),
        ("a%66ish&#33;", "fish!", "%66ish&#33;"),
        ("%66ish", "ish", "ish"),
        ("fis%68", "fis", "fis"),
        ("%66i%73h", "i", "i"),
        ("x&#37;66ish y", "fish", "&#37;66ish"),
        ("%25%36%36", "f", "%25%36%36"),
        ("%E2%82%ACfish", "fish", "fish"),
        ("%E2%82%ACfish", "€f", "%E2%82%ACf"),
        ("c3dv\n  cmRm fish", "dvcm", "dv\n  cm"),
        ("c3dv\n  cmRm fish", "fish", "fish"),
        ("c3dv\\ncmRm fish", "dvcm", "dv\\ncm"),
    ],
)
def test_a_decoded_piece_is_traced_to_its_place(text: str, piece: str, place: str) -> None:
    traced = set()
    for layer in layers(text):
        start = layer.text.find(piece)
        if start >= 0:
            first, end = layer.span(start, start + len(piece))
            traced.add(text[first:end])
    assert traced == {place}


def test_encodings_within_encodings_are_decoded_to_the_sixth() -> None:
    text = "f"
    for level in range(1, 8):
        # Two kinds in turn, since escapes of one kind within each other are decoded at once.
        text = (
            "".join(f"&#{ord(each)};" for each in text) if level % 2 else text.replace("&", "%26")
        )
        assert (unescaped(text) == "f") is (level <= 6)
    assert "f" in [each.text for each in layers("&#37;66")]
