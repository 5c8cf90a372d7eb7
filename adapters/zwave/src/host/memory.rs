//! A copy of the dongle's memory, and a copy written back.
//!
//! ```text
//!   Chip ─▶ Library ─▶ (receiver off) ─▶ Open ─▶ Piece ─▶ ... ─▶ Closing ─▶ Copied
//!                                        │        │ somebody waits at a door   │
//!            a copy of another kind ◀────┘        └─▶ Closing ─▶ Paused ─▶ Open again
//!                                                                              └─▶ Restarting ─▶ Restored
//! ```
//!
//! While the memory is open the dongle's radio is off. A copy therefore gives way: an order that a person or smoke waits
//! for closes it, goes first, and the copy begins anew. A copy that is written back cannot give way, or the dongle would
//! have half a network: whoever asks meanwhile waits until it is over, seconds with a dongle of the 700 or 800 series, a
//! minute with an older one. Before it is opened for writing, the copy is compared with what the dongle is.
//!
//! Spec: INS12350 (0x10, 0x29, 0x2A, 0x2B, 0x2E), Z-Wave Host API (0x3D)

use hubd_model::{DongleImage, DongleMemory, Millis, MonoTime, Report, SecretBytes};

use super::Host;
use super::startup::Phase;
use super::traffic::Lane;
use crate::dongle::End;
use crate::image::{Image, Kind, MEMORY_BYTES_MAX, Way};
use crate::wire::serial::{
    Command, Nvm, NvmOperation, NvmStatus, function, parse_nvm_answer, parse_nvm_size,
};

/// How many bytes a piece has: every dongle takes so many at once.
const PIECE: u32 = 64;
/// After how many bytes the progress is told.
const TELL_EVERY: u32 = 4096;
/// How often a copy gives way before it is given up.
const GIVES_WAY_MAX: u8 = 5;
/// How long a copy waits after somebody's order before it begins anew.
const PAUSE: Millis = Millis(3_000);
/// What a memory with addresses of two bytes means by the size 0.
const SIZE_OF_ZERO: u32 = 0x1_0000;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage {
    Chip,
    Library,
    /// The receiver is switched off.
    Silence,
    Open,
    Piece,
    /// Closed, and what then.
    Closing(After),
    /// The receiver is switched on again.
    Listen(After),
    Paused(MonoTime),
    Restarting,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum After {
    Done,
    Again,
    Failed(String),
}

/// What is done with the memory.
#[derive(Debug)]
pub(super) struct Memory {
    /// The copy to be written back; `None` to make one.
    image: Option<Image>,
    kind: Kind,
    stage: Stage,
    /// Whether the dongle is being asked.
    asked: bool,
    offset: u32,
    told: u32,
    bytes: Vec<u8>,
    gave_way: u8,
}

impl Host {
    pub(super) fn copy_memory(&mut self) {
        self.begin_memory(None);
    }

    pub(super) fn restore_memory(&mut self, image: &DongleImage) {
        match Image::parse(image.expose()) {
            Ok(image) => self.begin_memory(Some(image)),
            Err(error) => self.tell_memory(DongleMemory::Failed {
                reason: error.to_string(),
            }),
        }
    }

    fn begin_memory(&mut self, image: Option<Image>) {
        let way = if self.capabilities.has(function::EXTENDED_NVM_OPERATIONS) {
            Some(Way::ExtendedOperations)
        } else if self.capabilities.has(function::NVM_OPERATIONS) {
            Some(Way::Operations)
        } else if self.capabilities.has(function::NVM_READ_LONG)
            && self.capabilities.has(function::NVM_WRITE_LONG)
        {
            Some(Way::Buffers)
        } else {
            None
        };
        let refusal = if self.phase != Phase::Ready {
            Some("the dongle does not work now; try again when it does")
        } else if self.memory.is_some() {
            Some("the dongle's memory is copied or written already; wait for its end")
        } else if self.joining.has_the_air() {
            Some("a device is included or excluded now; try again afterwards")
        } else if way.is_none() {
            Some("this dongle does not let its memory be copied; its maker may have a program for it")
        } else {
            None
        };
        let (Some(way), None) = (way, refusal) else {
            let reason = refusal.unwrap_or_default().to_owned();
            return self.tell_memory(DongleMemory::Failed { reason });
        };
        self.memory = Some(Memory {
            image,
            kind: Kind {
                way,
                chip: (0, 0),
                library: String::new(),
                size: 0,
            },
            stage: Stage::Chip,
            asked: false,
            offset: 0,
            told: 0,
            bytes: Vec::new(),
            gave_way: 0,
        });
    }

    fn tell_memory(&mut self, what: DongleMemory) {
        self.report(Report::Dongle(what));
    }

    pub(super) fn memory_deadline(&self) -> Option<MonoTime> {
        match self.memory.as_ref()?.stage {
            Stage::Paused(until) if until > self.now => Some(until),
            Stage::Paused(_)
            | Stage::Chip
            | Stage::Library
            | Stage::Silence
            | Stage::Open
            | Stage::Piece
            | Stage::Closing(_)
            | Stage::Listen(_)
            | Stage::Restarting => None,
        }
    }

    /// Whether nothing else may be asked of the dongle.
    pub(super) fn memory_has_the_dongle(&self) -> bool {
        self.memory.as_ref().is_some_and(|memory| match memory.stage {
            Stage::Chip
            | Stage::Library
            | Stage::Silence
            | Stage::Open
            | Stage::Piece
            | Stage::Closing(_)
            | Stage::Listen(_) => true,
            Stage::Paused(_) | Stage::Restarting => false,
        })
    }

    /// What to ask of the dongle next.
    pub(super) fn memory_command(&mut self) -> Option<Command> {
        if self.phase != Phase::Ready {
            return None;
        }
        let now = self.now;
        let somebody_waits = self.next_job(Lane::LifeSafety, Lane::Person).is_some();
        let memory = self.memory.as_mut().filter(|memory| !memory.asked)?;
        match memory.stage {
            Stage::Paused(until) if until <= now && !somebody_waits => memory.stage = Stage::Chip,
            Stage::Chip | Stage::Library | Stage::Silence | Stage::Open | Stage::Piece
                if somebody_waits && memory.image.is_none() =>
            {
                memory.give_way(now);
            }
            Stage::Paused(_)
            | Stage::Chip
            | Stage::Library
            | Stage::Silence
            | Stage::Open
            | Stage::Piece
            | Stage::Closing(_)
            | Stage::Listen(_)
            | Stage::Restarting => {}
        }
        let command = memory.command()?;
        memory.asked = true;
        Some(command)
    }

    /// The dongle answered, or did not.
    pub(super) fn memory_answered(&mut self, end: &End) {
        let now = self.now;
        let Some(memory) = self.memory.as_mut().filter(|memory| memory.asked) else {
            return;
        };
        memory.asked = false;
        let answer = match end {
            End::Response(payload) => Some(payload.as_slice()),
            End::Taken => Some([].as_slice()),
            End::Refused | End::Status(_) | End::Silent | End::Undelivered => None,
        };
        let after = memory.answered(now, answer);
        if memory.offset >= memory.told + TELL_EVERY {
            memory.told = memory.offset;
            let (done, total) = (memory.offset, memory.kind.size);
            self.tell_memory(DongleMemory::Progress { done, total });
        }
        match after {
            None => {}
            Some(After::Again) => {
                if let Some(memory) = &mut self.memory {
                    memory.stage = Stage::Paused(now + PAUSE);
                }
            }
            Some(After::Failed(reason)) => {
                self.memory = None;
                self.tell_memory(DongleMemory::Failed { reason });
            }
            Some(After::Done) => self.memory_done(),
        }
    }

    fn memory_done(&mut self) {
        let Some(memory) = self.memory.as_mut() else {
            return;
        };
        if memory.image.is_none() {
            let image = Image {
                kind: memory.kind.clone(),
                memory: SecretBytes::new(std::mem::take(&mut memory.bytes)),
            };
            self.memory = None;
            self.tell_memory(DongleMemory::Copied(DongleImage::new(image.emit())));
            return;
        }
        memory.stage = Stage::Restarting;
        if !self.restart_dongle() {
            self.memory = None;
            let reason =
                "the copy was written; unplug the dongle, wait ten seconds and plug it in, for it cannot be \
                          restarted from here"
                    .to_owned();
            self.tell_memory(DongleMemory::Failed { reason });
        }
    }

    /// The dongle works again.
    pub(super) fn memory_started(&mut self) {
        if self
            .memory
            .as_ref()
            .is_some_and(|memory| memory.stage == Stage::Restarting)
        {
            self.memory = None;
            self.tell_memory(DongleMemory::Restored);
        }
    }

    /// The dongle went away or restarted by itself.
    pub(super) fn break_off_memory(&mut self) {
        let Some(memory) = self.memory.take() else { return };
        let reason = match (&memory.image, &memory.stage) {
            (None, _) => "the dongle went away before its memory was copied; try again when it is back",
            (Some(_), Stage::Piece | Stage::Closing(_) | Stage::Listen(_) | Stage::Restarting) => {
                "the dongle went away while its memory was written; plug it in and write the copy again"
            }
            (Some(_), Stage::Chip | Stage::Library | Stage::Silence | Stage::Open | Stage::Paused(_)) => {
                "the dongle went away before anything was written; try again when it is back"
            }
        };
        self.tell_memory(DongleMemory::Failed {
            reason: reason.to_owned(),
        });
    }
}

impl Memory {
    /// Somebody waits at a door: what is open is closed, and the copy begins anew later.
    fn give_way(&mut self, now: MonoTime) {
        self.gave_way = self.gave_way.saturating_add(1);
        let after = if self.gave_way > GIVES_WAY_MAX {
            After::Failed("the radio had too much to do to be copied; try again at a quieter time".to_owned())
        } else {
            After::Again
        };
        let open = matches!(self.stage, Stage::Piece | Stage::Open) || after != After::Again;
        self.offset = 0;
        self.told = 0;
        self.bytes = Vec::new();
        if open {
            self.close(after);
        } else {
            self.stage = Stage::Paused(now + PAUSE);
        }
    }

    fn operate(&self, operation: NvmOperation) -> Command {
        Command::Memory(Nvm::Operate {
            extended: self.kind.way == Way::ExtendedOperations,
            operation,
        })
    }

    fn piece(&self) -> u32 {
        PIECE.min(self.kind.size.saturating_sub(self.offset))
    }

    fn command(&self) -> Option<Command> {
        let buffers = self.kind.way == Way::Buffers;
        Some(match &self.stage {
            Stage::Chip => Command::InitData,
            Stage::Library => Command::ControllerVersion,
            Stage::Silence => Command::Memory(Nvm::Receive(false)),
            Stage::Open if buffers => Command::Memory(Nvm::Id),
            Stage::Open => self.operate(NvmOperation::Open),
            Stage::Piece => self.piece_command(),
            Stage::Closing(_) => self.operate(NvmOperation::Close),
            Stage::Listen(_) => Command::Memory(Nvm::Receive(true)),
            Stage::Paused(_) | Stage::Restarting => return None,
        })
    }

    fn piece_command(&self) -> Command {
        let (offset, length) = (self.offset, self.piece());
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let end = start.saturating_add(usize::try_from(length).unwrap_or_default());
        let bytes = self.image.as_ref().map(|image| {
            SecretBytes::new(image.memory.expose().get(start..end).unwrap_or_default().to_vec())
        });
        match (self.kind.way, bytes) {
            (Way::Buffers, None) => Command::Memory(Nvm::ReadLong {
                offset,
                length: u16::try_from(length).unwrap_or_default(),
            }),
            (Way::Buffers, Some(bytes)) => Command::Memory(Nvm::WriteLong { offset, bytes }),
            (Way::Operations | Way::ExtendedOperations, None) => self.operate(NvmOperation::Read {
                offset,
                length: u8::try_from(length).unwrap_or_default(),
            }),
            (Way::Operations | Way::ExtendedOperations, Some(bytes)) => {
                self.operate(NvmOperation::Write { offset, bytes })
            }
        }
    }

    /// Takes an answer; says what follows when the dongle is free again.
    fn answered(&mut self, now: MonoTime, answer: Option<&[u8]>) -> Option<After> {
        match std::mem::replace(&mut self.stage, Stage::Paused(now)) {
            Stage::Chip => match answer.and_then(<[u8]>::last_chunk::<2>) {
                Some([kind, version]) => {
                    self.kind.chip = (*kind, *version);
                    self.stage = Stage::Library;
                    None
                }
                None => Some(silent()),
            },
            Stage::Library => {
                let answer = answer.unwrap_or_default();
                let name = answer.split(|byte| *byte == 0).next().unwrap_or_default();
                self.kind.library = String::from_utf8_lossy(name).into_owned();
                self.stage = if self.kind.way == Way::Buffers {
                    Stage::Silence
                } else {
                    Stage::Open
                };
                None
            }
            Stage::Silence => {
                self.stage = Stage::Open;
                None
            }
            Stage::Open => self.opened(answer),
            Stage::Piece => {
                self.stage = Stage::Piece;
                self.piece_done(answer);
                None
            }
            Stage::Closing(after) => {
                // Read pieces are whole whatever the dongle says of closing.
                Some(after)
            }
            Stage::Listen(after) => Some(after),
            stage @ (Stage::Paused(_) | Stage::Restarting) => {
                self.stage = stage;
                None
            }
        }
    }

    fn close(&mut self, after: After) {
        self.stage = if self.kind.way == Way::Buffers {
            Stage::Listen(after)
        } else {
            Stage::Closing(after)
        };
    }

    fn opened(&mut self, answer: Option<&[u8]>) -> Option<After> {
        let size = match self.kind.way {
            Way::Buffers => answer.and_then(|answer| parse_nvm_size(answer).ok().flatten()),
            Way::Operations | Way::ExtendedOperations => {
                let extended = self.kind.way == Way::ExtendedOperations;
                let opened = answer.and_then(|answer| parse_nvm_answer(extended, answer).ok());
                opened
                    .filter(|opened| opened.status == NvmStatus::Ok)
                    .map(|opened| {
                        if opened.number == 0 {
                            SIZE_OF_ZERO
                        } else {
                            opened.number
                        }
                    })
            }
        };
        let Some(size) = size.filter(|size| *size <= MEMORY_BYTES_MAX) else {
            self.close(silent());
            return None;
        };
        self.kind.size = size;
        match self.image.as_ref().map(|image| image.fits(&self.kind)) {
            Some(Err(error)) => self.close(After::Failed(error.to_string())),
            Some(Ok(())) | None => self.stage = Stage::Piece,
        }
        None
    }

    fn piece_done(&mut self, answer: Option<&[u8]>) {
        let wanted = self.piece();
        let reading = self.image.is_none();
        let got = match self.kind.way {
            Way::Buffers if reading => answer.map(|bytes| (bytes, false)),
            Way::Buffers => answer
                .filter(|answer| answer.first().is_some_and(|done| *done != 0))
                .map(|_| ([].as_slice(), false)),
            Way::Operations | Way::ExtendedOperations => {
                let extended = self.kind.way == Way::ExtendedOperations;
                let Some(parsed) = answer.and_then(|answer| parse_nvm_answer(extended, answer).ok()) else {
                    return self.close(silent());
                };
                match parsed.status {
                    NvmStatus::Failed(_) => None,
                    NvmStatus::Ok | NvmStatus::End => {
                        let last = parsed.status == NvmStatus::End;
                        return self.piece_taken(parsed.bytes.expose(), wanted, last);
                    }
                }
            }
        };
        match got {
            Some((bytes, last)) => self.piece_taken(bytes, wanted, last),
            None => self.close(After::Failed(
                "the dongle stopped in the middle of its memory; unplug it, plug it in and try again"
                    .to_owned(),
            )),
        }
    }

    fn piece_taken(&mut self, bytes: &[u8], wanted: u32, last: bool) {
        let taken = if self.image.is_none() {
            let taken = bytes
                .get(..usize::try_from(wanted).unwrap_or_default())
                .unwrap_or(bytes);
            self.bytes.extend_from_slice(taken);
            u32::try_from(taken.len()).unwrap_or_default()
        } else {
            wanted
        };
        self.offset = self.offset.saturating_add(taken);
        if self.offset >= self.kind.size {
            self.close(After::Done);
        } else if taken == 0 || last {
            self.close(After::Failed(
                "the dongle's memory ends before it should; unplug it, plug it in and try again".to_owned(),
            ));
        }
    }
}

fn silent() -> After {
    After::Failed(
        "the dongle does not let its memory be read; unplug it, plug it in and try again".to_owned(),
    )
}
