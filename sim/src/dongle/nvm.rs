//! The stick's memory: enough to try a backup and a restore.
//!
//! Spec: INS12350, `NVM_EXT_READ_LONG_BUFFER` (0x2A), `NVM_EXT_WRITE_LONG_BUFFER` (0x2B), `NVM_BACKUP_RESTORE`
//! (0x2E).

/// The largest piece that one command reads.
const PIECE_MAX: usize = 200;

/// The largest memory of an 800 series stick.
const SIZE_MAX: usize = 0x1_0000;

const OK: u8 = 0;
const ERROR: u8 = 1;
const MISMATCH: u8 = 2;
const END: u8 = 0xff;

#[derive(Debug)]
pub(super) struct Nvm {
    bytes: Vec<u8>,
    /// What the open session did first: 1 read, 2 write, 0 nothing yet.
    open: Option<u8>,
}

impl Nvm {
    pub(super) fn new(size: usize) -> Self {
        Self {
            bytes: vec![0xff; size.min(SIZE_MAX)],
            open: None,
        }
    }

    fn get(&self, offset: usize, length: usize) -> Vec<u8> {
        let end = offset.saturating_add(length.min(PIECE_MAX)).min(self.bytes.len());
        self.bytes.get(offset..end).unwrap_or_default().to_vec()
    }

    fn put(&mut self, offset: usize, new: &[u8]) -> bool {
        match self.bytes.get_mut(offset..offset.saturating_add(new.len())) {
            Some(old) => {
                old.copy_from_slice(new);
                true
            }
            None => false,
        }
    }

    pub(super) fn read_long(&self, data: &[u8]) -> Vec<u8> {
        let [a, b, c, high, low] = *data else {
            return Vec::new();
        };
        let offset = usize::try_from(u32::from_be_bytes([0, a, b, c])).unwrap_or(usize::MAX);
        self.get(offset, usize::from(u16::from_be_bytes([high, low])))
    }

    pub(super) fn write_long(&mut self, data: &[u8]) -> bool {
        let [a, b, c, high, low, ref new @ ..] = *data else {
            return false;
        };
        let offset = usize::try_from(u32::from_be_bytes([0, a, b, c])).unwrap_or(usize::MAX);
        usize::from(u16::from_be_bytes([high, low])) == new.len() && self.put(offset, new)
    }

    /// What it holds.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Maker, type and size. Spec: INS12350, `NVM_GET_ID`.
    pub(super) fn id(&self) -> Vec<u8> {
        let size = u8::try_from(self.bytes.len().ilog2()).unwrap_or(0xff);
        vec![4, 0xef, 0x80, size]
    }

    /// Open, read, write, close, with addresses of two bytes or of four.
    pub(super) fn operate(&mut self, extended: bool, data: &[u8], home_id: u32, nodes: &[u16]) -> Vec<u8> {
        let wide = |number: usize| {
            let [a, b, c, d] = u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes();
            if extended { vec![a, b, c, d] } else { vec![c, d] }
        };
        let answer = |status: u8, length: u8, number: usize, bytes: &[u8]| {
            [vec![status, length], wide(number), bytes.to_vec()].concat()
        };
        match *data {
            [0] => {
                self.refresh(home_id, nodes);
                self.open = Some(0);
                return answer(OK, 0, self.bytes.len(), &[]);
            }
            [3] => {
                self.open = None;
                return answer(OK, 0, 0, &[]);
            }
            _ => {}
        }
        let (operation, length, offset, new) = match *data {
            [operation @ (1 | 2), length, a, b, c, d, ref new @ ..] if extended => {
                (operation, length, u32::from_be_bytes([a, b, c, d]), new)
            }
            [operation @ (1 | 2), length, c, d, ref new @ ..] if !extended => {
                (operation, length, u32::from_be_bytes([0, 0, c, d]), new)
            }
            _ => return answer(ERROR, 0, 0, &[]),
        };
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        match self.open {
            None => return answer(ERROR, 0, offset, &[]),
            Some(other) if other != 0 && other != operation => return answer(MISMATCH, 0, offset, &[]),
            Some(_) => self.open = Some(operation),
        }
        if operation == 1 {
            let piece = self.get(offset, usize::from(length));
            let end = offset + piece.len() >= self.bytes.len();
            let count = u8::try_from(piece.len()).unwrap_or(0);
            return answer(if end { END } else { OK }, count, offset, &piece);
        }
        let new = new.get(..usize::from(length)).unwrap_or_default();
        if new.is_empty() || !self.put(offset, new) {
            return answer(ERROR, 0, offset, &[]);
        }
        let end = offset + new.len() >= self.bytes.len();
        answer(if end { END } else { OK }, length, offset, &[])
    }

    /// Writes what the stick knows of its network, so that a copy of the memory holds it.
    fn refresh(&mut self, home_id: u32, nodes: &[u16]) {
        self.put(0, b"NVM1");
        self.put(4, &home_id.to_be_bytes());
        self.put(8, &u16::try_from(nodes.len()).unwrap_or(0).to_be_bytes());
        for (index, node) in nodes.iter().enumerate() {
            self.put(10 + 2 * index, &node.to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_reads_everything_and_ends() {
        let mut nvm = Nvm::new(300);
        assert_eq!(nvm.operate(false, &[1, 10, 0, 0], 7, &[])[0], ERROR, "not open");
        assert_eq!(nvm.operate(false, &[0], 7, &[2, 3]), [OK, 0, 1, 44]);
        let (mut copy, mut status) = (Vec::new(), OK);
        while status == OK {
            let [high, low] = u16::try_from(copy.len()).unwrap().to_be_bytes();
            let piece = nvm.operate(false, &[1, 64, high, low], 7, &[2, 3]);
            status = piece[0];
            copy.extend_from_slice(&piece[4..]);
        }
        assert_eq!((status, copy.len()), (END, 300));
        assert_eq!(copy[..14], *b"NVM1\0\0\0\x07\0\x02\0\x02\0\x03");
        assert_eq!(nvm.operate(false, &[2, 1, 0, 0, 5], 7, &[])[0], MISMATCH);
        assert_eq!(nvm.operate(false, &[3], 7, &[])[0], OK);
    }
}
