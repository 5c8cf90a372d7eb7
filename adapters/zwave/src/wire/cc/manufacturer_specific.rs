//! Manufacturer Specific: who made a device, and which one it is.
//!
//! Spec: CC:0072, versions 1 and 2.

use super::codec::{Fault, put_counted, take_up_to};
use crate::wire::reader::Reader;

/// A Manufacturer Specific command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Report maker and model.
    Get,
    /// Maker and model.
    Report(Report),
    /// Report an id of this one device: 0 its default one, 1 serial number, 2 pseudo-random.
    DeviceSpecificGet(u8),
    /// An id of this one device.
    DeviceSpecificReport(DeviceSpecificReport),
}

/// Maker and model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// The maker, as the Z-Wave Alliance numbers them.
    pub manufacturer: u16,
    /// The maker's product type.
    pub product_type: u16,
    /// The maker's product.
    pub product: u16,
}

/// An id of this one device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceSpecificReport {
    /// 0 default, 1 serial number, 2 pseudo-random; 0 to 7.
    pub id_type: u8,
    /// 0 UTF-8, 1 binary; 0 to 7.
    pub format: u8,
    /// The id, at most 31 bytes.
    pub id: Vec<u8>,
}

impl Command {
    pub(super) fn parse(command: u8, reader: &mut Reader<'_>) -> Result<Option<Self>, Fault> {
        Ok(Some(match command {
            0x04 => Self::Get,
            0x05 => Self::Report(Report {
                manufacturer: reader.u16("manufacturer id")?,
                product_type: reader.u16("product type id")?,
                product: reader.u16("product id")?,
            }),
            0x06 => Self::DeviceSpecificGet(reader.u8("device id type")? & 0x07),
            0x07 => {
                let id_type = reader.u8("device id type")? & 0x07;
                let format = reader.u8("device id format")?;
                Self::DeviceSpecificReport(DeviceSpecificReport {
                    id_type,
                    format: format >> 5,
                    id: take_up_to(reader, (format & 0x1F).into()).to_vec(),
                })
            }
            _ => return Ok(None),
        }))
    }

    pub(super) fn emit(&self, out: &mut Vec<u8>) {
        match self {
            Self::Get => out.push(0x04),
            Self::Report(report) => {
                out.push(0x05);
                for field in [report.manufacturer, report.product_type, report.product] {
                    out.extend_from_slice(&field.to_be_bytes());
                }
            }
            Self::DeviceSpecificGet(id_type) => out.extend_from_slice(&[0x06, id_type & 0x07]),
            Self::DeviceSpecificReport(report) => {
                out.extend_from_slice(&[0x07, report.id_type & 0x07]);
                put_counted(&report.id, 0x1F, report.format << 5, out);
            }
        }
    }
}
