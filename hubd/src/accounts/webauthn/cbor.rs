//! The little of CBOR that authenticators write: whole numbers, byte strings, texts, lists and maps of a known length.
//!
//! Spec: RFC 8949; CTAP 2.1, section 8, which leaves out what has no known length.

/// Deeper than anything an authenticator writes.
const DEPTH_MAX: usize = 16;

/// One item, without what lists and maps hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Item<'a> {
    /// A whole number.
    Int(i64),
    /// Bytes.
    Bytes(&'a [u8]),
    /// A text.
    Text(&'a str),
    /// A list of so many items, which follow.
    List(u64),
    /// A map of so many keys, each followed by its value.
    Map(u64),
    /// Anything else of one item: true, false, null, a fraction, a number that is too large.
    Other,
    /// A tag; the tagged item follows.
    Tag,
}

/// Reads one item after the other; `None` when there is none, or it is damaged.
#[derive(Debug, Clone)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Whether everything was read.
    pub(super) fn is_done(&self) -> bool {
        self.rest.is_empty()
    }

    /// What was not read yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next so many bytes.
    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    /// The next so many bytes, as many as the array has.
    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn argument(&mut self, low: u8) -> Option<u64> {
        match low {
            0..=23 => Some(u64::from(low)),
            24 => self.array().map(|[byte]| u64::from(byte)),
            25 => self.array().map(u16::from_be_bytes).map(u64::from),
            26 => self.array().map(u32::from_be_bytes).map(u64::from),
            27 => self.array().map(u64::from_be_bytes),
            // Of no known length, or of no meaning.
            _ => None,
        }
    }

    /// The next item.
    pub(super) fn item(&mut self) -> Option<Item<'a>> {
        let [first] = self.array()?;
        let argument = self.argument(first & 31)?;
        let length = usize::try_from(argument);
        Some(match first >> 5 {
            0 => i64::try_from(argument).map_or(Item::Other, Item::Int),
            1 => i64::try_from(argument).map_or(Item::Other, |number| Item::Int(-1 - number)),
            2 => Item::Bytes(self.take(length.ok()?)?),
            3 => Item::Text(str::from_utf8(self.take(length.ok()?)?).ok()?),
            4 => Item::List(argument),
            5 => Item::Map(argument),
            6 => Item::Tag,
            _ => Item::Other,
        })
    }

    /// Reads over the next item with everything in it.
    pub(super) fn skip(&mut self) -> Option<()> {
        self.skip_at(DEPTH_MAX)
    }

    fn skip_at(&mut self, depth: usize) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        let inside = match self.item()? {
            Item::List(count) => count,
            Item::Map(count) => count.checked_mul(2)?,
            Item::Tag => 1,
            Item::Int(_) | Item::Bytes(_) | Item::Text(_) | Item::Other => 0,
        };
        // Each takes at least a byte, so that this ends with the bytes, whatever the count claims.
        for _ in 0..inside {
            self.skip_at(depth)?;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_of_the_standard() {
        // RFC 8949, appendix A.
        let cases: &[(&[u8], Option<Item<'_>>)] = &[
            (&[0x00], Some(Item::Int(0))),
            (&[0x17], Some(Item::Int(23))),
            (&[0x18, 0x64], Some(Item::Int(100))),
            (&[0x19, 0x03, 0xe8], Some(Item::Int(1000))),
            (&[0x1a, 0x00, 0x0f, 0x42, 0x40], Some(Item::Int(1_000_000))),
            (&[0x20], Some(Item::Int(-1))),
            (&[0x39, 0x01, 0x00], Some(Item::Int(-257))),
            (
                &[0x3b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
                Some(Item::Other),
            ),
            (&[0x44, 1, 2, 3, 4], Some(Item::Bytes(&[1, 2, 3, 4]))),
            (&[0x62, 0xc3, 0xbc], Some(Item::Text("\u{fc}"))),
            (&[0x62, b'o', b'k'], Some(Item::Text("ok"))),
            (&[0x61, 0xff], None),
            (&[0x83, 1, 2, 3], Some(Item::List(3))),
            (&[0xa1, 1, 2], Some(Item::Map(1))),
            (&[0xf6], Some(Item::Other)),
            (&[0xf9, 0x3c, 0x00], Some(Item::Other)),
            (&[0xc1, 0x00], Some(Item::Tag)),
            (&[0x5f, 0x41, 0x00, 0xff], None),
            (&[0x9f, 0xff], None),
            (&[0x1c], None),
            (&[0x18], None),
            (&[0x44, 1, 2, 3], None),
            (&[0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], None),
            (&[], None),
        ];
        for (bytes, wanted) in cases {
            assert_eq!(Reader::new(bytes).item(), *wanted, "{bytes:x?}");
        }
    }

    #[test]
    fn what_is_read_over_is_whole_and_not_too_deep() {
        let skip = |bytes: &[u8]| {
            let mut reader = Reader::new(bytes);
            reader.skip().map(|()| reader.rest().len())
        };
        assert_eq!(skip(&[0x82, 0xa1, 0x01, 0x41, 0x00, 0xc1, 0x00, 7]), Some(1));
        assert_eq!(skip(&[0x82, 0x01]), None);
        assert_eq!(
            skip(&[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0]),
            None
        );
        assert_eq!(
            skip(&[0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0]),
            None
        );
        let nested = |depth: usize| [vec![0x81; depth], vec![0x00]].concat();
        assert_eq!(skip(&nested(DEPTH_MAX - 1)), Some(0));
        assert_eq!(skip(&nested(DEPTH_MAX)), None);
        assert_eq!(skip(&nested(60_000)), None);
    }
}
