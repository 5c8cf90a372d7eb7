//! Transport Service: frames that are longer than the radio allows, cut into segments.
//!
//! Spec: CC:0055, version 2. The reassembly of segments is [`crate::transport_service`].

use std::fmt;

use super::class;
use super::codec::{Fault, Hidden, crc16, flag, put_counted, take_up_to};
use crate::wire::reader::{Reader, TooShort};

const FIRST: u8 = 0xC0;
const REQUEST: u8 = 0xC8;
const SUBSEQUENT: u8 = 0xE0;
const COMPLETE: u8 = 0xE8;
const WAIT: u8 = 0xF0;

/// A Transport Service command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// The start of a datagram. The checksum was right.
    FirstSegment(FirstSegment),
    /// A later part of a datagram. The checksum was right.
    SubsequentSegment(SubsequentSegment),
    /// Send this segment again.
    SegmentRequest(SegmentRequest),
    /// The datagram arrived as a whole; its session, 0 to 15.
    SegmentComplete(u8),
    /// Wait, so many segments are still to come from elsewhere; then start again.
    SegmentWait(u8),
}

/// The start of a datagram.
#[derive(Clone, PartialEq, Eq)]
pub struct FirstSegment {
    /// The length of the whole datagram; 0 to 2047.
    pub datagram_size: u16,
    /// The session; 0 to 15.
    pub session: u8,
    /// Header extension; at most 255 bytes.
    pub extension: Vec<u8>,
    /// The bytes of the datagram from 0 on.
    pub payload: Vec<u8>,
}

/// A later part of a datagram.
#[derive(Clone, PartialEq, Eq)]
pub struct SubsequentSegment {
    /// The length of the whole datagram; 0 to 2047.
    pub datagram_size: u16,
    /// The session; 0 to 15.
    pub session: u8,
    /// Where in the datagram the payload belongs; 0 to 2047.
    pub offset: u16,
    /// Header extension; at most 255 bytes.
    pub extension: Vec<u8>,
    /// The bytes of the datagram from `offset` on.
    pub payload: Vec<u8>,
}

/// A segment that is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentRequest {
    /// The session; 0 to 15.
    pub session: u8,
    /// Where in the datagram the segment belongs; 0 to 2047.
    pub offset: u16,
}

impl fmt::Debug for FirstSegment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FirstSegment")
            .field("datagram_size", &self.datagram_size)
            .field("session", &self.session)
            .field("payload", &Hidden(&self.payload))
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for SubsequentSegment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubsequentSegment")
            .field("datagram_size", &self.datagram_size)
            .field("session", &self.session)
            .field("offset", &self.offset)
            .field("payload", &Hidden(&self.payload))
            .finish_non_exhaustive()
    }
}

/// Checks the checksum at the end of a segment and gives the bytes before it.
fn checked<'a>(command: u8, reader: &Reader<'a>) -> Result<Reader<'a>, Fault> {
    let bytes = reader.rest();
    let Some((body, carried)) = bytes.split_last_chunk::<2>() else {
        return Err(TooShort {
            field: "checksum",
            missing: 2 - bytes.len(),
        }
        .into());
    };
    let mut covered = vec![class::TRANSPORT_SERVICE, command];
    covered.extend_from_slice(body);
    let (carried, computed) = (u16::from_be_bytes(*carried), crc16(&covered));
    if carried == computed {
        Ok(Reader::new(body))
    } else {
        Err(Fault::Checksum { carried, computed })
    }
}

fn extension(properties: u8, reader: &mut Reader<'_>) -> Result<Vec<u8>, Fault> {
    if properties & 0x08 == 0 {
        return Ok(Vec::new());
    }
    let length = reader.u8("header extension length")?;
    Ok(reader.take(length.into(), "header extension")?.to_vec())
}

fn properties(session: u8, extension: &[u8], offset_high: u8) -> u8 {
    session << 4 | flag(!extension.is_empty(), 0x08) | (offset_high & 0x07)
}

fn finish_segment(start: usize, extension: &[u8], payload: &[u8], out: &mut Vec<u8>) {
    if !extension.is_empty() {
        put_counted(extension, u8::MAX, 0, out);
    }
    out.extend_from_slice(payload);
    let mut covered = vec![class::TRANSPORT_SERVICE];
    covered.extend(out.iter().skip(start));
    out.extend_from_slice(&crc16(&covered).to_be_bytes());
}

impl Command {
    pub(super) fn parse(command: u8, reader: &mut Reader<'_>) -> Result<Option<Self>, Fault> {
        let size_high = command & 0x07;
        Ok(Some(match command & 0xF8 {
            FIRST => {
                let mut body = checked(command, reader)?;
                let datagram_size = u16::from_be_bytes([size_high, body.u8("datagram size")?]);
                let properties = body.u8("session id")?;
                Self::FirstSegment(FirstSegment {
                    datagram_size,
                    session: properties >> 4,
                    extension: extension(properties, &mut body)?,
                    payload: take_up_to(&mut body, usize::MAX).to_vec(),
                })
            }
            SUBSEQUENT => {
                let mut body = checked(command, reader)?;
                let datagram_size = u16::from_be_bytes([size_high, body.u8("datagram size")?]);
                let properties = body.u8("session id")?;
                let offset = u16::from_be_bytes([properties & 0x07, body.u8("datagram offset")?]);
                Self::SubsequentSegment(SubsequentSegment {
                    datagram_size,
                    session: properties >> 4,
                    offset,
                    extension: extension(properties, &mut body)?,
                    payload: take_up_to(&mut body, usize::MAX).to_vec(),
                })
            }
            REQUEST => {
                let properties = reader.u8("session id")?;
                let low = reader.u8("datagram offset")?;
                Self::SegmentRequest(SegmentRequest {
                    session: properties >> 4,
                    offset: u16::from_be_bytes([properties & 0x07, low]),
                })
            }
            COMPLETE => Self::SegmentComplete(reader.u8("session id")? >> 4),
            WAIT => Self::SegmentWait(reader.u8("pending segments")?),
            _ => return Ok(None),
        }))
    }

    pub(super) fn emit(&self, out: &mut Vec<u8>) {
        let start = out.len();
        match self {
            Self::FirstSegment(segment) => {
                let [high, low] = segment.datagram_size.to_be_bytes();
                let properties = properties(segment.session, &segment.extension, 0);
                out.extend_from_slice(&[FIRST | (high & 0x07), low, properties]);
                finish_segment(start, &segment.extension, &segment.payload, out);
            }
            Self::SubsequentSegment(segment) => {
                let [high, low] = segment.datagram_size.to_be_bytes();
                let [offset_high, offset_low] = segment.offset.to_be_bytes();
                let properties = properties(segment.session, &segment.extension, offset_high);
                out.extend_from_slice(&[SUBSEQUENT | (high & 0x07), low, properties, offset_low]);
                finish_segment(start, &segment.extension, &segment.payload, out);
            }
            Self::SegmentRequest(request) => {
                let [offset_high, offset_low] = request.offset.to_be_bytes();
                out.extend_from_slice(&[REQUEST, properties(request.session, &[], offset_high), offset_low]);
            }
            Self::SegmentComplete(session) => out.extend_from_slice(&[COMPLETE, session << 4]),
            Self::SegmentWait(pending) => out.extend_from_slice(&[WAIT, *pending]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::cc::{self, ParseError};

    #[test]
    fn the_size_reaches_into_the_command_byte() {
        let segment = FirstSegment {
            datagram_size: 0x123,
            session: 5,
            extension: vec![],
            payload: vec![1, 2],
        };
        let mut bytes = cc::Command::from(Command::FirstSegment(segment)).emit();
        assert_eq!(bytes[..6], [0x55, 0xC1, 0x23, 0x50, 1, 2]);
        bytes[4] = 9;
        assert!(matches!(
            cc::Command::parse(&bytes),
            Err(ParseError::Malformed {
                fault: Fault::Checksum { .. },
                ..
            })
        ));
    }
}
