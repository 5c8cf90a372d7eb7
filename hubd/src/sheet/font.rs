//! Letters: Helvetica, which every reader of PDF brings along, in the WinAnsi encoding.
//!
//! Spec: ISO 32000-1 9.6.2.2 (the standard fonts), Annex D.2 (WinAnsiEncoding); widths from Adobe's `Helvetica.afm`.

use deunicode::deunicode_char;

/// The characters at 0x80 to 0x9F; those that are not used are `\0`.
const UPPER: [char; 32] = [
    '€', '\0', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\0', 'Ž', '\0', '\0', '‘', '’', '“',
    '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\0', 'ž', 'Ÿ',
];

/// Widths of 0x20 to 0xFF in thousandths of the font's size.
#[rustfmt::skip]
const WIDTHS: [u16; 224] = [
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278,
    556, 556, 556, 556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556,
    1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778,
    667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556,
    333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556,
    556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584, 350,
    556, 350, 222, 556, 333, 1000, 556, 556, 333, 1000, 667, 333, 1000, 350, 611, 350,
    350, 222, 222, 333, 333, 350, 556, 1000, 333, 1000, 500, 333, 944, 350, 500, 667,
    278, 333, 556, 556, 556, 556, 260, 556, 333, 737, 370, 556, 584, 333, 737, 333,
    400, 584, 333, 333, 333, 556, 537, 278, 333, 333, 365, 556, 834, 834, 834, 611,
    667, 667, 667, 667, 667, 667, 1000, 722, 667, 667, 667, 667, 278, 278, 278, 278,
    722, 722, 778, 778, 778, 778, 778, 584, 778, 722, 722, 722, 722, 667, 667, 611,
    556, 556, 556, 556, 556, 556, 889, 500, 556, 556, 556, 556, 278, 278, 278, 278,
    556, 556, 556, 556, 556, 556, 556, 584, 611, 556, 556, 556, 556, 500, 556, 500,
];

/// No letter of Helvetica-Bold is wider than so many hundredths of the same letter of Helvetica.
const BOLD_PERCENT_MAX: f32 = 127.0;

/// A text as bytes of WinAnsi. What it lacks is written with plain letters, and a character that has none as `?`.
pub(super) fn encode(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    for char in text.chars() {
        match char {
            // A soft hyphen says where a word may be parted; a reader would show it everywhere.
            '\u{AD}' => {}
            ' '..='~' | '\u{A0}'..='\u{FF}' => bytes.extend(u8::try_from(char)),
            _ if char.is_control() => bytes.push(b' '),
            _ => match (0x80_u8..).zip(UPPER).find(|(_, upper)| *upper == char) {
                Some((byte, _)) => bytes.push(byte),
                None => bytes.extend(deunicode_char(char).unwrap_or("?").bytes()),
            },
        }
    }
    bytes
}

/// How wide a byte of WinAnsi is at this size, at most.
fn width(byte: u8, size: f32, bold: bool) -> f32 {
    let index = usize::from(byte).checked_sub(0x20);
    let units = index.and_then(|index| WIDTHS.get(index)).copied().unwrap_or(1000);
    let wider = if bold { BOLD_PERCENT_MAX / 100.0 } else { 1.0 };
    f32::from(units) / 1000.0 * size * wider
}

/// How wide a text is at this size, at most.
pub(super) fn width_of(text: &[u8], size: f32, bold: bool) -> f32 {
    text.iter().map(|byte| width(*byte, size, bold)).sum()
}

/// Breaks one line of text at its spaces into lines no wider than this. A word that is wider is broken where it must be.
pub(super) fn wrap(text: &[u8], size: f32, bold: bool, room: f32) -> Vec<Vec<u8>> {
    let mut lines = Vec::new();
    let mut line: Vec<u8> = Vec::new();
    for word in text.split(|byte| *byte == b' ').filter(|word| !word.is_empty()) {
        let mut with = line.clone();
        if !with.is_empty() {
            with.push(b' ');
        }
        with.extend(word);
        if width_of(&with, size, bold) <= room {
            line = with;
            continue;
        }
        if !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        for byte in word {
            if !line.is_empty() && width_of(&line, size, bold) + width(*byte, size, bold) > room {
                lines.push(std::mem::take(&mut line));
            }
            line.push(*byte);
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_of_any_script_become_readable_ones() {
        let cases: &[(&str, &[u8])] = &[
            ("Tür 1", b"T\xFCr 1"),
            ("5 € – “so”", b"5 \x80 \x96 \x93so\x94"),
            ("Łódź, Čeněk", b"L\xF3dz, Cenek"),
            ("Иван", b"Ivan"),
            ("e\u{301}t", b"et"),
            ("a\u{AD}b\tc", b"ab c"),
            ("\u{E000}", b"?"),
        ];
        for (text, bytes) in cases {
            assert_eq!(encode(text), *bytes, "{text}");
        }
        assert!(encode("🐕").starts_with(b"dog"));
    }

    #[test]
    fn lines_are_never_wider_than_the_room_and_lose_no_letter() {
        let long = format!("The key box is {} left", "W".repeat(200));
        for bold in [false, true] {
            let lines = wrap(long.as_bytes(), 10.0, bold, 100.0);
            assert!(lines.len() > 10);
            for line in &lines {
                assert!(width_of(line, 10.0, bold) <= 100.0, "{line:?}");
            }
            let letters = lines.concat().into_iter().filter(|byte| *byte != b' ');
            assert!(letters.eq(long.bytes().filter(|byte| *byte != b' ')));
        }
        // A room narrower than any letter still ends.
        assert_eq!(wrap(b"ab c", 10.0, false, 0.0).len(), 3);
    }
}
