//! Serial frames: the dongle's bytes cut into frames, and frames made into bytes. Any bytes are survived.
//!
//! ```text
//! data frame = SOF 01 | length | type | function | payload ... | checksum
//! length     = bytes after it, checksum included (3 ..= 255)
//! checksum   = FF xor every byte from length to the last of the payload
//! ```
//!
//! Spec: Silicon Labs INS12350 (Serial API Host Application Programming Guide), 5.2 to 5.4.

/// Frame accepted.
pub const ACK: u8 = 0x06;
/// Frame refused: send it again.
pub const NAK: u8 = 0x15;
/// Frames crossed: send it again.
pub const CAN: u8 = 0x18;
/// Start of a data frame.
pub const SOF: u8 = 0x01;
/// The longest payload of one data frame, in bytes.
pub const PAYLOAD_BYTES_MAX: usize = 252;

/// Whether a data frame asks or answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A command, a callback or an unsolicited message.
    Request,
    /// The immediate answer to a command.
    Response,
}

/// A data frame without its envelope.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Data {
    /// Whether it asks or answers.
    pub kind: Kind,
    /// The Serial API function.
    pub function: u8,
    /// What follows the function, at most [`PAYLOAD_BYTES_MAX`] bytes.
    pub payload: Vec<u8>,
}

impl Data {
    /// A request to the dongle.
    pub const fn request(function: u8, payload: Vec<u8>) -> Self {
        Self {
            kind: Kind::Request,
            function,
            payload,
        }
    }

    /// The frame's bytes; `None` when the payload is too long for a frame.
    pub fn emit(&self) -> Option<Vec<u8>> {
        let length = u8::try_from(self.payload.len() + 3).ok()?;
        let mut bytes = Vec::with_capacity(self.payload.len() + 5);
        bytes.extend_from_slice(&[
            SOF,
            length,
            match self.kind {
                Kind::Request => 0,
                Kind::Response => 1,
            },
            self.function,
        ]);
        bytes.extend_from_slice(&self.payload);
        bytes.push(checksum(bytes.get(1..)?));
        Some(bytes)
    }
}

fn checksum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0xff, |sum, byte| sum ^ byte)
}

/// What the decoder found in the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    /// The dongle took our frame.
    Ack,
    /// The dongle refused our frame.
    Nak,
    /// Our frame crossed with one of the dongle's.
    Can,
    /// A whole, correct data frame.
    Data(Data),
    /// A whole data frame whose checksum or type is wrong: answer with NAK.
    Corrupt,
    /// So many bytes that belong to no frame were skipped.
    Noise(usize),
}

/// Cuts a byte stream into frames. Holds at most one frame.
#[derive(Debug, Clone, Default)]
pub struct Decoder {
    partial: Vec<u8>,
}

impl Decoder {
    /// Takes bytes and appends what they complete to `tokens`.
    pub fn push(&mut self, bytes: &[u8], tokens: &mut Vec<Token>) {
        let mut noise = 0;
        for &byte in bytes {
            if self.partial.is_empty() {
                let control = match byte {
                    ACK => Some(Token::Ack),
                    NAK => Some(Token::Nak),
                    CAN => Some(Token::Can),
                    SOF => {
                        self.partial.push(byte);
                        None
                    }
                    _ => {
                        noise += 1;
                        continue;
                    }
                };
                flush_noise(&mut noise, tokens);
                tokens.extend(control);
                continue;
            }
            self.partial.push(byte);
            let &[_, length, ..] = self.partial.as_slice() else {
                continue;
            };
            if length < 3 {
                // No frame is that short: the SOF was noise, and so was its length.
                noise += self.partial.len();
                self.partial.clear();
            } else if self.partial.len() == usize::from(length) + 2 {
                flush_noise(&mut noise, tokens);
                tokens.push(whole(&self.partial));
                self.partial.clear();
            }
        }
        flush_noise(&mut noise, tokens);
    }

    /// Whether a data frame has begun and not ended.
    pub fn is_inside_frame(&self) -> bool {
        !self.partial.is_empty()
    }

    /// Gives up the frame that has begun (the dongle went silent in its middle) and says how many bytes it had.
    pub fn abandon(&mut self) -> usize {
        let bytes = self.partial.len();
        self.partial.clear();
        bytes
    }
}

fn flush_noise(noise: &mut usize, tokens: &mut Vec<Token>) {
    if *noise > 0 {
        tokens.push(Token::Noise(*noise));
        *noise = 0;
    }
}

fn whole(frame: &[u8]) -> Token {
    let [SOF, length, kind, function, rest @ ..] = frame else {
        return Token::Corrupt;
    };
    let Some((&sum, payload)) = rest.split_last() else {
        return Token::Corrupt;
    };
    let expected = payload
        .iter()
        .fold(0xff ^ length ^ kind ^ function, |sum, byte| sum ^ byte);
    let kind = match (kind, sum == expected) {
        (0, true) => Kind::Request,
        (1, true) => Kind::Response,
        _ => return Token::Corrupt,
    };
    Token::Data(Data {
        kind,
        function: *function,
        payload: payload.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode(bytes: &[u8]) -> Vec<Token> {
        let mut tokens = Vec::new();
        Decoder::default().push(bytes, &mut tokens);
        tokens
    }

    #[test]
    fn the_first_frames_of_a_real_start() {
        // zwave-js 15.29 asks for the capabilities, its dongle answers.
        assert_eq!(
            Data::request(0x07, vec![]).emit().unwrap(),
            [0x01, 0x03, 0x00, 0x07, 0xfb],
            "GetSerialApiCapabilities"
        );
        assert_eq!(
            decode(&[0x06, 0x01, 0x04, 0x01, 0x05, 0x1c, 0xe3]),
            [
                Token::Ack,
                Token::Data(Data {
                    kind: Kind::Response,
                    function: 0x05,
                    payload: vec![0x1c]
                })
            ]
        );
    }

    #[test]
    fn garbage_and_damage_are_told_apart() {
        assert_eq!(
            decode(&[0xde, 0xad, 0x06, 0xbe]),
            [Token::Noise(2), Token::Ack, Token::Noise(1)]
        );
        assert_eq!(decode(&[0x01, 0x04, 0x01, 0x05, 0x1d, 0xe3]), [Token::Corrupt]);
        assert_eq!(decode(&[0x01, 0x02, 0x06]), [Token::Noise(2), Token::Ack]);
    }

    proptest! {
        #[test]
        fn a_frame_survives_any_cutting(
            payload in proptest::collection::vec(any::<u8>(), 0..=PAYLOAD_BYTES_MAX),
            function: u8,
            cut in 1usize..9,
        ) {
            let data = Data::request(function, payload);
            let bytes = data.emit().unwrap();
            let mut decoder = Decoder::default();
            let mut tokens = Vec::new();
            for piece in bytes.chunks(cut) {
                decoder.push(piece, &mut tokens);
            }
            prop_assert_eq!(tokens, vec![Token::Data(data)]);
        }

        #[test]
        fn any_bytes_are_survived_and_bounded(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
            let mut decoder = Decoder::default();
            let mut tokens = Vec::new();
            decoder.push(&bytes, &mut tokens);
            prop_assert!(decoder.partial.len() < 258);
        }
    }
}
