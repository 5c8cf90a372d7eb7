//! The sheet as lines, the lines as pages, the pages as PDF.

use pdf_writer::{Content, Finish, Name, Pdf, Rect, Ref, Str, TextStr};

use super::font::{encode, wrap};
use super::{Paper, Sheet};

/// Left, right and top; in points, as all lengths here.
const MARGIN: f32 = 54.0;
/// Below the text, where the foot is.
const FOOT: f32 = 60.0;
const FOOT_SIZE: f32 = 8.0;

const PLAIN: Name<'static> = Name(b"F1");
const BOLD: Name<'static> = Name(b"F2");

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    Title,
    Heading,
    Strong,
    Plain,
}

impl Style {
    const fn size(self) -> f32 {
        match self {
            Self::Title => 20.0,
            Self::Heading => 13.0,
            Self::Strong | Self::Plain => 10.5,
        }
    }

    const fn is_bold(self) -> bool {
        match self {
            Self::Title | Self::Heading | Self::Strong => true,
            Self::Plain => false,
        }
    }

    /// The room above it.
    const fn above(self) -> f32 {
        match self {
            Self::Title | Self::Plain => 0.0,
            Self::Heading => 12.0,
            Self::Strong => 4.0,
        }
    }

    /// What has to fit below it on the same page.
    const fn keeps(self) -> f32 {
        match self {
            Self::Title | Self::Plain => 0.0,
            Self::Heading => 40.0,
            Self::Strong => 20.0,
        }
    }

    fn height(self) -> f32 {
        self.size() * 1.3
    }
}

struct Line {
    style: Style,
    text: Vec<u8>,
}

struct Lines {
    room: f32,
    lines: Vec<Line>,
}

impl Lines {
    fn say(&mut self, style: Style, text: &str) {
        for line in text.lines() {
            let wrapped = wrap(&encode(line), style.size(), style.is_bold(), self.room);
            self.lines
                .extend(wrapped.into_iter().map(|text| Line { style, text }));
        }
    }

    /// A heading and its text, when there is one.
    fn part(&mut self, heading: &str, text: &str) {
        if !text.trim().is_empty() {
            self.say(Style::Heading, heading);
            self.say(Style::Plain, text);
        }
    }
}

fn lines(sheet: &Sheet, paper: Paper) -> Vec<Line> {
    let mut out = Lines {
        room: paper.size().0 - 2.0 * MARGIN,
        lines: Vec::new(),
    };
    let texts = &sheet.texts;
    out.say(Style::Title, "Emergency sheet");
    out.say(Style::Strong, &texts.address);
    out.say(Style::Heading, "Doors");
    if sheet.doors.is_empty() {
        out.say(Style::Plain, "The hub knows no lock.");
    }
    for door in &sheet.doors {
        out.say(Style::Strong, &door.name);
        for fact in &door.facts {
            out.say(Style::Plain, fact);
        }
        out.say(Style::Plain, &door.note);
    }
    if !sheet.pins.is_empty() {
        out.say(Style::Heading, "PINs");
        for line in &sheet.pins {
            out.say(Style::Strong, &format!("{}  ({})", line.pin.expose(), line.whose));
            out.say(Style::Plain, &line.doors);
        }
    }
    out.part("Key box", &texts.key_box);
    out.part("Shut-offs", &texts.shut_offs);
    out.part("People and pets", &texts.people_and_pets);
    out.part("Floors", &texts.floor_notes);
    out.part("Contacts", &texts.contacts);
    out.lines
}

/// Puts lines onto pages; each line gets its height above the paper's lower edge.
fn pages(lines: Vec<Line>, paper: Paper) -> Vec<Vec<(f32, Line)>> {
    let top = paper.size().1 - MARGIN;
    let (mut done, mut page, mut y) = (Vec::new(), Vec::new(), top);
    for line in lines {
        let above = if page.is_empty() { 0.0 } else { line.style.above() };
        let mut next = y - above - line.style.height();
        if next - line.style.keeps() < FOOT && !page.is_empty() {
            done.push(std::mem::take(&mut page));
            next = top - line.style.height();
        }
        y = next;
        page.push((y, line));
    }
    done.push(page);
    done
}

fn write(content: &mut Content, font: Name<'_>, size: f32, y: f32, text: &[u8]) {
    content.begin_text();
    content.set_font(font, size);
    content.next_line(MARGIN, y);
    content.show(Str(text));
    content.end_text();
}

/// The sheet as a PDF file.
pub fn render(sheet: &Sheet, paper: Paper) -> Vec<u8> {
    let pages = pages(lines(sheet, paper), paper);
    let (width, height) = paper.size();
    let mut last = 0;
    let mut fresh = || {
        last += 1;
        Ref::new(last)
    };
    let (catalog, tree, plain, bold, info) = (fresh(), fresh(), fresh(), fresh(), fresh());
    let ids: Vec<(Ref, Ref)> = pages.iter().map(|_| (fresh(), fresh())).collect();
    let mut pdf = Pdf::new();
    pdf.catalog(catalog).pages(tree).lang(TextStr("en"));
    pdf.document_info(info)
        .title(TextStr("Emergency sheet"))
        .producer(TextStr("hubd"));
    pdf.pages(tree)
        .kids(ids.iter().map(|(page, _)| *page))
        .count(i32::try_from(pages.len()).unwrap_or(i32::MAX));
    for (font, name) in [(plain, &b"Helvetica"[..]), (bold, b"Helvetica-Bold")] {
        pdf.type1_font(font)
            .base_font(Name(name))
            .encoding_predefined(Name(b"WinAnsiEncoding"));
    }
    let count = pages.len();
    let warning = if sheet.pins.is_empty() {
        "holds no PIN"
    } else {
        "HOLDS PINS: keep it like a key"
    };
    for ((number, lines), (id, content_id)) in (1_usize..).zip(&pages).zip(&ids) {
        let mut page = pdf.page(*id);
        page.media_box(Rect::new(0.0, 0.0, width, height))
            .parent(tree)
            .contents(*content_id);
        page.resources().fonts().pair(PLAIN, plain).pair(BOLD, bold);
        page.finish();
        let mut content = Content::new();
        for (y, line) in lines {
            let font = if line.style.is_bold() { BOLD } else { PLAIN };
            write(&mut content, font, line.style.size(), *y, &line.text);
        }
        let foot = encode(&format!(
            "Page {number} of {count} - {warning} - {}",
            sheet.printed
        ));
        let mut y = FOOT - 2.0 * FOOT_SIZE;
        for text in wrap(&foot, FOOT_SIZE, false, width - 2.0 * MARGIN).iter().take(3) {
            write(&mut content, PLAIN, FOOT_SIZE, y, text);
            y -= FOOT_SIZE * 1.3;
        }
        pdf.stream(*content_id, &content.finish());
    }
    pdf.finish()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::sheet::{Door, Texts};

    fn sheet(text: &str) -> Sheet {
        Sheet {
            printed: "printed 2026-11-25 by Ann".into(),
            doors: vec![Door {
                name: "Front (door) \\ 1".into(),
                facts: vec!["Acme One".into()],
                note: text.into(),
            }],
            texts: Texts::default(),
            pins: Vec::new(),
        }
    }

    #[test]
    fn every_line_is_inside_the_margins_of_its_page_and_none_is_lost() {
        for paper in [Paper::A4, Paper::Letter] {
            let long = "a line\n".repeat(150);
            let all = lines(&sheet(&long), paper);
            let count = all.len();
            let pages = pages(all, paper);
            assert!(pages.len() >= 3, "{}", pages.len());
            assert_eq!(pages.iter().map(Vec::len).sum::<usize>(), count);
            for page in &pages {
                let (mut above, top) = (paper.size().1 - MARGIN, paper.size().1 - MARGIN);
                for (y, line) in page {
                    assert!(*y >= FOOT && *y < top && *y < above, "{y}");
                    above = *y;
                    let wide =
                        crate::sheet::font::width_of(&line.text, line.style.size(), line.style.is_bold());
                    assert!(MARGIN + wide <= paper.size().0 - MARGIN);
                }
                assert_ne!(
                    page.last().unwrap().1.style,
                    Style::Heading,
                    "a heading stands alone"
                );
            }
        }
    }
}
